//! `smsluice record`: are the records of messages what was sealed?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use hyper::Method;
use serde_json::json;

use crate::ledger::seal::check::{Checked, check};

use super::client::Reach;
use super::failure::{EXIT_CODES, Failure, Told, code, described, finish};

/// Check that the records of closed days are what was sealed.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice record verify
  smsluice record verify --head 5f2c…  # a head that was kept elsewhere: an event day_sealed of the log
  smsluice record verify --folder /mnt/copy/data

Each closed day is sealed with a hash over all its rows, behind the hash of the day before. A row that was changed,
taken out, put in or put elsewhere since is named. What is written today is not sealed yet.

{EXIT_CODES} 9 something is not what was sealed."))]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read every sealed day and name what is not as it was
    Verify {
        /// 64 hexadecimal digits: one of the seals has to have this hash
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        /// A copy of a ledger's folder, in place of the running gateway's
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let Verb::Verify { head, folder } = &args.verb;
    let found = match folder {
        Some(folder) => view(&local(folder, head.as_deref())?),
        None => args.reach.client()?.send(Method::POST, "records:verify", &json!({ "head": head })).await?,
    };
    let text = described(&args.reach, &found);
    if found["ok"] == true { Ok(text) } else { Err(Failure::found(code::PROBLEMS, text)) }
}

fn local(folder: &std::path::Path, head: Option<&str>) -> Result<Checked, Failure> {
    if !folder.is_dir() {
        return Err(Failure::usage(format!("{} is no folder", folder.display())));
    }
    check(folder, head).map_err(|error| Failure::new(code::FAILED, format!("error: {error}")))
}

/// The same as the API answers.
fn view(checked: &Checked) -> serde_json::Value {
    serde_json::to_value(crate::admin::api::SealsView::of(checked)).unwrap_or_default()
}
