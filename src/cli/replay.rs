//! `smsluice replay`: recorded submissions under a candidate configuration.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::config;
use crate::domain::{Clock, Moment};
use crate::policy::{self, Account, Permit, Refusal, Ruleset, Scratch};
use crate::registry::{Registry, Snapshot, store};
use crate::sim::journal::{Direction, Entry, from_hex};
use crate::smpp::bind::Bind;
use crate::smpp::command::{self, status};
use crate::smpp::frame::{Cut, MAX_PDU};
use crate::smpp::multi::Multi;
use crate::smpp::submission::{Field, Malformed};
use crate::smpp::{Header, Submission};

/// Something flips.
const FLIPS: u8 = 9;
/// Invalid configuration or input file.
const INVALID: u8 = 7;
/// Lines of a group that are named.
const NAMED: usize = 10;
/// Messages between two progress lines.
const PROGRESS: u64 = 100_000;
/// The verdict on what passes.
const PASS: &str = "pass";

/// Judge recorded submissions under a candidate configuration and tell which would flip.
///
/// Each message is judged at the time at which it was submitted. Rules that depend on what was sent before (spread,
/// once, quota, rate) are not asked, and the parts of a message are judged one by one. Nothing is sent, nothing is
/// counted, and no number and no text is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "FILE has one record a line, of either kind:
  a line of the journal that `smsluice smsc --journal` writes; what it holds has passed
  {\"at\":\"2026-11-24T09:30:00+08:00\",\"account\":\"hf6202\",\"pdu\":\"0000…\",\"verdict\":\"too_long\"}
  (the whole PDU in hexadecimal; without `verdict` it has passed)

Examples:
  smsluice replay --config /tmp/candidate --against /etc/smsluice yesterday.journal
  smsluice replay --config /tmp/candidate --json captured.jsonl

Exit codes: 0 nothing flips, 9 something does, 7 a folder or the file cannot be used, 2 usage.")]
pub struct Args {
    /// The candidate's folder
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// The folder to compare with, instead of the recorded verdicts
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Folder of the `registry.db` that texts are held against; the ledger folder of either configuration by default
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
    /// The recorded submissions
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Load the folders as at this time, 2026-11-24T09:30:00+08:00: it says which years the calendar must cover
    #[arg(long, value_name = "TIME", value_parser = super::moment)]
    now: Option<Moment>,
}

/// What came of it; the JSON shape is stable.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Messages judged, one for each recipient.
    messages: u64,
    /// Lines that are no record, or records of accounts that nobody named.
    unreadable: u64,
    /// Groups of messages that flip.
    flips: Vec<Flip>,
}

/// Messages of one account that flip in the same way.
#[derive(Debug, Serialize)]
struct Flip {
    account: String,
    old: &'static str,
    new: &'static str,
    messages: u64,
    /// The first lines of the file that hold them.
    lines: Vec<u64>,
}

/// A line of JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Captured {
    at: String,
    account: String,
    pdu: String,
    verdict: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    match replayed(args) {
        Ok(outcome) => {
            let text = if args.json {
                serde_json::to_string_pretty(&outcome).unwrap_or_default() + "\n" // maps with text keys only
            } else {
                outcome.text()
            };
            let _ = std::io::stdout().write_all(text.as_bytes()); // a closed pipe is no failure
            if outcome.flips.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FLIPS) }
        }
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::from(INVALID)
        }
    }
}

