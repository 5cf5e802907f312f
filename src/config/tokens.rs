//! The tokens file: who may use the admin API, and with which roles.
//!
//! A token is 256 random bits and is kept as its SHA-256 only. (A slow hash guards passwords that people choose;
//! 256 random bits cannot be guessed, and a slow hash on every request would be a way to keep the gateway busy.)

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Moment, hex};
use crate::registry::Department;

use super::document::Document;
use super::problem::{Problem, Problems};

/// Octets of the file at most.
const FILE_MAX: u64 = 1024 * 1024;
/// What every token begins with, so that a leaked one is recognised.
pub const PREFIX: &str = "smsluice_";

/// What a token allows. Every role but `unit:` and `applicant:` includes `view`; `admin` includes all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees status, accounts, sessions, holds, policy, refusals.
    View,
    /// Sees one account and what concerns it.
    Unit(Box<str>),
    /// Places and ends holds.
    Network,
    /// Ends sessions, drains, sets the log level, verifies and backs up the ledger.
    Operate,
    /// Reloads the configuration.
    Policy,
    /// Looks numbers up, releases unknown outcomes, keeps the list of those who opted out.
    Ledger,
    /// Looks up what became of a subscriber's messages, from the records.
    Records,
    /// Applies for a unit's campaigns (F1).
    Applicant(Box<str>),
    /// Reviews, approves or closes campaigns for a department (3.1-3.4, F11, F12, F14).
    Reviewer(Department),
    /// Reads the record of operators' acts.
    Audit,
    /// All of it.
    Admin,
}

/// One token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Who holds it; named in the audit.
    pub name: String,
    /// What it allows.
    pub roles: BTreeSet<Role>,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// When it was made, as written.
    pub created: Option<String>,
    /// From when on it is refused.
    pub expires: Option<Moment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    token: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    name: String,
    roles: Vec<String>,
    sha256: String,
    created: Option<String>,
    expires: Option<String>,
}

/// Reads a tokens file, or tells everything that is wrong with it.
pub fn load(path: &Path) -> Result<Vec<Token>, Problems> {
    let file = path.display().to_string();
    let failed = |message: String| Problems(vec![Problem::error(&file, "file", message).hint(HOW)]);
    let text = match std::fs::metadata(path) {
        Ok(meta) if meta.len() > FILE_MAX => return Err(failed("is too large".to_owned())),
        Ok(meta) if std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o022 != 0 => {
            return Err(failed("others than its owner may write to it: chmod go-w".to_owned()));
        }
        Ok(_) => std::fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?,
        Err(error) => return Err(failed(format!("cannot be read: {error}"))),
    };
    let mut problems = Vec::new();
    let mut document = Document::parse(&file, &text, &mut problems);
    let entries: File = document.decode(&mut problems);
    let mut tokens: Vec<Token> = Vec::new();
    for (index, entry) in entries.token.into_iter().enumerate() {
        match entry.token() {
            Ok(token) if tokens.iter().any(|own| own.name == token.name) => {
                let message = format!("`{}` is there twice", token.name);
                problems.push(document.problem(&format!("token.{index}.name"), message));
            }
            Ok(token) => tokens.push(token),
            Err((key, message)) => problems.push(document.problem(&format!("token.{index}.{key}"), message)),
        }
    }
    if problems.iter().any(Problem::is_error) { Err(Problems(problems)) } else { Ok(tokens) }
}

const HOW: &str = "make one with `smsluice token new --role view --name NAME`";

/// The lines that a token's entry in the file is.
pub fn entry(
    name: &str,
    roles: &BTreeSet<Role>,
    sha256: &[u8; 32],
    created: Moment,
    expires: Option<Moment>,
) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        name: &'a str,
        roles: Vec<String>,
        sha256: String,
        created: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    }
    let line = Line {
        name,
        roles: roles.iter().map(ToString::to_string).collect(),
        sha256: hex(sha256),
        created: created.to_string(),
        expires: expires.map(|moment| moment.to_string()),
    };
    format!("[[token]]\n{}", toml::to_string(&line).unwrap_or_default())
}

