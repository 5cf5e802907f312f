//! A reload under load: no PDU is judged by half of each of two policies, and nothing that is under way is lost (P10).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use smsluice::config::Reloaded;
use smsluice::config::diff::Effect;
use smsluice::config::load_with_env;
use smsluice::policy::Reason;
use smsluice::sim::esme::Esme;
use smsluice::sim::submit::SubmitSpec;

use crate::stand::{Setup, Stand, good, hefei, subscriber, verdict, write_config};

/// Puts another policy and other accounts in force.
async fn change(stand: &Stand, policy: &str, accounts: &[(&str, &str)]) -> Reloaded {
    write_config(stand.config_folder(), policy, accounts);
    stand.gateway.reloader().reload("test", "a change").await.unwrap_or_else(|problems| panic!("{problems}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pdu_is_judged_by_half_of_each() {
    /// Too long here, and answered with a status of its own.
    const SHORT: &str = "[length]\nlimit = 20\n[status]\ntoo_long = 0x61\n";
    /// Not too long here but unsigned, and answered with another.
    const LONG: &str = "[length]\nlimit = 65\n[status]\nno_signature = 0x62\n";
    let stand = Stand::with_policy(SHORT).await;
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for account in ["hefei", "hefei2"] {
        let (mut esme, stop) = (stand.bind(account).await, std::sync::Arc::clone(&stop));
        senders.push(tokio::spawn(async move {
            let spec = SubmitSpec::new(
                "62021",
                &hefei(1),
                "四十个字的短信没有落款四十个字的短信没有落款四十个字的短信没有落款",
            );
            let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                for answer in pipelined(&mut esme, &spec, 50).await {
                    *seen.entry(answer).or_default() += 1;
                }
            }
            seen
        }));
    }
    for turn in 0..40 {
        change(&stand, if turn % 2 == 0 { LONG } else { SHORT }, &[]).await;
    }
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        let seen = sender.await.expect("no panic");
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [0x61, 0x62], "statuses and how often: {seen:?}");
    }
    assert_eq!(stand.metric("smsluice_policy_version"), 41);
    stand.assert_conserved();
}

/// Submits so many copies in one write; returns the statuses.
async fn pipelined(esme: &mut Esme, spec: &SubmitSpec, count: u32) -> Vec<u32> {
    let mut octets = Vec::new();
    for sequence in 0..count {
        spec.write(1_000_000 + sequence, &mut octets);
    }
    esme.send_raw(&octets).await.expect("sent");
    let mut statuses = Vec::new();
    for _ in 0..count {
        let pdu = esme.next_pdu().await.expect("answered");
        statuses.push(u32::from_be_bytes([pdu[8], pdu[9], pdu[10], pdu[11]]));
    }
    statuses
}

#[tokio::test]
async fn a_bound_session_sends_under_the_new_rules_from_the_next_pdu() {
    let stand = Stand::with_policy("[length]\nlimit = 5\n").await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "too_long");
    change(&stand, "", &[]).await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    change(&stand, "", &[("system_id = \"province\"", "system_id = \"capital\"")]).await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate", "the day goes on");
    stand.bind("capital").await.unbind().await.expect("a new account binds at once");
    assert!(
        Esme::connect(stand.gateway.smpp, smsluice::smpp::bind::BindType::Transceiver, "province", "x", 0x34)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_account_that_is_gone_sends_nothing_and_is_unbound() {
    let stand = Stand::open().await;
    let (mut esme, mut other) = (stand.bind("hefei2").await, stand.bind("hefei").await);
    change(&stand, "", &[("system_id = \"hefei2\"", "system_id = \"hefei9\"")]).await;
    let unbind = esme.next_pdu().await.expect("an unbind");
    assert_eq!(unbind[4..8], [0, 0, 0, 6]);
    // What it sends before it has read that is answered, and goes nowhere.
    let before = stand.refused("hefei2", Reason::AccountUnknown);
    let statuses = pipelined(&mut esme, &good(&hefei(1)), 1).await;
    assert_eq!((statuses[0], before), (0x0D, 0));
    assert_eq!(other.submit(&good(&hefei(1))).await.expect("answered").status, 0, "others go on");
    stand.assert_conserved();
}

#[tokio::test]
async fn sessions_and_rates_go_on_through_a_reload() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("slow").await;
    change(&stand, "", &[]).await;
    let again = Esme::connect(stand.gateway.smpp, smsluice::smpp::bind::BindType::Transceiver, "slow", "x", 0x34).await;
    assert!(again.is_err(), "its one session is still taken");
    let (began, mut passed) = (std::time::Instant::now(), 0);
    for n in 0..12 {
        let spec = SubmitSpec::new("62021", &subscriber("wuhu", n), "芜湖新营业厅开业。芜湖移动 询0553-1860");
        passed += u64::from(esme.submit(&spec).await.expect("answered").status == 0);
        change(&stand, "", &[]).await;
    }
    let fresh = 2 * (began.elapsed().as_secs() + 1); // two a second come back by themselves
    assert!(passed >= 3 && passed <= 3 + fresh, "{passed} passed: a reload fills no bucket");
}

