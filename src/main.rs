//! The `smsluice` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    smsluice::cli::main()
}
