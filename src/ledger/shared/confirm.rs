//! The second half of the reservations of a batch: the journal and the server, at the same time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::ledger::journal::NotDurable;
use crate::ledger::parts::PartOf;
use crate::ledger::record::Effects;
use crate::ledger::reserve::{Claim, Reservation};
use crate::ledger::{Batch, Ledger};
use crate::policy::{Reason, Reasons, Refusal, joined};

use super::ask::{self, Ask, Place, Word};
use super::link::{Live, Trouble};
use super::parts::View;
use super::{Fault, Shared, rate, script};

/// Questions to the server for one batch, one after the other; parts of one message need one for each.
const ROUNDS_MAX: usize = 300;

/// How long a batch waits until a hold that it met on the server is in force here as well.
const CATCHING_UP: Duration = Duration::from_millis(2_500);

/// How long the refusal of a batch waits for what the server may have taken for it to be given back.
/// Longer than a gateway may be unseen before the others doubt what it has taken (`lua/take.lua`).
const GIVING_BACK: Duration = Duration::from_millis(1_500);

/// A reservation of the batch that the server has refused, by its place among those handed in.
#[derive(Clone, Copy, Debug)]
pub struct Denied {
    /// Its place.
    pub place: usize,
    /// Why.
    pub refusal: Refusal,
}

/// What has become of a batch.
#[derive(Clone, Debug, Default)]
pub struct Confirmed {
    /// What is refused, and not taken.
    pub denied: Vec<Denied>,
    /// What rules would have refused of the rest, had they been enforced.
    pub observed: Vec<Reasons>,
}

/// What has become of one that was asked for.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Taken { observed: Reasons, effects: Option<u8>, counted: Option<u32>, part: Option<u64> },
    Refused(Refusal),
}

/// Where a part of a message stands.
#[derive(Clone, Copy, Debug, Default)]
enum Standing {
    /// It is a message of its own.
    #[default]
    Alone,
    /// One of a group, by its serial.
    Part(u64),
}

impl Shared {
    /// Makes what was reserved durable, in the journal and on the server. Tells which of it the server refuses.
    /// With an error nothing is taken, or will be when the server has been told so.
    pub(in crate::ledger) async fn confirm(
        &self,
        ledger: &Ledger,
        batch: &mut Batch,
        reservations: Vec<&mut Reservation>,
        claim: &Claim<'_>,
    ) -> Result<Confirmed, NotDurable> {
        let asks = std::mem::take(&mut batch.asks);
        if batch.reservations() == 0 {
            ledger.note(batch);
            return Ok(Confirmed::default());
        }
        let names = self.names.load_full();
        let ticket = batch.append(&ledger.journal);
        let first_id = ticket.first_id;
        let id_of = |place: u64| first_id + place - 1;
        let mut own = Vec::with_capacity(asks.len());
        for (place, reservation) in reservations.into_iter().enumerate() {
            reservation.id = id_of(reservation.id);
            if reservation.asked {
                own.push((place, reservation));
            }
        }
        if asks.is_empty() {
            return Ok(Confirmed::default()); // what takes nothing is written down, and waits for nobody
        }
        let token = |ask: &Ask| self.runs.token(id_of(ask.place)).unwrap_or(id_of(ask.place));
        let tokens: Vec<u64> = asks.iter().map(token).collect();
        let asking = Asking { shared: self, asks: &asks, tokens: &tokens, claim, names: &names };
        let (written, verdicts) = tokio::join!(ledger.journal.durable(ticket), asking.all());
        let late = written.err();
        let (None, Ok(verdicts)) = (late, verdicts) else {
            for (ask, token) in asks.iter().zip(&tokens) {
                self.forget(ask, *token, claim, batch);
                batch.voided(id_of(ask.place));
            }
            let given_back = self.tell(batch);
            ledger.note(batch);
            if let Some(place) = given_back {
                // What was refused is free when its sender is told so, if the server is there again in time.
                let _ = tokio::time::timeout(GIVING_BACK, self.outbox.is_told(place)).await;
            }
            return Err(late.unwrap_or(NotDurable::Failed));
        };
        let mut confirmed = Confirmed::default();
        let mut reserved = 0;
        for ((place, reservation), (ask, verdict)) in own.into_iter().zip(asks.iter().zip(verdicts)) {
            match verdict {
                Verdict::Taken { observed, effects, counted, part } => {
                    reserved += 1;
                    let new = others(observed, ask.observed); // the rest is counted already
                    if !new.is_empty() {
                        reservation.observed = reservation.observed.union(new);
                        confirmed.observed.push(new);
                    }
                    if let Some(effects) = effects {
                        reservation.taken.effects = Effects::from_bits(effects);
                    }
                    let index = ask.piece.as_ref().map_or(0, |piece| piece.part.index);
                    reservation.part = part.map(|serial| PartOf::new(serial, ask.taken.account, index));
                    ledger.shown_taken(&reservation.taken, counted);
                }
                Verdict::Refused(refusal) => {
                    if ask.rated {
                        claim.throttle.give_back();
                    }
                    batch.voided(reservation.id);
                    let refusal = Refusal { observed: others(refusal.observed, ask.observed), ..refusal };
                    confirmed.denied.push(Denied { place, refusal });
                }
            }
        }
        ledger.count_reserved(reserved);
        ledger.note(batch);
        Ok(confirmed)
    }

