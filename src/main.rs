//! The binary.

use std::process::ExitCode;

use clap::Parser;
use smsluice::cli::check;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Checks a configuration folder
    Check(check::CheckArgs),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Check(args) => check::run(&args),
    }
}
