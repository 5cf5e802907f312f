//! What became of every reservation that a start reads, an octet each.

use super::record::Settled;

/// What became of a reservation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet.
    #[default]
    Open,
    /// The SMSC took it.
    Accepted,
    /// It was refused, or released: what it took is free.
    Rejected,
    /// Nobody answered.
    Unknown,
}

/// By id. Ids count up, with a gap where a commit failed.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    first_id: u64,
    states: Vec<Outcome>,
}

impl Outcomes {
    /// A reservation was read.
    pub(super) fn open(&mut self, id: u64) {
        if self.states.is_empty() {
            self.first_id = id;
        }
        if let Some(index) = self.index(id)
            && index >= self.states.len()
        {
            self.states.resize(index + 1, Outcome::Open);
        }
    }

    /// A settlement was read. The first counts; what was unknown may still become known.
    pub(super) fn settle(&mut self, id: u64, settled: Settled) {
        let Some(state) = self.index(id).and_then(|index| self.states.get_mut(index)) else { return };
        if matches!(*state, Outcome::Open | Outcome::Unknown) {
            *state = match settled {
                Settled::Accepted => Outcome::Accepted,
                Settled::Rejected(_) => Outcome::Rejected,
                Settled::Unknown => Outcome::Unknown,
            };
        }
    }

    /// What became of it.
    pub(super) fn of(&self, id: u64) -> Outcome {
        self.index(id).and_then(|index| self.states.get(index)).copied().unwrap_or_default()
    }

    /// `None` before the first: its reservation lies in a file that is not read any more.
    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first_id)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Accepted, Open, Rejected};
    use super::*;

    #[test]
    fn the_first_settlement_counts_and_the_unknown_may_become_known() {
        let mut outcomes = Outcomes::default();
        for id in [7, 8, 11, 12] {
            outcomes.open(id);
        }
        let settle = [
            (7, Settled::Accepted),
            (7, Settled::Rejected(0)),
            (8, Settled::Unknown),
            (11, Settled::Unknown),
            (8, Settled::Accepted),
            (11, Settled::Rejected(0)),
            (3, Settled::Accepted),
            (99, Settled::Accepted),
        ];
        for (id, settled) in settle {
            outcomes.settle(id, settled);
        }
        let found: Vec<_> = [3, 7, 8, 9, 11, 12, 99].map(|id| outcomes.of(id)).into();
        assert_eq!(found, [Open, Accepted, Accepted, Open, Rejected, Open, Open]);
    }
}