    /// Nobody knows whether the server has taken something, and it is not sent: it is to be given back.
    fn forget(&self, ask: &Ask, token: u64, claim: &Claim<'_>, batch: &mut Batch) {
        if ask.rated {
            claim.throttle.give_back();
        }
        let serial = ask.piece.as_ref().map(|piece| {
            let names = self.names.load();
            (ask::serial(piece, script::scope(ask.taken.account, &names)), piece.part.index)
        });
        batch.acts.push(self.give(token, &ask.taken, serial));
        if serial.is_some() {
            batch.acts.push(self.give(token, &ask.taken, None)); // it may have been taken as a message of its own
        }
    }
}

/// Reasons that are not among those already known.
fn others(reasons: Reasons, known: Reasons) -> Reasons {
    reasons.iter().filter(|reason| !known.contains(*reason)).collect()
}

/// The questions of one batch.
struct Asking<'a> {
    shared: &'a Shared,
    asks: &'a [Ask],
    tokens: &'a [u64],
    claim: &'a Claim<'a>,
    names: &'a [String],
}

/// One call of a round.
#[derive(Clone, Copy)]
enum Call {
    Take(usize),
    Look(u64),
    Join { at: usize, serial: u64, keep_text: bool, observed: Reasons },
}

impl Asking<'_> {
    /// The server's verdict on each, in order.
    async fn all(&self) -> Result<Vec<Verdict>, Fault> {
        let live = self.shared.link.live().ok_or(Fault::Away)?;
        let mut verdicts: Vec<Option<Verdict>> = vec![None; self.asks.len()];
        let mut standings: Vec<Standing> = self.asks.iter().map(|ask| self.standing(ask)).collect();
        let mut views = HashMap::new();
        for _ in 0..ROUNDS_MAX {
            let round = self.round(&mut verdicts, &mut standings, &views);
            if round.is_empty() {
                break;
            }
            let holds = self.shared.lease.version();
            let calls = round.iter().map(|call| self.call(&live, call, &views, holds)).collect();
            let answers = self.shared.link.ask(&live, calls, true).await?;
            let mut behind = false;
            for (call, answer) in round.into_iter().zip(answers) {
                behind |= self.answered(&live, call, &answer, &mut verdicts, &mut standings, &mut views)?;
            }
            // What is asked again may turn out to be held: the gate knows by then.
            if behind && !self.shared.lease.catch_up(holds, CATCHING_UP).await {
                break;
            }
        }
        let late = |ask: &Ask| Verdict::Refused(ask.refusal(self.claim, Reason::LedgerUnavailable));
        Ok(verdicts.into_iter().zip(self.asks).map(|(verdict, ask)| verdict.unwrap_or_else(|| late(ask))).collect())
    }

    fn standing(&self, ask: &Ask) -> Standing {
        let account = script::scope(ask.taken.account, self.names);
        ask.piece.as_ref().map_or(Standing::Alone, |piece| Standing::Part(ask::serial(piece, account)))
    }

    /// What can be asked now: of each group one part at a time, because the next is judged by what became of it.
    fn round(
        &self,
        verdicts: &mut [Option<Verdict>],
        standings: &mut [Standing],
        views: &HashMap<u64, View>,
    ) -> Vec<Call> {
        let (mut round, mut busy) = (Vec::new(), HashSet::new());
        for (at, ask) in self.asks.iter().enumerate().filter(|(at, _)| verdicts[*at].is_none()).collect::<Vec<_>>() {
            let Standing::Part(serial) = standings[at] else {
                round.push(Call::Take(at));
                continue;
            };
            if busy.contains(&serial) {
                continue;
            }
            let Some(view) = views.get(&serial) else {
                busy.insert(serial);
                round.push(Call::Look(serial));
                continue;
            };
            match view.judge(self.claim, ask) {
                Err(refusal) => verdicts[at] = Some(Verdict::Refused(refusal)),
                Ok(joined) if !joined.belongs => {
                    standings[at] = Standing::Alone;
                    round.push(Call::Take(at));
                }
                Ok(joined) => {
                    busy.insert(serial);
                    round.push(Call::Join { at, serial, keep_text: joined.keep_text, observed: joined.observed });
                }
            }
        }
        round
    }

    fn call(&self, live: &Live, call: &Call, views: &HashMap<u64, View>, holds: u64) -> redis::Cmd {
        let take = |at: usize, place| self.asks[at].call(live, self.tokens[at], self.claim, self.names, place, holds);
        match *call {
            Call::Take(at) => take(at, None),
            Call::Look(serial) => {
                let mut look = live.scripts.call(script::Script::Look);
                look.arg(ask::group(serial));
                look
            }
            Call::Join { at, serial, keep_text, .. } => {
                let version = views.get(&serial).map_or(&[][..], |view| &view.version);
                take(at, Some(Place { group: &ask::group(serial), version, keep_text }))
            }
        }
    }

    /// Whether the answer was that there is a later version of the holds.
    fn answered(
        &self,
        live: &Live,
        call: Call,
        answer: &redis::Value,
        verdicts: &mut [Option<Verdict>],
        standings: &mut [Standing],
        views: &mut HashMap<u64, View>,
    ) -> Result<bool, Fault> {
        let (at, joining) = match call {
            Call::Look(serial) => {
                views.insert(serial, View::read(answer)?);
                return Ok(false);
            }
            Call::Take(at) => (at, None),
            Call::Join { at, serial, keep_text, observed } => (at, Some((serial, keep_text, observed))),
        };
        let ask = &self.asks[at];
        let (word, version) = Word::read(answer)?;
        match word {
            Word::Taken { observed, effects, counted } => {
                let (mut observed, mut first, mut part) = (observed, true, None);
                if let Some((serial, keep_text, joined)) = joining {
                    observed = observed.union(joined);
                    part = Some(serial);
                    if let Some(view) = views.get_mut(&serial) {
                        first = view.is_new();
                        view.join(ask, keep_text, version);
                    }
                }
                verdicts[at] = Some(self.rated(at, first, observed, effects, counted, part));
            }
            Word::Refused(reason) => verdicts[at] = Some(Verdict::Refused(ask.refusal(self.claim, reason))),
            Word::Stale => drop(joining.and_then(|(serial, ..)| views.remove(&serial))),
            Word::Full if joined::binds(self.claim.account) => {
                verdicts[at] = Some(Verdict::Refused(ask.refusal(self.claim, Reason::Rate)));
            }
            Word::Full => standings[at] = Standing::Alone,
            Word::Fenced => {
                self.shared.link.give_up(live.epoch, &Fault::Fenced);
                return Err(Fault::Fenced);
            }
            Word::DayLost => {
                self.shared.link.troubled(Some(Trouble::DayLost));
                verdicts[at] = Some(Verdict::Refused(ask.refusal(self.claim, Reason::LedgerUnavailable)));
            }
            Word::Held => return Ok(true),
        }
        Ok(false)
    }

    /// A message in parts pays its rate with its first part; all others have paid.
    fn rated(
        &self,
        at: usize,
        first: bool,
        observed: Reasons,
        effects: u8,
        counted: Option<u32>,
        part: Option<u64>,
    ) -> Verdict {
        let (ask, mut observed) = (&self.asks[at], observed);
        if ask.piece.is_some() && first && rate(self.claim, &mut observed).is_err() {
            let index = ask.piece.as_ref().map_or(0, |piece| piece.part.index);
            let act = self.shared.give(self.tokens[at], &ask.taken, part.map(|serial| (serial, index)));
            self.shared.outbox.put([act]);
            return Verdict::Refused(ask.refusal(self.claim, Reason::Rate));
        }
        Verdict::Taken { observed, effects: Some(effects), counted, part }
    }
}
