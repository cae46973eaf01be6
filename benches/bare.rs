//! The bare proxy of `throughput` with `lb`'s settings: its allocator, its buffers, and no work
//! stealing between threads. It is a program of its own because an allocator is a program's choice;
//! `throughput` starts it, and by itself it measures nothing.

#![expect(clippy::expect_used, reason = "a bench may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "it says what it is for")]

#[path = "throughput/bare.rs"]
mod bare;
#[path = "throughput/role.rs"]
mod role;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use pingora_core::{listeners::L4BufferSettings, server::configuration::ServerConf};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "bare")]
struct Args {
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// A Pingora proxy that only forwards
    #[command(hide = true)]
    Bare(bare::Args),
}

fn main() {
    let Some(Role::Bare(args)) = Args::parse().role else {
        println!("a proxy that the bench `throughput` starts; by itself it measures nothing");
        return;
    };
    let conf = ServerConf { work_stealing: false, ..ServerConf::default() };
    bare::serve(args, conf, L4BufferSettings { read: Some(0), write: None });
}
