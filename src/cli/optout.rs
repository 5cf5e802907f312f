//! `smsluice optout`: subscribers who asked not to be sent to.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use crate::domain::Msisdn;

use super::client::Reach;
use super::failure::{EXIT_CODES, Failure, Told, acted, code, described, finish, listed};
use super::table::Column;

/// Numbers sent at once.
const SENT_AT_ONCE: usize = 3000;
/// Octets of a file at most.
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// Subscribers who opted out: nothing is sent to them.
///
/// An entry binds all governed accounts, or one. The list is in force when optout.scope is `all` or `account`
/// in policy.toml; then a subscriber's answer T, TD or 退订 enters one too. In force when the command returns.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  echo 13855100001 | smsluice optout add - --reason 'by telephone'
  smsluice optout import refused.csv --account hf6202 --reason 'list of November'
  smsluice optout remove 13855100001 --reason 'consents again'
  smsluice optout ls --of 13855100001
  smsluice optout count

A number given as `-` is read from standard input and so stays out of the shell's history; numbers are shown masked.
A file has a number at the begin of each line; what follows it, and lines without one, are passed over.
The role of a token: ledger; for count any that sees.

{EXIT_CODES}"))]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Enter a subscriber
    Add(One),
    /// Take a subscriber out of the list
    Remove(One),
    /// Enter the subscribers of a file
    Import {
        /// The file, a number a line; `-` reads standard input
        file: PathBuf,
        #[command(flatten)]
        why: Why,
    },
    /// Entries, numbers masked
    Ls {
        /// Of this subscriber only; `-` reads it from standard input
        #[arg(long, value_name = "NUMBER")]
        of: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Behind this id only
        #[arg(long, value_name = "ID", default_value_t = 0)]
        after: u64,
    },
    /// How many there are, and whether the list is in force
    Count,
}

#[derive(Debug, ClapArgs)]
struct One {
    /// The subscriber; `-` reads it from standard input
    number: String,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, ClapArgs)]
struct Why {
    /// Of what this account sends; of all accounts unless given
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Why; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    const COLUMNS: &[Column] = &[
        ("id", "序号", "/id"),
        ("number", "号码", "/number"),
        ("account", "账号", "/account"),
        ("at", "时间", "/at"),
        ("by", "来源", "/via"),
    ];
    let (reach, client) = (&args.reach, args.reach.client()?);
    match &args.verb {
        Verb::Add(one) => changed(reach, "add", vec![given(&one.number)?], &one.why).await,
        Verb::Remove(one) => changed(reach, "remove", vec![given(&one.number)?], &one.why).await,
        Verb::Import { file, why } => changed(reach, "add", numbers(file)?, why).await,
        Verb::Ls { of: Some(number), .. } => {
            let body = json!({ "number": given(number)? });
            Ok(listed(reach, &client.send(Method::POST, "optouts:lookup", &body).await?, COLUMNS))
        }
        Verb::Ls { of: None, limit, after } => {
            let (mut found, mut behind) = (Vec::new(), *after);
            while found.len() < *limit {
                let page = (limit - found.len()).min(1000);
                let Value::Array(part) = client.get(&format!("optouts?limit={page}&cursor={behind}")).await? else {
                    break;
                };
                let Some(last) = part.last().and_then(|one| one["id"].as_u64()) else { break };
                behind = last;
                found.extend(part);
            }
            Ok(listed(reach, &Value::Array(found), COLUMNS))
        }
        Verb::Count => Ok(described(reach, &client.get("optouts:count").await?)),
    }
}

async fn changed(reach: &Reach, verb: &str, numbers: Vec<String>, why: &Why) -> Told {
    let (client, given) = (reach.client()?, numbers.len());
    let (mut changed, mut last) = (0, Value::Null);
    for part in numbers.chunks(SENT_AT_ONCE) {
        let body = json!({ "numbers": part, "account": why.account, "reason": why.reason });
        last = client.send(Method::POST, &format!("optouts:{verb}"), &body).await?;
        changed += last["changed"].as_u64().unwrap_or(0);
    }
    last["changed"] = changed.into();
    let entries = super::table::shown(&last["entries"]);
    let in_force = last["in_force"] == true;
    Ok(acted(reach, &last, |chinese| match (in_force, chinese) {
        (true, false) => format!("{changed} of {given} changed the list; it has {entries}"),
        (true, true) => format!("{given} 个号码中 {changed} 个使名单变更,现有 {entries} 条"),
        (false, false) => {
            format!("{changed} of {given} changed the list; it has {entries} and is NOT in force: set optout.scope")
        }
        (false, true) => {
            format!("{given} 个号码中 {changed} 个使名单变更,现有 {entries} 条;名单未启用,请设 optout.scope")
        }
    }))
}

/// A number of the command line.
fn given(number: &str) -> Result<String, Failure> {
    if number != "-" {
        return Ok(number.to_owned());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::usage(format!("standard input: {error}")))?;
    Ok(line.trim().to_owned())
}

/// The numbers of a file, each at the begin of its line.
fn numbers(file: &std::path::Path) -> Result<Vec<String>, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::new(code::INVALID, format!("error: {}: {why}", file.display()));
    let mut octets = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(FILE_MAX).read_to_end(&mut octets)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(FILE_MAX).read_to_end(&mut octets))
    };
    read.map_err(|error| failed(&error))?;
    let text = String::from_utf8_lossy(&octets);
    let (found, wrong) = of_lines(text.trim_start_matches('\u{FEFF}'));
    if let Some(line) = wrong {
        return Err(failed(&format!(
            "line {line}: begins with digits that are no mainland mobile number; nothing was entered"
        )));
    }
    if found.is_empty() { Err(failed(&"there is no number in it")) } else { Ok(found) }
}

/// The numbers at the begins of lines, and the first line that begins with other digits.
fn of_lines(text: &str) -> (Vec<String>, Option<usize>) {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let word =
            line.trim_start().trim_start_matches('"').split([',', ';', '\t', ' ', '"']).next().unwrap_or_default();
        if !word.trim_start_matches('+').starts_with(|ch: char| ch.is_ascii_digit()) {
            continue; // a head, a remark, an empty line
        }
        match Msisdn::parse(0, 0, word.as_bytes(), false) {
            Ok(number) => found.push(number.get().to_string()),
            Err(_) => return (found, Some(index + 1)),
        }
    }
    (found, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_number_at_the_begin_of_its_lines() {
        let text = "number,note\n13855100001,x\n\n  \"+8613855100002\";y\n# 13855100003\n8613855100004\t\n";
        let expected = ["13855100001", "13855100002", "13855100004"].map(str::to_owned).to_vec();
        assert_eq!(of_lines(text), (expected, None));
        assert_eq!(of_lines("13855100001\n1385510\n").1, Some(2));
    }
}
