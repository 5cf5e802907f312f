//! `smsluice load`: load on an SMSC or on a gateway before one.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::interval;

use super::peers::{self, LiveLine, StopSignal};
use crate::sim::esme::EsmeError;
use crate::sim::load::{DEFAULT_TEXT, Kind, Load, LoadError, LoadReport, LoadSettings, Progress, Traffic};
use crate::smpp::command::status;

const EXAMPLES: &str = "\
Examples:
  A hundred thousand messages to new subscribers of one city:
      smsluice load --account hf6202 --password secret --count 100000 \\
          --segments config/segments.csv --city hefei
  Latency of single messages:
      smsluice load --account hf6202 --password secret --duration 10s \\
          --to-number 1385510 --connections 1 --window 1
  An open loop of 2000 messages a second, whatever the answers:
      smsluice load --account hf6202 --password secret --count 10000 \\
          --to-number 1385510 --rate 2000
  What the rules do with messages that break them:
      smsluice load --account hf6202 --password secret --count 10000 \\
          --segments config/segments.csv --city hefei \\
          --mix other_city=0.03,too_long=0.03,no_signature=0.02,repeat=0.02

Kinds for --mix: good, other_city, too_long, no_signature, repeat; what is missing to 1 is good.
Each subscriber is sent to once; --skip leaves out those of an earlier run.
Exit codes: 0 done, 1 failed or broken off, 2 usage, 3 not reachable.";

/// Send messages as fast as they are answered, or at a rate, and report statuses and latencies.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("numbers").required(true).args(["segments", "to_number"])))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Gateway or SMSC to load
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:2775")]
    to: String,
    /// `system_id` to bind as
    #[arg(long, value_name = "ID")]
    account: String,
    /// Its password
    #[arg(long, value_name = "PASSWORD", default_value = "")]
    password: String,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
    /// Messages in flight on each connection, at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    window: usize,
    /// Messages in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Stop sending after this time; 10 s when there is no --count either
    #[arg(long, value_name = "TIME", value_parser = peers::time)]
    duration: Option<Duration>,
    /// Messages a second in all, whatever the answers; without it as many as are answered
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Text of a good message
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_TEXT, hide_default_value = true)]
    text: String,
    /// Begin every text with another character, as texts with a name in them differ
    #[arg(long)]
    personal: bool,
    /// `source_addr`
    #[arg(long, value_name = "NUMBER", default_value = "6202")]
    source: String,
    /// Table of number segments with the columns `prefix` and, for the next two options, `city` and `operator`
    #[arg(long, value_name = "FILE")]
    segments: Option<PathBuf>,
    /// Send to segments of this city; the others serve `other_city`
    #[arg(long, value_name = "CITY", requires = "segments")]
    city: Option<String>,
    /// Send to segments of this operator
    #[arg(long, value_name = "OPERATOR", requires = "segments")]
    operator: Option<String>,
    /// Send to numbers that begin with these seven digits (repeatable)
    #[arg(long, value_name = "PREFIX", value_parser = clap::value_parser!(u32).range(1_300_000..2_000_000))]
    to_number: Vec<u32>,
    /// Kinds of messages and their shares
    #[arg(long, value_name = "KIND=SHARE,...", value_delimiter = ',', value_parser = peers::kind_share)]
    mix: Vec<(Kind, f64)>,
    /// Subscribers to leave out in front
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// Ask for receipts
    #[arg(long)]
    receipts: bool,
    /// Give up an answer after this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = peers::time)]
    response_timeout: Duration,
    /// Make broken connections again and go on
    #[arg(long)]
    reconnect: bool,
    /// Seed of the mix and of the order of the numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Allow a target other than this machine: real subscribers may get the messages
    #[arg(long)]
    i_own_this_smsc: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// No progress line on standard error
    #[arg(short, long)]
    quiet: bool,
}

/// What keeps a run from its end, as exit code and words.
struct Problem(u8, String);

/// Runs the load and prints its report.
pub async fn run(args: Args) -> ExitCode {
    match load(&args).await {
        Ok(report) => {
            if args.json {
                println!("{}", serde_json::to_string(&report).expect("figures have a JSON form"));
            } else {
                print!("{}", summary(&report));
            }
            ExitCode::from(u8::from(report.answered == 0 || report.lost + report.unanswered > 0))
        }
        Err(Problem(code, words)) => {
            eprintln!("error: {words}");
            ExitCode::from(code)
        }
    }
}

