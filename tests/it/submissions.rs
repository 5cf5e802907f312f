//! Boundary cases of the policy reference, section 7, over the wire.

use std::time::Duration;

use smsluice::sim::submit::SubmitSpec;

use crate::stand::{GOOD, Setup, Stand, good, hefei, subscriber, verdict};

/// Submits to a fresh subscriber at each time and compares the verdicts.
async fn at_times(policy: &str, cases: &[(&str, &str)]) {
    let stand = Stand::with_policy(policy).await;
    let mut esme = stand.bind("hefei").await;
    for (n, (time, expected)) in cases.iter().enumerate() {
        stand.at(time);
        let (found, _) = verdict(&stand, &mut esme, "hefei", &good(&hefei(n as u64))).await;
        assert_eq!(&found, expected, "at {time}");
    }
    stand.assert_conserved();
}

#[tokio::test]
async fn windows_open_and_close_to_the_second() {
    at_times(
        "",
        &[
            ("2026-11-24T07:59:59", "night"),
            ("2026-11-24T08:00:00", "pass"),
            ("2026-11-24T10:59:59", "pass"),
            ("2026-11-24T11:00:00", "busy"),
            ("2026-11-24T13:59:59", "busy"),
            ("2026-11-24T14:00:00", "pass"),
            ("2026-11-24T16:59:59", "pass"),
            ("2026-11-24T17:00:00", "busy"),
            ("2026-11-24T17:59:59", "busy"),
            ("2026-11-24T18:00:00", "pass"),
            ("2026-11-24T21:59:59", "pass"),
            ("2026-11-24T22:00:00", "night"),
        ],
    )
    .await;
}

#[tokio::test]
async fn holidays_are_whole_local_days() {
    at_times(
        "",
        &[
            ("2027-02-04T09:30:00", "pass"),
            ("2027-02-05T09:30:00", "holiday"), // 除夕
            ("2027-02-08T09:30:00", "holiday"), // 初三
            ("2027-02-09T09:30:00", "pass"),    // 初四
            ("2027-02-14T21:59:59", "holiday"),
            ("2027-10-01T09:30:00", "pass"), // 国庆 is not in the list
            ("2027-12-24T09:30:00", "pass"),
            ("2027-12-25T09:30:00", "holiday"),
            ("2029-02-14T09:30:00", "holiday"), // inside the Spring Festival
            ("2036-06-02T09:30:00", "calendar_missing"),
        ],
    )
    .await;
}

#[tokio::test]
async fn one_message_a_day_and_the_day_is_local() {
    let stand = Stand::with_policy("[hours]\nnight = []\n").await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    for (time, spelling, expected) in [
        ("2026-11-24T23:59:58", to.clone(), "pass"),
        ("2026-11-24T23:59:59", to.clone(), "duplicate"),
        ("2026-11-25T00:00:00", to.clone(), "pass"),
        ("2026-11-25T00:00:01", format!("86{to}"), "duplicate"),
        ("2026-11-25T00:00:01", format!("+86{to}"), "duplicate"),
        ("2026-11-25T00:00:01", format!("0086{to}"), "duplicate"),
        ("2026-11-25T00:00:01", format!("0{to}"), "duplicate"),
    ] {
        stand.at(time);
        let (found, _) = verdict(&stand, &mut esme, "hefei", &good(&spelling)).await;
        assert_eq!(found, expected, "{spelling} at {time}");
    }
    assert_eq!(stand.smsc.stats().taken_twice, 0);
}

#[tokio::test]
async fn one_message_from_all_accounts_together() {
    let stand = Stand::open().await;
    let to = hefei(1);
    let mut first = stand.bind("hefei").await;
    let mut second = stand.bind("province").await;
    let spec = SubmitSpec::new("12581", &to, "积分商城上新啦。安徽移动 询1860");
    assert_eq!(verdict(&stand, &mut first, "hefei", &good(&to)).await.0, "pass");
    assert_eq!(verdict(&stand, &mut second, "province", &spec).await.0, "duplicate");
}

#[tokio::test]
async fn two_submissions_at_once_give_one_message() {
    let stand = Stand::open().await;
    let (mut one, mut two) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    for n in 0..200 {
        let spec = good(&hefei(n));
        let (a, b) = tokio::join!(one.submit(&spec), two.submit(&spec));
        let (a, b) = (a.expect("answered").status, b.expect("answered").status);
        assert_eq!(u32::from(a == 0) + u32::from(b == 0), 1, "{a:#x} and {b:#x}");
    }
    assert_eq!(stand.smsc.stats().taken_twice, 0);
    assert_eq!(stand.smsc.stats().taken, 200);
}

