//! `grpc-health`: serves health statuses, and asks servers for health statuses.
#![forbid(unsafe_code)]

mod args;
mod ask;
mod balancers;
mod cells;
mod control;
mod escape;
mod follow;
mod interrupts;
mod json;
mod lasted;
mod listen;
mod metrics;
mod name;
mod output;
mod pages;
mod place;
mod probe;
mod probers;
mod query;
mod serve;
mod sidecar;
mod since;
mod status;
mod systemd;
mod terminal;
mod tls;
mod values;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use output::Exit;

fn main() -> ExitCode {
    match probe::asked(std::env::args_os()) {
        Some(flags) => probe::run(flags),
        None => command(),
    }
}

/// Every command but the probe. Never a part of `main`, or the stack of a probe would have room for what all commands need.
#[inline(never)]
fn command() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(Cli {
            command: Command::Serve(args),
        }) => serve::run(&args),
        Ok(Cli {
            command: Command::Check(args),
        }) => query::check(&args),
        Ok(Cli {
            command: Command::Watch(args),
        }) => follow::watch(&args),
        Ok(Cli {
            command: Command::Wait(args),
        }) => follow::wait(&args),
        Ok(Cli {
            command: Command::Probe(args),
        }) => return probe::run(args.flags.into_iter()),
        Ok(Cli {
            command: Command::List(args),
        }) => query::list(&args),
        Ok(Cli {
            command: Command::Set(args),
        }) => control::set(&args),
        Ok(Cli {
            command: Command::Clear(args),
        }) => control::clear(&args),
        Ok(Cli {
            command: Command::Beat(args),
        }) => control::beat(&args),
        Ok(Cli {
            command: Command::Shutdown(args),
        }) => control::shutdown(&args),
        Ok(Cli {
            command: Command::Resume(args),
        }) => control::resume(&args),
        Ok(Cli {
            command: Command::Completions(args),
        }) => pages::completions(&args, Cli::command()),
        Ok(Cli {
            command: Command::Man(args),
        }) => pages::man(&args, Cli::command()),
        Err(error) => {
            // clap returns help and version as an "error", too. A failure to print cannot be reported anywhere.
            let _ = error.print();
            if error.use_stderr() {
                Exit::Arguments
            } else {
                Exit::Serving
            }
        }
    };
    exit.into()
}
