//! What concerns the folder as a whole: years, empty tables, several mistakes at once, the environment, modes.

use super::super::{Origin, effective, load_with_env, settings};
use super::{environment, load, now, shipped, spoiled};
use std::collections::BTreeMap;

use crate::domain::{Day, Moment};
use crate::policy::calendar::DayKind;
use crate::policy::switches::Window;
use crate::policy::{Mode, Reason, Rule};

fn at(time: &str) -> Moment {
    Moment::parse(time).expect("valid")
}

#[test]
fn every_mistake_is_reported_at_once_in_the_order_of_reading() {
    let dir = spoiled("policy.toml", "# limit = 65", "limit = 0\nunits = \"x\"");
    let accounts = dir.path().join("accounts.toml");
    let text = std::fs::read_to_string(&accounts).expect("shipped");
    std::fs::write(
        &accounts,
        text.replace("wuhu", "wuhuu")
            .replace("custodian = \"李四, 0553-3120001\"\n", "")
            .replace("sessions = 8", "sessions = true"),
    )
    .expect("written");
    let problems = load(dir.path()).expect_err("five mistakes");
    let keys: Vec<&str> = problems.0.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["account.sessions", "account.custodian", "account.city", "length.limit", "length.units"]);
    assert!(problems.to_string().contains("policy.toml:"));
}

#[test]
fn an_empty_segment_table_and_a_missing_file_are_refused() {
    let dir = spoiled("overlay.csv", "", "");
    std::fs::write(dir.path().join("segments.csv"), "prefix,city,operator,mvno\n").expect("written");
    std::fs::remove_file(dir.path().join("holidays.csv")).expect("removed");
    let problems = load(dir.path()).expect_err("two mistakes");
    let found: Vec<&str> = problems.0.iter().map(|problem| problem.message.as_str()).collect();
    assert!(found[0].contains("cannot be read") && found[1].contains("holds no segment"), "{found:?}");
}

#[test]
fn a_header_without_a_column_names_it() {
    let dir = spoiled("holidays.csv", "festival_cn,role", "festival_cn,roll");
    let problems = load(dir.path()).expect_err("no such column");
    let found: Vec<&str> = problems.0.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(found, ["column `role` is missing", "unknown column `roll`"]);
    assert!(problems.0.iter().all(|problem| problem.line == Some(1) && problem.hint.is_some()));
}

#[test]
fn no_account_and_a_broken_table_are_refused() {
    let dir = spoiled("overlay.csv", "", "");
    std::fs::write(dir.path().join("accounts.toml"), "# none\n").expect("written");
    let rows = (0..50).map(|row| format!("13{row:05},nowhere,cmcc,0"));
    let lines: Vec<String> = ["prefix,city,operator,mvno".to_owned()].into_iter().chain(rows).collect();
    std::fs::write(dir.path().join("segments.csv"), lines.join("\n")).expect("written");
    let problems = load(dir.path()).expect_err("mistakes");
    assert!(problems.0.iter().any(|problem| problem.message.contains("no account is designated")));
    assert!(problems.0.iter().any(|problem| problem.message.contains("30 more")), "{problems}");
}

#[test]
fn the_years_in_force_must_be_in_the_calendar_whole() {
    let cut =
        |text: &str, year: &str| text.lines().filter(|line| !line.starts_with(year)).collect::<Vec<_>>().join("\n");
    for (now, removed, expected) in [
        ("2026-03-01T12:00:00", "2026-", Some("no holiday of 2026")),
        ("2026-10-01T00:00:00", "2027-", Some("no holiday of 2027")),
        ("2026-10-01T00:00:00", "2027-06-09", Some("2027 has no row of role `day` for `dragon_boat`")),
        ("2035-09-30T23:59:59", "-", None),
        ("2035-10-01T00:00:00", "-", Some("no holiday of 2036")),
        ("2023-05-01T00:00:00", "-", Some("no holiday of 2023")),
    ] {
        let dir = spoiled("holidays.csv", "", "");
        let path = dir.path().join("holidays.csv");
        let text = std::fs::read_to_string(&path).expect("shipped");
        std::fs::write(&path, cut(&text, removed)).expect("written");
        let loaded = load_with_env(dir.path(), &BTreeMap::new(), at(now));
        match (loaded, expected) {
            (Ok(_), None) => {}
            (Err(problems), Some(expected)) => {
                assert!(problems.0.iter().all(|problem| problem.message.contains(expected)), "{now}: {problems}");
                assert!(problems.0[0].hint.is_some() && problems.0[0].file.ends_with("holidays.csv"));
            }
            (loaded, _) => panic!("{now} {removed}: {loaded:?}"),
        }
    }
}

