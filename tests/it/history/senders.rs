//! Scripted senders: what they submit comes from a seed, what they submit and
//! get goes into the history.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use smsluice::sim::esme::{Esme, EsmeError};
use smsluice::sim::pdu;
use smsluice::sim::random::Random;
use smsluice::sim::submit::{SubmitSpec, ucs2};
use smsluice::smpp::bind::BindType;
use smsluice::smpp::command;

use super::{Act, Recorder, wire};
use crate::stand::{good, subscriber};

/// How long an answer is waited for on a live session, far above every timer of the gateways under test.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one sender does.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) account: &'static str,
    /// City of its subscribers.
    pub(crate) city: &'static str,
    /// Its subscribers, each submitted once and some again.
    pub(crate) subscribers: Range<u64>,
    /// Requests of one write at most.
    pub(crate) window: u64,
    pub(crate) seed: u64,
}

/// How the answers were, by status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) by_status: HashMap<u32, u64>,
    pub(crate) orderly: bool,
    /// Messages and receipts that came on the way.
    pub(crate) deliveries: u64,
}

/// A bound session whose every PDU is written down.
pub(crate) struct Noted {
    pub(crate) esme: Esme,
    pub(crate) session: u32,
    account: &'static str,
    recorder: Recorder,
    waiting: HashMap<u32, u32>,
    pub(crate) tally: Tally,
}

impl Noted {
    pub(crate) async fn bind(gateway: SocketAddr, account: &'static str, recorder: &Recorder) -> Option<Self> {
        let connecting = Esme::connect(gateway, BindType::Transceiver, account, "secret", 0x34);
        let mut esme = tokio::time::timeout(Duration::from_secs(5), connecting).await.ok()?.ok()?;
        esme.set_patience(PATIENCE);
        let session = recorder.bound(account);
        let (recorder, waiting, tally) = (recorder.clone(), HashMap::new(), Tally::default());
        Some(Self { esme, session, account, recorder, waiting, tally })
    }

    /// Adds a submission to what the next write carries; its sequence number.
    pub(crate) fn submit(&mut self, spec: &SubmitSpec, out: &mut Vec<u8>) -> u32 {
        self.ask(out, |sequence| spec.submit_sm(sequence))
    }

    /// Adds one message of a drawn kind: to one subscriber, to all of them in a submit_multi, or in parts to the first,
    /// of which some leave later. Often a part that was put off goes before it.
    pub(crate) fn submit_any(&mut self, spec: &SubmitSpec, to: &[String], random: &mut Random, out: &mut Vec<u8>) {
        if random.chance(0.6) {
            self.submit_put_off(random, out);
        }
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let spec = SubmitSpec { destination: to[0].to_owned(), ..spec.clone() };
        match random.below(100) {
            0..70 => {
                self.submit(&spec, out);
            }
            70..85 => {
                let mut parts = parts(&spec, self.recorder.reference(), random);
                if random.chance(0.15) {
                    self.ask(out, |sequence| parts[0].submit_multi(&to, sequence));
                } else {
                    self.submit(&parts[0], out);
                }
                parts.swap_remove(usize::from(random.chance(0.1))); // seldom it comes a second time, and another never
                for part in parts {
                    self.recorder.put_off(self.account, part);
                }
                if random.chance(0.5) {
                    self.submit_put_off(random, out); // in one write, it may be
                }
            }
            _ => {
                self.ask(out, |sequence| spec.submit_multi(&to, sequence));
            }
        }
    }

    /// Adds one of the parts that the account still has to send; false if there is none.
    fn submit_put_off(&mut self, random: &mut Random, out: &mut Vec<u8>) -> bool {
        let part = self.recorder.put_off_before(self.account, random);
        part.is_some_and(|part| self.submit(&part, out) > 0)
    }

    fn ask(&mut self, out: &mut Vec<u8>, octets: impl FnOnce(u32) -> Vec<u8>) -> u32 {
        let sequence = self.recorder.sequence();
        let octets = octets(sequence);
        out.extend(&octets);
        self.waiting.insert(sequence, 0);
        self.recorder.asked(self.session, octets);
        sequence
    }

    /// Adds an enquire_link.
    pub(crate) fn enquire(&mut self, out: &mut Vec<u8>) {
        let sequence = self.recorder.sequence();
        let start = out.len();
        pdu::bare(out, command::ENQUIRE_LINK, 0, sequence);
        self.waiting.insert(sequence, 0);
        self.recorder.asked(self.session, out[start..].to_vec());
    }

    /// Writes, and reads until everything is answered. The last status, or why the session is over.
    pub(crate) async fn exchange(&mut self, out: &[u8]) -> Result<u32, EsmeError> {
        self.esme.send_raw(out).await?;
        let mut last = 0;
        while !self.waiting.is_empty() {
            let frame = self.esme.next_pdu().await?;
            if wire::is_response(&frame) {
                self.waiting.remove(&wire::sequence(&frame));
                last = wire::status(&frame);
                if wire::is_submission_resp(&frame) {
                    *self.tally.by_status.entry(last).or_default() += 1;
                }
            } else if wire::command(&frame) == command::DELIVER_SM {
                let mut answer = Vec::new();
                pdu::deliver_sm_resp(&mut answer, wire::sequence(&frame));
                self.esme.send_raw(&answer).await?;
                self.tally.deliveries += 1;
            }
            self.recorder.received(self.session, frame);
        }
        Ok(last)
    }

