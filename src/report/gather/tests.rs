use std::collections::BTreeMap;

use super::*;
use crate::domain::Msisdn;
use crate::ledger::PolicyName;
use crate::ledger::history::{Outcome, Receipt, Verdict};
use crate::policy::Reason;
use crate::smpp::command;
use crate::smpp::receipt::State;

const DAY: &str = "2026-11-24";

fn at(time: &str) -> Moment {
    Moment::parse(&format!("{DAY}T{time}+08:00")).expect("a time")
}

fn about(account: &str, unit: &str, campaign: Option<u32>, time: &str) -> Arc<About> {
    Arc::new(About {
        received: at(time),
        edt: at(time),
        account: account.into(),
        class: AccountClass::CityMoa,
        unit: unit.into(),
        command_id: command::SUBMIT_SM,
        source: (0, 0, "6202".into()),
        campaign,
        digest: None,
        text: None,
        policy: PolicyName::default(),
    })
}

fn attempt(about: &Arc<About>, number: u64, fate: Option<Fate>) -> Attempt {
    Attempt {
        day: Day::parse(DAY).expect("a day"),
        row: 1,
        id: fate.map(|_| 1),
        about: Arc::clone(about),
        to: To::Subscriber(Msisdn::from_number(13_855_100_000 + number).expect("a number")),
        count: 1,
        part: None,
        verdict: Verdict::Forwarded,
        outcome: fate.map(|fate| Outcome { fate, at: None, message_id: Box::default() }),
        receipt: None,
    }
}

fn refused(about: &Arc<About>, reason: Reason, count: u32) -> Attempt {
    Attempt { verdict: Verdict::Refused { reason, status: 0x45 }, count, ..attempt(about, 1, None) }
}

fn received(about: &Arc<About>, number: u64, state: State) -> Attempt {
    let receipt = Some(Receipt { state, error: 0, at: at("12:00:00") });
    Attempt { receipt, ..attempt(about, number, Some(Fate::Accepted)) }
}

fn asked() -> Asked {
    let day = Day::parse(DAY).expect("a day");
    Asked { from: day, to: day, campaign: None, success_basis: "delivered" }
}

fn made(asked: &Asked, attempts: &[Attempt]) -> Report {
    let read = |_, each: &mut dyn FnMut(Attempt)| {
        attempts.iter().cloned().for_each(each);
        Ok::<_, std::convert::Infallible>(())
    };
    gather(asked, at("23:00:00"), None, read, |_| true).expect("a report")
}

/// One of every kind.
fn all() -> Vec<Attempt> {
    let (hefei, fuyang) = (about("hefei", "hefei", None, "09:00:00"), about("fuyang", "fuyang", Some(7), "10:00:00"));
    vec![
        refused(&hefei, Reason::Quota, 3),
        refused(&hefei, Reason::NoSignature, 1),
        received(&hefei, 1, State::Delivered),
        received(&hefei, 2, State::Expired),
        received(&hefei, 3, State::Enroute),
        attempt(&hefei, 4, Some(Fate::Accepted)),
        attempt(&hefei, 5, Some(Fate::Rejected(0x14))),
        attempt(&fuyang, 6, Some(Fate::Unknown)),
        attempt(&fuyang, 7, Some(Fate::Released)),
        attempt(&fuyang, 8, Some(Fate::Pending)),
        attempt(&fuyang, 9, Some(Fate::Accepted)),
        refused(&fuyang, Reason::Quota, 1),
    ]
}

