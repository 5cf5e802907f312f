//! `smsluice sessions`: who is bound, and sending somebody away.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use hyper::Method;
use serde_json::json;

use super::client::{Reach, query};
use super::failure::{EXIT_CODES, Told, acted, described, finish, listed};
use super::table::Column;

const COLUMNS: &[Column] = &[
    ("session", "会话", "/id"),
    ("account", "账号", "/account"),
    ("bind", "绑定", "/bind"),
    ("version", "版本", "/interface_version"),
    ("peer", "来源", "/peer"),
    ("since", "自", "/since"),
    ("in flight", "在途", "/in_flight"),
    ("last PDU", "最近消息", "/last_pdu_at"),
    ("smsc", "短信中心", "/upstream/smsc"),
];

/// List bound sessions, show one, or end one.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice sessions ls --account hf6202
  smsluice sessions kick 17 --reason 'password may be known'

Answers to what is in flight are waited for, then both sides get an unbind. The sender may bind
again: to keep it out, change the account.

{EXIT_CODES}"))]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sessions bound now
    Ls {
        /// Of this account only
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// One session
    Show {
        /// Its number
        id: u64,
    },
    /// End a session: unbind, then close
    Kick {
        /// Its number
        id: u64,
        /// Why; goes on record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let (client, reach) = (args.reach.client()?, &args.reach);
    match &args.verb {
        Verb::Ls { account } => {
            let limit = Some("1000".to_owned());
            let list = client.get(&query("sessions", &[("limit", limit), ("account", account.clone())])).await?;
            Ok(listed(reach, &list, COLUMNS))
        }
        Verb::Show { id } => Ok(described(reach, &client.get(&format!("sessions/{id}")).await?)),
        Verb::Kick { id, reason } => {
            let done = client.send(Method::DELETE, &format!("sessions/{id}"), &json!({ "reason": reason })).await?;
            let account = done["session"]["account"].as_str().unwrap_or_default();
            Ok(acted(reach, &done, |chinese| {
                if chinese {
                    format!("会话 {id}({account})已断开")
                } else {
                    format!("session {id} of {account} ends")
                }
            }))
        }
    }
}
