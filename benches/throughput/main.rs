//! The cost of `lb` beside other proxies: CPU time per request, requests a second, latency, memory.
//!
//! Every proxy is a process of its own on one core, or on two where that is the question, with the
//! same backends and the same clients on the others, and has its turn in every round, so that other
//! work of the machine affects all of them. CPU time comes from the accounting of the operating
//! system: it holds on a noisy machine, where requests a second do not.
//!
//! This program also provides the other processes: started with a role, it is a backend, or a
//! Pingora proxy that only forwards. With our allocator, that is another program,
//! `benches/bare.rs`.

#![expect(clippy::expect_used, reason = "a bench may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod backend;
mod bare;
mod cargo;
mod certificate;
mod clients;
mod cores;
mod figures;
mod group;
mod incident;
mod machine;
mod proxies;
mod report;
mod role;
mod round;
mod scaling;
mod started;
mod table;
mod workload;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use pingora_core::{listeners::L4BufferSettings, server::configuration::ServerConf};

use crate::{cores::Cores, report::Report, workload::Workload};

#[derive(Debug, Parser)]
#[command(name = "throughput")]
struct Args {
    /// Two workloads, about a minute: what comes without any option
    #[arg(long, conflicts_with = "full")]
    short: bool,
    /// Every workload, about forty minutes
    #[arg(long)]
    full: bool,
    /// Only workloads with this in their names
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only proxies with this in their names, and the first, which the others are compared with
    #[arg(long, value_name = "NAME")]
    proxy: Option<String>,
    /// How often each proxy has its turn [default: 3, with --full 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// How long a turn is [default: 1.2s, with --full 2s]
    #[arg(long, value_parser = humantime::parse_duration)]
    turn: Option<Duration>,
    /// Another build of lb than the one that cargo has made for the bench
    #[arg(long, value_name = "FILE")]
    lb: Option<PathBuf>,
    /// Writes the tables as Markdown too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The role of this program, if it is not the bench.
#[derive(Debug, Subcommand)]
enum Role {
    /// A backend, which prints its port
    #[command(hide = true)]
    Backend {
        #[arg(long)]
        delay_ms: u64,
    },
    /// A Pingora proxy that only forwards
    #[command(hide = true)]
    Bare(bare::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.role {
        Some(Role::Backend { delay_ms }) => backend::serve(Duration::from_millis(delay_ms)),
        Some(Role::Bare(args)) => {
            bare::serve(args, ServerConf::default(), L4BufferSettings::default())
        }
        None if args.bench => return group::run(move || measure(&args)),
        None => println!("run it with: cargo bench --bench throughput -- --short or --full"),
    }
    ExitCode::SUCCESS
}

fn measure(args: &Args) {
    let plan = round::Plan {
        rounds: args.rounds.unwrap_or(if args.full { 5 } else { 3 }),
        turn: args.turn.unwrap_or(Duration::from_millis(if args.full { 2000 } else { 1200 })),
    };
    if let Some(lb) = &args.lb {
        proxies::OTHER_LB.get_or_init(|| lb.clone());
    }
    machine::allow_many_files();
    let allowed = cores::allowed();
    let mut report = Report::new(&Cores::divide(&allowed, 1), &plan, args.proxy.as_deref());
    for workload in workload::all() {
        if !is_wanted(&workload, args) {
            continue;
        }
        if allowed.len() < workload.cores {
            println!("\n{}: left out, as this machine has one core", workload.name);
            continue;
        }
        let proxies = proxies::of(&workload, args.proxy.as_deref());
        let cores = Cores::divide(&allowed, workload.cores);
        cores.keep_to_the_others();
        report.add(&workload, &round::measure(&workload, &proxies, &plan, &cores), &cores);
    }
    if let Some(file) = &args.markdown {
        fs::write(file, report.markdown()).expect("a file to write to");
    }
}

/// Whether to run a workload; one that is named on the command line is run in every mode.
fn is_wanted(workload: &Workload, args: &Args) -> bool {
    match &args.only {
        Some(name) => workload.name.contains(name.as_str()),
        None => args.full || workload.is_short,
    }
}
