//! `smsluice serve`: the gateway.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{Plan, Running, StartError};
use crate::config::Reloader;
use crate::config::settings::LogFormat;
use crate::domain::{Clock, Moment};
use crate::ledger::OpenError;
use crate::record::{Logs, process};

use super::supervisor::Supervised;

/// Exit code for a configuration that does not validate; a service manager must not restart on it.
const BAD_CONFIGURATION: u8 = 78;
/// Exit code for a start that may work later: an address in use, a locked ledger.
const TEMPORARY: u8 = 75;

/// Run the gateway between senders and the SMSC.
///
/// Senders change host and port, nothing else: binds go through with their own
/// credentials, and everything but submissions passes octet for octet.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  smsluice check --config /etc/smsluice && smsluice serve --config /etc/smsluice
  SMSLUICE__SMSC__ADDRESS=10.0.0.5:2775 smsluice serve --config config

Exit codes: 0 stopped cleanly, 78 the configuration does not validate, 75 an address
or the ledger is in use, 1 anything else. SIGTERM and SIGINT stop gracefully: no new
binds, answers to what is in flight are waited for, both sides are unbound. SIGHUP reads
the configuration again: whole, or not at all.")]
pub struct Args {
    /// Folder with smsluice.toml, policy.toml, accounts.toml and the tables.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// Only validate, as `smsluice check` does.
    #[arg(long)]
    check_only: bool,
    /// Start the clock at this time instead of the machine's (tests only).
    #[arg(long, value_name = "TIME", value_parser = super::moment)]
    clock_start: Option<Moment>,
    /// Go by the machine's clock although it is behind the ledger's newest entry, or more than 31 days ahead of it.
    #[arg(long)]
    confirm_clock: bool,
    /// Confirms that `--clock-start` is wanted.
    #[arg(long)]
    allow_test_clock: bool,
}

/// Serves until a signal.
pub fn run(args: &Args) -> ExitCode {
    let clock = match (args.clock_start, args.allow_test_clock) {
        (None, _) => Clock::System,
        (Some(start), true) => Clock::starting_at(start),
        (Some(_), false) => {
            eprintln!(
                "error: a gateway on a test clock judges real messages by a wrong time\nhint: add --allow-test-clock if that is what you want"
            );
            return ExitCode::from(2);
        }
    };
    if args.check_only {
        let check = super::check::CheckArgs { config: args.config.clone(), strict: false, json: false, now: None };
        return super::check::run(&check);
    }
    let configuration = match crate::config::load(&args.config, clock.now()) {
        Ok(configuration) => configuration,
        Err(problems) => {
            eprint!("{problems}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let log = &configuration.settings.log;
    let logs = Logs::install(&log.level, log.format == LogFormat::Json);
    process::count_panics(&logs);
    for warning in &configuration.warnings {
        tracing::warn!(event = "config_warning", "{warning}");
    }
    let workers = configuration.settings.runtime.workers as usize;
    let Ok(runtime) = super::runtime(workers) else { return ExitCode::from(TEMPORARY) };
    let mut plan = Plan::new(configuration, clock);
    plan.surface.logs = logs.clone();
    plan.confirm_clock = args.confirm_clock;
    let ended = runtime.block_on(serve(plan));
    logs.flush(process::PARTING);
    ended
}

async fn serve(plan: Plan) -> ExitCode {
    let running = match Running::start(plan).await {
        Ok(running) => running,
        Err(error) => {
            tracing::error!(event = "start_failed", "{error}");
            // A journal that cannot be read stays so: a service manager must not try for ever.
            let lasting = matches!(error, StartError::Ledger(OpenError::Read(_)) | StartError::Metrics(_));
            return ExitCode::from(if lasting { 1 } else { TEMPORARY });
        }
    };
    let recovered = &running.recovered;
    tracing::info!(
        event = "ledger_recovered",
        reservations = recovered.reservations,
        slots = recovered.slots,
        interrupted = recovered.interrupted,
        unknown = recovered.unknown,
        elapsed_ms = recovered.elapsed.as_millis() as u64,
        "ledger replayed"
    );
    if let Some(accepted) = &recovered.accepted {
        let (kind, what, code) = (accepted.kind.code(), &accepted.what, accepted.code());
        tracing::warn!(event = "ledger_accepted", kind, what, code, "an operator has accepted the ledger as it is");
    }
    if recovered.rows_lost > 0 {
        let rows = recovered.rows_lost;
        tracing::warn!(event = "ledger_rows_lost", rows, "the last commits went with the power, as `process` allows");
    }
    if let Some(damage) = running.gateway().ledger().damage() {
        damage.tell();
    }
    if let Some(doubt) = running.gateway().watch().doubt() {
        tracing::error!(
            event = "clock_jump",
            why = doubt.code(),
            newest = recovered.newest.map(tracing::field::display),
            "the clock contradicts the ledger; submissions are refused: set the clock right, or start with --confirm-clock"
        );
    }
    tracing::info!(event = "ready", smpp = %running.smpp, admin = %running.admin, version = env!("CARGO_PKG_VERSION"), "listening");
    let supervised = Supervised::ready(running.gateway());
    let reloads = tokio::spawn(reload_on_hangup(Arc::clone(running.reloader())));
    stop_signal().await;
    reloads.abort();
    Supervised::stopping();
    tracing::info!(event = "stop", "stopping: waiting for what is in flight");
    running.stop().await;
    drop(supervised);
    tracing::info!(event = "stopped", "stopped");
    ExitCode::SUCCESS
}

/// Reads the configuration again whenever SIGHUP comes. What comes of it is logged where it is done.
async fn reload_on_hangup(reloader: Arc<Reloader>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        let _ = reloader.reload("signal", "SIGHUP").await;
    }
}

async fn stop_signal() {
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await; // without signals only the end of the process stops it
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}