#[tokio::test]
async fn the_3000th_user_passes_and_the_3001st_does_not() {
    let stand = Stand::open().await;
    let (mut one, mut two) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    let specs: Vec<_> = (0..3200).map(|n| good(&hefei(n))).collect();
    let (left, right) = specs.split_at(1600);
    let (a, b) = tokio::join!(one.submit_many(left, 100), two.submit_many(right, 100));
    let answers: Vec<_> = a.expect("answered").into_iter().chain(b.expect("answered")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 0).count(), 3000);
    assert_eq!(answers.iter().filter(|answer| answer.status == 0x45).count(), 200);
    let mut other = stand.bind("fuyang").await;
    let spec = SubmitSpec::new("62021", &subscriber("fuyang", 1), "阜阳移动");
    assert_eq!(verdict(&stand, &mut other, "fuyang", &spec).await.0, "pass", "another unit has its own quota");
    assert_eq!(stand.smsc.stats().distinct_recipients, 3001);
    stand.assert_conserved();
}

#[tokio::test]
async fn a_city_reaches_its_own_subscribers_only() {
    let stand = Stand::open().await;
    let mut fuyang = stand.bind("fuyang").await;
    let mut hefei_esme = stand.bind("hefei").await;
    let text = "阜阳移动";
    for (to, expected) in [
        (subscriber("fuyang", 2), "pass"),
        (subscriber("bozhou", 2), "other_city"), // one area code, two cities
        ("13300000000".to_owned(), "unknown_segment"),
        ("12345678901".to_owned(), "bad_destination"),
        ("1064633113571".to_owned(), "bad_destination"),
    ] {
        let spec = SubmitSpec::new("62021", &to, text);
        assert_eq!(verdict(&stand, &mut fuyang, "fuyang", &spec).await.0, expected, "{to}");
    }
    // 1300002 was printed as 巢湖 and belongs to Hefei since 2011.
    assert_eq!(verdict(&stand, &mut hefei_esme, "hefei", &good("13000020001")).await.0, "pass");
}

#[tokio::test]
async fn a_source_of_another_account_is_refused() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    for (source, expected) in
        [("1258", "source_not_allowed"), ("", "source_not_allowed"), ("6202x", "source_not_allowed"), ("6202", "pass")]
    {
        let spec = SubmitSpec::new(source, &hefei(9), GOOD);
        assert_eq!(verdict(&stand, &mut esme, "hefei", &spec).await.0, expected, "{source}");
    }
}

#[tokio::test]
async fn the_effective_time_of_a_scheduled_message_is_judged() {
    let stand = Stand::open().await; // 2026-11-24 09:30
    let mut esme = stand.bind("hefei").await;
    for (n, (schedule, expected)) in [
        ("261124140000032+", "pass"),
        ("261124113000032+", "busy"),
        ("261124060000000+", "schedule_invalid"), // 06:00 local would be night, 14:00 by UTC is open
        ("261124060000004+", "busy"),             // 06:00 at UTC+1 is 13:00
        ("261124090000032+", "schedule_invalid"), // past
        ("261126090000032+", "schedule_too_far"),
        ("261324090000032+", "schedule_invalid"),
        ("261124140000049+", "schedule_invalid"),
        ("000000040000000R", "busy"), // 13:30
        ("000000050000000R", "pass"), // 14:30
        ("2611241400", "decode_failed"),
    ]
    .into_iter()
    .enumerate()
    {
        let spec = good(&hefei(n as u64)).at(schedule);
        let (found, answer) = verdict(&stand, &mut esme, "hefei", &spec).await;
        let found =
            if answer.status == 0x61 && found == "decode_failed" { "schedule_invalid".to_owned() } else { found };
        let expected = if expected == "decode_failed" { "schedule_invalid" } else { expected };
        assert_eq!(found, expected, "{schedule}");
    }
}

#[tokio::test]
async fn a_message_for_tomorrow_leaves_today_free() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    let tomorrow = good(&to).at("261125091500032+");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &tomorrow).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to)).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &tomorrow).await.0, "duplicate");
    stand.at("2026-11-25T10:00:00");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to)).await.0, "duplicate");
}

#[tokio::test]
async fn one_segment_is_slowed_and_opens_again() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let segment = &hefei(0)[..7];
    for n in 0..200 {
        let answer = esme.submit(&good(&format!("{segment}{n:04}"))).await.expect("answered");
        assert_eq!(answer.status, 0, "number {n}");
    }
    let next = good(&format!("{segment}0200"));
    let (found, answer) = verdict(&stand, &mut esme, "hefei", &next).await;
    assert_eq!((found.as_str(), answer.status), ("spread", 0x14));
    stand.advance(Duration::from_secs(599));
    assert_eq!(verdict(&stand, &mut esme, "hefei", &next).await.0, "spread");
    stand.advance(Duration::from_secs(1));
    assert_eq!(verdict(&stand, &mut esme, "hefei", &next).await.0, "pass");
}

