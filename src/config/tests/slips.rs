//! One slip at a time: what is said of it, and where.

use super::super::{Origin, Severity};
use super::{load, shipped, spoiled};
use crate::policy::switches::Switches;
use crate::policy::{Mode, Reason};

/// One slip: in a file, a text for another, and what must be said of it.
struct Slip {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    /// Part of the line that must be named.
    line: &'static str,
    key: &'static str,
    message: &'static str,
    hint: &'static str,
}

/// Shorthand for a table of slips.
macro_rules! slips {
    ($($file:literal: $from:literal => $to:literal; $line:literal, $key:literal, $message:literal, $hint:literal;)*) => {
        [$(Slip { file: $file, from: $from, to: $to, line: $line, key: $key, message: $message, hint: $hint }),*]
    };
}

/// Every slip must give one problem of the severity, at its line.
fn reported(slips: &[Slip], severity: Severity) {
    for slip in slips {
        let label = format!("{}: {} -> {}", slip.file, slip.from, slip.to);
        let dir = spoiled(slip.file, slip.from, slip.to);
        let problems = match load(dir.path()) {
            Ok(configuration) => configuration.warnings,
            Err(problems) => problems.0,
        };
        let [problem] = &problems[..] else { panic!("{label}: {problems:#?}") };
        assert_eq!(problem.severity, severity, "{label}: {problem}");
        assert!(problem.file.ends_with(slip.file), "{label}: {problem}");
        assert_eq!(problem.key, slip.key, "{label}: {problem}");
        assert!(problem.message.contains(slip.message), "{label}: {problem}");
        assert!(problem.hint.as_deref().unwrap_or_default().contains(slip.hint), "{label}: {problem}");
        if slip.line.is_empty() {
            continue;
        }
        let text = std::fs::read_to_string(dir.path().join(slip.file)).expect("written");
        let line = text.lines().nth(problem.line.expect("a line") as usize - 1).expect("in the file");
        assert!(line.contains(slip.line), "{label}: {problem} names `{line}`");
    }
}

#[test]
fn the_shipped_folder_loads_without_a_warning() {
    let configuration = load(&shipped()).expect("usable");
    assert!(configuration.warnings.is_empty(), "{:?}", configuration.warnings);
    let ruleset = &configuration.ruleset;
    assert_eq!((ruleset.regions.known_segments(), ruleset.regions.cities().len()), (16_046, 16));
    assert_eq!((ruleset.accounts.len(), ruleset.calendar.last_year()), (8, Some(2035)));
    for (index, account) in ruleset.accounts.iter().enumerate() {
        assert_eq!(account.id.0 as usize, index);
        assert_eq!(ruleset.account(&account.system_id).map(|own| own.id), Some(account.id));
    }
    let account = ruleset.account("hf6202").expect("shipped");
    assert_eq!(ruleset.unit(account.unit), "hefei");
    assert_eq!(&*account.consult_numbers[1], "055162620000");
    assert_eq!((account.rate.per_second, account.sessions, account.daily_users), (50, 4, None));
    assert!(account.admits("127.0.0.1".parse().expect("valid")) && !account.admits("8.8.8.8".parse().expect("valid")));
    assert_eq!(configuration.settings.ledger.path, shipped().join("data"));
    assert_eq!(configuration.origins.get("signature.province_numbers"), Some(&Origin::File));
    assert_eq!(configuration.origins.get("length.limit"), None);
}

