//! Sessions: a gateway of its own with idle ones beside those that send.

use std::time::Duration;

use smsluice::sim::Esme;
use smsluice::sim::load::{LoadSettings, Traffic, run_load};
use smsluice::sim::smsc::{Smsc, SmscSettings};
use smsluice::smpp::bind::BindType;

use crate::middle::{Middle, Pinning};
use crate::{Curve, Failure, median, site};

/// Idle sessions beside the eight that send; as many as the descriptors of both processes allow.
const SIZES: [u64; 4] = [1, 100, 1_000, 9_000];
const ROUNDS: usize = 5;
/// Sessions of an account of the site.
const EACH: u64 = 90;

pub(crate) fn curve() -> Result<Curve, Failure> {
    let pinning = Pinning::take(true);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let smsc = Smsc::bind(SmscSettings { recipients: false, ..SmscSettings::default() }).await?;
        let mut gateway = Middle::gateway("process", "process", smsc.local_addr(), &pinning)?;
        let segments = site::segments()?;
        let (mut idle, mut points, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        let _ = cost(&mut gateway, &segments).await?; // the first load lays out the buffers
        let before = gateway.resident_mib().unwrap_or_default();
        for size in SIZES.into_iter().filter(|size| size * 2 + 500 < descriptors()) {
            while (idle.len() as u64) < size {
                let account = format!("a{}", 1 + idle.len() as u64 / EACH);
                idle.push(Esme::connect(gateway.address, BindType::Transceiver, &account, "secret", 0x34).await?);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let grown = gateway.resident_mib().unwrap_or_default() - before;
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                rounds.push(cost(&mut gateway, &segments).await?);
            }
            points.push((size, median(rounds)));
            beside.push(match size {
                1_000.. => format!("{:.1} KiB a session, both legs", grown * 1024.0 / size as f64),
                _ => String::new(),
            });
        }
        Ok(Curve { name: "sessions bound", points, beside })
    })
}

/// Processor time of the gateway for a message, in nanoseconds, at ten thousand a second.
async fn cost(gateway: &mut Middle, segments: &[u32]) -> Result<f64, Failure> {
    let count = 10_000;
    let traffic = Traffic { source: site::SOURCE.to_owned(), skip: gateway.served, ..Traffic::new(segments.to_vec()) };
    let settings = LoadSettings {
        connections: 8,
        window: 1000,
        rate: Some(10_000.0),
        count: Some(count),
        traffic,
        ..LoadSettings::new(gateway.address, site::ACCOUNT, "secret", Vec::new())
    };
    let cpu_before = gateway.cpu_s().unwrap_or_default();
    let load = run_load(settings).await?;
    gateway.serve(count.next_multiple_of(8));
    if load.taken != load.sent {
        return Err(format!("not all messages were taken: {:?}", load.by_status).into());
    }
    Ok((gateway.cpu_s().unwrap_or_default() - cpu_before) * 1e9 / count as f64)
}

/// How many this process may have open.
fn descriptors() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(1024)
}