#[tokio::test]
async fn an_accounts_rate_holds_and_refills() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("slow").await;
    let spec = |n| SubmitSpec::new("62021", &subscriber("wuhu", n), "芜湖移动");
    for n in 0..3 {
        assert_eq!(verdict(&stand, &mut esme, "slow", &spec(n)).await.0, "pass");
    }
    let (found, answer) = verdict(&stand, &mut esme, "slow", &spec(3)).await;
    assert_eq!((found.as_str(), answer.status), ("rate", 0x58));
    stand.advance(Duration::from_millis(600));
    assert_eq!(verdict(&stand, &mut esme, "slow", &spec(3)).await.0, "pass", "a refusal costs nothing");
}

#[tokio::test]
async fn statuses_can_be_overridden() {
    let stand = Stand::with_policy("[status]\nduplicate = 0x58\n").await;
    let mut esme = stand.bind("hefei").await;
    esme.submit(&good(&hefei(1))).await.expect("answered");
    let (found, answer) = verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await;
    assert_eq!((found.as_str(), answer.status), ("duplicate", 0x58));
}

#[tokio::test]
async fn a_second_scope_counts_by_itself() {
    let stand = Stand::new(Setup {
        policy: "[dedup]\nscope = \"unit\"\n[quota]\nscope = \"account\"\nusers = 2\n".to_owned(),
        ..Setup::default()
    })
    .await;
    let (mut one, mut two) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    let mut province = stand.bind("province").await;
    assert_eq!(verdict(&stand, &mut one, "hefei", &good(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut two, "hefei2", &good(&hefei(1))).await.0, "duplicate", "one unit");
    let spec = SubmitSpec::new("12581", &hefei(1), "积分商城上新啦。安徽移动 询1860");
    assert_eq!(verdict(&stand, &mut province, "province", &spec).await.0, "pass", "another unit");
    assert_eq!(verdict(&stand, &mut one, "hefei", &good(&hefei(2))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut one, "hefei", &good(&hefei(3))).await.0, "quota");
    assert_eq!(verdict(&stand, &mut two, "hefei2", &good(&hefei(3))).await.0, "pass", "each account counts by itself");
}

#[tokio::test]
async fn more_messages_a_day_are_still_one_user() {
    let stand = Stand::with_policy("[dedup]\nlimit = 2\n[quota]\nusers = 1\n").await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "quota");
}

#[tokio::test]
async fn an_empty_source_becomes_the_accounts_default() {
    let stand = Stand::new(Setup {
        accounts: vec![("system_id = \"hefei2\"", "system_id = \"hefei2\"\nsource_default = \"62020551\"")],
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei2").await;
    for (n, source) in ["", "62021", ""].into_iter().enumerate() {
        let spec = SubmitSpec::new(source, &hefei(n as u64), GOOD);
        assert_eq!(verdict(&stand, &mut esme, "hefei2", &spec).await.0, "pass");
    }
    let seen: Vec<_> = stand.smsc.entries().into_iter().filter(|entry| entry.octets[4..8] == [0, 0, 0, 4]).collect();
    let mut expected = SubmitSpec::new("62020551", &hefei(0), GOOD);
    let sequence = |octets: &[u8]| u32::from_be_bytes([octets[12], octets[13], octets[14], octets[15]]);
    assert_eq!(seen[0].octets, expected.submit_sm(sequence(&seen[0].octets)));
    expected = SubmitSpec::new("62021", &hefei(1), GOOD);
    assert_eq!(seen[1].octets, expected.submit_sm(sequence(&seen[1].octets)));
}

#[tokio::test]
async fn a_hot_segment_can_be_refused_for_good_or_only_counted() {
    for (action, expected, status) in [("reject", "spread", 0x45), ("warn", "pass", 0)] {
        let stand = Stand::with_policy(&format!("[spread]\nlimit = 1\naction = \"{action}\"\n")).await;
        let mut esme = stand.bind("hefei").await;
        let segment = hefei(0)[..7].to_owned();
        esme.submit(&good(&format!("{segment}0000"))).await.expect("answered");
        let (found, answer) = verdict(&stand, &mut esme, "hefei", &good(&format!("{segment}0001"))).await;
        assert_eq!((found.as_str(), answer.status), (expected, status));
        let noted = stand.metric(r#"smsluice_shadow_refusals_total{account="hefei",rule="spread"}"#);
        assert_eq!(noted, u64::from(action == "warn"));
    }
}