async fn load(args: &Args) -> Result<LoadReport, Problem> {
    let target = target(args).await?;
    let settings = args.settings(target).map_err(|words| Problem(2, words))?;
    let mut stop = StopSignal::new().map_err(|error| Problem(1, format!("cannot wait for signals: {error}")))?;
    let mut load = Load::start(settings).await?;
    let progress = std::sync::Arc::clone(load.progress());
    let finish = load.finish();
    tokio::pin!(finish);
    tokio::select! {
        report = &mut finish => return Ok(report),
        () = watch(&progress, args) => {}
        () = stop.wait() => progress.stop(),
    }
    // A second signal does not wait for the answers.
    tokio::select! {
        report = finish => Ok(report),
        () = stop.wait() => Err(Problem(1, "stopped before the answers came".to_owned())),
    }
}

/// The address to load; only this machine, unless somebody answers for it.
async fn target(args: &Args) -> Result<SocketAddr, Problem> {
    let found = tokio::net::lookup_host(&args.to).await.map(|mut found| found.next());
    let target = match found {
        Ok(Some(target)) => target,
        Ok(None) => return Err(Problem(3, format!("`{}` has no address", args.to))),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            return Err(Problem(2, format!("`{}` is not HOST:PORT", args.to)));
        }
        Err(error) => return Err(Problem(3, format!("`{}`: {error}", args.to))),
    };
    if target.ip().is_loopback() || args.i_own_this_smsc {
        return Ok(target);
    }
    let words = format!("`{target}` is not this machine; if the SMSC is yours to load, say so with --i-own-this-smsc");
    Err(Problem(2, words))
}

/// One line a second, for as long as it is asked.
async fn watch(progress: &Progress, args: &Args) {
    let mut line = LiveLine::new(args.quiet);
    let mut second = interval(Duration::from_secs(1));
    second.tick().await;
    let mut before = 0;
    loop {
        second.tick().await;
        let (sent, answered, taken) = (progress.sent(), progress.answered(), progress.taken());
        let of = args.count.map_or_else(String::new, |count| format!(" of {count}"));
        line.show(&format!("sent {sent}{of}  answered {answered}  {}/s  taken {taken}", answered - before));
        before = answered;
    }
}

impl Args {
    fn settings(&self, target: SocketAddr) -> Result<LoadSettings, String> {
        peers::check_shares(self.mix.iter().map(|(_, share)| *share))?;
        let (mut segments, mut other_segments) = (self.to_number.clone(), Vec::new());
        if let Some(file) = &self.segments {
            (segments, other_segments) = self.read_segments(file)?;
        }
        let traffic = Traffic {
            source: self.source.clone(),
            text: self.text.clone(),
            other_segments,
            mix: self.mix.clone(),
            skip: self.skip,
            registered_delivery: u8::from(self.receipts),
            personal: self.personal,
            seed: self.seed,
            ..Traffic::new(segments)
        };
        let no_end = self.count.is_none() && self.duration.is_none();
        Ok(LoadSettings {
            connections: self.connections,
            window: self.window,
            count: self.count,
            duration: self.duration.or(no_end.then_some(Duration::from_secs(10))),
            rate: self.rate,
            response_timeout: self.response_timeout,
            reconnect: self.reconnect,
            traffic,
            ..LoadSettings::new(target, &self.account, &self.password, Vec::new())
        })
    }