/// What is kept of a token.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Entry {
    fn token(self) -> Result<Token, (&'static str, String)> {
        if !is_name(&self.name) {
            return Err(("name", format!("`{}` is no name: 1 to 64 letters, digits, `.`, `-`, `_`, `@`", self.name)));
        }
        let roles: Result<BTreeSet<Role>, String> = self.roles.iter().map(|role| role.parse()).collect();
        let roles = roles.map_err(|message| ("roles", message))?;
        if roles.is_empty() {
            return Err(("roles", "a token without a role is of no use".to_owned()));
        }
        let sha256 = unhex(&self.sha256).ok_or(("sha256", "expected 64 hexadecimal digits".to_owned()))?;
        let expires = self.expires.map(|text| {
            Moment::parse(&text).ok_or_else(|| ("expires", format!("`{text}` is no time: 2026-11-24T09:30:00+08:00")))
        });
        Ok(Token { name: self.name, roles, sha256, created: self.created, expires: expires.transpose()? })
    }
}

/// Whether a text may be the name of a token.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-_@".contains(&octet))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|ch| ch.to_digit(16).map(|digit| digit as u8)).collect();
    let octets: Vec<u8> = digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if text.len() == 64 { octets.try_into().ok() } else { None }
}

// === impl Role ===

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "view" => Self::View,
            "network" => Self::Network,
            "operate" => Self::Operate,
            "policy" => Self::Policy,
            "ledger" => Self::Ledger,
            "records" => Self::Records,
            "audit" => Self::Audit,
            "admin" => Self::Admin,
            _ => match text.split_once(':') {
                Some(("unit", account)) if !account.is_empty() && account.len() <= 63 => Self::Unit(account.into()),
                Some(("applicant", unit)) if !unit.trim().is_empty() && unit.len() <= 200 => {
                    Self::Applicant(unit.into())
                }
                Some(("reviewer", department)) => Self::Reviewer(department.parse()?),
                _ => {
                    return Err(format!(
                        "`{text}` is no role: view, unit:ACCOUNT, network, operate, policy, ledger, records, audit, \
                         applicant:UNIT, reviewer:DEPARTMENT, admin"
                    ));
                }
            },
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::View => f.write_str("view"),
            Self::Unit(account) => write!(f, "unit:{account}"),
            Self::Network => f.write_str("network"),
            Self::Operate => f.write_str("operate"),
            Self::Policy => f.write_str("policy"),
            Self::Ledger => f.write_str("ledger"),
            Self::Records => f.write_str("records"),
            Self::Applicant(unit) => write!(f, "applicant:{unit}"),
            Self::Reviewer(department) => write!(f, "reviewer:{department}"),
            Self::Audit => f.write_str("audit"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        (folder, path)
    }

    #[test]
    fn an_entry_that_was_written_is_read_back() {
        let roles = BTreeSet::from([
            Role::Network,
            Role::Unit("hf6202".into()),
            Role::Applicant("合肥".into()),
            Role::Reviewer(Department::Marketing),
        ]);
        let made = Moment::parse("2026-11-24T09:30:00+08:00").expect("valid");
        let text = entry("duty.desk", &roles, &digest("secret"), made, Some(made));
        let (_folder, path) = file(&format!("# kept\n{text}\n{}", entry("b", &roles, &digest("x"), made, None)));
        let tokens = load(&path).expect("valid");
        assert_eq!((tokens.len(), &tokens[0].roles, tokens[0].sha256), (2, &roles, digest("secret")));
        assert_eq!((tokens[0].expires, tokens[1].expires), (Some(made), None));
        assert!(!text.contains("secret"));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let hash = "0".repeat(64);
        let text = format!(
            "[[token]]\nname = \"a\"\nroles = [\"views\"]\nsha256 = \"{hash}\"\n[[token]]\nname = \"b\"\nroles = []\n\
             [[token]]\nname = \"c\"\nroles = [\"view\"]\nsha256 = \"12\"\n[[token]]\nname = \"d e\"\n\
             [[token]]\nname = \"f\"\nroles = [\"view\"]\nsha256 = \"{hash}\"\nkey = 1\n"
        );
        let (_folder, path) = file(&text);
        let problems = load(&path).expect_err("refused").0;
        let lines: BTreeSet<_> = problems.iter().filter_map(|problem| problem.line).collect();
        assert_eq!(lines, BTreeSet::from([3, 7, 11, 13, 18]), "{problems:#?}");
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let (_folder, path) = file("");
        assert_eq!(load(&path), Ok(Vec::new()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).expect("set");
        assert!(load(&path).is_err());
        assert!(load(Path::new("/nonexistent")).is_err());
    }
}
