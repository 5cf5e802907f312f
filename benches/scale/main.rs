//! What a message costs as the site grows: slots of the day, accounts, number segments, sessions.
//!
//! ```text
//! cargo bench --bench scale                      # two minutes; up to ten million slots
//! cargo bench --bench scale -- --full            # sixty million
//! cargo bench --bench scale -- --plot FILE.svg   # draws the curves as well
//! ```
//!
//! Each curve is read against its own first point: flat is 1.

mod growth;
#[allow(dead_code, reason = "part of it is the relay bench's own")]
#[path = "../relay/middle.rs"]
mod middle;
mod plot;
mod sessions;
#[allow(dead_code, reason = "part of it is the relay bench's own")]
#[path = "../relay/site.rs"]
mod site;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
struct Args {
    /// Up to sixty million slots
    #[arg(long)]
    full: bool,
    /// Draw the curves into this file
    #[arg(long)]
    plot: Option<PathBuf>,
    /// What cargo says when it benches and not tests
    #[arg(long, hide = true)]
    bench: bool,
}

type Failure = Box<dyn std::error::Error>;

/// What a message costs at each size.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// Size, and nanoseconds of a message.
    pub(crate) points: Vec<(u64, f64)>,
    /// The longest time that a batch took, or what else is worth a word, beside each point.
    pub(crate) beside: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !args.bench {
        println!("nothing is measured under test: run `cargo bench --bench scale`");
        return ExitCode::SUCCESS;
    }
    match measure(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<(), Failure> {
    let most = if args.full { 60_000_000 } else { 10_000_000 };
    let mut curves = vec![growth::slots(most)?, growth::accounts()?, growth::segments()?];
    curves.push(sessions::curve()?);
    for curve in &curves {
        print(curve);
    }
    if let Some(file) = &args.plot {
        std::fs::write(file, plot::svg(&curves))?;
    }
    Ok(())
}

fn print(curve: &Curve) {
    println!("| {} | ns a message | × the first | |\n|---|---|---|---|", curve.name);
    let first = curve.points.first().map_or(1.0, |(_, ns)| *ns);
    for ((size, ns), beside) in curve.points.iter().zip(&curve.beside) {
        println!("| {size} | {ns:.0} | {:.2} | {beside} |", ns / first);
    }
    println!();
}

/// The median of several measurements.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
