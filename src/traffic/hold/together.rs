//! Holds that several gateways have in common: what each of them knows and the
//! server that they share does not, and the other way round.
//!
//! A hold that any of them knows to have ended has ended. One that the server has
//! lost, and nobody has ended, is told it again.

use std::collections::{HashMap, HashSet};

use super::{Book, Hold, HoldError, Holds, Mark, NewHold, Past};
use crate::domain::Moment;
use crate::traffic::hold_file::HoldsError;

/// Numbers from here on are drawn where the server cannot give one, so that two gateways do not give the same.
const DRAWN: u32 = 1_000_000_000;

/// How a hold has ended, as the server remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What a look at the server's holds has changed.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Holds that are in force from now on.
    pub placed: Vec<Hold>,
    /// Holds that have ended.
    pub ended: Vec<Past>,
}

/// A number that nobody else gives, as far as chance can tell.
pub(super) fn drawn() -> u32 {
    DRAWN + (random() % u64::from(u32::MAX - DRAWN)) as u32
}

fn random() -> u64 {
    let mut octets = [0; 8];
    // Without the system's chance the time has to do: no stop waits for it.
    if getrandom::fill(&mut octets).is_err() {
        octets = crate::domain::Clock::System.now().ms().to_ne_bytes();
    }
    u64::from_ne_bytes(octets)
}

fn new_mark() -> Mark {
    Mark { key: (random() >> 1).max(1), told: false, version: 0 }
}

impl Hold {
    /// Whether it is this one, by its name among several gateways.
    fn is(&self, key: u64) -> bool {
        self.shared.is_some_and(|mark| mark.key == key)
    }

    fn is_told(&self) -> bool {
        self.shared.is_some_and(|mark| mark.told)
    }

    /// By what several gateways know it; 0 if it is this gateway's own.
    pub fn key(&self) -> u64 {
        self.shared.map_or(0, |mark| mark.key)
    }
}

impl Holds {
    /// Opens the file of a gateway that shares its holds, except those that are its own, and puts in force what it
    /// says. What it has from a time of its own is to be told.
    pub fn open_shared(
        folder: &std::path::Path,
        now: Moment,
        is_own: impl Fn(&Hold) -> bool,
    ) -> Result<Self, HoldsError> {
        let (own, mut holds) = Self::read(folder)?;
        {
            let mut book = own.book.lock();
            book.next = 0;
            for hold in &mut holds {
                if hold.shared.is_none() {
                    hold.shared = (!is_own(hold)).then(new_mark);
                    book.renumber(hold, drawn());
                }
            }
        }
        own.put_in_force(holds);
        own.end_due(now);
        Ok(own)
    }

    /// Puts a hold in force, in memory, that others are to be told of.
    pub fn place_shared(&self, new: NewHold, now: Moment) -> Result<Hold, HoldError> {
        self.enter(new, now, Some(new_mark()))
    }

    /// Whether a number is one that the server has not given.
    pub const fn is_drawn(number: u32) -> bool {
        number >= DRAWN
    }

    /// The server has a hold, under a number. What it is now; `None` if it is in force no longer.
    pub fn is_shared(&self, key: u64, number: u32, version: u64) -> Option<Hold> {
        let mut book = self.book.lock();
        let mut holds = self.in_force.load().holds.clone();
        let at = holds.iter().position(|hold| hold.is(key))?;
        book.make_room(&mut holds, number, key);
        let hold = &mut holds[at];
        hold.shared = Some(Mark { key, told: true, version });
        book.renumber(hold, number);
        let hold = hold.clone();
        self.put_in_force(holds);
        Some(hold)
    }

    /// The server knows that a hold has ended.
    pub fn is_ended(&self, key: u64) {
        let mut book = self.book.lock();
        let Book { past, unwritten, .. } = &mut *book;
        for past in past.iter_mut().filter(|past| past.hold.is(key)) {
            past.hold.shared = past.hold.shared.map(|mark| Mark { told: true, ..mark });
            unwritten.insert(past.hold.number);
        }
    }

    /// What the server has to be told: holds in force, and holds that have ended.
    pub fn untold(&self) -> (Vec<Hold>, Vec<Past>) {
        let is_untold = |hold: &Hold| hold.shared.is_some_and(|mark| !mark.told);
        let book = self.book.lock();
        let holds = self.in_force.load().holds.iter().filter(|hold| is_untold(hold)).cloned().collect();
        (holds, book.past.iter().filter(|past| is_untold(&past.hold)).cloned().collect())
    }

