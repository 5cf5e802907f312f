//! Verbs that need no gateway: `completions`, `man`, `version`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, CommandFactory as _};

use crate::admin::api::Build;

use super::failure::{Failure, Told, code, finish};

/// Print completions for a shell.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  smsluice completions bash > /etc/bash_completion.d/smsluice
  smsluice completions zsh > ~/.zfunc/_smsluice")]
pub struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Write manual pages, one a verb, into a folder.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:
  smsluice man /usr/local/share/man/man1")]
pub struct ManArgs {
    /// The folder; it has to exist
    dir: PathBuf,
}

/// Print which program this is.
#[derive(Debug, ClapArgs)]
pub struct VersionArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `completions`.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::Command::command(), "smsluice", &mut text);
    finish(Ok(String::from_utf8_lossy(&text).into_owned()))
}

/// Runs `man`.
pub fn man(args: &ManArgs) -> ExitCode {
    let mut command = super::Command::command();
    command.build();
    let written = clap_mangen::generate_to(command, &args.dir);
    finish(
        written
            .map(|()| String::new())
            .map_err(|error| Failure::new(code::FAILED, format!("error: {}: {error}", args.dir.display()))),
    )
}

/// Runs `version`.
pub fn version(args: &VersionArgs) -> ExitCode {
    finish(told(args))
}

fn told(args: &VersionArgs) -> Told {
    if !args.json {
        return Ok(format!("smsluice {}\n", env!("CARGO_PKG_VERSION")));
    }
    let text = serde_json::to_string_pretty(&Build::own());
    text.map(|text| text + "\n").map_err(|error| Failure::new(code::FAILED, error))
}
