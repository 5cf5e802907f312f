//! What one batch hands over: runs of original octets to the SMSC, refusals to the sender.

use std::io::IoSlice;
use std::ops::Range;

use crate::ledger::Reservation;
use crate::policy::Scratch;
use crate::record::Tally;
use crate::smpp::Header;

/// A submission that was permitted and reserved.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    /// Its header.
    pub(super) header: Header,
    /// Where its octets lie in the inbox.
    pub(super) octets: Range<usize>,
    /// What it took.
    pub(super) reservation: Reservation,
}

/// The buffers of one batch; borrowed from the thread while there is a batch, so an idle session owns none.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Octets that go upstream, as runs of the inbox in order.
    pub(super) runs: Vec<Range<usize>>,
    /// Reserved submissions among them.
    pub(super) passing: Vec<Passing>,
    /// Answers to the sender.
    pub(super) answers: Vec<u8>,
    /// Records for the ledger.
    pub(super) ledger: crate::ledger::Batch,
    /// The policy's buffers.
    pub(super) scratch: Scratch,
    /// Counts.
    pub(super) tally: Tally,
}

thread_local! {
    static SPARE: std::cell::RefCell<Vec<Box<Workspace>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Workspaces a thread keeps for the next batch.
const SPARE_MAX: usize = 64;

impl Workspace {
    /// An empty one, used before if there is one.
    pub(super) fn take() -> Box<Self> {
        SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    /// Gives it back for the next batch.
    pub(super) fn put_back(mut self: Box<Self>) {
        self.runs.clear();
        self.passing.clear();
        self.answers.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_MAX {
                spare.push(self);
            }
        });
    }

    /// Octets that go upstream; adjoining runs become one.
    pub(super) fn relay(&mut self, octets: Range<usize>) {
        match self.runs.last_mut() {
            Some(last) if last.end == octets.start => last.end = octets.end,
            _ => self.runs.push(octets),
        }
    }

    /// A reserved submission goes upstream.
    pub(super) fn forward(&mut self, header: Header, octets: Range<usize>, reservation: Reservation) {
        self.relay(octets.clone());
        self.passing.push(Passing { header, octets, reservation });
    }

    /// Takes some of the reserved submissions out again, and their octets out of the runs.
    pub(super) fn withdraw(&mut self, mut which: impl FnMut(&Passing) -> bool) -> Vec<Passing> {
        let (out, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.passing).into_iter().partition(|one| which(one));
        self.passing = stay;
        for one in &out {
            self.cut(&one.octets);
        }
        out
    }

    /// Cuts octets out of the run that holds them.
    fn cut(&mut self, octets: &Range<usize>) {
        let Some(index) = self.runs.iter().position(|run| run.start <= octets.start && octets.end <= run.end) else {
            return;
        };
        let run = self.runs[index].clone();
        let parts = [run.start..octets.start, octets.end..run.end];
        self.runs.splice(index..=index, parts.into_iter().filter(|part| !part.is_empty()));
    }

    /// The runs as slices of the inbox.
    pub(super) fn slices<'a>(&self, inbox: &'a [u8]) -> Vec<IoSlice<'a>> {
        self.runs.iter().map(|run| IoSlice::new(&inbox[run.clone()])).collect()
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
        assert_eq!(work.runs, [0..30, 40..50]);
        work.cut(&(10..20));
        work.cut(&(40..50));
        assert_eq!(work.runs, [0..10, 20..30]);
        work.cut(&(0..10));
        assert_eq!(work.runs, vec![20..30]);
    }
}
