//! Who asks, and whether they may.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::config::tokens::{self, Role, Token};
use crate::domain::Moment;
use crate::registry::workflow;

/// How often the tokens file is looked at, at most.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
/// No token is longer.
const TOKEN_MAX: usize = 256;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name, or `uid:N` on the local socket.
    pub who: String,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// Where from: an address, or `socket`.
    pub from: String,
}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// To see.
    View,
    /// To see, or to see what belongs to one's own account.
    ViewOwn,
    /// A role of this word, or `admin`.
    Only(&'static str),
    /// To see applications for campaigns; an applicant those of the own unit.
    SeeCampaigns,
    /// To work on them.
    WorkOnCampaigns,
}

impl Caller {
    /// Somebody on the local socket: its permissions are the right to administer.
    pub fn local(uid: Option<u32>) -> Self {
        let who = uid.map_or_else(|| "uid:unknown".to_owned(), |uid| format!("uid:{uid}"));
        Self { who, roles: BTreeSet::from([Role::Admin]), from: "socket".to_owned() }
    }

    /// Whether they may use a route of this access.
    pub fn may(&self, access: Access) -> bool {
        if self.roles.contains(&Role::Admin) {
            return true;
        }
        let is_unit = |role: &Role| matches!(role, Role::Unit(_) | Role::Applicant(_));
        match access {
            Access::Open => true,
            Access::View => self.roles.iter().any(|role| !is_unit(role)),
            Access::ViewOwn => self.roles.iter().any(|role| !matches!(role, Role::Applicant(_))),
            Access::SeeCampaigns => self.roles.iter().any(|role| !matches!(role, Role::Unit(_))),
            Access::WorkOnCampaigns => {
                self.roles.iter().any(|role| matches!(role, Role::Applicant(_) | Role::Reviewer(_)))
            }
            Access::Only(word) => self.roles.iter().any(|role| !is_unit(role) && role.to_string() == word),
        }
    }

    /// Whether what concerns this account may be shown.
    pub fn sees(&self, account: &str) -> bool {
        self.may(Access::View) || self.roles.iter().any(|role| matches!(role, Role::Unit(own) if **own == *account))
    }

    /// Whether a unit's applications may be shown.
    pub fn sees_unit(&self, unit: &str) -> bool {
        self.may(Access::View) || self.roles.iter().any(|role| matches!(role, Role::Applicant(own) if **own == *unit))
    }

    /// As what they may work on applications.
    pub fn parts(&self) -> workflow::Parts {
        let mut parts = workflow::Parts { all: self.roles.contains(&Role::Admin), ..workflow::Parts::default() };
        for role in &self.roles {
            match role {
                Role::Applicant(unit) => parts.units.push(unit.to_string()),
                Role::Reviewer(department) => parts.departments.push(*department),
                _ => {}
            }
        }
        parts
    }

    /// The roles in words, for the record.
    pub fn role(&self) -> String {
        self.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Access {
    /// The word of the API's description.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "none",
            Self::View => "view",
            Self::ViewOwn => "view, unit:ACCOUNT",
            Self::Only(word) => word,
            Self::SeeCampaigns => "view, applicant:UNIT, reviewer:DEPARTMENT",
            Self::WorkOnCampaigns => "applicant:UNIT, reviewer:DEPARTMENT",
        }
    }
}

/// The tokens in force: those of a file, read anew when it has changed.
#[derive(Debug)]
pub struct Tokens {
    file: Option<PathBuf>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    tokens: Vec<Token>,
    stamp: Option<(SystemTime, u64)>,
    looked: Option<Instant>,
}

/// Why somebody is not let in; a label of `smsluice_admin_auth_failures_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no token in the request.
    Missing,
    /// It is none of ours.
    Unknown,
    /// Its time is over.
    Expired,
}

impl Denied {
    /// The label.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }
}

