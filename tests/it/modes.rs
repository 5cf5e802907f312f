//! Enforce, observe, off: per rule and per account.

use smsluice::domain::LocalTime;
use smsluice::ledger::Side;
use smsluice::sim::submit::SubmitSpec;

use crate::stand::{OPEN, Setup, Stand, good, hefei, moment, subscriber, verdict};

fn shadow(stand: &Stand, account: &str, rule: &str) -> u64 {
    stand.metric(&format!(r#"smsluice_shadow_refusals_total{{account="{account}",rule="{rule}"}}"#))
}

#[tokio::test]
async fn an_observing_site_lets_everything_through_and_counts() {
    let stand = Stand::with_policy("[mode]\ndefault = \"observe\"\n").await;
    let mut esme = stand.bind("hefei").await;
    for spec in [
        good(&hefei(1)),
        good(&hefei(1)),
        SubmitSpec::new("62021", &subscriber("wuhu", 1), "没有落款"),
        SubmitSpec::new("999", "not a number", "没有落款"),
        good(&hefei(2)).at("261124113000032+"),
        good(&hefei(3)).octets(8, b"odd"),
    ] {
        assert_eq!(esme.submit(&spec).await.expect("answered").status, 0);
    }
    assert_eq!(stand.smsc.stats().taken, 6);
    for (rule, count) in
        [("once", 1), ("region", 1), ("signature", 2), ("source", 1), ("destination", 1), ("hours", 1), ("decode", 1)]
    {
        assert_eq!(shadow(&stand, "hefei", rule), count, "{rule}");
    }
    let day = LocalTime::of(moment(OPEN)).day;
    let book = stand.gateway.gateway().ledger().book(day).expect("today's book");
    let stand_scope = stand.gateway.gateway().site().sender("hefei").expect("there").scopes.unit;
    assert_eq!(book.counted(Side::Real, stand_scope), 0, "the ledger is untouched");
    assert!(!std::fs::read_dir(stand.ledger_folder()).expect("there").any(|entry| {
        let path = entry.expect("an entry").path();
        path.extension().is_some_and(|ext| ext == "sqlite") && rows(&path) > 0
    }));
    stand.assert_conserved();
}

/// Rows of a journal that the gateway is writing: of a copy, for the journal itself cannot be opened meanwhile.
fn rows(path: &std::path::Path) -> i64 {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.sqlite");
    std::fs::copy(path, &copy).expect("copied");
    std::fs::copy(path.with_extension("sqlite-wal"), copy.with_extension("sqlite-wal")).expect("copied");
    let file = rusqlite::Connection::open(copy).expect("a journal");
    file.query_row("SELECT count(*) FROM batch", [], |row| row.get(0)).expect("counted")
}

#[tokio::test]
async fn an_observed_rule_lets_the_enforced_ones_refuse() {
    let stand = Stand::with_policy("[mode]\nsignature = \"observe\"\nhours = \"off\"\n").await;
    let mut esme = stand.bind("hefei").await;
    stand.at("2026-11-24T12:00:00");
    let unsigned = |to: &str| SubmitSpec::new("62021", to, "没有落款");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &unsigned(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &unsigned(&subscriber("wuhu", 1))).await.0, "other_city");
    assert_eq!(shadow(&stand, "hefei", "signature"), 2);
    assert_eq!(shadow(&stand, "hefei", "hours"), 0);
}

#[tokio::test]
async fn one_account_observes_while_the_others_are_held() {
    let stand = Stand::new(Setup {
        accounts: vec![("system_id = \"hefei2\"", "system_id = \"hefei2\"\nmode = \"observe\"")],
        ..Setup::default()
    })
    .await;
    let (mut held, mut observed) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    assert_eq!(verdict(&stand, &mut held, "hefei", &good(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut observed, "hefei2", &good(&hefei(1))).await.0, "pass", "it would be a duplicate");
    assert_eq!(shadow(&stand, "hefei2", "once"), 1);
    assert_eq!(verdict(&stand, &mut observed, "hefei2", &good(&hefei(2))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut held, "hefei", &good(&hefei(2))).await.0, "pass", "observed sends hold no slot");
    assert_eq!(shadow(&stand, "hefei2", "once"), 1);
}

#[tokio::test]
async fn without_the_rule_about_schedules_a_past_one_opens_no_other_day() {
    let stand = Stand::with_policy("[mode]\nschedule = \"observe\"\n").await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to)).await.0, "pass");
    for year in [24, 25, 27, 30, 35] {
        let spec = good(&to).at(&format!("{year:02}1124093000032+"));
        assert_eq!(verdict(&stand, &mut esme, "hefei", &spec).await.0, "duplicate", "20{year}");
    }
}

#[tokio::test]
async fn a_clock_set_back_opens_no_emptied_day() {
    let stand = Stand::with_policy("[hours]\nnight = []\n").await;
    stand.at("2026-11-24T23:00:00");
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    stand.at("2026-11-25T02:00:00");
    tokio::time::sleep(std::time::Duration::from_millis(2200)).await; // the housekeeping drops yesterday
    stand.at("2026-11-24T23:30:00");
    let (found, _) = verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await;
    assert_ne!(found, "pass");
}
