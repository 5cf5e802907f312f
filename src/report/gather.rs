//! Adds attempts up as the journal tells them, day by day.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::{AccountClass, Day, LocalTime, Moment};
use crate::ledger::history::{About, Attempt, Fate, REACH_DAYS, Span, To};
use crate::policy::regions::Regions;

use super::runs::{Numbers, RUNS_MAX};
use super::shares::{Places, Touched};
use super::view::{Line, Report, Sum};
use super::{Figures, Run};

/// Lines of a report at most, about half a KiB each.
pub const LINES_MAX: usize = 50_000;
/// Campaigns whose segments are looked at; 88 KiB each at most.
const SHARES_MAX: usize = 1000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The first local day.
    pub from: Day,
    /// The last one.
    pub to: Day,
    /// Of this campaign only.
    pub campaign: Option<u32>,
    /// Which rate is the success rate.
    pub success_basis: &'static str,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Failed<E> {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(E),
    /// The registry cannot be read.
    #[error("the registry cannot be read: {0}")]
    Registry(String),
    /// There would be too many lines.
    #[error("it would have more than {LINES_MAX} lines; ask for fewer days")]
    TooLong,
    /// Nobody waits for it any more.
    #[error("nobody waits for it")]
    Left,
}

/// Whose messages a line counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    day: Day,
    unit: Arc<str>,
    account: Arc<str>,
    class: AccountClass,
    campaign: Option<u32>,
}

/// What segments and numbers are looked at together: a campaign, or an account's messages that belong to none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Subject {
    Campaign(u32),
    Account(Arc<str>),
}

#[derive(Debug, Default)]
struct Gathering {
    lines: Vec<(Key, usize, Figures)>,
    by_key: HashMap<Key, usize>,
    subjects: Vec<(Subject, Option<Touched>)>,
    by_subject: HashMap<Subject, usize>,
    /// The line of the attempt before.
    latest: Option<(Arc<About>, usize)>,
    numbers: Numbers,
    runs: Vec<Run>,
    full: bool,
}

/// Makes a report. `read` hands over the attempts of a span; `goes_on` hears of each day that is done, and says whether to go on.
/// Takes its time on the calling thread.
pub fn gather<E>(
    asked: &Asked,
    now: Moment,
    regions: Option<&Regions>,
    read: impl Fn(Span, &mut dyn FnMut(Attempt)) -> Result<(), E>,
    mut goes_on: impl FnMut(Day) -> bool,
) -> Result<Report, Failed<E>> {
    let mut gathering = Gathering::default();
    let days = asked.from.number()..=asked.to.number();
    for day in days.map(Day::from_number) {
        read(Span::of(day, day), &mut |attempt| {
            if asked.campaign.is_none() || asked.campaign == attempt.about.campaign {
                gathering.add(&attempt, day);
            }
        })
        .map_err(Failed::Journal)?;
        gathering.end_of_day(day);
        if gathering.full {
            return Err(Failed::TooLong);
        }
        if !goes_on(day) {
            return Err(Failed::Left);
        }
    }
    Ok(gathering.report(asked, now, regions))
}

impl Gathering {
    fn add(&mut self, attempt: &Attempt, day: Day) {
        let line = match &self.latest {
            Some((about, line)) if Arc::ptr_eq(about, &attempt.about) => *line,
            _ => match self.line(&attempt.about, day) {
                Some(line) => line,
                None => return,
            },
        };
        let (_, subject, figures) = &mut self.lines[line];
        figures.add(attempt);
        let sent = matches!(attempt.fate(), Some(Fate::Accepted | Fate::Unknown | Fate::Pending));
        if let (true, To::Subscriber(number)) = (sent, &attempt.to) {
            if let Some(touched) = &mut self.subjects[*subject].1 {
                touched.note(number.segment());
            }
            self.numbers.note(*subject, number.get());
        }
    }

    /// The line of messages that have this in common; `None` where there are too many.
    fn line(&mut self, about: &Arc<About>, day: Day) -> Option<usize> {
        let (unit, account) = (Arc::clone(&about.unit), Arc::clone(&about.account));
        let key = Key { day, unit, account, class: about.class, campaign: about.campaign };
        let line = match self.by_key.get(&key) {
            Some(line) => *line,
            None if self.lines.len() == LINES_MAX => {
                self.full = true;
                return None;
            }
            None => {
                let subject = self.subject(&key);
                self.lines.push((key.clone(), subject, Figures::default()));
                self.by_key.insert(key, self.lines.len() - 1);
                self.lines.len() - 1
            }
        };
        self.latest = Some((Arc::clone(about), line));
        Some(line)
    }