#[test]
fn the_holiday_switches_choose_the_rows() {
    let blocked = |variables: &[(&str, &str)], day: &str| {
        let loaded = load_with_env(&shipped(), &environment(variables), now()).expect("usable");
        let kind = loaded.ruleset.calendar.kind(Day::parse(day).expect("valid"));
        assert!(kind != DayKind::Missing);
        matches!(kind, DayKind::Blocked(_))
    };
    let scope = |word| [("SMSLUICE__HOLIDAY__SCOPE", word)];
    // New Year's Eve by the moon, the first and third day, a day off, 七夕, Christmas Eve of 2026.
    for (variables, expected) in [
        (&[][..], [true, true, true, false, false, false]),
        (&scope("day")[..], [false, true, false, false, false, false]),
        (&scope("day_off")[..], [true, true, true, true, false, false]),
        (&[("SMSLUICE__HOLIDAY__QIXI", "true")][..], [true, true, true, false, true, false]),
        (&[("SMSLUICE__HOLIDAY__CHRISTMAS_EVE", "true")][..], [true, true, true, false, false, true]),
    ] {
        let days = ["2026-02-16", "2026-02-17", "2026-02-19", "2026-02-20", "2026-08-19", "2026-12-24"];
        assert_eq!(days.map(|day| blocked(variables, day)), expected, "{variables:?}");
    }
    assert!(blocked(&[("SMSLUICE__HOLIDAY__EXTRA", "2026-12-31, 2027-12-31")], "2027-12-31"));
    let missing = environment(&scope("day_off"));
    let warnings = load_with_env(&shipped(), &missing, at("2027-03-01T00:00:00")).expect("usable").warnings;
    assert!(warnings[0].message.contains("2027 has no row of role `off`"), "{warnings:?}");
}

#[test]
fn the_environment_goes_before_the_files() {
    let variables = environment(&[
        ("SMSLUICE__SMSC__ADDRESS", "192.0.2.1:2775, smsc-2:2775"),
        ("SMSLUICE__LISTEN__MAX_CONNECTIONS", "7"),
        ("SMSLUICE__SMSC__RESPONSE_TIMEOUT", "500ms"),
        ("SMSLUICE__LEDGER__PATH", "007"),
        ("SMSLUICE__QUOTA__USERS", "2500"),
        ("SMSLUICE__HOURS__BUSY", ""),
        ("SMSLUICE__HOURS__NIGHT", "21:00-08:00,12:00-13:00"),
        ("SMSLUICE__MODE__DEFAULT", "observe"),
        ("SMSLUICE__STATUS__DUPLICATE", "88"),
        ("SMSLUICE__SIGNATURE__STRIP_FORMAT_CHARS", "true"),
        ("SMSLUICE__LEDGER__VALKEY_URL", "redis://:secret@192.0.2.9"),
        ("PATH", "/bin"),
    ]);
    let loaded = load_with_env(&shipped(), &variables, now()).expect("usable");
    let addresses: Vec<&str> = loaded.settings.smsc.address.iter().map(settings::Endpoint::as_str).collect();
    assert_eq!(addresses, ["192.0.2.1:2775", "smsc-2:2775"]);
    assert_eq!((loaded.settings.listen.max_connections, loaded.settings.smsc.response_timeout.as_millis()), (7, 500));
    assert_eq!(loaded.settings.ledger.path, shipped().join("007"));
    let switches = &loaded.ruleset.switches;
    assert_eq!((switches.quota.users, switches.hours.busy.len(), switches.hours.night.len()), (2500, 0, 2));
    assert_eq!(switches.hours.night[0], Window { start: 75_600, end: 28_800 });
    assert!(switches.signature.strip_format_chars);
    let account = loaded.ruleset.account("hf6202").expect("shipped");
    assert_eq!((account.modes.get(Rule::Length), account.status(Reason::Duplicate)), (Mode::Observe, 88));
    for (key, origin) in
        [("smsc.address", Origin::Environment), ("mode.default", Origin::Environment), ("listen.smpp", Origin::File)]
    {
        assert_eq!(loaded.origins.get(key), Some(&origin), "{key}");
    }
    let printed = effective(&loaded);
    assert!(printed.contains("quota.users = 2500") && !printed.contains("secret"), "{printed}");
}

