//! The figures, as Markdown: minimum, median and maximum, and the median's ratio to the byte relay's.

use std::process::ExitCode;

use crate::Scenario;
use crate::middle::Pinning;

/// What one measurement found.
pub(crate) struct Sample {
    pub(crate) throughput: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// Processor time of the middle process for a message, in microseconds.
    pub(crate) cpu_us: Option<f64>,
    pub(crate) resident_mib: Option<f64>,
}

/// All measurements.
pub(crate) struct Report {
    head: String,
    scenarios: Vec<(&'static Scenario, Vec<Measured>)>,
}

/// A way of sending and its samples.
type Measured = (&'static str, Vec<Sample>);

/// The way that the others are compared with.
const YARDSTICK: &str = "byte relay";

impl Report {
    pub(crate) fn new(pinning: &Pinning, rounds: usize, seconds: f64) -> Self {
        let placed = match pinning.middle {
            Some(core) => format!("middle process pinned to core {core}, load and SMSC to the others"),
            None => "processes not pinned".to_owned(),
        };
        Self { head: format!("{rounds} rounds of {seconds} s, interleaved; {placed}"), scenarios: Vec::new() }
    }

    pub(crate) fn add(&mut self, scenario: &'static Scenario, way: &'static str, sample: Sample) {
        if self.scenarios.last().is_none_or(|(last, _)| last.name != scenario.name) {
            self.scenarios.push((scenario, Vec::new()));
        }
        let (_, ways) = self.scenarios.last_mut().expect("pushed above");
        match ways.iter_mut().find(|(own, _)| *own == way) {
            Some((_, samples)) => samples.push(sample),
            None => ways.push((way, vec![sample])),
        }
    }

    /// Prints all; with `floors` a failure if one is not held.
    pub(crate) fn print(&self, floors: bool) -> ExitCode {
        println!("{}\nEach cell: minimum / **median** / maximum (× the byte relay's median)\n", self.head);
        let mut code = ExitCode::SUCCESS;
        for (scenario, ways) in &self.scenarios {
            println!("### {}\n", scenario.name);
            println!("| way | messages/s | p50 µs | p99 µs | p99.9 µs | CPU µs/message | one core: messages/s | MiB |");
            println!("|---|---|---|---|---|---|---|---|");
            let yardstick = samples(ways, YARDSTICK);
            for (way, own) in ways {
                println!("| {way} | {} |", row(own, yardstick).join(" | "));
            }
            println!();
            let share = median(samples(ways, "process"), throughput) / median(yardstick, throughput);
            if let Some(floor) = scenario.floor.filter(|floor| floors && share < *floor) {
                println!("BELOW THE FLOOR: {share:.2} of the byte relay's throughput, {floor} wanted\n");
                code = ExitCode::FAILURE;
            }
        }
        code
    }
}

fn row(own: &[Sample], yardstick: &[Sample]) -> [String; 7] {
    let mib = own.last().and_then(|sample| sample.resident_mib);
    [
        cell(own, yardstick, throughput),
        cell(own, yardstick, |sample| sample.p50_us),
        cell(own, yardstick, |sample| sample.p99_us),
        cell(own, yardstick, |sample| sample.p999_us),
        cell(own, yardstick, |sample| sample.cpu_us.unwrap_or_default()),
        // What a core can do at most, whatever load and SMSC can do.
        cell(own, yardstick, |sample| sample.cpu_us.filter(|us| *us > 0.0).map_or(0.0, |us| 1e6 / us)),
        mib.map_or_else(|| "–".to_owned(), |mib| format!("{mib:.0}")),
    ]
}

fn cell(own: &[Sample], yardstick: &[Sample], figure: impl Fn(&Sample) -> f64 + Copy) -> String {
    let sorted = sorted(own, figure);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return String::new() };
    if *most == 0.0 {
        return "–".to_owned();
    }
    let middle = median(own, figure);
    let ratio = middle / median(yardstick, figure);
    format!("{} / **{}** / {} ({ratio:.2})", number(*least), number(middle), number(*most))
}

fn samples<'a>(ways: &'a [(&'static str, Vec<Sample>)], way: &str) -> &'a [Sample] {
    ways.iter().find(|(own, _)| *own == way).map_or(&[], |(_, samples)| samples)
}

fn throughput(sample: &Sample) -> f64 {
    sample.throughput
}

fn sorted(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
    let mut figures: Vec<f64> = samples.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    sorted(samples, figure).get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three digits that count.
fn number(figure: f64) -> String {
    match figure {
        figure if figure >= 1e6 => format!("{:.2} M", figure / 1e6),
        figure if figure >= 1e4 => format!("{:.0} k", figure / 1e3),
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}