/// Changes a switch that a reload leaves alone.
async fn fix(stand: &Stand, digits: u32) {
    let gateway = std::sync::Arc::clone(stand.gateway.gateway());
    let mut rules = load_with_env(stand.config_folder(), &BTreeMap::new(), gateway.now()).expect("valid").ruleset;
    (rules.version, rules.switches.spread.digits) = (gateway.site().rules.version + 1, digits);
    let settings = gateway.site().settings.clone();
    tokio::task::spawn_blocking(move || gateway.replace(rules, settings)).await.expect("no panic").expect("replaced");
}

#[tokio::test]
async fn what_is_in_flight_settles_under_the_switches_it_was_taken_under() {
    const ONE: &str = "[spread]\nlimit = 1\n";
    let stand = Stand::new(Setup { policy: format!("{ONE}digits = 7\n"), ..Setup::default() }).await;
    stand.smsc.change(|behaviour| {
        behaviour.latency = smsluice::sim::smsc::Latency::fixed(Duration::from_millis(1500));
        behaviour.errors = vec![(0x14, 1.0)];
    });
    let mut esme = stand.bind("hefei").await;
    let to = subscriber("hefei", 1);
    let spec = good(&to);
    let waiting = tokio::spawn(async move { (esme.submit(&spec).await.expect("answered").status, esme) });
    while stand.metric(r#"smsluice_messages_in_flight{account="hefei"}"#) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fix(&stand, 8).await;
    let (status, mut esme) = waiting.await.expect("no panic");
    assert_eq!(status, 0x14, "the SMSC refuses it while eight digits make a segment");
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    fix(&stand, 7).await;
    assert_eq!(esme.submit(&good(&to)).await.expect("answered").status, 0, "its place among seven digits is free");
}

#[tokio::test]
async fn a_folder_with_an_error_changes_nothing_and_says_where() {
    let stand = Stand::with_policy("[length]\nlimit = 5\n").await;
    let mut esme = stand.bind("hefei").await;
    write_config(stand.config_folder(), "[length]\nlimit = 65\nlimmit = 1\n", &[]);
    let problems = stand.gateway.reloader().reload("test", "a slip").await.expect_err("refused");
    let found = problems.0.iter().find(|problem| problem.is_error()).expect("an error");
    assert_eq!((found.line, problems.errors()), (Some(3), 1), "{problems}");
    assert!(found.file.ends_with("policy.toml") && found.key.contains("limmit"), "{problems}");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "too_long", "the old one stays");
    assert_eq!(stand.metric("smsluice_config_last_reload_successful"), 0);
    assert_eq!(stand.metric("smsluice_policy_version"), 1);
    let done = change(&stand, "", &[]).await;
    assert_eq!((done.version, done.loosened, done.tightened), (2, 1, 0), "{done:?}");
    assert_eq!(stand.metric("smsluice_config_last_reload_successful"), 1);
    let attempts = stand.gateway.reloader().attempts();
    assert_eq!(attempts.iter().map(|attempt| attempt.version).collect::<Vec<_>>(), [Some(2), None, Some(1)]);
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_left_as_it_is() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0);
    let done = change(&stand, "[dedup]\nscope = \"account\"\n[quota]\nusers = 7\n", &[]).await;
    let [left] = &done.needs_restart[..] else { panic!("{done:?}") };
    assert_eq!((left.key.as_str(), left.effect), ("dedup.scope", Effect::Loosens));
    assert_eq!((done.changed[0].key.as_str(), done.changed[0].effect), ("quota.users", Effect::Tightens));
    let mut other = stand.bind("hefei2").await;
    assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(1))).await.0, "duplicate");
    let again = change(&stand, "[dedup]\nscope = \"account\"\n[quota]\nusers = 7\n", &[]).await;
    assert_eq!((again.changed.len(), again.needs_restart.len()), (0, 1), "it is named until there is a restart");
    assert_eq!(again.version, 3);
}

#[tokio::test]
async fn a_hold_on_a_unit_follows_an_account_that_a_reload_moves() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let gateway = stand.gateway.gateway();
    gateway.pause(crate::holds::hold("unit:wuhu")).await.expect("placed");
    gateway.pause(crate::holds::hold("city:wuhu")).await.expect("placed");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    let moved = [(
        "system_id = \"hefei\"\nclass = \"city_moa\"\nunit = \"hefei\"",
        "system_id = \"hefei\"\nclass = \"city_moa\"\nunit = \"wuhu\"",
    )];
    change(&stand, "", &moved).await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "paused");
    change(&stand, "", &[]).await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "pass");
}

/// Accounts and segments beside those of the tests. The large run: `SMSLUICE_RELOAD=10000,500000`.
fn size() -> (usize, usize) {
    let asked = std::env::var("SMSLUICE_RELOAD").ok();
    let pair = asked.and_then(|text| {
        let (accounts, segments) = text.split_once(',')?;
        Some((accounts.parse().ok()?, segments.parse().ok()?))
    });
    pair.unwrap_or((300, 20_000))
}

