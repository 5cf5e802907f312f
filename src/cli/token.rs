//! `smsluice token`: tokens for the admin API over TCP.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use crate::config::tokens::{self, Role};
use crate::domain::{Clock, hex};

use super::failure::{Failure, Told, code, finish};
use super::table::aligned;

/// Make or list the tokens of the admin API.
///
/// A token is printed once; the file keeps only its SHA-256. Taking one back is removing its
/// entry from the file: a running gateway notices within a second.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  smsluice token new --role network --name duty.desk --file /etc/smsluice/tokens.toml
  smsluice token new --role view --role unit:hf6202 --name hefei --config /etc/smsluice --expires-in 90d
  smsluice token ls --file /etc/smsluice/tokens.toml

Roles: view, unit:ACCOUNT (one account only), network (holds), operate (sessions, drain, log
level), policy (reload), ledger (look-up, release), audit, admin. All but unit: include view.
Name the file as admin.tokens_file in smsluice.toml.

Exit codes: 0 done, 1 the file cannot be written, 2 usage, 6 the name is taken, 7 the file is invalid.")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token, print it, keep its hash
    New {
        /// What it allows; repeatable
        #[arg(long = "role", value_name = "ROLE", required = true, value_parser = role)]
        roles: Vec<Role>,
        /// Who holds it; stands in the audit
        #[arg(long)]
        name: String,
        /// From then on it is refused
        #[arg(long, value_name = "SPAN", value_parser = super::span)]
        expires_in: Option<Duration>,
        #[command(flatten)]
        place: Where,
    },
    /// Names, roles and dates; no token can be told from the file
    Ls {
        #[command(flatten)]
        place: Where,
    },
}

#[derive(Debug, ClapArgs)]
struct Where {
    /// The tokens file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Configuration folder whose smsluice.toml names the file
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    config: Option<PathBuf>,
}

fn role(text: &str) -> Result<Role, String> {
    text.parse()
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    finish(match &args.verb {
        Verb::New { roles, name, expires_in, place } => place.file().and_then(|file| {
            let roles = roles.iter().cloned().collect();
            new(&file, name, &roles, *expires_in)
        }),
        Verb::Ls { place } => place.file().and_then(|file| list(&file)),
    })
}

impl Where {
    fn file(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let folder = self.config.clone().ok_or_else(|| Failure::usage("name the file: --file FILE or --config DIR"))?;
        let settings = crate::config::load_settings(&folder);
        let settings = settings.map_err(|problems| Failure::new(code::INVALID, problems))?;
        settings.admin.tokens_file.ok_or_else(|| {
            Failure::usage(format!("{} names no admin.tokens_file", folder.join("smsluice.toml").display()))
        })
    }
}

fn new(file: &Path, name: &str, roles: &BTreeSet<Role>, expires_in: Option<Duration>) -> Told {
    if !tokens::is_name(name) {
        return Err(Failure::usage(format!("`{name}` is no name: 1 to 64 letters, digits, `.`, `-`, `_`, `@`")));
    }
    if file.exists() {
        let there = tokens::load(file).map_err(|problems| Failure::new(code::INVALID, problems))?;
        if there.iter().any(|own| own.name == name) {
            return Err(Failure::new(code::CONFLICT, format!("error: there is a token for `{name}` already")));
        }
    }
    let token = random().map_err(|error| Failure::new(code::FAILED, format!("error: no random numbers: {error}")))?;
    let now = Clock::System.now();
    let expires = expires_in.map(|span| now.plus(span));
    let entry = tokens::entry(name, roles, &tokens::digest(&token), now, expires);
    append(file, &entry).map_err(|error| Failure::new(code::FAILED, format!("error: {}: {error}", file.display())))?;
    eprintln!("the token of {name}; it is not shown again:");
    Ok(token + "\n")
}

/// 256 random bits.
fn random() -> Result<String, getrandom::Error> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets)?;
    Ok(format!("{}{}", tokens::PREFIX, hex(&octets)))
}

/// The file is its owner's alone from the start.
fn append(file: &Path, entry: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    let gap = if file.metadata()?.len() > 0 { "\n" } else { "" };
    file.write_all(format!("{gap}{entry}").as_bytes())?;
    file.sync_all()
}

fn list(file: &Path) -> Told {
    let tokens = tokens::load(file).map_err(|problems| Failure::new(code::INVALID, problems))?;
    let head = ["name", "roles", "created", "expires"].map(str::to_owned).to_vec();
    let line = |token: &tokens::Token| {
        let roles = token.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let expires = token.expires.map_or_else(|| "-".to_owned(), |moment| moment.to_string());
        vec![token.name.clone(), roles, token.created.clone().unwrap_or_else(|| "-".to_owned()), expires]
    };
    Ok(aligned(&std::iter::once(head).chain(tokens.iter().map(line)).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_hash_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokens.toml");
        let roles = BTreeSet::from([Role::Network]);
        let token = new(&file, "duty", &roles, Some(Duration::from_secs(60))).expect("made");
        let other = new(&file, "view", &BTreeSet::from([Role::View]), None).expect("made");
        assert!(token != other && token.trim().len() == tokens::PREFIX.len() + 64);
        assert_eq!(new(&file, "duty", &roles, None).map_err(|failure| failure.code), Err(code::CONFLICT));
        assert_eq!(new(&file, "no name", &roles, None).map_err(|failure| failure.code), Err(code::USAGE));
        let text = std::fs::read_to_string(&file).expect("written");
        assert!(!text.contains(token.trim()));
        let kept = tokens::load(&file).expect("valid");
        assert_eq!((kept.len(), kept[0].sha256), (2, tokens::digest(token.trim())));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("there").permissions());
        assert_eq!(mode & 0o777, 0o600);
        let listed = list(&file).expect("listed");
        assert!(listed.lines().count() == 3 && listed.contains("network"), "{listed}");
    }
}
