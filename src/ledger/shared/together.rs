//! What a gateway asks of the server about holds, and tells it of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use crate::domain::Moment;
use crate::ledger::Ledger;
use crate::traffic::hold::Ended;
use crate::traffic::{Hold, Mark, Past};

use super::lease::LEASE_OVER;
use super::link::Live;
use super::script::{self, META, Script};
use super::{Fault, Shared};

/// Between two looks at who has a hold in force.
const LOOK: Duration = Duration::from_millis(3);
/// Tells of the end of a hold.
const ENDED: &str = "{smsluice}:holds:ended";
/// The gateways that may have a lease.
const GATEWAYS: &str = "{smsluice}:gateways";

/// Another gateway on the ledger, or this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What the server knows it under.
    pub run: String,
    /// What operators know it under; empty for what an earlier life of the server may have known.
    pub name: String,
    /// The version of the holds that it has in force.
    pub version: u64,
    /// Its leases so far.
    pub count: u64,
    /// Whether it is this one.
    pub own: bool,
}

/// What the server says to a gateway that asks for a lease.
#[derive(Clone, Debug)]
pub enum Renewed {
    /// It has one; and who else may have.
    Given(Vec<Peer>),
    /// There is a later version of the holds.
    Behind {
        /// Which.
        version: u64,
        /// What is in force in it.
        holds: Vec<Hold>,
    },
}

/// Where a hold is in force, once nobody writes who does not know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Everywhere {
    /// Other gateways that have it in force.
    pub acknowledged: Vec<String>,
    /// Other gateways whose leases have ended: they write nothing before they have it in force.
    pub silent: Vec<String>,
}

/// The holds of all gateways, where the ledger is shared.
#[derive(Clone, Debug)]
pub struct Together(Arc<Shared>);

impl Ledger {
    /// The holds of all gateways; `None` where the ledger is the gateway's own.
    pub fn together(&self) -> Option<Together> {
        self.shared.clone().map(Together)
    }

    /// Whether the gateway may write submissions now, as far as others are concerned (P7). Always, where the ledger is
    /// its own.
    pub fn may_write(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.lease.is_valid(self.ticker.tick()))
    }
}

impl Together {
    /// Which connection there is; 0 without one.
    pub fn connection(&self) -> u32 {
        self.0.link.live().map_or(0, |live| live.epoch)
    }

    /// The version of the holds that is in force here.
    pub fn version(&self) -> u64 {
        self.0.lease.version()
    }

    /// Whether any version is in force here yet.
    pub fn version_is_known(&self) -> bool {
        self.version() != super::lease::NOTHING
    }

    /// A version is in force here, and all that was let through before it is written.
    pub fn put_in_force(&self, version: u64) {
        self.0.lease.put_in_force(version);
    }

    /// Ready when somebody has seen that there is a later version.
    pub async fn is_behind(&self) {
        self.0.lease.is_behind().await;
    }

    /// Whether the gateway may write.
    pub fn is_leased(&self) -> bool {
        self.0.is_leased()
    }

    /// The version that the server has.
    pub async fn latest(&self) -> Option<u64> {
        let live = self.0.link.live()?;
        let mut get = redis::cmd("HGET");
        get.arg(META).arg("hv");
        let answers = self.0.link.ask(&live, vec![get], false).await.ok()?;
        match answers.first()? {
            Value::Nil => Some(0),
            version => script::int(version).ok(),
        }
    }

    /// Asks for a lease.
    pub async fn renew(&self) -> Option<Renewed> {
        let shared = &*self.0;
        let live = shared.link.live().filter(|_| !shared.lease.has_left())?;
        let asked = shared.link.tick();
        let mut call = live.scripts.call(Script::Lease);
        call.arg(live.run).arg(live.epoch).arg(shared.lease.version()).arg(shared.link.name());
        call.arg(shared.runs.before());
        let answer = shared.link.ask_durably(&live, vec![call]).await;
        shared.lease.replicas_late.store(answer == Err(Fault::Replicas), std::sync::atomic::Ordering::Relaxed);
        let answer = answer.ok()?;
        let renewed = renewed(answer.first()?, live.run);
        match renewed {
            Ok(Some(Renewed::Given(_))) => shared.lease.given(asked),
            Ok(None) => shared.link.give_up(live.epoch, &Fault::Fenced),
            Ok(_) | Err(_) => {}
        }
        renewed.ok().flatten()
    }

