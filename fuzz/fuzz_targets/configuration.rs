//! The target of this name in `lib.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| lb_fuzz::configuration(text));