    fn subject(&mut self, key: &Key) -> usize {
        let subject = key.campaign.map_or_else(|| Subject::Account(Arc::clone(&key.account)), Subject::Campaign);
        if let Some(index) = self.by_subject.get(&subject) {
            return *index;
        }
        let touched = (self.subjects.len() < SHARES_MAX).then(Touched::default);
        self.subjects.push((subject.clone(), touched));
        self.by_subject.insert(subject, self.subjects.len() - 1);
        self.subjects.len() - 1
    }

    fn end_of_day(&mut self, day: Day) {
        self.latest = None;
        for (subject, first, numbers) in self.numbers.runs() {
            let (campaign, account) = match &self.subjects[subject].0 {
                Subject::Campaign(number) => (Some(*number), None),
                Subject::Account(name) => (None, Some(name.to_string())),
            };
            let segment = (first / 10_000) as u32;
            self.runs.push(Run { day: day.to_string(), campaign, account, segment, numbers });
        }
        self.runs.sort_by(|a, b| b.numbers.cmp(&a.numbers).then_with(|| a.day.cmp(&b.day)));
        self.runs.truncate(RUNS_MAX);
    }

    fn report(mut self, asked: &Asked, now: Moment, regions: Option<&Regions>) -> Report {
        self.lines.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut total = Figures::default();
        for (.., figures) in &mut self.lines {
            figures.close();
            total.merge(figures);
        }
        total.close();
        let today = LocalTime::of(now).day.number();
        Report {
            from: asked.from.to_string(),
            to: asked.to.to_string(),
            made: now.to_string(),
            open: asked.to.number().saturating_add(REACH_DAYS) >= today,
            success_basis: asked.success_basis.to_owned(),
            campaign: asked.campaign,
            total,
            days: self.sums(|key, _| key.day.to_string(), |_| None),
            units: self.sums(|key, _| key.unit.to_string(), |_| None),
            accounts: self.sums(|key, _| key.account.to_string(), |_| None),
            campaigns: self.campaigns(regions),
            lines: self.lines.iter().map(|(key, _, figures)| line(key, figures)).collect(),
            runs_left_out: self.numbers.left_out,
            shares_left_out: self.subjects.iter().filter(|(_, touched)| touched.is_none()).count() as u64,
            runs: self.runs,
            releases: Vec::new(),
            registered: Vec::new(),
            late_reviews: Vec::new(),
        }
    }

    /// Sums over all lines of which `of` is the same.
    fn sums<K: Ord + ToString>(
        &self,
        of: impl Fn(&Key, usize) -> K,
        share: impl Fn(&K) -> Option<super::Share>,
    ) -> Vec<Sum> {
        let mut sums: BTreeMap<K, Figures> = BTreeMap::new();
        for (key, subject, figures) in &self.lines {
            sums.entry(of(key, *subject)).or_default().merge(figures);
        }
        let sum = |(of, mut figures): (K, Figures)| {
            figures.close();
            Sum { of: of.to_string(), share: share(&of), figures }
        };
        sums.into_iter().map(sum).collect()
    }

    fn campaigns(&self, regions: Option<&Regions>) -> Vec<Sum> {
        let places = regions.map(Places::of);
        let share = |subject: &Subject| {
            let (regions, places) = (regions?, places.as_ref()?);
            Some(self.subjects[*self.by_subject.get(subject)?].1.as_ref()?.share(places, regions))
        };
        self.sums(|_, subject| self.subjects[subject].0.clone(), share)
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Campaign(number) => write!(f, "#{number}"),
            Self::Account(name) => f.write_str(name),
        }
    }
}

fn line(key: &Key, figures: &Figures) -> Line {
    Line {
        day: key.day.to_string(),
        unit: key.unit.to_string(),
        account: key.account.to_string(),
        class: key.class.code().to_owned(),
        campaign: key.campaign,
        figures: figures.clone(),
    }
}

#[cfg(test)]
mod tests;