    /// Tells the server of a hold; the number that it has there, and the version. `number` is what people know it by,
    /// or 0 for the server's next. An error says what people are told.
    pub async fn place(&self, hold: &Hold, number: u32) -> Result<(u32, u64), String> {
        let until = hold.until.map(|until| until.ms().to_string()).unwrap_or_default();
        let answer = self
            .tell(Script::Hold, |call, live| {
                call.arg(live.run).arg(live.epoch).arg(key_text(hold.key())).arg(number).arg(hold.scope.to_string());
                call.arg(&hold.owner).arg(&hold.role).arg(&hold.reason).arg(hold.since.ms()).arg(&until);
            })
            .await?;
        let read = || -> Result<(i64, u32, u64), Fault> {
            let [what, number, version] = script::list(&answer)? else { return Err(Fault::Answer) };
            Ok((script::int(what)?, script::int(number)?, script::int(version)?))
        };
        match read() {
            Ok((0 | 1, number, version)) => Ok((number, version)),
            Ok((2, ..)) => Err("the gateways have as many holds in force as they may; end some first".to_owned()),
            _ => Err("the shared ledger does not know the connection any more".to_owned()),
        }
    }

    /// Tells the server of the end of a hold.
    pub async fn end(&self, past: &Past) -> Result<(), String> {
        let answer = self
            .tell(Script::Unhold, |call, live| {
                call.arg(live.run).arg(live.epoch).arg(key_text(past.hold.key()));
                call.arg(past.at.ms()).arg(&past.by).arg(&past.why);
            })
            .await?;
        match script::list(&answer).map(|answer| answer.first().map(script::int::<i64>)) {
            Ok(Some(Ok(0))) => Ok(()),
            _ => Err("the shared ledger does not know the connection any more".to_owned()),
        }
    }

    async fn tell(&self, script: Script, arguments: impl FnOnce(&mut redis::Cmd, &Live)) -> Result<Value, String> {
        let live = self.0.link.live().ok_or("the shared ledger cannot be reached")?;
        let mut call = live.scripts.call(script);
        arguments(&mut call, &live);
        let answered = self.0.link.ask_durably(&live, vec![call]).await;
        let mut answers = answered.map_err(|fault| format!("the shared ledger has not confirmed it: {fault}"))?;
        answers.pop().ok_or_else(|| "the shared ledger has not answered".to_owned())
    }

    /// How holds have ended that the server has not; `None` of those that it knows nothing of.
    pub async fn ends(&self, keys: &[u64]) -> Option<HashMap<u64, Option<Ended>>> {
        if keys.is_empty() {
            return Some(HashMap::new());
        }
        let live = self.0.link.live()?;
        let mut get = redis::cmd("HMGET");
        get.arg(ENDED);
        for key in keys {
            get.arg(key_text(*key));
        }
        let answers = self.0.link.ask(&live, vec![get], false).await.ok()?;
        let records = script::list(answers.first()?).ok()?;
        Some(keys.iter().copied().zip(records.iter().map(end)).collect())
    }

