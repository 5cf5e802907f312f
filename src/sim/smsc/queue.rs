//! The queue in front of a service: who comes learns when he will have been served.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::behaviour::Service;

/// A queue of messages that are served at an even pace.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the last of those that wait will have been served.
    free_at: Option<Instant>,
    longest: u32,
}

impl Queue {
    /// Joins the queue: when the message will have been served, or nothing if the queue is full.
    pub(super) fn join(&self, service: Service, now: Instant) -> Option<Instant> {
        let mut state = self.0.lock();
        let begin = state.free_at.map_or(now, |free_at| free_at.max(now));
        let each = Duration::from_nanos(1_000_000_000 / u64::from(service.per_second.clamp(1, 1_000_000_000)));
        let waiting = (begin - now).as_nanos().div_ceil(each.as_nanos()) as u32;
        if waiting >= service.queue {
            return None;
        }
        state.longest = state.longest.max(waiting + 1);
        state.free_at = Some(begin + each);
        state.free_at
    }

    pub(super) fn longest(&self) -> u32 {
        self.0.lock().longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_served_evenly_and_a_full_queue_takes_none() {
        let (queue, now) = (Queue::default(), Instant::now());
        let service = Service { per_second: 10, queue: 3, full: 0x14 };
        let due: Vec<_> = (0..5).map(|_| queue.join(service, now)).collect();
        let after = |tenths: u32| Some(now + Duration::from_millis(100) * tenths);
        assert_eq!(due, [after(1), after(2), after(3), None, None]);
        assert_eq!(queue.join(service, now + Duration::from_millis(100)), after(4));
        assert_eq!(queue.longest(), 3);
    }
}
