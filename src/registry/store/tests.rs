use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;
use crate::domain::Moment;
use crate::policy::Ruleset;
use crate::policy::switches::{RegistrySwitches, Switches};
use crate::policy::testing::with_switches;
use crate::registry::application::{Category, Department, Span, State};
use crate::registry::workflow::Parts;

/// What a test works in.
struct World {
    rules: Ruleset,
    parts: Parts,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let registry = RegistrySwitches { lead_days: 0, ..RegistrySwitches::default() };
        let switches = Switches { registry, ..Switches::default() };
        let parts = Parts { all: true, ..Parts::default() };
        Self { rules: with_switches(switches), parts, folder: tempfile::tempdir().expect("a folder") }
    }

    fn site(&self) -> Site<'_> {
        let Ruleset { switches, calendar, regions, .. } = &self.rules;
        Site { switches: &switches.registry, calendar, regions }
    }

    fn actor(&self) -> Actor<'_> {
        Actor { by: "test", name: "李四", opinion: "同意", parts: &self.parts, now: at("2026-11-20T10:00:00") }
    }

    fn open(&self) -> Registry {
        Registry::open(self.folder.path()).expect("opened")
    }
}

fn at(text: &str) -> Moment {
    Moment::parse(text).expect("valid")
}

fn form(text: &str) -> Form {
    Form {
        unit: "province".to_owned(),
        category: Some(Category::Service),
        contact: "张三".to_owned(),
        telephone: "0551-62620001".to_owned(),
        target: "在网两年以上的客户".to_owned(),
        requested: Some(Span { from: at("2026-11-24T09:00:00"), until: at("2026-11-24T18:00:00") }),
        content: text.to_owned(),
        in_knowledge_base: true,
        ..Form::default()
    }
}

fn numbers(content: &Content, text: &str) -> Vec<u32> {
    let (chars, mut found) = (text.chars().collect::<Vec<_>>(), Vec::new());
    content.find(&chars, Some("province"), &mut found);
    content.of(&found).map(|campaign| campaign.number).collect()
}

#[test]
fn what_is_approved_is_known_to_the_rules_at_once_and_after_a_restart() {
    let (world, published) = (World::new(), AtomicU64::new(0));
    let publish = |snapshot: Snapshot| published.store(snapshot.content.generation(), Ordering::Relaxed);
    let registry = world.open();
    let made = registry.draft(
        vec![form("您好。安徽移动"), form("您好{a}。安徽移动")],
        &world.actor(),
        &world.site(),
        &publish,
    );
    assert_eq!(made.expect("drafted").iter().map(|own| own.number).collect::<Vec<_>>(), [1, 2]);
    let act = |act: &Act| registry.act(2, None, act, &world.actor(), &world.site(), &publish).expect("done");
    assert!(registry.snapshot().content.is_empty());
    act(&Act::Submit);
    let content = registry.snapshot().content;
    assert_eq!(numbers(&content, "您好。安徽移动"), [2], "it is in the knowledge base");
    act(&Act::Approve(None));
    let content = registry.snapshot().content;
    assert_eq!((content.generation(), published.load(Ordering::Relaxed)), (3, 3));
    let standing = |registry: &Registry| {
        let content = registry.snapshot().content;
        content.of(&[0]).next().map(|own| (own.number, own.standing))
    };
    assert_eq!(standing(&registry), Some((2, crate::policy::content::Standing::Approved)));
    assert!(matches!(
        registry.act(2, Some(2), &Act::Close, &world.actor(), &world.site(), &publish),
        Err(RegistryError::Changed(3))
    ));
    assert!(matches!(
        registry.act(9, None, &Act::Close, &world.actor(), &world.site(), &publish),
        Err(RegistryError::NotFound)
    ));
    drop(registry);
    let registry = world.open();
    assert_eq!(standing(&registry), Some((2, crate::policy::content::Standing::Approved)));
    assert_eq!(registry.snapshot().content.generation(), 3);
    let (application, steps) = registry.application(2).expect("there");
    assert_eq!((application.state, application.revision), (State::Approved, 3));
    assert_eq!(steps.iter().map(|step| &*step.act).collect::<Vec<_>>(), ["new", "submit", "approve"]);
    assert!(steps.iter().all(|step| step.name == "李四" && step.at.starts_with("2026-11-20T10:00:00")));
    registry
        .act(2, None, &Act::Reject(Department::GroupData), &world.actor(), &world.site(), &publish)
        .expect("withdrawn");
    assert!(registry.snapshot().content.is_empty());
}