    /// Waits until nobody can write any more who does not know a version of the holds.
    pub async fn everywhere(&self, version: u64) -> Everywhere {
        let began = tokio::time::Instant::now();
        let (mut knows, mut does_not) = (BTreeMap::new(), BTreeMap::new());
        loop {
            if let Some(peers) = self.gateways(version).await {
                let (know, rest): (Vec<_>, Vec<_>) =
                    peers.into_iter().filter(|peer| !peer.own).partition(|peer| peer.version >= version);
                let all = rest.is_empty();
                does_not.extend(rest.into_iter().map(|peer| (peer.run.clone(), peer)));
                does_not.retain(|run, _| know.iter().all(|peer| peer.run != *run));
                knows.extend(know.into_iter().map(|peer| (peer.run.clone(), peer)));
                if all {
                    break; // who is not there any more has left, or was found silent by another
                }
            }
            if began.elapsed() >= LEASE_OVER {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        for peer in does_not.values() {
            self.forget(peer).await;
        }
        let names = |peers: BTreeMap<String, Peer>| {
            peers.into_values().map(|peer| peer.name).filter(|name| !name.is_empty()).collect()
        };
        Everywhere { acknowledged: names(knows), silent: names(does_not) }
    }

    /// Who may have a lease, as long as the server still has what it had when it was told a version.
    async fn gateways(&self, version: u64) -> Option<Vec<Peer>> {
        let live = self.0.link.live()?;
        let mut own = redis::cmd("HMGET");
        own.arg(META).arg("hv").arg(format!("e{}", live.run));
        let mut all = redis::cmd("HGETALL");
        all.arg(GATEWAYS);
        let answers = self.0.link.ask(&live, vec![own, all], false).await.ok()?;
        let [own, all] = answers.as_slice() else { return None };
        let [latest, epoch] = script::list(own).ok()? else { return None };
        let known = script::int::<u64>(latest).is_ok_and(|latest| latest >= version);
        (known && script::int(epoch) == Ok(live.epoch)).then(|| peers(all, live.run).ok()).flatten()
    }

    /// A gateway has not been seen for longer than a lease lasts.
    pub async fn forget(&self, peer: &Peer) {
        self.forget_run(&peer.run, &peer.count.to_string()).await;
    }

    /// This gateway writes nothing from here on, and nobody need wait for it.
    pub async fn leave(&self) {
        self.0.lease.leave();
        if let Some(live) = self.0.link.live() {
            let _ = tokio::time::timeout(Duration::from_secs(1), self.forget_run(&live.run.to_string(), "")).await;
        }
    }

    async fn forget_run(&self, run: &str, count: &str) {
        let Some(live) = self.0.link.live() else { return };
        let mut call = live.scripts.call(Script::Forget);
        call.arg(run).arg(count);
        let _ = self.0.link.ask(&live, vec![call], false).await; // who is not forgotten is waited for once more
    }

    /// A moment of this gateway's clock as the server's shows it.
    pub fn on_server(&self, moment: Moment) -> Moment {
        let skew_ms = self.0.link.skew_ms.load(std::sync::atomic::Ordering::Relaxed);
        Moment::from_ms(moment.ms() + skew_ms)
    }
}

fn key_text(key: u64) -> String {
    format!("{key:016x}")
}

/// `None` where the connection was given up.
fn renewed(answer: &Value, run: u32) -> Result<Option<Renewed>, Fault> {
    let answer = script::list(answer)?;
    match (answer.first().map(script::int::<i64>).transpose()?, answer) {
        (Some(1), [_, _, gateways]) => Ok(Some(Renewed::Given(peers(gateways, run)?))),
        (Some(0), [_, version, holds]) => {
            let pairs = script::list(holds)?.chunks_exact(2);
            let holds = pairs.map(|pair| hold(&pair[0], &pair[1])).collect::<Result<_, _>>()?;
            Ok(Some(Renewed::Behind { version: script::int(version)?, holds }))
        }
        (Some(5), _) => Ok(None),
        _ => Err(Fault::Answer),
    }
}

/// Reads number, version, scope, owner, role, reason, since and until.
fn hold(key: &Value, record: &Value) -> Result<Hold, Fault> {
    let (key, record) = (script::text(key)?, script::text(record)?);
    let fields: Vec<&str> = record.split_terminator('\0').collect();
    let [number, version, scope, owner, role, reason, since, rest @ ..] = fields.as_slice() else {
        return Err(Fault::Answer);
    };
    let ms = |text: &str| text.parse().map(Moment::from_ms).map_err(|_| Fault::Answer);
    let until = rest.first().filter(|until| !until.is_empty()).map(|until| ms(until)).transpose()?;
    let mark = Mark {
        key: u64::from_str_radix(&key, 16).map_err(|_| Fault::Answer)?,
        told: true,
        version: version.parse().map_err(|_| Fault::Answer)?,
    };
    Ok(Hold {
        number: number.parse().map_err(|_| Fault::Answer)?,
        scope: scope.parse().map_err(|_| Fault::Answer)?,
        owner: (*owner).to_owned(),
        role: (*role).to_owned(),
        reason: (*reason).to_owned(),
        since: ms(since)?,
        until,
        persisted: false,
        shared: Some(mark),
    })
}

fn end(record: &Value) -> Option<Ended> {
    let record = script::text(record).ok()?;
    let [at, by, why] = *record.split_terminator('\0').collect::<Vec<_>>() else { return None };
    Some(Ended { at: Moment::from_ms(at.parse().ok()?), by: by.to_owned(), why: why.to_owned() })
}

fn peers(gateways: &Value, own: u32) -> Result<Vec<Peer>, Fault> {
    let own = own.to_string();
    let peer = |pair: &[Value]| {
        let (run, record) = (script::text(&pair[0])?, script::text(&pair[1])?);
        let mut fields = record.split('\0');
        let mut number = || fields.next()?.parse().ok();
        let (Some(count), Some(version)) = (number(), number()) else { return Err(Fault::Answer) };
        let name = fields.next().unwrap_or_default().to_owned();
        Ok(Peer { own: run == own, run, name, version, count })
    };
    script::list(gateways)?.chunks_exact(2).map(peer).collect()
}
