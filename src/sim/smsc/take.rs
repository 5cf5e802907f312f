//! What the simulated SMSC does with a submission.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{self, DateTime};

use super::Behaviour;
use super::post::Posted;
use super::session::{Bound, Session};
use crate::domain::{Day, LocalTime, Moment};
use crate::sim::pdu::{Message, Receipt, SubmitAnswer};
use crate::sim::recipients::national;
use crate::smpp::command::{self, status};
use crate::smpp::frame::Header;

/// Message ids a session takes at a time, so that sessions do not meet at one counter.
const IDS: u64 = 256;

impl Session<'_> {
    pub(super) fn submission(&mut self, behaviour: &Behaviour, header: Header, frame: &[u8]) {
        self.submissions += 1;
        let (status, id) = match self.read(header, frame) {
            Ok(message) => match self.verdict(behaviour) {
                status::ESME_ROK => (status::ESME_ROK, self.take(behaviour, &message, header, frame)),
                status => {
                    self.follow(&message, header, frame, false);
                    (status, 0)
                }
            },
            Err(status) => (status, 0),
        };
        if behaviour.close_after.is_some_and(|count| self.submissions >= count) {
            self.closing = true;
        } else if self.random.chance(behaviour.silent) {
            self.tally.silent += 1;
        } else {
            let (command_id, sequence) = (header.command_id, header.sequence);
            self.answer(behaviour, SubmitAnswer { command_id, sequence, status, id });
        }
    }

    /// The message, if the session may submit and it can be read.
    fn read<'f>(&mut self, header: Header, frame: &'f [u8]) -> Result<Message<'f>, u32> {
        if !self.bound.as_ref().is_some_and(|bound| bound.bind_type.submits()) {
            return Err(status::ESME_RINVBNDSTS);
        }
        let message = match header.command_id {
            command::SUBMIT_SM => Message::submit_sm(frame),
            command::DATA_SM => Message::data_sm(frame),
            _ => Message::submit_multi(frame, |_| {}).map(|()| Message::default()),
        };
        self.tally.protocol_errors += u64::from(message.is_none());
        message.ok_or(status::ESME_RINVCMDLEN)
    }

    /// The status of the next message: throttled above the capacity, then by the error mix.
    fn verdict(&mut self, behaviour: &Behaviour) -> u32 {
        self.served_at = None;
        match behaviour.capacity {
            Some(per_second) if !self.shared.has_capacity(per_second) => return status::ESME_RTHROTTLED,
            _ => {}
        }
        match behaviour.draw_status(&mut self.random) {
            status::ESME_ROK => self.queue(behaviour),
            status => status,
        }
    }

    /// Waits for its service, where there is one; the status of a full queue if it cannot.
    fn queue(&mut self, behaviour: &Behaviour) -> u32 {
        let Some(service) = behaviour.service else { return status::ESME_ROK };
        self.served_at = self.shared.queue.join(service, self.at);
        if self.served_at.is_some() { status::ESME_ROK } else { service.full }
    }

    fn take(&mut self, behaviour: &Behaviour, message: &Message<'_>, header: Header, frame: &[u8]) -> u64 {
        self.tally.taken += 1;
        self.follow(message, header, frame, true);
        let id = self.id();
        if message.registered_delivery & 3 != 0 && behaviour.receipts.is_some() {
            self.post_receipt(behaviour, message, id);
        }
        id
    }

    fn id(&mut self) -> u64 {
        use std::sync::atomic::Ordering;
        if self.ids.is_empty() {
            let first = self.shared.ids.fetch_add(IDS, Ordering::Relaxed);
            self.ids = first..first + IDS;
        }
        let id = self.ids.start;
        self.ids.start += 1;
        id
    }

    /// Keeps account of the recipients of one submission.
    fn follow(&mut self, message: &Message<'_>, header: Header, frame: &[u8], taken: bool) {
        if self.shared.taken.is_none() || message.is_later_part() {
            return;
        }
        let day = delivery_day(message.schedule, self.now);
        if header.command_id == command::SUBMIT_MULTI {
            // Numbers that could be read were read once already, so this goes to the end.
            let _ = Message::submit_multi(frame, |address| self.follow_one(day, address, taken));
        } else {
            self.follow_one(day, message.destination, taken);
        }
    }

    fn follow_one(&mut self, day: Day, address: &[u8], taken: bool) {
        let Some(number) = address.get(2..).and_then(national) else { return };
        if self.today.as_ref().is_none_or(|(today, _)| *today != day) {
            self.today = self.shared.taken.as_ref().map(|days| (day, days.of(day)));
        }
        let Some((_, set)) = &self.today else { return };
        let before = if taken { set.insert(number) } else { set.contains(number) };
        self.tally.distinct += u64::from(taken && !before);
        self.tally.repeated += u64::from(before);
        self.tally.taken_twice += u64::from(taken && before);
    }

    fn post_receipt(&mut self, behaviour: &Behaviour, message: &Message<'_>, id: u64) {
        let (Some(receipts), Some(Bound { system_id, .. })) = (behaviour.receipts, &self.bound) else { return };
        let delivered = !self.random.chance(receipts.undelivered);
        // 2 asks for failures only, 3 for successes only (5.0).
        if matches!((message.registered_delivery & 3, delivered), (2, true) | (3, false)) {
            return;
        }
        let text = |address: &[u8]| String::from_utf8_lossy(address.get(2..).unwrap_or_default()).into_owned();
        let (source, destination) = (text(message.source), text(message.destination));
        let receipt = Receipt { id, source, destination, submitted: self.now, delivered };
        let delay = behaviour.latency.to + receipts.delay.draw(&mut self.random);
        let due = tokio::time::Instant::now() + delay;
        if self.shared.post.try_send(Posted { due, system_id: Arc::clone(system_id), receipt }).is_err() {
            self.tally.receipts_dropped += 1;
        }
    }
}