#[test]
fn of_drafts_with_a_fault_none_is_entered() {
    let world = World::new();
    let registry = world.open();
    let forms = vec![form("a"), Form { city: "nowhere".to_owned(), ..form("b") }];
    let (index, error) =
        registry.draft(forms, &world.actor(), &world.site(), &|_| panic!("nothing has changed")).unwrap_err();
    assert!(index == 1 && matches!(error, RegistryError::Refused(_)));
    assert!(registry.list(&Filter::default(), 0, 10).expect("listed").is_empty());
}

#[test]
fn who_opts_out_is_known_after_a_restart_too() {
    let world = World::new();
    let registry = world.open();
    let number = |last: u64| Msisdn::from_number(13_856_000_000 + last).expect("a number");
    let entry = |last, account: Option<&str>| OptOut {
        number: number(last),
        account: account.map(str::to_owned),
        at: at("2026-11-20T10:00:00"),
        via: "test".to_owned(),
    };
    let quiet = |_: Snapshot| {};
    let entries = [entry(1, None), entry(2, Some("a")), entry(2, Some("b")), entry(1, None)];
    assert_eq!(registry.opt_out(&entries, &quiet).expect("entered"), 3);
    assert_eq!(registry.opt_out(&entries, &|_| panic!("nothing is new")).expect("known"), 0);
    drop(registry);
    let registry = world.open();
    let out = registry.snapshot().opted_out;
    assert_eq!(out.len(), 3);
    assert!(out.holds(number(1), "z") && out.holds(number(2), "b") && !out.holds(number(2), "z"));
    assert_eq!(registry.opt_in(&[(number(2), Some("b")), (number(3), None)], &quiet).expect("taken out"), 1);
    assert!(!registry.snapshot().opted_out.holds(number(2), "b"));
    let of = |last| registry.opted_out_of(number(last)).expect("looked up").len();
    assert_eq!((of(1), of(2), of(3)), (1, 1, 0));
    let listed = registry.opted_out(1, 10).expect("listed");
    assert_eq!(listed, [(2, entry(2, Some("a")))]);
}

/// Bounds that a loaded machine keeps; what it takes is measured by `benches/decide.rs`.
#[test]
fn a_hundred_thousand_applications_stay_fast() {
    let world = World::new();
    let registry = world.open();
    let quiet = |_: Snapshot| {};
    for page in 0..10 {
        let forms =
            (0..10_000).map(|index| form(&format!("第{}期优惠今日开始。安徽移动 询1860", page * 10_000 + index)));
        registry.draft(forms.collect(), &world.actor(), &world.site(), &quiet).expect("drafted");
    }
    {
        // All of them submitted and approved, as the file would have it.
        let mut inner = registry.0.lock();
        let connection = rusqlite::Connection::open(world.folder.path().join(FILE)).expect("opened");
        let arranged = serde_json::to_string(&form("").requested).expect("serialises");
        let update = "UPDATE campaign SET state = 'approved', record = json_set(record, '$.state', 'approved', '$.arranged', json(?1))
            WHERE number <> 50000";
        connection.execute(update, [arranged]).expect("updated");
        inner.live.clear();
    }
    drop(registry);
    let began = Instant::now();
    let registry = world.open();
    assert_eq!(registry.snapshot().content.len(), 99_999);
    let opened = began.elapsed();
    let began = Instant::now();
    registry.act(50_000, None, &Act::Submit, &world.actor(), &world.site(), &quiet).expect("submitted");
    registry.act(50_000, None, &Act::Approve(None), &world.actor(), &world.site(), &quiet).expect("approved");
    let acted = began.elapsed() / 2;
    assert_eq!(numbers(&registry.snapshot().content, "第49999期优惠今日开始。安徽移动 询1860"), [50_000]);
    let began = Instant::now();
    let (mut behind, mut pages, mut listed) = (0, 0, 0);
    let filter = Filter { unit: Some("province".to_owned()), state: Some(State::Approved) };
    loop {
        let page = registry.list(&filter, behind, 1000).expect("listed");
        let Some(last) = page.last() else { break };
        (behind, pages, listed) = (last.number, pages + 1, listed + page.len());
    }
    let page = began.elapsed() / pages;
    assert_eq!((listed, pages), (100_000, 100));
    let began = Instant::now();
    assert_eq!(registry.list(&filter, 99_000, 10).expect("listed").len(), 10);
    let last = began.elapsed();
    let told = format!("open {opened:?}, act {acted:?}, page of 1000 {page:?}, ten at the end {last:?}");
    assert!(
        opened.as_secs() < 60 && acted.as_millis() < 5000 && page.as_millis() < 1000 && last.as_millis() < 500,
        "{told}"
    );
    println!("{told}");
}
