//! Floor 5: the command line; one subcommand a file.

pub mod load;
mod peers;
pub mod smsc;

use std::process::ExitCode;

use clap::Parser;

/// An SMPP proxy that keeps bulk SMS within the operator's rules.
#[derive(Debug, Parser)]
#[command(name = "smsluice", version)]
enum Command {
    Smsc(Box<smsc::Args>),
    Load(Box<load::Args>),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let command = Command::parse();
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads to a process that starts");
    match command {
        Command::Smsc(args) => runtime.block_on(smsc::run(*args)),
        Command::Load(args) => runtime.block_on(load::run(*args)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Command::command().debug_assert();
    }
}