    /// The segments to send to, and those of other cities.
    fn read_segments(&self, file: &Path) -> Result<(Vec<u32>, Vec<u32>), String> {
        let wrong = |cause: &dyn std::fmt::Display| format!("`{}`: {cause}", file.display());
        let mut reader = csv::Reader::from_path(file).map_err(|error| wrong(&error))?;
        let headers = reader.headers().map_err(|error| wrong(&error))?.clone();
        let column = |name: &str| headers.iter().position(|header| header == name);
        let prefix = column("prefix").ok_or_else(|| wrong(&"no column `prefix`"))?;
        let (city, operator) = (column("city"), column("operator"));
        if self.city.is_some() && city.is_none() || self.operator.is_some() && operator.is_none() {
            return Err(wrong(&"no column `city` or `operator`"));
        }
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for row in reader.records() {
            let row = row.map_err(|error| wrong(&error))?;
            let is = |at: Option<usize>, wanted: &Option<String>| {
                wanted.as_deref().is_none_or(|wanted| at.and_then(|at| row.get(at)) == Some(wanted))
            };
            let segment = row.get(prefix).and_then(|digits| digits.parse().ok());
            let segment = segment.filter(|segment| (1_300_000..2_000_000).contains(segment));
            let segment = segment.ok_or_else(|| wrong(&format!("a prefix is not seven digits: {row:?}")))?;
            match (is(operator, &self.operator), is(city, &self.city)) {
                (true, true) => own.push(segment),
                (true, false) => others.push(segment),
                (false, _) => {}
            }
        }
        Ok((own, others))
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Self {
        let code = match &error {
            LoadError::Settings(_) | LoadError::Numbers { .. } => 2,
            LoadError::Connect { cause: EsmeError::Refused(_) | EsmeError::OutOfStep(_), .. } => 1,
            LoadError::Connect { .. } => 3,
        };
        let hint = match &error {
            LoadError::Connect { cause: EsmeError::Refused(_), number: 2.., .. } => {
                "; the ones before it were bound: has the account fewer `sessions`? Try a lower --connections"
            }
            LoadError::Connect { cause: EsmeError::Refused(_), .. } => {
                "; see --account and --password, and the account's `networks`"
            }
            _ => "",
        };
        Self(code, format!("{error}{hint}"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares for the eye")]
fn summary(report: &LoadReport) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let LoadReport { sent, answered, elapsed_s, throughput, latency, .. } = report;
    let _ = writeln!(out, "{sent} sent, {answered} answered in {elapsed_s:.3} s: {throughput:.0} messages/s");
    for (code, count) in &report.by_status {
        let share = *count as f64 * 100.0 / (*answered).max(1) as f64;
        let name = status::name(*code);
        let _ = writeln!(out, "  {:<6} {name:<24} {count:>12}  {share:6.2} %", format!("{code:#04x}"));
    }
    for (kind, statuses) in report.by_kind.iter().filter(|_| report.by_kind.len() > 1) {
        let statuses: Vec<_> = statuses.iter().map(|(status, count)| format!("{status} {count}")).collect();
        let _ = writeln!(out, "  {kind:<14} {}", statuses.join(", "));
    }
    let faults = [
        ("not answered in time", report.unanswered),
        ("in flight when a connection broke", report.lost),
        ("connections broken", report.broken),
        ("answers to nothing", report.unmatched),
        ("deliveries received", report.deliveries),
    ];
    for (name, count) in faults.into_iter().filter(|(_, count)| *count > 0) {
        let _ = writeln!(out, "  {name}: {count}");
    }
    let times = [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us].map(time);
    let [p50, p90, p99, p999, max] = times;
    let _ = writeln!(out, "latency p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p999}  max {max}");
    out
}

fn time(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} µs") } else { format!("{:.2} ms", us / 1000.0) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::try_parse_from(line.split(' ')).expect("a sound line").args
    }

    #[test]
    fn segments_are_chosen_by_city_and_operator_and_the_rest_is_another_city() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("segments.csv");
        let rows = "prefix,city,operator\n1300002,hefei,cucc\n1385510,hefei,cmcc\n1385520,bengbu,cmcc\n";
        std::fs::write(&file, rows).expect("written");
        let line = format!("load --account a --segments {} --city hefei --operator cmcc", file.display());
        let read = args(&line).read_segments(&file);
        assert_eq!(read, Ok((vec![1_385_510], vec![1_385_520])));
    }

    #[test]
    fn a_refused_bind_says_where_to_look() {
        let refused = |number| {
            let target = "127.0.0.1:2775".parse().expect("an address");
            Problem::from(LoadError::Connect { target, number, of: 8, cause: EsmeError::Refused(0x0D) }).1
        };
        assert!(refused(1).contains("connection 1 of 8") && refused(1).contains("--password"));
        assert!(refused(5).contains("connection 5 of 8") && refused(5).contains("`sessions`"));
    }

    #[tokio::test]
    async fn only_this_machine_is_loaded_unless_somebody_answers_for_it() {
        for (line, allowed) in [
            ("load --account a --to-number 1385510 --to 127.0.0.1:2775", true),
            ("load --account a --to-number 1385510 --to 192.0.2.1:2775", false),
            ("load --account a --to-number 1385510 --to 192.0.2.1:2775 --i-own-this-smsc", true),
        ] {
            assert_eq!(target(&args(line)).await.is_ok(), allowed, "{line}");
        }
    }
}
