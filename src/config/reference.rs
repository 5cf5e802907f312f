//! `docs/configuration.md`, made of the catalogue, so that it cannot drift.

use std::fmt::Write as _;

use serde_json::Value;

use crate::policy::switches::Switches;

use super::catalogue::{ACCOUNT, Key, POLICY, SETTINGS, Values};
use super::environment::PREFIX;
use super::settings::Settings;

/// The document.
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    let settings = serde_json::to_value(Settings::default()).unwrap_or_default();
    let switches = serde_json::to_value(Switches::default()).unwrap_or_default();
    text.push_str(SETTINGS_HEAD);
    rows(&mut text, SETTINGS, Some(&settings));
    let _ = write!(text, "{}", ENVIRONMENT.replace("PREFIX", PREFIX));
    text.push_str(POLICY_HEAD);
    rows(&mut text, POLICY, Some(&switches));
    text.push_str(ACCOUNT_HEAD);
    rows(&mut text, ACCOUNT, None);
    text.push_str(TABLES);
    text
}

fn rows(text: &mut String, keys: &[Key], defaults: Option<&Value>) {
    let default_column = if defaults.is_some() { (" default |", "---|") } else { ("", "") };
    let _ = writeln!(text, "| key | values |{} clause | what it does | 说明 |", default_column.0);
    let _ = writeln!(text, "|---|---|{}---|---|---|", default_column.1);
    for key in keys {
        let default = defaults.map(|whole| format!(" {} |", default_of(key, whole))).unwrap_or_default();
        let Key { path, values, clause, english, chinese } = key;
        let _ = writeln!(text, "| `{path}` | {values} |{default} {clause} | {english} | {chinese} |");
    }
}

/// A default as the file would hold it.
fn default_of(key: &Key, whole: &Value) -> String {
    let pointer = format!("/{}", key.path.replace('.', "/"));
    match (key.values, whole.pointer(&pointer)) {
        (Values::Table(..), _) | (_, None | Some(Value::Null)) => "-".to_owned(),
        (_, Some(value)) => format!("`{}`", value.to_string().replace("\",\"", "\", \"")),
    }
}

const HEAD: &str = "# Configuration

A configuration is a folder: `smsluice.toml`, `policy.toml`, `accounts.toml` and the CSV tables below. The folder
`config/` of the distribution is a runnable default. `smsluice check --config DIR` says whether a folder can be used,
and if not, every problem with file, line, key and advice; `--strict` refuses warnings too, `--json` is for programs.

Unknown keys are errors. A folder with a single error is refused as a whole.
Nothing is allowed by default: an account that is not listed cannot bind, and an account without networks or sources is
an error.

配置是一个目录。未知的键一律报错;只要有一处错误,整个目录都不会生效。未列出的账号不能接入。
";

const SETTINGS_HEAD: &str = "
## smsluice.toml

Durations carry their unit: `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"2h\"`.

";

const ENVIRONMENT: &str = "
### Environment

Any key of `smsluice.toml` and `policy.toml` can be set by a variable: `PREFIXSMSC__ADDRESS` is `smsc.address`,
`PREFIXQUOTA__USERS` is `quota.users`, `PREFIXMODE__DEFAULT` is `mode.default`. Lists are separated by commas
(`PREFIXSMSC__ADDRESS=192.0.2.1:2775,192.0.2.2:2775`); an empty variable is an empty list. A variable goes before the
file. A variable of that prefix that names no key is an error. Accounts cannot be set this way.
";

const POLICY_HEAD: &str = "
## policy.toml

The switches of the policy reference. The clause column names the clause, or the ambiguity (A-…) that the switch
decides. Mode of a rule, from the strongest: the class (a rule that does not bind a class stays off), the account's
`modes`, the account's `mode`, the site's `[mode]`, and `enforce`.

";

const ACCOUNT_HEAD: &str = "
## accounts.toml

One `[[account]]` each. Telephone numbers may hold hyphens, spaces and brackets; they are compared as bare digits.

";

const TABLES: &str = "
## Tables

UTF-8, comma separated, a header row. Columns in brackets may be left out.

| file | columns | remarks |
|---|---|---|
| `cities.csv` | `slug,name_cn,name_en,area_code` (`adcode`) | `slug` is the key the other files use. The area code never maps a number to a city: Fuyang and Bozhou share one |
| `segments.csv` | `prefix,city,operator` (`mvno`) | `prefix`: seven digits. `city`: a slug, or `other_province`. `operator`: `cmcc`, `cucc`, `ctcc`, `cbn`. A prefix given twice with different places is an error |
| `holidays.csv` | `date,festival,festival_cn,role,default_block` (`year,lunar,weekday_cn,note`) | every year from the first to the last must hold all six festivals of clause 7.4; the current year must be there, and from October on the next. `role`: `day`, `eve`, `named`, `off` (published day off), `alt` (七夕) |
| `region.overlay` | `pattern,city,operator,valid_from,valid_to,reason` | exceptions to the segment table: a whole number (11 digits) or a prefix (3 to 10 digits), the longest wins; both dates may be empty, both days are included |
| `customers` of an account | `number` (`name,note`) | the manager's own customers |
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::accounts::Entry;
    use super::*;

    /// The keys of a value, tables of free words not entered.
    fn keys(value: &Value, before: &str, known: &[Key]) -> BTreeSet<String> {
        let Value::Object(entries) = value else { return BTreeSet::from([before.to_owned()]) };
        if known.iter().any(|key| key.path == before) {
            return BTreeSet::from([before.to_owned()]);
        }
        let below = |(name, value): (&String, &Value)| {
            keys(value, &if before.is_empty() { name.clone() } else { format!("{before}.{name}") }, known)
        };
        entries.iter().flat_map(below).collect()
    }

    fn listed(keys: &[Key]) -> BTreeSet<String> {
        keys.iter().map(|key| key.path.to_owned()).collect()
    }

    #[test]
    fn the_catalogue_lists_the_keys_of_the_types() {
        let settings = Settings {
            ledger: super::super::settings::LedgerSettings { valkey_url: Some(String::new()), ..Default::default() },
            admin: super::super::settings::AdminSettings {
                socket: Some("off".into()),
                tokens_file: Some("tokens.toml".into()),
                ..Default::default()
            },
            ..Settings::default()
        };
        let settings = serde_json::to_value(settings).expect("serialises");
        let switches = serde_json::to_value(Switches::default()).expect("serialises");
        let account = serde_json::to_value(Entry::default()).expect("serialises");
        assert_eq!(keys(&settings, "", SETTINGS), listed(SETTINGS));
        assert_eq!(keys(&switches, "", POLICY), listed(POLICY));
        assert_eq!(keys(&account, "", ACCOUNT), listed(ACCOUNT));
    }

    #[test]
    fn the_document_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        let current = markdown();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &current).expect("writable");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shipped == current, "run this test with BLESS=1 to write docs/configuration.md anew");
    }
}
