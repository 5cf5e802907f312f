//! What one batch hands over: runs of original octets to the SMSC, refusals to the sender.

use std::io::IoSlice;
use std::ops::Range;

use crate::policy::Scratch;
use crate::record::Tally;
use crate::smpp::Header;

use super::evidence::Known;
use super::flow::Flow;
use super::window::Held;

/// A submission that was permitted and reserved.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    /// Its header.
    pub(super) header: Header,
    /// Where its octets lie in the inbox.
    pub(super) octets: Range<usize>,
    /// Where the octets lie that travel in their stead.
    written: Option<Range<usize>>,
    /// What it has reserved.
    pub(super) held: Held,
    /// Whether it is a part of several.
    pub(super) part: bool,
}

/// A run of octets that go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Of the inbox, as received.
    Received(Range<usize>),
    /// Of [`Workspace::written`].
    Written(Range<usize>),
}

/// The buffers of one batch; borrowed from the thread while there is a batch, so an idle session owns none.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Octets that go on, in order.
    pub(super) runs: Vec<Run>,
    /// PDUs that do not travel as received; their runs point in here.
    pub(super) written: Vec<u8>,
    /// Reserved submissions among them.
    pub(super) passing: Vec<Passing>,
    /// Answers to the sender.
    pub(super) answers: Vec<u8>,
    /// Records for the ledger.
    pub(super) ledger: crate::ledger::Batch,
    /// The policy's buffers.
    pub(super) scratch: Scratch,
    /// What the records say of the message that the policy knows again.
    pub(super) known: Known,
    /// Counts.
    pub(super) tally: Tally,
    /// What may flow, as it was when the batch began.
    pub(super) flow: Flow,
}

thread_local! {
    static SPARE: std::cell::RefCell<Vec<Workspace>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Workspaces a thread keeps for the next batch.
const SPARE_MAX: usize = 64;

impl Workspace {
    /// An empty one, used before if there is one.
    pub(super) fn take() -> Self {
        SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    /// Gives it back for the next batch.
    pub(super) fn put_back(mut self) {
        self.runs.clear();
        self.written.clear();
        self.passing.clear();
        self.answers.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_MAX {
                spare.push(self);
            }
        });
    }

    /// Octets put together here go on.
    pub(super) fn relay_written(&mut self, octets: &[u8]) {
        let start = self.written.len();
        self.written.extend_from_slice(octets);
        self.runs.push(Run::Written(start..self.written.len()));
    }

    /// Octets that go on as received; adjoining runs become one.
    pub(super) fn relay(&mut self, octets: Range<usize>) {
        match self.runs.last_mut() {
            Some(Run::Received(last)) if last.end == octets.start => last.end = octets.end,
            _ => self.runs.push(Run::Received(octets)),
        }
    }

    /// A reserved submission goes upstream as it was received, or in other octets.
    pub(super) fn forward(&mut self, passing: Passing, other: Option<&[u8]>) {
        let written = other.map(|other| {
            let start = self.written.len();
            self.written.extend_from_slice(other);
            start..self.written.len()
        });
        match &written {
            None => self.relay(passing.octets.clone()),
            Some(written) => self.runs.push(Run::Written(written.clone())),
        }
        self.passing.push(Passing { written, ..passing });
    }

    /// A reserved submission goes on in other octets than it would have.
    pub(super) fn rewrite(&mut self, index: usize, other: &[u8]) {
        let start = self.written.len();
        self.written.extend_from_slice(other);
        let new = Run::Written(start..self.written.len());
        let one = &mut self.passing[index];
        if let Some(before) = one.written.replace(start..self.written.len()) {
            let own = self.runs.iter_mut().find(|run| **run == Run::Written(before.clone()));
            let _ = own.map(|run| *run = new);
        } else {
            let octets = one.octets.clone();
            self.put_in_place_of(&octets, Some(new));
        }
    }

    /// Takes some of the reserved submissions out again, and their octets out of the runs.
    pub(super) fn withdraw(&mut self, mut which: impl FnMut(&Passing) -> bool) -> Vec<Passing> {
        let (out, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.passing).into_iter().partition(|one| which(one));
        self.passing = stay;
        self.cut_out(&out);
        out
    }

    /// Takes out the reserved submissions that begin at or behind an octet of what goes upstream, with their octets.
    pub(super) fn withdraw_unbegun(&mut self, octet: usize) -> Vec<Passing> {
        let out = self.withdraw_from(octet);
        self.cut_out(&out);
        out
    }

    fn cut_out(&mut self, out: &[Passing]) {
        for one in out {
            match &one.written {
                Some(written) => self.runs.retain(|run| *run != Run::Written(written.clone())),
                None => self.cut(&one.octets),
            }
        }
    }

    /// Cuts octets out of the run that holds them.
    fn cut(&mut self, octets: &Range<usize>) {
        self.put_in_place_of(octets, None);
    }

    /// Puts a run in the place of octets of the run that holds them.
    fn put_in_place_of(&mut self, octets: &Range<usize>, other: Option<Run>) {
        let holds = |run: &Run| matches!(run, Run::Received(run) if run.start <= octets.start && octets.end <= run.end);
        let Some(index) = self.runs.iter().position(holds) else { return };
        let Run::Received(run) = self.runs[index].clone() else { return };
        let parts = [run.start..octets.start, octets.end..run.end];
        let [before, after] = parts.map(|part| Some(Run::Received(part)).filter(|part| part.len() > 0));
        self.runs.splice(index..=index, [before, other, after].into_iter().flatten());
    }

    /// Takes out the reserved submissions that begin at or behind an octet of what goes upstream.
    fn withdraw_from(&mut self, octet: usize) -> Vec<Passing> {
        let starts = self.starts();
        let (out, stay) = std::mem::take(&mut self.passing)
            .into_iter()
            .partition(|one| one.start(&starts).is_none_or(|start| start >= octet));
        self.passing = stay;
        out
    }

    /// Whether an octet of what goes upstream lies within a submission: behind its first one.
    pub(super) fn is_within(&self, octet: usize) -> bool {
        let starts = self.starts();
        let holds = |one: &Passing| {
            let length = one.written.as_ref().unwrap_or(&one.octets).len();
            one.start(&starts).is_some_and(|start| start < octet && octet < start + length)
        };
        self.passing.iter().any(holds)
    }

    /// Every run with its place in what goes upstream.
    fn starts(&self) -> Vec<(usize, Run)> {
        let mut offset = 0;
        let place = |run: &Run| {
            let start = offset;
            offset += run.len();
            (start, run.clone())
        };
        self.runs.iter().map(place).collect()
    }

    /// The runs as slices of the inbox.
    pub(super) fn slices<'a>(&'a self, inbox: &'a [u8]) -> Vec<IoSlice<'a>> {
        self.octets(inbox).map(IoSlice::new).collect()
    }

    /// The octets of the runs.
    pub(super) fn octets<'a>(&'a self, inbox: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.runs.iter().map(|run| run.of(inbox, &self.written))
    }
}

