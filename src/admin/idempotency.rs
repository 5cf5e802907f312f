//! Answers that are remembered by their Idempotency-Key, so that a request sent
//! twice is done once. Bounded in number and time; forgotten at a restart.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Keys that are remembered.
const KEPT_MAX: usize = 512;
/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// No answer that is longer is remembered; the key is, and says so.
const ANSWER_MAX: usize = 16 * 1024;
/// Characters of a key.
pub(super) const KEY_MAX: usize = 128;

/// The keys in use.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    /// Caller, route and key.
    name: String,
    /// What was asked.
    asked: [u8; 32],
    at: Instant,
    /// `None` while it is under way.
    answer: Option<(u16, Bytes)>,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is new, and entered as under way.
    New,
    /// It was answered so.
    Answered(u16, Bytes),
    /// It is under way.
    UnderWay,
    /// The key was used for something else.
    Other,
}

impl Remembered {
    /// Looks a request up and enters it if it is new.
    pub fn enter(&self, name: &str, body: &[u8]) -> Known {
        let asked: [u8; 32] = Sha256::digest(body).into();
        let now = Instant::now();
        let mut entries = self.0.lock();
        entries.retain(|entry| now.duration_since(entry.at) < KEPT_FOR);
        if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
            return match &entry.answer {
                _ if entry.asked != asked => Known::Other,
                Some((status, body)) => Known::Answered(*status, body.clone()),
                None => Known::UnderWay,
            };
        }
        if entries.len() == KEPT_MAX {
            entries.pop_front();
        }
        entries.push_back(Entry { name: name.to_owned(), asked, at: now, answer: None });
        Known::New
    }

    /// Remembers the answer. A request that was refused for a passing reason may be sent again: it is forgotten.
    pub fn answered(&self, name: &str, status: u16, body: &Bytes) {
        let mut entries = self.0.lock();
        if status >= 500 || body.len() > ANSWER_MAX {
            entries.retain(|entry| entry.name != name);
        } else if let Some(entry) = entries.iter_mut().find(|entry| entry.name == name) {
            entry.answer = Some((status, body.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_key_and_what_it_asked() {
        let remembered = Remembered::default();
        assert_eq!(remembered.enter("a POST /x k", b"1"), Known::New);
        assert_eq!(remembered.enter("a POST /x k", b"1"), Known::UnderWay);
        assert_eq!(remembered.enter("a POST /x k", b"2"), Known::Other);
        remembered.answered("a POST /x k", 201, &Bytes::from_static(b"{}"));
        assert_eq!(remembered.enter("a POST /x k", b"1"), Known::Answered(201, Bytes::from_static(b"{}")));
        remembered.answered("a POST /x k", 503, &Bytes::new());
        assert_eq!(remembered.enter("a POST /x k", b"1"), Known::New);
    }

    #[test]
    fn the_memory_is_bounded() {
        let remembered = Remembered::default();
        for n in 0..KEPT_MAX + 10 {
            assert_eq!(remembered.enter(&n.to_string(), b""), Known::New);
        }
        assert_eq!(remembered.0.lock().len(), KEPT_MAX);
    }
}