#[test]
fn every_message_is_counted_once_and_the_figures_add_up() {
    let report = made(&asked(), &all());
    let total = &report.total;
    assert!(total.add_up(), "{total:?}");
    assert_eq!((total.submitted, total.refused, total.forwarded), (14, 5, 9));
    assert_eq!((total.accepted, total.rejected, total.unknown, total.released, total.waiting), (5, 1, 1, 1, 1));
    assert_eq!((total.delivered, total.failed, total.pending, total.receipts), (1, 1, 3, 3));
    let by = |one: &crate::report::ReasonCount| (one.reason.to_string(), one.clause.to_string(), one.count);
    let by: Vec<_> = total.refused_by.iter().map(by).collect();
    let expected = [("no_signature", "4.3", 1), ("quota", "7.1b", 4)].map(|(a, b, c)| (a.to_owned(), b.to_owned(), c));
    assert_eq!(
        by.iter().map(|one| (&one.0, one.2)).collect::<Vec<_>>(),
        expected.iter().map(|one| (&one.0, one.2)).collect::<Vec<_>>()
    );
    assert!(by.iter().zip(&expected).all(|(own, wanted)| own.1.contains(&wanted.1)), "{by:?}");
    assert_eq!((total.first, total.last), (Some(at("09:00:00")), Some(at("10:00:00"))));
    // Each way of adding up comes to the same.
    for sums in [&report.days, &report.units, &report.accounts, &report.campaigns] {
        let mut sum = Figures::default();
        for one in sums {
            sum.merge(&one.figures);
        }
        sum.close();
        assert_eq!(sum, *total);
    }
    assert!(report.lines.iter().all(|line| line.figures.add_up()));
    assert_eq!(report.campaigns.iter().map(|sum| &*sum.of).collect::<Vec<_>>(), ["#7", "hefei"]);
}

#[test]
fn without_receipts_the_rate_is_unknown_and_not_zero() {
    let report = made(&asked(), &all());
    let rates = |of: &str| {
        let one = report.accounts.iter().find(|sum| sum.of == of).expect("an account");
        (one.figures.delivered_of_accepted, one.figures.accepted_of_submitted, report.success(&one.figures))
    };
    assert_eq!(rates("hefei"), (Some(0.25), Some(4.0 / 9.0), Some(0.25)));
    assert_eq!(rates("fuyang"), (None, Some(0.2), None));
    let text = serde_json::to_value(&report).expect("serialises");
    assert_eq!(text["accounts"][0]["delivered_of_accepted"], serde_json::Value::Null);
    assert_eq!(serde_json::from_value::<Report>(text).expect("reads back"), report);
    let other = made(&Asked { success_basis: "accepted", ..asked() }, &all());
    assert_eq!(other.success(&other.total), Some(5.0 / 14.0));
}

#[test]
fn a_campaign_alone_and_its_runs() {
    let about = about("fuyang", "fuyang", Some(7), "10:00:00");
    let mut attempts = all();
    attempts.extend((100..160).map(|number| attempt(&about, number, Some(Fate::Accepted))));
    attempts.extend((160..300).map(|number| attempt(&about, number, Some(Fate::Rejected(0x14)))));
    let report = made(&Asked { campaign: Some(7), ..asked() }, &attempts);
    assert_eq!((report.total.accepted, report.units.len()), (61, 1));
    let run = Run { day: DAY.to_owned(), campaign: Some(7), account: None, segment: 1_385_510, numbers: 60 };
    assert_eq!(report.runs, [run]);
}

#[test]
fn a_report_has_an_end() {
    let read = |_, each: &mut dyn FnMut(Attempt)| {
        for account in 0..=LINES_MAX {
            each(refused(&about(&account.to_string(), "u", None, "10:00:00"), Reason::Quota, 1));
        }
        Ok::<_, std::convert::Infallible>(())
    };
    let made = gather(&asked(), at("23:00:00"), None, read, |_| true);
    assert!(matches!(made, Err(Failed::TooLong)));
    let left = gather(&asked(), at("23:00:00"), None, |_, _| Ok::<_, std::convert::Infallible>(()), |_| false);
    assert!(matches!(left, Err(Failed::Left)));
}

#[test]
fn a_receipt_may_still_come_for_three_days() {
    let open = |time: &str| {
        let now = Moment::parse(time).expect("a time");
        let read = |_, _: &mut dyn FnMut(Attempt)| Ok::<_, std::convert::Infallible>(());
        gather(&asked(), now, None, read, |_| true).expect("a report").open
    };
    let known: BTreeMap<&str, bool> = [
        ("2026-11-24T23:00:00+08:00", true),
        ("2026-11-27T23:59:59+08:00", true),
        ("2026-11-28T00:00:00+08:00", false),
    ]
    .into();
    for (time, expected) in known {
        assert_eq!(open(time), expected, "{time}");
    }
}