fn replayed(args: &Args) -> Result<Outcome, String> {
    let now = args.now.unwrap_or_else(|| Clock::System.now());
    let load = |dir: &Path| config::load(dir, now).map_err(|problems| problems.to_string());
    let (new, old) = (load(&args.config)?, args.against.as_deref().map(load).transpose()?);
    // What is registered is of the gateway, not of a candidate: both are asked with the same.
    let folders = [Some(&new), old.as_ref()].into_iter().flatten().map(|own| own.settings.ledger.path.clone());
    let folders: Vec<PathBuf> = args.registry.clone().map_or_else(|| folders.collect(), |folder| vec![folder]);
    let folder = folders.into_iter().find(|folder| folder.join(store::FILE).exists());
    let registered = folder.map(|folder| Registry::peek(&folder)).transpose().map_err(|error| error.to_string())?;
    let over = |own: config::Configuration| match &registered {
        Some(Snapshot { content, opted_out }) => own.ruleset.with_registry(content.clone(), opted_out.clone()),
        None => own.ruleset,
    };
    let (new, old) = (over(new), old.map(over));
    let cannot = |error| format!("error: {} cannot be read: {error}", args.file.display());
    let file = BufReader::new(File::open(&args.file).map_err(cannot)?);
    let mut replay = Replay::new(&new, old.as_ref());
    for (line, text) in (1..).zip(file.split(b'\n')) {
        replay.line(line, &text.map_err(cannot)?);
    }
    if replay.messages == 0 && replay.unreadable > 0 {
        return Err(format!("error: {} holds no submission that can be read", args.file.display()));
    }
    Ok(replay.finish())
}

/// A replay under way.
struct Replay<'a> {
    new: &'a Ruleset,
    old: Option<&'a Ruleset>,
    accounts: HashMap<u64, String>,
    flips: BTreeMap<(String, &'static str, &'static str), (u64, Vec<u64>)>,
    messages: u64,
    unreadable: u64,
    scratch: Scratch,
    tells: bool,
}

impl<'a> Replay<'a> {
    fn new(new: &'a Ruleset, old: Option<&'a Ruleset>) -> Self {
        Self {
            new,
            old,
            accounts: HashMap::new(),
            flips: BTreeMap::new(),
            messages: 0,
            unreadable: 0,
            scratch: Scratch::default(),
            tells: std::io::stderr().is_terminal(),
        }
    }

    fn line(&mut self, line: u64, text: &[u8]) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        let read = if text.starts_with(b"{") { self.captured(line, text) } else { self.journalled(line, text) };
        if read.is_none() {
            self.unreadable += 1;
        }
    }

    /// A line of JSON.
    fn captured(&mut self, line: u64, text: &[u8]) -> Option<()> {
        let Captured { at, account, pdu, verdict } = serde_json::from_slice(text).ok()?;
        let recorded = match verdict.as_deref() {
            None | Some(PASS) => PASS,
            Some(code) => policy::Reason::ALL.into_iter().find(|reason| reason.code() == code)?.code(),
        };
        self.submission(line, Moment::parse(&at)?, &account, &from_hex(&pdu)?, recorded)
    }

    /// A line of the journal: a bind names its connection's account, a submission has passed.
    fn journalled(&mut self, line: u64, text: &[u8]) -> Option<()> {
        let entry: Entry = std::str::from_utf8(text).ok()?.parse().ok()?;
        if entry.direction == Direction::Out {
            return Some(());
        }
        if let Some(bind) = Bind::read(&entry.octets) {
            self.accounts.insert(entry.connection, bind.system_id);
            return Some(());
        }
        if !Header::read(&entry.octets).is_some_and(|header| command::is_submission(header.command_id)) {
            return Some(());
        }
        let account = self.accounts.get(&entry.connection)?.clone();
        self.submission(line, Moment::from_ms(entry.at_ms), &account, &entry.octets, PASS)
    }

    fn submission(&mut self, line: u64, at: Moment, account: &str, frame: &[u8], recorded: &'static str) -> Option<()> {
        let whole = matches!(Cut::at(frame, MAX_PDU), Cut::Whole(length) if length == frame.len());
        if !whole || !command::is_submission(Header::read(frame)?.command_id) {
            return None;
        }
        let after = verdicts(self.new, account, frame, at, &mut self.scratch);
        let before = match self.old {
            Some(old) => verdicts(old, account, frame, at, &mut self.scratch),
            None => vec![recorded; after.len()],
        };
        for (old, new) in before.into_iter().zip(after) {
            self.messages += 1;
            if self.tells && self.messages.is_multiple_of(PROGRESS) {
                eprintln!("{} messages judged", self.messages);
            }
            if old != new {
                let (count, lines) = self.flips.entry((account.to_owned(), old, new)).or_default();
                *count += 1;
                if lines.len() < NAMED && lines.last() != Some(&line) {
                    lines.push(line);
                }
            }
        }
        Some(())
    }

    fn finish(self) -> Outcome {
        let flip = |((account, old, new), (messages, lines))| Flip { account, old, new, messages, lines };
        Outcome {
            messages: self.messages,
            unreadable: self.unreadable,
            flips: self.flips.into_iter().map(flip).collect(),
        }
    }
}