#[test]
fn a_variable_that_does_not_fit_is_named() {
    for (variable, value, message, hint) in [
        ("SMSLUICE__SMSC__ADRESS", "x:1", "no key `smsc.adress` exists", "did you mean `SMSLUICE__SMSC__ADDRESS`?"),
        ("SMSLUICE__SMSC__ADDRESS", "x", "`x` is not an address", "host:port"),
        ("SMSLUICE__SMSC__ADDRESS", "", "no SMSC is named", "address ="),
        ("SMSLUICE__LISTEN__BACKLOG", "many", "invalid value", "1 to 65535"),
        ("SMSLUICE__LISTEN__BACKLOG", "0", "0 is out of range", "1 to 65535"),
        ("SMSLUICE__LEDGER__BACKEND", "etcd", "`etcd` is no ledger", "embedded"),
        ("SMSLUICE__LEDGER__DURABILITY", "disk", "`disk` is not a value", "`power`"),
        ("SMSLUICE__HOURS__NIGHT", "25:00-08:00", "is not a window", "22:00-08:00"),
        ("SMSLUICE__HOLIDAY__EXTRA", "soon", "`soon` is not a date", "2026-11-24"),
        ("SMSLUICE__MODE__LENGHT", "off", "unknown rule `lenght`", "did you mean `length`?"),
        ("SMSLUICE__STATUS__QUOTA", "1024", "vendor range", "0x45"),
        ("SMSLUICE__MODE", "off", "`mode` is a table", "SMSLUICE__MODE__DEFAULT"),
        ("SMSLUICE__ACCOUNT__0__RATE", "1", "cannot be set by the environment", "accounts.toml"),
    ] {
        let problems = load_with_env(&shipped(), &environment(&[(variable, value)]), now()).expect_err(variable);
        let [problem] = &problems.0[..] else { panic!("{variable}: {problems}") };
        assert_eq!((problem.file.as_str(), problem.key.as_str()), ("environment", variable));
        assert!(problem.message.contains(message), "{problem}");
        assert!(problem.hint.as_deref().unwrap_or_default().contains(hint), "{problem}");
    }
}

#[test]
fn customers_bind_one_manager_and_never_show_in_a_problem() {
    let list = "contact_name = \"钱八\"\ncustomers = \"customers.csv\"";
    let dir = spoiled("accounts.toml", "contact_name = \"钱八\"", list);
    let file = dir.path().join("customers.csv");
    std::fs::write(&file, "\u{FEFF}number,note\n13856000001,\n+8613856000002,second\n").expect("written");
    let loaded = load(dir.path()).expect("usable");
    let account = loaded.ruleset.account("hfkey01").expect("shipped");
    assert_eq!(account.customers.as_ref().map(std::collections::HashSet::len), Some(2));
    assert!(account.modes.judges(Rule::Customers));
    std::fs::write(&file, "number\n1385600000x\n").expect("written");
    let printed = load(dir.path()).expect_err("no number").to_string();
    assert!(printed.contains("customers.csv:2: error: number") && !printed.contains("1385600000"), "{printed}");
    let dir = spoiled("accounts.toml", "sessions = 8", "sessions = 8\ncustomers = \"cities.csv\"");
    assert!(load(dir.path()).expect_err("wrong class").to_string().contains("no effect for province_1258"));
}

#[test]
fn a_manager_who_must_give_a_name_has_one() {
    let dir = spoiled("accounts.toml", "contact_name = \"钱八\"", "");
    let strict = environment(&[("SMSLUICE__SIGNATURE__CONTACT_NEEDS_NAME", "true")]);
    assert!(load(dir.path()).is_ok());
    let problems = load_with_env(dir.path(), &strict, now()).expect_err("no name");
    assert_eq!(problems.0[0].key, "account.contact_name");
}

#[test]
fn an_address_of_the_overlay_and_another_province_is_placed() {
    let dir = spoiled("overlay.csv", "", "13856001234,wuhu,cmcc,,,moved\n1385601,other_province,cmcc,,,sold\n");
    let loaded = load(dir.path()).expect("usable");
    assert_eq!(loaded.overlay_rows, 2);
    let regions = &loaded.ruleset.regions;
    let day = Day::parse("2026-11-24").expect("valid");
    let place = |number| regions.place(crate::domain::Msisdn::from_number(number).expect("valid"), day).expect("known");
    assert_eq!(place(13_856_001_234).city, regions.city("wuhu"));
    assert_eq!(place(13_856_010_000).city, None);
}

#[test]
fn modes_and_statuses_of_an_account_go_before_the_sites() {
    let own = "sessions = 8\nmode = \"observe\"\nmodes = { length = \"enforce\" }\nstatus = { quota = 0x58 }";
    let dir = spoiled("accounts.toml", "sessions = 8", own);
    let policy = dir.path().join("policy.toml");
    let text = std::fs::read_to_string(&policy).expect("shipped");
    let text = text.replace("# duplicate = 0x45", "quota = 0x14").replace("# default = \"enforce\"", "hours = \"off\"");
    std::fs::write(&policy, text).expect("written");
    let loaded = load(dir.path()).expect("usable");
    let (own, other) =
        (loaded.ruleset.account("p1258").expect("shipped"), loaded.ruleset.account("hf6202").expect("shipped"));
    assert_eq!((own.modes.get(Rule::Length), own.modes.get(Rule::Hours)), (Mode::Enforce, Mode::Observe));
    assert_eq!((own.modes.get(Rule::Quota), other.modes.get(Rule::Hours)), (Mode::Off, Mode::Off));
    assert_eq!((own.status(Reason::Quota), other.status(Reason::Quota)), (0x58, 0x14));
}
