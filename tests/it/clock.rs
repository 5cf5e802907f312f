//! The machine's clock is set: over midnight, by a day, before a start. No day is
//! ever emptied, no quota doubled, and what the clock says in the meantime is not
//! acted upon (P12).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use smsluice::domain::{Clock, Moment};
use smsluice::sim::smsc::Smsc;

use crate::crash::{journaling_smsc, settled};
use crate::gateway::{Gateway, Site};
use crate::history::senders::Noted;
use crate::history::{CLOCK_UNTRUSTED, DUPLICATE, QUOTA, Recorder, Terms, policy};
use crate::stand::{good, hefei, moment};

const DAY_MS: i64 = 86_400_000;
const SEEN: Duration = Duration::from_secs(5);
const BACK: Duration = Duration::from_secs(10);
/// The clock is what is looked at here, so every hour is open.
const ANY_HOUR: &str = "[mode]\nhours = \"off\"\nholiday = \"off\"\n";

/// A site whose gateways go by the machine's clock, shifted.
struct World {
    smsc: Smsc,
    site: Site,
    recorder: Recorder,
    terms: Terms,
}

impl World {
    async fn new(quota: u64) -> Self {
        let smsc = journaling_smsc(1).await;
        let mut site = Site::new(&policy(quota, ANY_HOUR), smsc.local_addr(), "process").with_faults();
        site.clock_start = None;
        Self { smsc, site, recorder: Recorder::new(Clock::System), terms: Terms::new(quota) }
    }

    /// Sets the clock to a time, to run on from there.
    fn set(&self, time: &str) -> i64 {
        let offset = moment(time).ms() - Clock::System.now().ms();
        self.shift(offset);
        offset
    }

    fn shift(&self, offset_ms: i64) {
        self.site.faults().set_clock(offset_ms);
        self.recorder.set_clock(offset_ms);
    }

    async fn bind(&self, gateway: &Gateway) -> Noted {
        Noted::bind(gateway.smpp, "hefei", &self.recorder).await.expect("bound")
    }

    async fn assert_kept(&self, what: &str) {
        settled(&self.smsc, &self.recorder, &self.terms).await.assert_kept(what);
    }
}

async fn one(noted: &mut Noted, subscriber: u64) -> u32 {
    noted.one(&good(&hefei(subscriber))).await.expect("answered")
}