/// The local day on which a message is to arrive: today, unless its schedule says otherwise.
fn delivery_day(schedule: &[u8], now: LocalTime) -> Day {
    if schedule.is_empty() {
        return now.day;
    }
    scheduled_day(schedule, now).unwrap_or(now.day)
}

/// Reads `YYMMDDhhmmsstnnp` (SMPP 3.4 section 7.1.1) strictly: nn = 00 is UTC.
fn scheduled_day(schedule: &[u8], now: LocalTime) -> Option<Day> {
    let schedule: &[u8; 16] = schedule.try_into().ok()?;
    let pair = |at: usize| {
        let (tens, ones) = (schedule[2 * at].checked_sub(b'0')?, schedule[2 * at + 1].checked_sub(b'0')?);
        if tens < 10 && ones < 10 { i8::try_from(tens * 10 + ones).ok() } else { None }
    };
    let (year, month, day, hour, minute, second) = (pair(0)?, pair(1)?, pair(2)?, pair(3)?, pair(4)?, pair(5)?);
    if schedule[15] == b'R' {
        let span = year.years().months(month).days(day).hours(hour).minutes(minute).seconds(second);
        return Day::from_civil(civil_time(now).checked_add(span).ok()?.date());
    }
    let quarters = (schedule[13].checked_sub(b'0')?, schedule[14].checked_sub(b'0')?);
    let ahead_ms = (i64::from(quarters.0) * 10 + i64::from(quarters.1)) * 15 * 60_000;
    let ahead_ms = if schedule[15] == b'-' { -ahead_ms } else { ahead_ms };
    let written = DateTime::new(2000 + i16::from(year), month, day, hour, minute, second, 0).ok()?;
    let utc_ms = jiff::tz::Offset::UTC.to_timestamp(written).ok()?.as_millisecond() - ahead_ms;
    Some(LocalTime::of(Moment::from_ms(utc_ms)).day)
}

fn civil_time(time: LocalTime) -> DateTime {
    let (hour, minute, second) = (time.second / 3600, time.second / 60 % 60, time.second % 60);
    time.day.to_civil().to_datetime(civil::time(hour as i8, minute as i8, second as i8, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_names_the_local_day_of_delivery() {
        let now = LocalTime::of(Moment::parse("2026-11-24T23:30:00+08:00").expect("valid"));
        for (schedule, day) in [
            ("", "2026-11-24"),
            ("261125090000032+", "2026-11-25"),
            ("261124170000000+", "2026-11-25"), // 17:00 UTC is 01:00 here
            ("261125003000036+", "2026-11-24"),
            ("000000003000000R", "2026-11-25"),
            ("000100000000000R", "2026-12-24"),
            ("nonsense nonsens", "2026-11-24"),
        ] {
            assert_eq!(Some(delivery_day(schedule.as_bytes(), now)), Day::parse(day), "{schedule}");
        }
    }
}