    /// Submits one message and waits for its status.
    pub(crate) async fn one(&mut self, spec: &SubmitSpec) -> Result<u32, EsmeError> {
        let mut out = Vec::new();
        self.submit(spec, &mut out);
        self.exchange(&out).await
    }

    /// Ends it: a session that lived until here must have been answered all it asked.
    pub(crate) async fn close(mut self, ended: Result<(), EsmeError>) -> Tally {
        let orderly = matches!(ended, Ok(()) | Err(EsmeError::Timeout));
        self.recorder.note(Act::Closed { session: self.session, orderly });
        self.tally.orderly = orderly;
        if orderly {
            let _ = tokio::time::timeout(Duration::from_secs(5), self.esme.unbind()).await; // it is over either way
        }
        self.tally
    }
}

/// Plays a script to its end, or until the gateway is gone.
pub(crate) async fn play(gateway: SocketAddr, script: Script, recorder: Recorder) -> Tally {
    let Some(mut noted) = Noted::bind(gateway, script.account, &recorder).await else { return Tally::default() };
    let ended = submit_all(&mut noted, &script).await;
    noted.close(ended).await
}

async fn submit_all(noted: &mut Noted, script: &Script) -> Result<(), EsmeError> {
    let mut random = Random::new(script.seed);
    let mut left: Vec<u64> = script.subscribers.clone().collect();
    while !left.is_empty() {
        let mut out = Vec::new();
        for _ in 0..=random.below(script.window) {
            let Some(index) = (!left.is_empty()).then(|| random.below(left.len() as u64) as usize) else { break };
            let number = left[index];
            if !random.chance(0.1) {
                left.swap_remove(index); // the others are submitted once more later
            }
            let others = script.subscribers.end - script.subscribers.start;
            let others = (0..=random.below(3)).map(|_| script.subscribers.start + random.below(others));
            let to: Vec<_> = std::iter::once(number).chain(others).map(|n| subscriber(script.city, n)).collect();
            noted.submit_any(&message(script, &mut random), &to, &mut random, &mut out);
            if random.chance(0.05) {
                noted.enquire(&mut out);
            }
        }
        noted.exchange(&out).await?;
    }
    let mut out = Vec::new();
    while noted.submit_put_off(&mut random, &mut out) {
        noted.exchange(&std::mem::take(&mut out)).await?;
    }
    Ok(())
}

/// A message that keeps every rule, but for a few whose signature is missing.
fn message(script: &Script, random: &mut Random) -> SubmitSpec {
    let mut spec = good("");
    if script.city == "fuyang" {
        spec.short_message = ucs2("阜阳移动新营业厅开业,欢迎光临。阜阳移动 询0558-1860");
    }
    if random.chance(0.05) {
        spec.short_message = ucs2("新营业厅开业,欢迎光临。");
    }
    if random.chance(0.2) { spec.with_receipt() } else { spec }
}

/// The message in two or three parts, in a drawn order and announced in a drawn way.
fn parts(whole: &SubmitSpec, reference: u16, random: &mut Random) -> Vec<SubmitSpec> {
    let (characters, total) = (whole.short_message.len() as u64 / 2, 2 + random.below(2));
    let mut cuts: Vec<usize> = (0..=total).map(|cut| 2 * (cut * characters / total) as usize).collect();
    cuts[1..total as usize].iter_mut().for_each(|cut| *cut += 2 * random.below(characters / total) as usize);
    let kind = random.below(if reference < 256 { 3 } else { 2 });
    let [high, low] = reference.to_be_bytes();
    let mut parts: Vec<SubmitSpec> = (1..=total as u8)
        .zip(cuts.windows(2))
        .map(|(index, cut)| {
            let total = total as u8;
            let spec = SubmitSpec { short_message: whole.short_message[cut[0]..cut[1]].to_vec(), ..whole.clone() };
            match kind {
                0 => spec.with_tlv(0x020C, &[high, low]).with_tlv(0x020E, &[total]).with_tlv(0x020F, &[index]),
                1 => with_header(spec, &[6, 8, 4, high, low, total, index]),
                _ => with_header(spec, &[5, 0, 3, low, total, index]),
            }
        })
        .collect();
    for index in (1..parts.len()).rev() {
        parts.swap(index, random.below(index as u64 + 1) as usize);
    }
    parts
}

fn with_header(spec: SubmitSpec, header: &[u8]) -> SubmitSpec {
    let mut spec = spec.with_esm_class(0x40);
    spec.short_message.splice(0..0, header.iter().copied());
    spec
}