/// Not ready because of the clock, on every channel, within 5 s.
async fn assert_doubted(gateway: &Gateway, why: &str) {
    gateway.wait_ready(false, SEEN).await;
    let (_, body) = gateway.page("/readyz").await;
    assert!(body.contains(&format!(r#""clock":{{"ok":false,"why":"{why}"}}"#)), "{body}");
    assert!(
        gateway.metric("smsluice_ledger_trusted").await == 1 && gateway.metric("smsluice_clock_trusted").await == 0
    );
    let deadline = Instant::now() + SEEN;
    while gateway.event("clock_jump").is_none() {
        assert!(Instant::now() < deadline, "no event in\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_forward_and_back_neither_opens_nor_empties_a_day() {
    let world = World::new(2).await;
    let offset = world.set("2026-11-24T09:30:00+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!((one(&mut noted, 1).await, one(&mut noted, 1).await), (0, DUPLICATE));

    world.shift(offset + DAY_MS);
    assert_eq!(one(&mut noted, 1).await, CLOCK_UNTRUSTED, "from the very first message on");
    assert_doubted(&gateway, "clock_jumped").await;
    assert_eq!(one(&mut noted, 2).await, CLOCK_UNTRUSTED);
    let mut out = Vec::new();
    noted.enquire(&mut out);
    noted.exchange(&out).await.expect("the rest flows");
    let files = world.site.journals();
    assert!(files.iter().all(|file| file.display().to_string().contains("2026-11-24")), "{files:?}");

    world.shift(offset);
    gateway.wait_ready(true, BACK).await;
    assert_eq!((one(&mut noted, 1).await, one(&mut noted, 2).await, one(&mut noted, 3).await), (DUPLICATE, 0, QUOTA));
    noted.close(Ok(())).await;
    drop(gateway);
    world.assert_kept("a day forward").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_back_over_midnight_waits_for_midnight() {
    let world = World::new(10).await;
    let offset = world.set("2026-11-24T23:59:50+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    // Both sides of midnight are used, then the clock goes back to the first.
    assert!(matches!(one(&mut noted, 1).await, 0));
    let midnight = moment("2026-11-25T00:00:00+08:00").ms();
    while Clock::System.now().ms() + offset < midnight + 500 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((one(&mut noted, 1).await, one(&mut noted, 2).await), (0, 0));
    world.shift(offset - 8_000);
    assert_eq!(one(&mut noted, 3).await, CLOCK_UNTRUSTED);
    assert_doubted(&gateway, "clock_jumped").await;
    gateway.wait_ready(true, BACK).await;
    assert!(Clock::System.now().ms() + offset - 8_000 >= midnight - 200, "not before it is midnight again");
    assert_eq!(
        (one(&mut noted, 1).await, one(&mut noted, 2).await, one(&mut noted, 3).await),
        (DUPLICATE, DUPLICATE, 0)
    );
    noted.close(Ok(())).await;
    drop(gateway);
    world.assert_kept("back over midnight").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_behind_the_journal_has_to_be_confirmed() {
    let mut world = World::new(10).await;
    world.set("2026-11-24T09:30:00+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 1).await, 0);
    noted.close(Ok(())).await;
    gateway.stop().await;

    world.set("2026-11-23T09:30:00+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 2).await, CLOCK_UNTRUSTED);
    assert_doubted(&gateway, "clock_behind_ledger").await;
    assert!(gateway.log().contains("--confirm-clock"), "it says what to do");
    noted.close(Ok(())).await;
    gateway.stop().await;

    world.site.arguments.push("--confirm-clock");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!((one(&mut noted, 2).await, one(&mut noted, 2).await), (0, DUPLICATE));
    noted.close(Ok(())).await;
    gateway.stop().await;

    world.site.arguments.clear();
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 3).await, 0, "the row written last is of this day");
    noted.close(Ok(())).await;
    gateway.stop().await;

    world.set("2026-11-24T12:00:00+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!((one(&mut noted, 1).await, one(&mut noted, 2).await), (DUPLICATE, 0), "no day was emptied");
    noted.close(Ok(())).await;
    drop(gateway);
    world.assert_kept("behind the journal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_long_after_the_journal_has_to_be_confirmed() {
    let world = World::new(10).await;
    world.set("2026-10-13T09:30:00+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 1).await, 0);
    noted.close(Ok(())).await;
    gateway.stop().await;

    world.set("2026-11-24T09:30:00+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 1).await, CLOCK_UNTRUSTED);
    assert_doubted(&gateway, "clock_far_ahead_of_ledger").await;
    noted.close(Ok(())).await;
    gateway.stop().await;

    world.set("2026-10-13T10:30:00+08:00");
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!((one(&mut noted, 1).await, one(&mut noted, 2).await), (DUPLICATE, 0), "set right, it goes on");
    noted.close(Ok(())).await;
    drop(gateway);
    world.assert_kept("long after the journal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_zone_of_the_machine_does_not_matter() {
    for zone in ["America/New_York", "Pacific/Kiritimati", "UTC"] {
        let mut world = World::new(10).await;
        world.site.environment.push(("TZ", zone.to_owned()));
        world.set("2026-11-25T00:30:00+08:00"); // the 24th in New York and in UTC
        let gateway = world.site.run().await;
        let mut noted = world.bind(&gateway).await;
        assert_eq!(one(&mut noted, 1).await, 0, "{zone}");
        let files = world.site.journals();
        assert!(files.iter().all(|file| file.display().to_string().contains("2026-11-25")), "{zone}: {files:?}");
        noted.close(Ok(())).await;
        drop(gateway);
        world.assert_kept(zone).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn midnight_under_load_is_exact_on_both_sides() {
    const SUBSCRIBERS: u64 = 40;
    let world = World::new(SUBSCRIBERS).await;
    let offset = world.set("2026-11-24T23:59:52+08:00");
    let gateway = world.site.run().await;
    let midnight = moment("2026-11-25T00:00:00+08:00").ms();
    let now = move || Clock::System.now().ms() + offset;
    let senders: Vec<_> = ["hefei", "hefei2", "hefei"]
        .into_iter()
        .map(|account| {
            let (recorder, smpp) = (world.recorder.clone(), gateway.smpp);
            tokio::spawn(async move {
                let mut noted = Noted::bind(smpp, account, &recorder).await.expect("bound");
                let mut rounds_after = 0;
                while now() < midnight - 4_000 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                while rounds_after < 3 {
                    rounds_after += u64::from(now() > midnight);
                    let mut out = Vec::new();
                    // More subscribers than the quota has room for, so that it is full on both days.
                    for subscriber in 0..SUBSCRIBERS + 5 {
                        noted.submit(&good(&hefei(subscriber)), &mut out);
                    }
                    noted.exchange(&out).await.expect("answered");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                noted.close(Ok(())).await
            })
        })
        .collect();
    let mut passed = BTreeMap::new();
    for sender in senders {
        for (status, count) in sender.await.expect("no panic").by_status {
            *passed.entry(status).or_insert(0) += count;
        }
    }
    assert_eq!(passed.get(&0), Some(&(2 * SUBSCRIBERS)), "the quota of both days, exactly: {passed:?}");
    assert!(passed.keys().all(|status| [0, DUPLICATE, QUOTA].contains(status)), "{passed:?}");
    drop(gateway);
    let kept = Moment::from_ms(now());
    assert!(kept.ms() > midnight);
    world.assert_kept("midnight under load").await;
}