    /// Holds in force that the server knew and that are not among those that it has now.
    pub fn absent(&self, list: &[Hold]) -> Vec<u64> {
        let there: HashSet<u64> = list.iter().map(Hold::key).collect();
        let in_force = self.in_force.load();
        let told = in_force.holds.iter().filter(|hold| hold.is_told());
        told.map(Hold::key).filter(|key| !there.contains(key)).collect()
    }

    /// Takes over what the server has, and what it knows of the end of those that it has not. What it has lost is to
    /// be told again.
    pub fn receive(&self, list: Vec<Hold>, ends: &HashMap<u64, Option<Ended>>, now: Moment) -> Received {
        let mut received = Received::default();
        let mut book = self.book.lock();
        for (key, end) in ends {
            let Some(end) = end else { continue };
            let mut gone = self.take_out(&mut book, |hold| hold.is(*key), &end.by, &end.why, end.at.min(now));
            for past in &mut gone {
                past.hold.shared = past.hold.shared.map(|mark| Mark { told: true, ..mark });
            }
            for past in book.past.iter_mut().filter(|past| past.hold.is(*key)) {
                past.hold.shared = past.hold.shared.map(|mark| Mark { told: true, ..mark });
            }
            received.ended.extend(gone);
        }
        let mut holds = self.in_force.load().holds.clone();
        for hold in &mut holds {
            if ends.get(&hold.key()).is_some_and(Option::is_none) {
                hold.shared = hold.shared.map(|mark| Mark { told: false, ..mark });
                book.unwritten.insert(hold.number);
            }
        }
        for one in list {
            let key = one.key();
            let is_pending = |hold: &Hold| hold.is(key) && !hold.is_told();
            if holds.iter().any(is_pending) {
                continue; // the server is about to be told by which number people know it
            }
            if let Some(past) = book.past.iter_mut().find(|past| past.hold.is(key)) {
                past.hold.shared = one.shared.map(|mark| Mark { told: false, ..mark }); // it has ended, whatever the server says
                let number = past.hold.number;
                book.unwritten.insert(number);
                continue;
            }
            book.make_room(&mut holds, one.number, key);
            match holds.iter_mut().find(|hold| hold.is(key)) {
                Some(own) if *own == (Hold { persisted: own.persisted, ..one.clone() }) => {}
                Some(own) => {
                    book.renumber(own, one.number);
                    *own = Hold { persisted: false, ..one };
                    book.unwritten.insert(own.number);
                }
                None => {
                    book.unwritten.insert(one.number);
                    holds.push(one.clone());
                    received.placed.push(one);
                }
            }
        }
        self.put_in_force(holds);
        received
    }
}

impl Book {
    /// Gives a hold another number; the file forgets the one before.
    fn renumber(&mut self, hold: &mut Hold, number: u32) {
        if hold.number != number {
            self.gone.insert(hold.number);
            self.unwritten.remove(&hold.number);
            hold.number = number;
        }
        self.gone.remove(&number);
        hold.persisted = false;
        self.unwritten.insert(number);
    }

