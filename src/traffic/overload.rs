//! Clause 7.6: the overload governor of one SMSC.
//!
//! It sees every answer to a submission, and once a second takes one step. While
//! the SMSC shows overload the rate is set below what it took (multiplicative
//! decrease); otherwise a rate that was lowered grows by the same amount each
//! second (additive increase) and is lifted when nobody has met it for a while.
//! When lowering does not help for a whole window, or the SMSC's own
//! congestion_state says so, it asks for a hold, and ends it after a quiet time.
//! The steps are a pure function of what was seen; [`Governor`] only counts.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::policy::switches::{OverloadMode, OverloadSwitches};
use crate::smpp::command::status;

use super::bucket::{Bucket, Taken};

/// Answers in one second, below which their shares say nothing.
const ANSWERS_MIN: u64 = 20;
/// Time between two steps, milliseconds.
const STEP_MS: i64 = 1000;

/// What an SMSC showed in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Answers to submissions.
    pub answers: u64,
    /// Messages it took.
    pub taken: u64,
    /// RTHROTTLED, RMSGQFUL and RSYSERR.
    pub busy: u64,
    /// Answers later than `lower_response_ms`.
    pub slow: u64,
    /// Answers later than `hold_response_ms`.
    pub late: u64,
    /// Highest congestion_state.
    pub congestion: u8,
    /// Whether congestion_state reached its threshold in enough answers that follow each other.
    pub congested: bool,
    /// Messages refused because of the lowered rate.
    pub refused: u64,
}

/// What waits for an answer at the moment of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages.
    pub all: u64,
    /// Those that wait for longer than `lower_response_ms`.
    pub slow: u64,
    /// Those that wait for longer than `hold_response_ms`.
    pub late: u64,
}

/// Why a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The share of answers that say "not now".
    Busy,
    /// The time to the answer.
    Response,
    /// congestion_state.
    Congestion,
    /// Messages not answered yet.
    InFlight,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// The rate was lowered, messages a second.
    Lower(f64, Cause),
    /// It has grown.
    Raise(f64),
    /// There is no limit any more.
    Lift,
    /// A hold is to be placed.
    Hold(Cause),
    /// The hold is to be ended.
    End,
}

/// The governor of one SMSC.
#[derive(Debug)]
pub struct Governor {
    seen: Counts,
    /// Thresholds, for those who count.
    slow_ms: AtomicI64,
    late_ms: AtomicI64,
    congestion: AtomicU32,
    congestion_answers: AtomicU32,
    /// Messages a second, the bits of an `f64`; 0 without a limit.
    limit: AtomicU64,
    bucket: Bucket,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Counts {
    answers: AtomicU64,
    taken: AtomicU64,
    busy: AtomicU64,
    slow: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
    congestion: AtomicU32,
    /// Answers at or above the threshold that follow each other.
    run: AtomicU32,
    congested: AtomicBool,
}

/// What one batch of answers adds.
#[derive(Debug)]
pub struct Tally {
    seen: Seen,
    slow_ms: i64,
    late_ms: i64,
    congestion: u8,
    congestion_answers: u32,
    run: u32,
    run_is_whole: bool,
}

/// What steps are made from.
#[derive(Debug, Default)]
struct State {
    last_ms: Option<i64>,
    limit: Option<f64>,
    /// What the SMSC took when the rate was lowered last; the increase is a share of it.
    found: f64,
    /// Since when overload has shown itself again and again.
    trouble_ms: Option<i64>,
    /// When the limit was met or overload seen last.
    met_ms: i64,
    window: VecDeque<(i64, Seen)>,
    held: bool,
    /// When there was a ground for a hold last.
    ground_ms: i64,
}

// === impl Governor ===

impl Default for Governor {
    fn default() -> Self {
        let governor = Self {
            seen: Counts::default(),
            slow_ms: AtomicI64::default(),
            late_ms: AtomicI64::default(),
            congestion: AtomicU32::default(),
            congestion_answers: AtomicU32::default(),
            limit: AtomicU64::new(0),
            bucket: Bucket::default(),
            state: Mutex::default(),
        };
        governor.follow(&OverloadSwitches::default());
        governor
    }
}

impl Governor {
    /// Counts by these switches from here on.
    fn follow(&self, switches: &OverloadSwitches) {
        self.slow_ms.store(i64::from(switches.lower_response_ms), Ordering::Relaxed);
        self.late_ms.store(i64::from(switches.hold_response_ms), Ordering::Relaxed);
        self.congestion.store(switches.hold_congestion, Ordering::Relaxed);
        self.congestion_answers.store(switches.hold_congestion_answers, Ordering::Relaxed);
    }

    /// An empty tally for a batch of answers.
    pub fn tally(&self) -> Tally {
        Tally {
            seen: Seen::default(),
            slow_ms: self.slow_ms.load(Ordering::Relaxed),
            late_ms: self.late_ms.load(Ordering::Relaxed),
            congestion: self.congestion.load(Ordering::Relaxed).min(255) as u8,
            congestion_answers: self.congestion_answers.load(Ordering::Relaxed),
            run: 0,
            run_is_whole: false,
        }
    }

