//! Log lines on their way to standard error: by a thread of their own, behind a bounded queue.
//!
//! Whoever reads the log may stop reading: a pipe that nobody empties, a disk that hangs. No message waits for that (P11):
//! what finds the queue full is dropped and counted in `smsluice_telemetry_dropped_total`.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written at most.
const QUEUE: usize = 4096;

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The way to the thread that writes; clones lead to the same.
#[derive(Clone, Debug)]
pub struct LogWriter(SyncSender<Work>);

#[derive(Debug)]
enum Work {
    /// One event, with its line's end.
    Line(Vec<u8>),
    /// Whoever sent it waits until all before it is written.
    Flush(SyncSender<()>),
}

impl LogWriter {
    /// Starts the thread that writes to `out`. It ends with the last writer.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, work) = sync_channel(QUEUE);
        std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || write(&work, out))?;
        Ok(Self(queue))
    }

    /// Waits until all that was logged so far is written, but no longer than that; whether it is.
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let (done, written) = sync_channel(1);
        while self.0.try_send(Work::Flush(done.clone())).is_err() {
            if Instant::now() >= deadline {
                return false; // the queue is full and stays full
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        written.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }
}

/// Lines that were dropped since the start.
pub(super) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

impl Write for LogWriter {
    /// Takes one whole event; the subscriber writes each in one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Work::Line(line.to_vec())).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // the thread does when it has nothing left to write
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn write(work: &Receiver<Work>, out: impl Write) {
    let mut out = io::BufWriter::new(out);
    while let Ok(first) = work.recv() {
        let mut waiting = Vec::new();
        for one in std::iter::once(first).chain(std::iter::from_fn(|| work.try_recv().ok()).take(QUEUE)) {
            match one {
                // A standard error that is closed takes nothing; there is nowhere to say so.
                Work::Line(line) => drop(out.write_all(&line)),
                Work::Flush(done) => waiting.push(done),
            }
        }
        let _ = out.flush();
        for done in waiting {
            let _ = done.try_send(()); // it may have given up
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// Takes nothing while it is locked.
    #[derive(Clone, Default)]
    struct Stuck(Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_holds_up_nobody_and_what_it_loses_is_counted() {
        let out = Stuck::default();
        let mut writer = LogWriter::start(out.clone()).expect("a thread");
        let before = dropped();
        let held = out.0.lock();
        let began = Instant::now();
        for n in 0..3 * QUEUE {
            writer.write_all(format!("{n:06}\n").as_bytes()).expect("never fails");
            if n == 0 {
                std::thread::sleep(Duration::from_millis(50)); // the thread takes it and is stuck with it
            }
        }
        assert!(!writer.flush(Duration::from_millis(20)), "it cannot be written");
        assert!(began.elapsed() < Duration::from_secs(5));
        let lost = dropped() - before;
        drop(held);
        assert!(writer.flush(Duration::from_secs(10)));
        let text = String::from_utf8(out.0.lock().clone()).expect("text");
        let written = text.lines().count() as u64;
        assert!(lost >= QUEUE as u64 && written >= QUEUE as u64, "{written} written, {lost} lost");
        assert!(text.starts_with("000000\n000001\n000002\n"), "in order");
    }
}