    /// A number is another hold's from now on than those that have it here.
    fn make_room(&mut self, holds: &mut [Hold], number: u32, key: u64) {
        for hold in holds.iter_mut().filter(|hold| hold.number == number && !hold.is(key)) {
            self.renumber(hold, drawn());
        }
        self.past.retain(|past| past.hold.number != number || past.hold.is(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Scope;

    const T0: Moment = Moment::from_ms(1_795_000_000_000);

    fn new(scope: &str) -> NewHold {
        let scope = scope.parse().expect("a scope");
        NewHold { scope, owner: "li".into(), role: "network".into(), reason: "queue".into(), until: None }
    }

    fn opened(folder: &tempfile::TempDir) -> Holds {
        Holds::open_shared(folder.path(), T0, |hold| hold.owner == "governor").expect("opens")
    }

    fn of_server(key: u64, number: u32, scope: &str) -> Hold {
        let NewHold { scope, owner, role, reason, until } = new(scope);
        let shared = Some(Mark { key, told: true, version: 7 });
        Hold { number, scope, owner, role, reason, since: T0, until, persisted: false, shared }
    }

    fn end(why: &str) -> Ended {
        Ended { at: T0, by: "wang".to_owned(), why: why.to_owned() }
    }

    #[test]
    fn a_hold_gets_the_servers_number_and_keeps_it_over_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let holds = opened(&folder);
        let placed = holds.place_shared(new("all"), T0).expect("placed");
        assert!(Holds::is_drawn(placed.number) && holds.untold().0.len() == 1);
        holds.save().expect("written");
        let told = holds.is_shared(placed.key(), 3, 9).expect("in force");
        assert_eq!(
            (told.id(), told.shared),
            ("h_03".to_owned(), Some(Mark { key: placed.key(), told: true, version: 9 }))
        );
        holds.save().expect("written");
        drop(holds);
        let holds = opened(&folder);
        let again = holds.in_force();
        assert_eq!((again.len(), again[0].number, again[0].key()), (1, 3, placed.key()));
        assert!(holds.untold().0.is_empty() && again[0].persisted);
    }

    #[test]
    fn what_ended_anywhere_has_ended_and_what_the_server_lost_is_told_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let holds = opened(&folder);
        let received = holds.receive(vec![of_server(1, 1, "all"), of_server(2, 2, "city:hefei")], &HashMap::new(), T0);
        assert_eq!((received.placed.len(), holds.in_force().len()), (2, 2));
        assert_eq!(holds.absent(&[of_server(2, 2, "city:hefei")]), [1]);
        let received = holds.receive(vec![of_server(2, 2, "city:hefei")], &HashMap::from([(1, Some(end("over")))]), T0);
        assert_eq!((received.ended.len(), &*received.ended[0].by), (1, "wang"));
        assert!(holds.untold().1.is_empty(), "the server knows it");
        // The server has gone back to where the first one was in force: it is told again that it has ended.
        let received = holds.receive(vec![of_server(1, 1, "all")], &HashMap::from([(2, None)]), T0);
        assert!(received.placed.is_empty() && received.ended.is_empty());
        let (held, ended) = holds.untold();
        assert_eq!((held[0].key(), ended[0].hold.key()), (2, 1), "and of the second that it stands");
        holds.is_ended(1);
        assert!(holds.untold().1.is_empty());
    }

    #[test]
    fn what_was_the_gateways_own_is_to_be_told_and_the_governors_stays_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let holds = Holds::open(folder.path(), T0).expect("opens");
        holds.place(new("all"), T0).expect("placed");
        holds.place(NewHold { owner: "governor".to_owned(), ..new("smsc:a:1") }, T0).expect("placed");
        holds.save().expect("written");
        drop(holds);
        let holds = opened(&folder);
        assert_eq!(holds.untold().0.iter().map(|hold| &hold.scope).collect::<Vec<_>>(), [&Scope::All]);
        assert!(holds.in_force().iter().all(|hold| Holds::is_drawn(hold.number)), "small numbers are the server's");
        let received = holds.receive(vec![of_server(5, holds.in_force()[1].number, "unit:x")], &HashMap::new(), T0);
        let numbers: HashSet<u32> = holds.in_force().iter().map(|hold| hold.number).collect();
        assert_eq!((received.placed.len(), numbers.len()), (1, 3), "no two have one number");
        holds.save().expect("written");
        drop(holds);
        assert_eq!(opened(&folder).in_force().len(), 3);
    }

    #[test]
    fn people_keep_the_number_that_they_were_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let holds = opened(&folder);
        let placed = holds.place_shared(new("all"), T0).expect("placed");
        // The server has it, but the call did not hear of that.
        let received = holds.receive(vec![of_server(placed.key(), 4, "all")], &HashMap::new(), T0);
        assert!(received.placed.is_empty());
        assert_eq!((holds.in_force()[0].number, holds.untold().0.len()), (placed.number, 1));
    }

    #[test]
    fn the_end_of_a_hold_that_the_server_knows_is_the_servers() {
        let folder = tempfile::tempdir().expect("a folder");
        let holds = opened(&folder);
        let until = Some(Moment::from_ms(T0.ms() + 1000));
        let timed = |key, number| Hold { until, ..of_server(key, number, "all") };
        holds.receive(vec![timed(1, 1)], &HashMap::new(), T0);
        holds.place_shared(NewHold { until, ..new("all") }, T0).expect("placed");
        let ended = holds.end_due(Moment::from_ms(T0.ms() + 1000));
        assert_eq!(ended.len(), 1, "the one that it has not been told");
        assert_eq!(holds.in_force()[0].key(), 1);
    }
}