    /// Adds what a batch of answers showed.
    pub fn add(&self, tally: &Tally) {
        if tally.seen.answers == 0 {
            return;
        }
        let (seen, own) = (&tally.seen, &self.seen);
        let counts = [
            (&own.answers, seen.answers),
            (&own.taken, seen.taken),
            (&own.busy, seen.busy),
            (&own.slow, seen.slow),
            (&own.late, seen.late),
        ];
        for (counter, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        own.congestion.fetch_max(u32::from(seen.congestion), Ordering::Relaxed);
        let run = if tally.run_is_whole {
            own.run.store(tally.run, Ordering::Relaxed);
            tally.run
        } else if tally.run > 0 {
            own.run.fetch_add(tally.run, Ordering::Relaxed) + tally.run
        } else {
            0
        };
        if seen.congested || run >= tally.congestion_answers && run > 0 {
            own.congested.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there is a limit now.
    pub fn is_limiting(&self) -> bool {
        self.limit.load(Ordering::Relaxed) > 0
    }

    /// The limit, messages a second.
    pub fn limit(&self) -> Option<f64> {
        let bits = self.limit.load(Ordering::Relaxed);
        (bits > 0).then(|| f64::from_bits(bits))
    }

    /// Takes so many messages from the limit, nothing where there is none; `None` if it is met.
    pub fn take(&self, messages: u32, now_ns: u64) -> Option<Taken> {
        let Some(limit) = self.limit() else { return Some(Taken::NOTHING) };
        let taken = self.bucket.take(messages, limit, now_ns);
        if taken.is_none() {
            self.seen.refused.fetch_add(u64::from(messages), Ordering::Relaxed);
        }
        taken
    }

    /// Gives back what was taken for messages that do not go on after all.
    pub fn give_back(&self, taken: Taken) {
        self.bucket.give_back(taken);
    }

    /// Whether a step is due at a steady time.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.state.lock().last_ms.is_none_or(|last| now_ms - last >= STEP_MS)
    }

    /// Takes the steps of a time that is due.
    /// `held` says whether its own hold is in force.
    pub fn step(&self, switches: &OverloadSwitches, waiting: Waiting, held: bool, now_ms: i64) -> Vec<Step> {
        let mut state = self.state.lock();
        self.follow(switches);
        let steps = state.step(switches, self.seen.take(), waiting, held, now_ms);
        self.limit.store(state.limit.map_or(0, f64::to_bits), Ordering::Relaxed);
        steps
    }
}

impl Counts {
    /// What was counted since the last time.
    fn take(&self) -> Seen {
        let count = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Seen {
            answers: count(&self.answers),
            taken: count(&self.taken),
            busy: count(&self.busy),
            slow: count(&self.slow),
            late: count(&self.late),
            congestion: self.congestion.swap(0, Ordering::Relaxed) as u8,
            congested: self.congested.swap(false, Ordering::Relaxed),
            refused: count(&self.refused),
        }
    }
}

// === impl Tally ===

impl Tally {
    /// One answer: its status, how long it took, for how many messages it speaks, and its congestion_state.
    pub fn answer(&mut self, command_status: u32, waited_ms: i64, messages: u64, congestion: Option<u8>) {
        let seen = &mut self.seen;
        seen.answers += 1;
        match command_status {
            status::ESME_ROK => seen.taken += messages,
            status::ESME_RTHROTTLED | status::ESME_RMSGQFUL | status::ESME_RSYSERR => seen.busy += 1,
            _ => {}
        }
        seen.slow += u64::from(waited_ms > self.slow_ms);
        seen.late += u64::from(waited_ms > self.late_ms);
        if let Some(congestion) = congestion {
            seen.congestion = seen.congestion.max(congestion);
            if congestion >= self.congestion {
                self.run += 1;
                seen.congested |= self.run >= self.congestion_answers;
            } else {
                (self.run, self.run_is_whole) = (0, true);
            }
        }
    }
}

// === impl State ===

impl State {
    fn step(
        &mut self,
        switches: &OverloadSwitches,
        seen: Seen,
        waiting: Waiting,
        held: bool,
        now_ms: i64,
    ) -> Vec<Step> {
        let seconds = self.last_ms.map_or(1.0, |last| (now_ms - last) as f64 / 1e3);
        self.last_ms = Some(now_ms);
        self.window.push_back((now_ms, seen));
        let begin = now_ms - i64::from(switches.window_seconds) * 1000;
        while self.window.front().is_some_and(|(at, _)| *at <= begin) {
            self.window.pop_front();
        }
        if switches.freeze {
            self.held = held;
            return Vec::new();
        }
        let mut steps = Vec::new();
        if switches.mode == OverloadMode::Off {
            *self = Self { last_ms: self.last_ms, ..Self::default() };
            return if held { vec![Step::End] } else { steps };
        }
        if held && !self.held {
            self.ground_ms = now_ms; // its hold of an earlier life
        }
        if self.held && !held {
            self.window.clear(); // somebody has ended it, and knows better than what was seen before
            self.trouble_ms = None;
        }
        self.held = held;
        steps.extend(self.rate(switches, seen, waiting, seconds, now_ms));
        steps.extend(self.hold(switches, seen, waiting, now_ms));
        steps
    }

    /// Lowers, raises or lifts the limit.
    fn rate(
        &mut self,
        switches: &OverloadSwitches,
        seen: Seen,
        waiting: Waiting,
        seconds: f64,
        now_ms: i64,
    ) -> Option<Step> {
        if self.held {
            return None;
        }
        let least = f64::from(switches.least_per_second);
        let percent = |percent: u32| f64::from(percent) / 100.0;
        let before = self.limit;
        if let Some(cause) = overload(switches, seen, waiting) {
            self.trouble_ms.get_or_insert(now_ms);
            self.met_ms = now_ms;
            // What it took is what it can take: while there is overload, it has more than enough to do. So lowering again
            // before the first time has had its effect asks for the same rate, not for less and less.
            self.found = (seen.taken as f64 / seconds).max(least);
            let limit = (self.found * (1.0 - percent(switches.decrease_percent))).max(least);
            if before.is_some_and(|before| before <= limit) {
                return None;
            }
            self.limit = Some(limit);
            return Some(Step::Lower(limit, cause));
        }
        let limit = before?;
        if seen.refused > 0 {
            self.met_ms = now_ms;
            let limit = limit + self.found * percent(switches.increase_percent) * seconds;
            self.limit = Some(limit);
            return Some(Step::Raise(limit));
        }
        if now_ms - self.met_ms >= i64::from(switches.quiet_seconds) * 1000 {
            (self.limit, self.trouble_ms) = (None, None);
            return Some(Step::Lift);
        }
        None
    }

    /// Places a hold where there is a ground, and ends it when there was none for a while.
    fn hold(&mut self, switches: &OverloadSwitches, seen: Seen, waiting: Waiting, now_ms: i64) -> Option<Step> {
        let ground = self.ground(switches, seen, waiting, now_ms);
        if ground.is_some() {
            self.ground_ms = now_ms;
        }
        match ground {
            Some(cause) if !self.held && switches.mode == OverloadMode::Hold => {
                // When it ends, sending begins again at half of what the SMSC took.
                self.limit = Some((self.found / 2.0).max(f64::from(switches.least_per_second)));
                self.held = true; // so that its end is noticed, even before the next step
                Some(Step::Hold(cause))
            }
            None if self.held && now_ms - self.ground_ms >= i64::from(switches.quiet_seconds) * 1000 => {
                (self.trouble_ms, self.met_ms) = (None, now_ms);
                self.window.clear();
                Some(Step::End)
            }
            _ => None,
        }
    }

    /// Whether there is a ground for a hold (policy reference, 3.9). Shares count only once lowering the rate has been tried
    /// for a whole window.
    fn ground(&self, switches: &OverloadSwitches, seen: Seen, waiting: Waiting, now_ms: i64) -> Option<Cause> {
        if seen.congested || u32::from(seen.congestion) >= switches.hold_congestion_at_once {
            return Some(Cause::Congestion);
        }
        let tried = self.trouble_ms.is_some_and(|since| now_ms - since >= i64::from(switches.window_seconds) * 1000);
        if !tried {
            return None;
        }
        let sum = |count: fn(&Seen) -> u64| self.window.iter().map(|(_, seen)| count(seen)).sum::<u64>();
        let answers = sum(|seen| seen.answers);
        if answers >= u64::from(switches.hold_answers)
            && sum(|seen| seen.busy) * 100 >= u64::from(switches.hold_share_percent) * answers
        {
            return Some(Cause::Busy);
        }
        let late = sum(|seen| seen.late) + waiting.late;
        (late * 20 > answers + waiting.late && late > 0).then_some(Cause::Response)
    }
}

/// Whether the SMSC shows overload now.
fn overload(switches: &OverloadSwitches, seen: Seen, waiting: Waiting) -> Option<Cause> {
    let enough = seen.answers >= ANSWERS_MIN;
    if enough && seen.busy * 100 >= u64::from(switches.lower_share_percent) * seen.answers {
        return Some(Cause::Busy);
    }
    let (slow, all) = (seen.slow + waiting.slow, seen.answers + waiting.slow);
    if all >= ANSWERS_MIN && slow * 20 > all {
        return Some(Cause::Response);
    }
    if u32::from(seen.congestion) >= switches.lower_congestion {
        return Some(Cause::Congestion);
    }
    (waiting.all >= u64::from(switches.lower_in_flight)).then_some(Cause::InFlight)
}

impl Cause {
    /// The word for logs and reasons of holds.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy_answers",
            Self::Response => "response_time",
            Self::Congestion => "congestion_state",
            Self::InFlight => "in_flight",
        }
    }
}

impl Step {
    /// The words of [`Step::code`], as metric labels.
    pub const CODES: [&'static str; 5] = ["lower", "raise", "lift", "hold", "end"];

    /// The word for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Lower(..) => "lower",
            Self::Raise(_) => "raise",
            Self::Lift => "lift",
            Self::Hold(_) => "hold",
            Self::End => "end",
        }
    }
}

#[cfg(test)]
mod tests;