/// Removes the `#` of every line that shows a default.
fn uncommented(text: &str) -> String {
    let shows = |line: &str| {
        let (key, value) = line.strip_prefix("# ")?.split_once(" = ")?;
        let word = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (word && !value.contains(" = ")).then(|| format!("{key} = {value}"))
    };
    text.lines().map(|line| shows(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_shipped_policy_shows_every_switch_with_its_default() {
    let text = std::fs::read_to_string(shipped().join("policy.toml")).expect("shipped");
    let mut shown: Switches = toml::from_str(&uncommented(&text)).expect("valid");
    assert_eq!(shown.signature.province_numbers, ["1860", "10086"], "the number of 2004 and today's");
    shown.signature.province_numbers = vec!["1860".to_owned()];
    assert_eq!(shown.region.overlay.take().as_deref(), Some("overlay.csv"));
    assert_eq!(shown.mode.remove("default"), Some(Mode::Enforce));
    assert_eq!(shown.status.remove("duplicate"), Some(Reason::Duplicate.status()));
    assert_eq!(shown, Switches::default());
    for key in super::super::catalogue::POLICY {
        let own = key.path.rsplit('.').next().expect("a word");
        let is_shown = text
            .lines()
            .any(|line| line.trim_start_matches("# ").starts_with(&format!("{own} = ")) || line == format!("[{own}]"));
        assert!(is_shown, "{}", key.path);
    }
}

#[test]
fn the_shipped_settings_show_every_key_with_its_default() {
    let text = std::fs::read_to_string(shipped().join("smsluice.toml")).expect("shipped");
    let shown: super::super::Settings = toml::from_str(&uncommented(&text)).expect("valid");
    assert_eq!(shown, super::super::Settings::default());
}

#[test]
fn slips_in_the_settings_are_reported_at_their_line() {
    let slips = slips! {
        "smsluice.toml": "smpp = \"127" => "smp = \"127"; "smp =", "listen.smp", "unknown key `smp`", "did you mean `smpp`?";
        "smsluice.toml": "[log]" => "[logs]"; "[logs]", "logs", "unknown key `logs`", "did you mean `log`?";
        "smsluice.toml": "2775\"" => "277500\""; "277500", "listen.smpp", "invalid socket address", "expected";
        "smsluice.toml": "# backlog = 1024" => "backlog = 0"; "backlog = 0", "listen.backlog", "0 is out of range", "1 to 65535";
        "smsluice.toml": "# max_in_flight = 10000" => "max_in_flight = \"10\""; "max_in_flight", "listen.max_in_flight", "invalid type", "1 to";
        "smsluice.toml": "# response_timeout = \"30s\"" => "response_timeout = \"30\""; "response_timeout", "smsc.response_timeout", "is not a duration", "\"30s\"";
        "smsluice.toml": "[\"127.0.0.1:2776\"]" => "[\"127.0.0.1\"]"; "127.0.0.1\"", "smsc.address", "is not an address", "host:port";
        "smsluice.toml": "[\"127.0.0.1:2776\"]" => "[]"; "address = []", "smsc.address", "no SMSC is named", "address =";
        "smsluice.toml": "127.0.0.1:2776" => "127.0.0.1:2775"; "address = ", "smsc.address", "where senders connect", "circle";
        "smsluice.toml": "127.0.0.1:9775" => "127.0.0.1:2775"; "# probes", "admin.listen", "where senders connect", "own port";
        "smsluice.toml": "# backend = \"embedded\"" => "backend = \"etcd\""; "etcd", "ledger.backend", "`etcd` is no ledger", "\"embedded\" for the gateway's own";
        "smsluice.toml": "\"power\" " => "\"powr\" "; "powr", "ledger.durability", "`powr` is not a value", "did you mean `power`?";
        "smsluice.toml": "# level = \"info\"" => "level = \"x=y=z\""; "level", "log.level", "not a level", "`info`";
        "smsluice.toml": "# workers = 0" => "workers = 5000"; "workers", "runtime.workers", "5000 is out of range", "0 to 1024";
        "smsluice.toml": "[admin]" => "[admin"; "[admin", "syntax", "", "";
    };
    reported(&slips, Severity::Error);
}

#[test]
fn slips_in_the_policy_are_reported_at_their_line() {
    let slips = slips! {
        "policy.toml": "# limit = 65" => "limitt = 65"; "limitt", "length.limitt", "unknown key `limitt`", "did you mean `limit`?";
        "policy.toml": "# limit = 65" => "limit = 0"; "limit = 0", "length.limit", "0 is out of range", "1 to 1000";
        "policy.toml": "# limit = 65" => "limit = 1001"; "limit = 1001", "length.limit", "1001 is out of range", "1 to 1000";
        "policy.toml": "# night = [\"22:00" => "night = [\"25:00"; "25:00", "hours.night", "is not a window of the day", "\"22:00-08:00\"";
        "policy.toml": "# edge_guard_seconds = 0" => "edge_guard_seconds = 3601"; "3601", "hours.edge_guard_seconds", "out of range", "0 to 3600";
        "smsluice.toml": "listen = \"127.0.0.1:9775\"" => "listen = \"0.0.0.0:9775\""; "0.0.0.0:9775", "admin.listen", "not loopback", "admin.tcp_api = false";
        "policy.toml": "# max_ahead_hours = 24" => "max_ahead_hours = 721"; "721", "schedule.max_ahead_hours", "out of range", "1 to 720";
        "policy.toml": "# digits = 7" => "digits = 2"; "digits = 2", "spread.digits", "out of range", "3 to 11";
        "policy.toml": "# limit = 200" => "limit = 10001"; "10001", "spread.limit", "out of range", "1 to 10000";
        "policy.toml": "# limit = 1\n" => "limit = 101\n"; "limit = 101", "dedup.limit", "out of range", "1 to 100";
        "policy.toml": "# limit = 1\n" => "limit = 300\n"; "limit = 300", "dedup.limit", "300", "1 to 100";
        "policy.toml": "# categories = \"all\"" => "categories = [\"voice\", \"servise\"]"; "servise", "dedup.categories", "`servise` is not a value", "did you mean `service`?";
        "policy.toml": "# categories = \"all\"" => "categories = \"voice\""; "voice", "dedup.categories", "`voice` is no list", "[\"voice\"]";
        "policy.toml": "# categories = \"all\"" => "categories = [\"all\", \"voice\"]"; "voice", "dedup.categories", "stands alone", "the categories that count";
        "policy.toml": "# categories = \"all\"" => "categories = []"; "categories = []", "dedup.categories", "empty list", "[mode]";
        "policy.toml": "# categories = \"all\"" => "categories = 3"; "categories = 3", "dedup.categories", "invalid type", "`all`, or a list of";
        "policy.toml": "# users = 3000" => "users = 0"; "users = 0", "quota.users", "out of range", "1 or more";
        "policy.toml": "# default = \"enforce\"" => "lenght = \"observe\""; "lenght", "mode.lenght", "unknown rule `lenght`", "did you mean `length`?";
        "policy.toml": "# default = \"enforce\"" => "default = \"warn\""; "warn", "mode.default", "`warn` is not a value", "`observe`";
        "policy.toml": "# rules = []" => "rules = [\"length\", \"onse\"]"; "onse", "exempt.rules", "unknown rule `onse`", "did you mean `once`?";
        "policy.toml": "# duplicate = 0x45" => "duplicate = 0x400"; "0x400", "status.duplicate", "vendor range", "0x45";
        "policy.toml": "# duplicate = 0x45" => "duplicate = 0x4FF"; "0x4FF", "status.duplicate", "vendor range", "0x45";
        "policy.toml": "# duplicate = 0x45" => "duplicate = 0"; "duplicate = 0", "status.duplicate", "accepted", "0x45";
        "policy.toml": "# duplicate = 0x45" => "duplicat = 0x45"; "duplicat ", "status.duplicat", "unknown reason", "did you mean `duplicate`?";
        "policy.toml": "\"1860\", " => "\"I860\", "; "I860", "signature.province_numbers", "`I860` is not a telephone number", "digits";
        "policy.toml": "# extra_names = []" => "extra_names = [\" \"]"; "extra_names", "signature.extra_names", "every text", "remove";
        "policy.toml": "# extra = []" => "extra = [\"2026-02-30\"]"; "02-30", "holiday.extra", "`2026-02-30` is not a date", "2026-11-24";
        "policy.toml": "\"overlay.csv\"" => "\"overlay.cvs\""; "", "region.overlay", "", "";
    };
    let (missing, slips) = slips.split_last().expect("not empty");
    reported(slips, Severity::Error);
    let dir = spoiled(missing.file, missing.from, missing.to);
    let problems = load(dir.path()).expect_err("no such file");
    assert!(problems.0[0].file.ends_with("overlay.cvs") && problems.0[0].message.contains("cannot be read"));
}

#[test]
fn slips_in_the_accounts_are_reported_at_their_line() {
    let slips = slips! {
        "accounts.toml": "sessions = 8" => "sesions = 8"; "sesions", "account.sesions", "unknown key `sesions`", "did you mean `sessions`?";
        "accounts.toml": "\"wh6202\"" => "\"hf6202\""; "hf6202", "account.system_id", "stands twice", "rename";
        "accounts.toml": "\"wh6202\"" => "\"wh6202-longer-than-15\""; "longer", "account.system_id", "no SMPP client", "1 to 15";
        "accounts.toml": "class = \"city_moa\"" => "class = \"city\""; "class", "account.class", "`city` is not a value", "city_moa";
        "accounts.toml": "city = \"hefei\"\n" => "\n"; "[[account]]", "account.city", "hf6202: no `city`", "cities.csv";
        "accounts.toml": "city = \"hefei\"\n" => "city = \"hefie\"\n"; "hefie", "account.city", "unknown city `hefie`", "did you mean `hefei`?";
        "accounts.toml": "custodian = \"张三, 0551-62620001\"\n" => "\n"; "[[account]]", "account.custodian", "hf6202: no `custodian`", "name, telephone";
        "accounts.toml": "unit = \"wuhu\"\n" => "\n"; "[[account]]", "account.unit", "wh6202: no `unit`", "department or city";
        "accounts.toml": "[\"62020551*\"]" => "[\"*\"]"; "[\"*\"]", "account.sources", "`*` alone would allow every sender", "prefix";
        "accounts.toml": "[\"62020551*\"]" => "[]"; "sources = []", "account.sources", "no `sources`", "sources =";
        "accounts.toml": "sources = [\"10086\", \"100861*\"]\n" => "\n"; "[[account]]", "account.sources", "market: no `sources`", "sources =";
        "accounts.toml": "sources = [\"1258*\"]" => "sources = [\"1258*\"]\nsource_default = \"6202\""; "source_default", "account.source_default", "not one of", "`sources`";
        "accounts.toml": "\"0553-3120000\"" => "\"O553-3120000\""; "O553", "account.consult_numbers", "not a telephone number", "digits";
        "accounts.toml": "\"0551-62620101\"" => "\"ask\""; "ask", "account.contact_numbers", "not a telephone number", "digits";
        "accounts.toml": "per_second = 500," => "per_second = 0,"; "per_second = 0", "account.rate.per_second", "0 is out of range", "1 to 1000000";
        "accounts.toml": "burst = 1000 " => "burst = 0 "; "burst = 0", "account.rate.burst", "0 is out of range", "1 to 1000000";
        "accounts.toml": ", burst = 1000 }" => " }"; "per_second = 500 }", "account.rate", "missing field `burst`", "per_second";
        "accounts.toml": "daily_users = 2000" => "daily_users = 3001"; "3001", "account.daily_users", "above quota.users", "at most 3000";
        "accounts.toml": "daily_users = 2000" => "daily_users = 0"; "daily_users", "account.daily_users", "0 would refuse", "pause";
        "accounts.toml": "sessions = 16" => "sessions = 16\ndaily_users = 5"; "daily_users", "account.daily_users", "no effect for exempt_platform", "remove";
        "accounts.toml": "sessions = 8" => "sessions = 0"; "sessions = 0", "account.sessions", "0 is out of range", "1 to 10000";
        "accounts.toml": "networks = [\"127.0.0.0/8\", \"10.12.58.0/24\"]\n" => "\n"; "[[account]]", "account.networks", "p1258: no `networks`", "networks =";
        "accounts.toml": "[\"127.0.0.0/8\", \"10.12.58.0/24\"]" => "[]"; "networks = []", "account.networks", "no `networks`", "networks =";
        "accounts.toml": "\"10.12.58.0/24\"" => "\"10.12.58.0/33\""; "/33", "account.networks", "is not a network", "10.0.0.0/8";
        "accounts.toml": "sessions = 8" => "sessions = 8\nmodes = { lenght = \"off\" }"; "lenght", "account.modes.lenght", "unknown rule", "did you mean `length`?";
        "accounts.toml": "sessions = 8" => "sessions = 8\nstatus = { quota = 0x401 }"; "0x401", "account.status.quota", "vendor range", "0x45";
        "accounts.toml": "sessions = 8" => "sessions = 8\ndc0 = \"gb2312\""; "gb2312", "account.dc0", "`gb2312` is not a value", "gbk";
        "accounts.toml": "sessions = 8" => "sessions = 8\ncity = \"suzhou\""; "suzhou", "account.city", "unknown city `suzhou`", "suzhou-ah";
    };
    reported(&slips, Severity::Error);
}

#[test]
fn slips_in_the_tables_are_reported_at_their_line() {
    let slips = slips! {
        "cities.csv": "slug,adcode" => "slug,adcod"; "adcod", "adcod", "unknown column `adcod`", "slug,name_cn";
        "cities.csv": "wuhu,340200" => "hefei,340200"; "hefei,340200", "slug", "stands twice", "";
        "segments.csv": "operator,mvno" => "operator,resale"; "resale", "resale", "unknown column `resale`", "prefix,city,operator";
        "segments.csv": "1300002,hefei" => "1300002,hefie"; "hefie", "city", "unknown city `hefie`", "did you mean `hefei`?";
        "segments.csv": "1300002,hefei,cucc" => "1300002,hefei,cuc"; "1300002", "operator", "unknown operator `cuc`", "did you mean `cucc`?";
        "segments.csv": "1300002," => "130002,"; "130002", "prefix", "is not a segment", "seven digits";
        "segments.csv": "1300002,hefei,cucc,0" => "1300002,hefei,cucc,2"; "1300002", "mvno", "neither 0 nor 1", "";
        "segments.csv": "1300002,hefei,cucc,0" => "1300002,hefei,cucc"; "1300002", "row", "3 fields under a header of 4", "double quotes";
        "segments.csv": "1300300,hefei" => "1300002,wuhu"; "1300002,wuhu", "prefix", "another city or operator than in line 2", "overlay";
        "overlay.csv": "" => "12345678901,hefei,cmcc,,,x\n"; "123", "pattern", "not a number or prefix", "3 to 11 digits";
        "overlay.csv": "" => "1385600,hefie,cmcc,,,x\n"; "hefie", "city", "unknown city", "did you mean `hefei`?";
        "overlay.csv": "" => "1385600,hefei,cmcc,2026-13-01,,x\n"; "13-01", "valid_from", "is not a date", "2026-11-24";
        "overlay.csv": "" => "1385600,hefei,cmcc,2026-02-01,2026-01-01,x\n"; "01-01", "valid_to", "is before", "";
        "overlay.csv": "" => "138,hefei,cmcc,,,x\n138,wuhu,cmcc,,,x\n"; "138,wuhu", "pattern", "stands twice", "";
        "holidays.csv": "2024-02-10,2024,spring" => "2024-02-31,2024,spring"; "02-31", "date", "`2024-02-31` is not a date", "2026-11-24";
        "holidays.csv": "2024-02-10,2024,spring" => "2024-02-10,2025,spring"; "2024-02-10,2025", "year", "not the year of 2024-02-10", "";
        "holidays.csv": "春节,eve,1" => "春节,evening,1"; "evening", "role", "unknown role", "`eve`";
        "holidays.csv": "2024,valentine" => "2024,valentin"; "valentin,", "festival", "unknown festival", "did you mean `valentine`?";
        "holidays.csv": "春节,eve,1" => "春节,eve,yes"; "yes", "default_block", "neither 0 nor 1", "";
    };
    reported(&slips, Severity::Error);
}

#[test]
fn what_is_only_doubtful_is_a_warning() {
    let slips = slips! {
        "accounts.toml": "\"10.12.58.0/24\"" => "\"0.0.0.0/0\""; "0.0.0.0/0", "account.networks", "from anywhere", "(6.1)";
        "accounts.toml": "\"10.12.58.0/24\"" => "\"::/0\""; "::/0", "account.networks", "from anywhere", "(6.1)";
        "accounts.toml": "[\"62020553*\"]" => "[\"6202*\"]"; "6202*", "account.sources", "wh6202: `6202*` is also open to hf6202", "own extension";
        "accounts.toml": "sessions = 8" => "sessions = 8\nmodes = { quota = \"observe\" }"; "quota", "account.modes.quota", "does not bind province_1258", "remove";
        "segments.csv": "1300300,hefei" => "1300002,hefei"; "1300002", "prefix", "stands twice, first in line 2", "";
    };
    // The third widens one account over several units; each is named once.
    let (wide, slips): (Vec<_>, Vec<_>) = slips.into_iter().partition(|slip| slip.to == "[\"6202*\"]");
    reported(&slips, Severity::Warning);
    let dir = spoiled(wide[0].file, wide[0].from, wide[0].to);
    let warnings = load(dir.path()).expect("usable").warnings;
    assert!(warnings.iter().any(|warning| warning.message.contains(wide[0].message)), "{warnings:?}");
}