/// The verdict on each recipient: `pass`, or the reason's code.
fn verdicts(rules: &Ruleset, account: &str, frame: &[u8], at: Moment, scratch: &mut Scratch) -> Vec<&'static str> {
    let multi = Header::read(frame).is_some_and(|header| header.command_id == command::SUBMIT_MULTI);
    let multi = multi.then(|| Multi::read(frame));
    let recipients = multi.as_ref().and_then(|multi| multi.as_ref().ok()).map_or(1, |multi| multi.destinations.len());
    let Some(account) = rules.account(account) else {
        return vec![policy::Reason::AccountUnknown.code(); recipients.max(1)];
    };
    let unread = |fault: Malformed| word(policy::decide::malformed(account, fault, at));
    match multi {
        None => vec![Submission::read(frame).map_or_else(unread, |one| judged(rules, account, &one, at, scratch))],
        Some(Err(fault)) => vec![unread(fault)],
        Some(Ok(multi)) => {
            let list = Malformed { field: Field::Operation, status: status::ESME_RCNTSUBDL };
            let addresses = multi.destinations.iter().map(|destination| destination.address);
            addresses
                .map(|to| to.map_or_else(|| unread(list), |to| judged(rules, account, &multi.to(to), at, scratch)))
                .collect()
        }
    }
}

fn judged(
    rules: &Ruleset,
    account: &Account,
    submission: &Submission<'_>,
    at: Moment,
    scratch: &mut Scratch,
) -> &'static str {
    word(policy::decide(rules, account, submission, at, scratch))
}

fn word(verdict: Result<Permit, Refusal>) -> &'static str {
    verdict.map_or_else(|refusal| refusal.reason.code(), |_| PASS)
}

