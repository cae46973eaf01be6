//! The target of this name in `lib.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lb_fuzz::http2_client(bytes));
