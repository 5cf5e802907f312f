//! `smsluice smsc`: a simulated SMSC.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::peers::{self, LiveLine, StopSignal};
use crate::domain::Clock;
use crate::sim::pdu::{DeliverSpec, IdFormat};
use crate::sim::smsc::{Behaviour, Latency, Receipts, Service, Smsc, SmscSettings, SmscStats};
use crate::smpp::command::status;

const EXAMPLES: &str = "\
Examples:
  An SMSC that answers everything at once:
      smsluice smsc --listen 127.0.0.1:2776
  A slow one with a full queue now and then, receipts, and a journal of every PDU:
      smsluice smsc --latency 5ms..20ms --error 0x14=0.01 --receipts 2s \\
          --journal smsc.journal
  One that is overloaded above 500 messages a second and says so:
      smsluice smsc --capacity 500 --congestion-state 95
  One that takes messages and never answers one in a hundred:
      smsluice smsc --silent 0.01
  One that lets two accounts in:
      smsluice smsc --account hf6202:secret --account bb6202:other

A journal line is `<unix_ms> <connection> <in|out> <hex>`. The same --seed makes the same choices.
Exit codes: 0 stopped, 1 failed, 2 usage.";

/// Run a simulated SMSC.
///
/// It takes binds and messages as an SMSC does, misbehaves on request, and counts who was served twice on one day.
/// It stops at Ctrl-C, SIGTERM or the end of --duration with a summary on standard output.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2776")]
    listen: SocketAddr,
    /// Let only these accounts bind (repeatable); without any, everybody may
    #[arg(long, value_name = "ID:PASSWORD")]
    account: Vec<String>,
    /// Time from a message to its answer, or a range: `20ms`, `5ms..20ms`
    #[arg(long, value_name = "TIME", default_value = "0")]
    latency: Latency,
    /// Answer a share of messages with an error (repeatable)
    #[arg(long, value_name = "STATUS=SHARE", value_parser = peers::status_share)]
    error: Vec<(u32, f64)>,
    /// Take a share of messages and never answer them
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = peers::share)]
    silent: f64,
    /// Send a share of answers twice
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = peers::share)]
    duplicate: f64,
    /// Send octets that are no PDU after a share of answers
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = peers::share)]
    garbage: f64,
    /// Messages a second; those above are answered `ESME_RTHROTTLED`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    capacity: Option<u32>,
    /// Serve this many messages a second, one after another; a message is answered when it has been served
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    service: Option<u32>,
    /// Messages that may wait for the service; those that find it full are answered `ESME_RMSGQFUL`
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "service")]
    queue: u32,
    /// Send this `congestion_state` with every answer to a message
    #[arg(long, value_name = "0-100", value_parser = clap::value_parser!(u8).range(..=100))]
    congestion_state: Option<u8>,
    /// Send a receipt that long after the answer to a message that asks for one
    #[arg(long, value_name = "TIME")]
    receipts: Option<Latency>,
    /// Share of receipts that say the message did not arrive
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = peers::share, requires = "receipts")]
    undelivered: f64,
    /// Send messages of subscribers to every account that receives, this many a second
    #[arg(long, value_name = "RATE")]
    incoming: Option<f64>,
    /// Refuse every bind with this status
    #[arg(long, value_name = "STATUS", value_parser = peers::status)]
    refuse_binds: Option<u32>,
    /// Close every connection as soon as it is accepted
    #[arg(long)]
    refuse_connections: bool,
    /// Accept connections and never answer anything
    #[arg(long)]
    mute: bool,
    /// Close a connection at its n-th message, without answering it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    close_after: Option<u64>,
    /// Write message ids in hexadecimal
    #[arg(long)]
    hex_ids: bool,
    /// Append a line for every PDU to this file
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Do not follow recipients (saves memory, finds nobody served twice)
    #[arg(long)]
    no_recipients: bool,
    /// Seed of everything left to chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// `system_id` in answers to binds
    #[arg(long, value_name = "ID", default_value = "SMSC")]
    system_id: String,
    /// Let the clock start at this time, as `2026-11-24T09:30:00+08:00`
    #[arg(long, value_name = "TIME", value_parser = peers::clock)]
    clock_start: Option<Clock>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = peers::time)]
    duration: Option<Duration>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// No line a second on standard error
    #[arg(short, long)]
    quiet: bool,
}