impl Outcome {
    fn text(&self) -> String {
        let mut text = String::new();
        for Flip { account, old, new, messages, lines } in &self.flips {
            let more = if *messages > lines.len() as u64 { ", …" } else { "" };
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            // Writing to a String cannot fail.
            let _ =
                writeln!(text, "{account:<16} {old:<18} -> {new:<18} {messages:>8}  lines {}{more}", lines.join(", "));
        }
        let sum = |which: &dyn Fn(&Flip) -> bool| -> u64 {
            self.flips.iter().filter(|flip| which(flip)).map(|flip| flip.messages).sum()
        };
        let _ = writeln!(
            text,
            "{} of {} messages would flip: {} pass no longer, {} pass now, {} are refused for another reason",
            sum(&|_| true),
            self.messages,
            sum(&|flip| flip.old == PASS),
            sum(&|flip| flip.new == PASS),
            sum(&|flip| flip.old != PASS && flip.new != PASS),
        );
        if self.unreadable > 0 {
            let _ = writeln!(text, "{} lines cannot be read", self.unreadable);
        }
        if self.messages == 0 {
            text.push_str("the file holds no submission of a bound account: nothing was judged\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SubmitSpec;
    use crate::sim::pdu;
    use crate::smpp::bind::BindType;

    const GOOD: &str = "新营业厅开业。合肥移动 询10086";

    fn hex(octets: &[u8]) -> String {
        octets.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    }

    /// The shipped folder, with another limit of characters.
    fn folder(limit: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        for entry in std::fs::read_dir(shipped).expect("shipped").flatten().filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        let policy = folder.path().join("policy.toml");
        let text = std::fs::read_to_string(&policy).expect("shipped");
        std::fs::write(&policy, text.replace("# limit = 65", &format!("limit = {limit}"))).expect("written");
        folder
    }

    fn asked(config: &Path, against: Option<&Path>, records: &[u8]) -> Result<Outcome, String> {
        let file = config.join("records");
        std::fs::write(&file, records).expect("written");
        replayed(&Args {
            config: config.to_owned(),
            against: against.map(Path::to_owned),
            registry: None,
            file,
            json: false,
            now: Moment::parse("2026-11-24T09:30:00+08:00"),
        })
    }

    #[test]
    fn a_journal_tells_which_messages_of_which_account_pass_no_longer() {
        let at = Moment::parse("2026-11-24T09:30:00+08:00").expect("a time").ms();
        let mut bind = Vec::new();
        pdu::bind(&mut bind, BindType::Transceiver, "hf6202", "secret", 0x34, 1);
        let long = SubmitSpec::new("6202055101", "13855100001", GOOD).submit_sm(2);
        let short = SubmitSpec::new("6202055101", "13855100001", "合肥移动 询10086").submit_sm(3);
        let mut records = format!("{at} 1 in {}\n{at} 1 in {}\n{at} 1 in {}\n", hex(&bind), hex(&long), hex(&short));
        let _ = write!(records, "{at} 2 in {}\n{at} 1 in 00", hex(&long));
        let (wide, narrow) = (folder(65), folder(14));
        let outcome = asked(narrow.path(), None, records.as_bytes()).expect("read");
        assert_eq!((outcome.messages, outcome.unreadable), (2, 1), "connection 2 was never bound: {outcome:?}");
        let [flip] = &outcome.flips[..] else { panic!("{outcome:?}") };
        assert_eq!(
            (flip.account.as_str(), flip.old, flip.new, &flip.lines[..]),
            ("hf6202", PASS, "too_long", &[2][..])
        );
        let back = asked(wide.path(), Some(narrow.path()), records.as_bytes()).expect("read");
        assert_eq!((back.flips[0].old, back.flips[0].new), ("too_long", PASS));
        let text = back.text();
        assert!(text.contains("1 of 2 messages would flip: 0 pass no longer, 1 pass now"), "{text}");
        assert!(!text.contains("13855100001") && !text.contains("secret"), "{text}");
        let nothing = asked(wide.path(), None, b"").expect("read").text();
        assert!(nothing.ends_with("nothing was judged\n"), "{nothing}");
        assert!(asked(wide.path(), Some(wide.path()), records.as_bytes()).expect("read").flips.is_empty());
    }

    #[test]
    fn lines_of_json_carry_their_verdict_and_what_is_no_record_is_counted() {
        let pdu = hex(&SubmitSpec::new("6202055101", "13855100001", GOOD).submit_sm(2));
        let line = |account: &str, verdict: &str| {
            format!(r#"{{"at":"2026-11-24T09:30:00+08:00","account":"{account}","pdu":"{pdu}","verdict":"{verdict}"}}"#)
        };
        let records = [line("hf6202", "too_long"), line("gone", PASS), line("hf6202", "nonsense"), "{}".to_owned()];
        let folder = folder(65);
        let outcome = asked(folder.path(), None, records.join("\n").as_bytes()).expect("read");
        let flips: Vec<_> = outcome.flips.iter().map(|flip| (flip.account.as_str(), flip.old, flip.new)).collect();
        assert_eq!(flips, [("gone", PASS, "account_unknown"), ("hf6202", "too_long", PASS)]);
        assert_eq!((outcome.messages, outcome.unreadable), (2, 2));
        assert!(asked(folder.path(), None, b"nothing of ours\n").is_err());
    }
}