impl Tokens {
    /// The tokens of a file; without a file nobody has one.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file, kept: Mutex::new(Kept { tokens: Vec::new(), stamp: None, looked: None }) }
    }

    /// Whether there can be any.
    pub fn exist(&self) -> bool {
        self.file.is_some()
    }

    /// Whose token it is. Every token of the file is compared, each in constant time.
    pub fn find(&self, token: &str, from: String, now: Moment) -> Result<Caller, Denied> {
        if token.is_empty() || token.len() > TOKEN_MAX {
            return Err(Denied::Unknown);
        }
        let digest = tokens::digest(token);
        let mut kept = self.kept.lock();
        if let Some(file) = &self.file {
            kept.refresh(file);
        }
        let mut found = None;
        for own in &kept.tokens {
            if bool::from(own.sha256.ct_eq(&digest)) {
                found = Some(own);
            }
        }
        let own = found.ok_or(Denied::Unknown)?;
        if own.expires.is_some_and(|expires| expires <= now) {
            return Err(Denied::Expired);
        }
        Ok(Caller { who: own.name.clone(), roles: own.roles.clone(), from })
    }
}

impl Kept {
    /// A file that cannot be used any more lets nobody in: a token that was taken back must not live on.
    fn refresh(&mut self, file: &Path) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let stamp = std::fs::metadata(file).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len())));
        if stamp.is_some() && stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        self.tokens = tokens::load(file).unwrap_or_else(|problems| {
            let file = file.display();
            tracing::error!(event = "tokens_unusable", %file, "no token is accepted: {problems}");
            Vec::new()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_ms(1_000_000);

    fn caller(roles: &[&str]) -> Caller {
        let roles = roles.iter().map(|role| role.parse().expect("a role")).collect();
        Caller { who: "test".to_owned(), roles, from: "test".to_owned() }
    }

    #[test]
    fn roles_allow_what_they_name_and_to_see() {
        for (roles, view, own, network) in [
            (&["view"][..], true, true, false),
            (&["network"], true, true, true),
            (&["unit:a"], false, true, false),
            (&["unit:network"], false, true, false),
            (&["unit:a", "network"], true, true, true),
            (&["admin"], true, true, true),
            (&["reviewer:marketing"], true, true, false),
            (&["applicant:hefei"], false, false, false),
            (&["applicant:network"], false, false, false),
            (&[], false, false, false),
        ] {
            let caller = caller(roles);
            let may = [Access::View, Access::ViewOwn, Access::Only("network")].map(|access| caller.may(access));
            assert_eq!(may, [view, own, network], "{roles:?}");
        }
        for (roles, see, work) in [
            (&["view"][..], true, false),
            (&["unit:a"], false, false),
            (&["applicant:a"], true, true),
            (&["reviewer:group_data"], true, true),
            (&["admin"], true, true),
        ] {
            let may = [Access::SeeCampaigns, Access::WorkOnCampaigns].map(|access| caller(roles).may(access));
            assert_eq!(may, [see, work], "{roles:?}");
        }
        let applicant = caller(&["applicant:a"]);
        assert!(applicant.sees_unit("a") && !applicant.sees_unit("b") && caller(&["view"]).sees_unit("b"));
        assert!(caller(&["unit:a"]).sees("a") && !caller(&["unit:a"]).sees("b") && caller(&["view"]).sees("b"));
    }

    #[test]
    fn a_token_is_found_by_its_hash_until_it_expires_or_is_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokens.toml");
        let roles = BTreeSet::from([Role::View]);
        let entry = |name, token, expires| tokens::entry(name, &roles, &tokens::digest(token), NOW, expires);
        let text = [entry("a", "one", None), entry("b", "two", Some(Moment::from_ms(2_000)))].join("\n");
        std::fs::write(&file, text).expect("written");
        let tokens = Tokens::new(Some(file.clone()));
        let find = |token: &str| tokens.find(token, String::new(), NOW).map(|caller| caller.who);
        assert_eq!((find("one"), find("two")), (Ok("a".to_owned()), Err(Denied::Expired)));
        assert_eq!((find("three"), find("")), (Err(Denied::Unknown), Err(Denied::Unknown)));
        assert_eq!(find(&"x".repeat(300)), Err(Denied::Unknown));
        std::fs::remove_file(&file).expect("removed");
        tokens.kept.lock().looked = None;
        assert_eq!(find("one"), Err(Denied::Unknown));
        assert_eq!(Tokens::new(None).find("one", String::new(), NOW), Err(Denied::Unknown));
    }
}