impl Passing {
    /// One that goes on as it was received; `part`: as a part of several.
    pub(super) const fn new(header: Header, octets: Range<usize>, held: Held, part: bool) -> Self {
        Self { header, octets, written: None, held, part }
    }

    /// The octets that travel.
    pub(super) fn goes_as<'a>(&self, written: &'a [u8], inbox: &'a [u8]) -> &'a [u8] {
        self.written.clone().map_or_else(|| &inbox[self.octets.clone()], |own| &written[own])
    }

    /// Where it begins in what goes upstream; `None` if it does not go.
    fn start(&self, starts: &[(usize, Run)]) -> Option<usize> {
        starts.iter().find_map(|(start, run)| match (run, &self.written) {
            (Run::Written(run), Some(written)) if run == written => Some(*start),
            (Run::Received(run), None) if run.contains(&self.octets.start) => {
                Some(start + self.octets.start - run.start)
            }
            _ => None,
        })
    }
}

impl Run {
    fn len(&self) -> usize {
        match self {
            Self::Received(octets) | Self::Written(octets) => octets.len(),
        }
    }

    fn of<'a>(&self, inbox: &'a [u8], written: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Received(octets) => &inbox[octets.clone()],
            Self::Written(octets) => &written[octets.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjoining_runs_become_one_and_cuts_leave_the_rest() {
        let mut work = Workspace::default();
        work.relay(0..10);
        work.relay(10..30);
        work.relay(40..50);
        assert_eq!(work.runs, [Run::Received(0..30), Run::Received(40..50)]);
        work.cut(&(10..20));
        work.cut(&(40..50));
        assert_eq!(work.runs, [Run::Received(0..10), Run::Received(20..30)]);
        work.cut(&(0..10));
        assert_eq!(work.runs, [Run::Received(20..30)]);
    }

    #[test]
    fn what_is_written_anew_takes_the_place_of_what_was_received() {
        let mut work = Workspace::default();
        let header = Header { length: 10, command_id: 4, status: 0, sequence: 1 };
        let held =
            || Held::Many(Box::new(super::super::window::Many { taken: Vec::new(), refused: Vec::new(), later: None }));
        for octets in [0..10, 10..20, 20..30] {
            work.forward(Passing::new(header, octets, held(), false), None);
        }
        work.rewrite(1, b"other");
        assert_eq!(work.runs, [Run::Received(0..10), Run::Written(0..5), Run::Received(20..30)]);
        work.rewrite(1, b"again");
        assert_eq!(work.runs, [Run::Received(0..10), Run::Written(5..10), Run::Received(20..30)]);
        assert_eq!(work.passing[1].goes_as(&work.written, &[]), b"again");
    }
}