/// Runs until it is told to stop.
pub async fn run(args: Args) -> ExitCode {
    let settings = match args.settings() {
        Ok(settings) => settings,
        Err(problem) => return failed(2, &problem),
    };
    let smsc = match Smsc::bind(settings).await {
        Ok(smsc) => smsc,
        Err(error) => return failed(1, &format!("cannot listen on `{}` or open the journal: {error}", args.listen)),
    };
    let Ok(mut stop) = StopSignal::new() else { return failed(1, "cannot wait for signals") };
    eprintln!("simulated SMSC on {}, stop with Ctrl-C", smsc.local_addr());
    tokio::select! {
        () = stop.wait() => {}
        () = sleep(args.duration.unwrap_or_default()), if args.duration.is_some() => {}
        () = watch(&smsc, args.quiet) => {}
        () = send_incoming(&smsc, args.incoming.unwrap_or_default()), if args.incoming.is_some() => {}
    }
    let stats = smsc.shutdown().await;
    if args.json {
        println!("{}", serde_json::to_string(&stats).expect("counts have a JSON form"));
    } else {
        print!("{}", summary(&stats));
    }
    ExitCode::SUCCESS
}

impl Args {
    fn settings(&self) -> Result<SmscSettings, String> {
        peers::check_shares(self.error.iter().map(|(_, share)| *share))?;
        if self.incoming.is_some_and(|rate| !(rate > 0.0 && rate <= 100_000.0)) {
            return Err("--incoming must be above 0 and at most 100000".to_owned());
        }
        let pairs = self.account.iter().map(|pair| pair.split_once(':'));
        let pairs: Option<_> = pairs.map(|pair| pair.map(|(id, secret)| (id.to_owned(), secret.to_owned()))).collect();
        let passwords = pairs.ok_or("--account wants `ID:PASSWORD`")?;
        Ok(SmscSettings {
            listen: self.listen,
            seed: self.seed,
            system_id: self.system_id.clone(),
            clock: self.clock_start.clone().unwrap_or(Clock::System),
            journal: self.journal.clone(),
            memory: 0,
            recipients: !self.no_recipients,
            behaviour: Behaviour {
                passwords: (!self.account.is_empty()).then_some(passwords),
                refuse_binds: self.refuse_binds,
                refuse_connections: self.refuse_connections,
                mute: self.mute,
                latency: self.latency,
                errors: self.error.clone(),
                silent: self.silent,
                duplicate: self.duplicate,
                garbage: self.garbage,
                capacity: self.capacity,
                service: self.service.map(|per_second| Service {
                    per_second,
                    queue: self.queue,
                    full: status::ESME_RMSGQFUL,
                }),
                congestion_state: self.congestion_state,
                receipts: self.receipts.map(|delay| Receipts { delay, undelivered: self.undelivered }),
                close_after: self.close_after,
                id_format: if self.hex_ids { IdFormat::Hex } else { IdFormat::Decimal },
            },
        })
    }
}

/// One line a second.
async fn watch(smsc: &Smsc, quiet: bool) {
    let mut line = LiveLine::new(quiet);
    let mut second = interval(Duration::from_secs(1));
    let mut before = smsc.stats();
    second.tick().await;
    loop {
        second.tick().await;
        let stats = smsc.stats();
        let SmscStats { connections_open, taken, distinct_recipients, taken_twice, receipts_sent, .. } = &stats;
        let rate = stats.submissions() - before.submissions();
        let errors: u64 = stats.answered.iter().filter(|(status, _)| **status != 0).map(|(_, count)| count).sum();
        line.show(&format!(
            "{connections_open} open  {rate}/s  taken {taken}  errors {errors}  silent {}  \
             recipients {distinct_recipients}  served twice {taken_twice}  receipts {receipts_sent}",
            stats.silent
        ));
        before = stats;
    }
}

/// Messages of subscribers, in turn to every account that receives.
async fn send_incoming(smsc: &Smsc, rate: f64) {
    let mut tick = interval(Duration::from_secs_f64(1.0 / rate));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0_u64.. {
        tick.tick().await;
        for account in smsc.receivers() {
            let source = (13_855_100_000 + number % 10_000).to_string();
            // One that finds no room is one message less, as in life.
            let _ = smsc.deliver(&account, DeliverSpec::message(&source, "6202", "退订"));
        }
    }
}

fn summary(stats: &SmscStats) -> String {
    use std::fmt::Write;
    let mut out = String::from("received\n");
    let mut line = |name: &str, count: u64| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {name:<32} {count:>12}");
    };
    for (command, count) in &stats.received {
        line(command, *count);
    }
    line("connections", stats.connections);
    line("binds refused", stats.binds_refused);
    for (code, count) in &stats.answered {
        line(&format!("answered {code:#04x} {}", status::name(*code)), *count);
    }
    line("never answered", stats.silent);
    line("messages taken", stats.taken);
    line("recipients served", stats.distinct_recipients);
    line("messages to recipients served", stats.repeated_recipients);
    line("of which taken", stats.taken_twice);
    line("receipts sent", stats.receipts_sent);
    line("receipts dropped", stats.receipts_dropped);
    line("messages of subscribers sent", stats.incoming_sent);
    line("protocol errors", stats.protocol_errors);
    line("journal errors", stats.journal_errors);
    out
}

fn failed(code: u8, problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(code)
}
