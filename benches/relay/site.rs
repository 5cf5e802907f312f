//! The gateway's site for the bench: the shipped rules and tables, every rule
//! on, a thousand accounts. Only what would refuse an honest flood is raised.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The account that the load binds as; the others stand beside it.
pub(crate) const ACCOUNT: &str = "bench";
/// Its source address.
pub(crate) const SOURCE: &str = "6202055100";
/// A working day outside the busy hours, for there are rules about both.
pub(crate) const CLOCK: &str = "2026-11-24T09:30:00+08:00";

const ACCOUNTS: usize = 1000;
const FILES: [&str; 6] = ["smsluice.toml", "policy.toml", "segments.csv", "cities.csv", "holidays.csv", "overlay.csv"];

/// Keys that the bench changes, as variables of the environment.
pub(crate) const OVERRIDES: [(&str, &str); 11] = [
    ("SMSLUICE__LISTEN__SMPP", "127.0.0.1:0"),
    ("SMSLUICE__ADMIN__LISTEN", "127.0.0.1:0"),
    ("SMSLUICE__LISTEN__MAX_CONNECTIONS", "20000"),
    ("SMSLUICE__LISTEN__MAX_PER_ADDRESS", "20000"),
    ("SMSLUICE__LOG__FORMAT", "json"),
    ("SMSLUICE__RUNTIME__WORKERS", "1"),
    ("SMSLUICE__QUOTA__USERS", "1000000000"),
    ("SMSLUICE__SPREAD__LIMIT", "10000"), // every number of a segment once
    ("SMSLUICE__MODE__DEFAULT", "enforce"),
    ("SMSLUICE__REGION__UNKNOWN", "reject"),
    ("SMSLUICE__SIGNATURE__FOREIGN_CONSULT", "reject"),
];

/// The shipped configuration.
pub(crate) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// Writes the site's folder.
pub(crate) fn write(folder: &Path) -> std::io::Result<()> {
    for name in FILES {
        std::fs::copy(shipped().join(name), folder.join(name))?;
    }
    std::fs::write(folder.join("accounts.toml"), accounts())
}

/// The segments of the operator in the account's city.
pub(crate) fn segments() -> std::io::Result<Vec<u32>> {
    let table = std::fs::read_to_string(shipped().join("segments.csv"))?;
    let own = table.lines().filter(|row| row.contains(",hefei,cmcc,"));
    Ok(own.filter_map(|row| row.split(',').next()?.parse().ok()).collect())
}

fn accounts() -> String {
    let mut out = account(ACCOUNT, "city_moa", "bench", &format!("{SOURCE}*"), 1_000_000);
    for number in 1..ACCOUNTS {
        let class = ["city_moa", "province_1258", "key_account", "exempt_platform"][number % 4];
        out += &account(&format!("a{number}"), class, &format!("unit{}", number % 100), &format!("7{number:04}*"), 50);
    }
    out
}

fn account(system_id: &str, class: &str, unit: &str, source: &str, rate: u32) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "[[account]]\nsystem_id = \"{system_id}\"\nclass = \"{class}\"\nunit = \"{unit}\"\nsources = [\"{source}\"]\n\
         custodian = \"bench, 0551-62620000\"\nrate = {{ per_second = {rate}, burst = {rate} }}\nsessions = 100\n\
         networks = [\"127.0.0.0/8\"]\n"
    );
    if class == "city_moa" || class == "key_account" {
        out += "city = \"hefei\"\nconsult_numbers = [\"10086\", \"0551-62620000\"]\ncontact_numbers = [\"0551-62620101\"]\n";
    }
    out + "\n"
}