/// Writes a site of that size. Which texts it takes tells the two sites apart.
fn write_site(stand: &Stand, policy: &str, (accounts, segments): (usize, usize)) {
    write_config(stand.config_folder(), policy, &[]);
    let path = stand.config_folder().join("accounts.toml");
    let mut text = std::fs::read_to_string(&path).expect("written");
    for n in 0..accounts {
        let _ = write!(
            text,
            "\n[[account]]\nsystem_id = \"extra{n}\"\nclass = \"city_moa\"\nunit = \"hefei\"\ncity = \"hefei\"\n\
             sources = [\"6203{n}*\"]\nconsult_numbers = [\"10086\"]\ncustodian = \"x\"\n\
             rate = {{ per_second = 50, burst = 100 }}\nsessions = 4\nnetworks = [\"127.0.0.0/8\"]\n"
        );
    }
    std::fs::write(&path, text).expect("written");
    let path = stand.config_folder().join("segments.csv");
    let mut text = std::fs::read_to_string(&path).expect("written");
    let known: std::collections::HashSet<String> = text.lines().map(|line| line.chars().take(7).collect()).collect();
    let own = (1_300_000..1_999_999).map(|segment: u32| segment.to_string()).filter(|segment| !known.contains(segment));
    for segment in own.take(segments.saturating_sub(known.len())) {
        let _ = writeln!(text, "{segment},wuhu,cmcc,0");
    }
    std::fs::write(&path, text).expect("written");
}

/// Message by message, how long each took, and the statuses that were seen.
async fn watch(
    mut esme: Esme,
    stop: std::sync::Arc<AtomicBool>,
) -> (Vec<(std::time::Instant, Duration)>, BTreeMap<u32, u32>) {
    let spec =
        SubmitSpec::new("62021", &hefei(1), "四十个字的短信没有落款四十个字的短信没有落款四十个字的短信没有落款");
    let (mut took, mut seen) = (Vec::new(), BTreeMap::new());
    while !stop.load(Ordering::Relaxed) {
        let began = std::time::Instant::now();
        *seen.entry(esme.submit(&spec).await.expect("answered").status).or_insert(0) += 1;
        took.push((began, began.elapsed()));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (took, seen)
}

/// A site of thousands of accounts and segments is read, built and swapped beside the traffic. With `--nocapture` it prints how
/// long the messages took while it was, and otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_site_is_swapped_whole_beside_the_traffic() {
    const SHORT: &str = "[length]\nlimit = 20\n[status]\ntoo_long = 0x61\n";
    const LONG: &str = "[length]\nlimit = 65\n[status]\nno_signature = 0x62\n";
    let stand = Stand::with_policy(SHORT).await;
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for account in ["hefei", "hefei2", "hefei", "hefei2"] {
        senders.push(tokio::spawn(watch(stand.bind(account).await, std::sync::Arc::clone(&stop))));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut reloads = Vec::new();
    for turn in 0..4 {
        write_site(&stand, if turn % 2 == 0 { LONG } else { SHORT }, size());
        let began = std::time::Instant::now();
        stand.gateway.reloader().reload("test", "a large site").await.unwrap_or_else(|problems| panic!("{problems}"));
        reloads.push(began..std::time::Instant::now());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut beside, mut otherwise) = (Vec::new(), Vec::new());
    for sender in senders {
        let (took, seen) = sender.await.expect("no panic");
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [0x61, 0x62], "one site or the other: {seen:?}");
        for (began, took) in took {
            let during = reloads.iter().any(|reload| began + took > reload.start && began < reload.end);
            if during { beside.push(took) } else { otherwise.push(took) }
        }
    }
    let spans: Vec<Duration> = reloads.iter().map(|reload| reload.end - reload.start).collect();
    println!("{:?} accounts and segments, reloads took {spans:?}", size());
    for (name, mut took) in [("during reloads", beside), ("otherwise", otherwise)] {
        took.sort_unstable();
        let at = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000];
        println!(
            "{name}: {} messages, p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}",
            took.len(),
            at(500),
            at(990),
            at(999),
            at(1000)
        );
        assert!(at(500) < Duration::from_millis(500), "{name}: {:?}", at(500));
    }
    assert_eq!(stand.metric("smsluice_policy_version"), 5);
    stand.assert_conserved();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_replace_one_version_one_does() {
    let stand = Stand::with_policy("").await;
    let reloader = stand.gateway.reloader();
    let version = stand.gateway.gateway().site().rules.version;
    let asked = (0..8).map(|_| {
        let reloader = reloader.clone();
        tokio::spawn(async move { reloader.reload_from(version, "test", "a race").await })
    });
    let mut done = Vec::new();
    for one in asked.collect::<Vec<_>>() {
        done.push(one.await.expect("no panic"));
    }
    assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 1, "{done:?}");
    let in_force = stand.gateway.gateway().site().rules.version;
    assert_eq!(in_force, version + 1);
    assert!(done.iter().filter_map(|one| one.as_ref().err()).all(|one| one.in_force == in_force));
}
