//! The binary: everything is in the library except the allocator, which is a program's choice.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    lb::cli::run()
}
