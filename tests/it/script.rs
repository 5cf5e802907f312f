//! An SMSC that does what a test says: PDU by PDU, on a socket of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it answers to one PDU, other than a bind.
type Part = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;

/// The SMSC. Closed when it is dropped.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Script {
    /// Accepts every bind and plays its part with everything else.
    pub(crate) async fn new(part: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let part: Arc<Mutex<Part>> = Arc::new(Mutex::new(Box::new(part)));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                sessions.spawn(session(stream, Arc::clone(&part), Arc::clone(&log)));
            }
        });
        Self { address, seen, task }
    }

    /// The PDUs of one command that it has got.
    pub(crate) fn seen(&self, command_id: u32) -> Vec<Vec<u8>> {
        let is_one = |pdu: &&Vec<u8>| pdu[4..8] == command_id.to_be_bytes();
        self.seen.lock().iter().filter(is_one).cloned().collect()
    }

    /// Waits until it has got so many PDUs of one command.
    pub(crate) async fn until(&self, command_id: u32, count: usize) {
        for _ in 0..1000 {
            if self.seen(command_id).len() >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{} of {count} PDUs have come", self.seen(command_id).len());
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn session(mut stream: TcpStream, part: Arc<Mutex<Part>>, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut octets = Vec::new();
    loop {
        while let Some(pdu) = cut(&mut octets) {
            let answers = if matches!(pdu[4..8], [0, 0, 0, 1 | 2 | 9]) {
                vec![response(&pdu, 0, b"script\0")]
            } else {
                part.lock()(&pdu)
            };
            seen.lock().push(pdu);
            if stream.write_all(&answers.concat()).await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut octets).await, Ok(1..)) {
            return;
        }
    }
}

fn cut(octets: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(*octets.first_chunk()?) as usize;
    (octets.len() >= length).then(|| octets.drain(..length).collect())
}

/// The answer to a request.
pub(crate) fn response(request: &[u8], status: u32, body: &[u8]) -> Vec<u8> {
    pdu(command_of(request) | 0x8000_0000, status, sequence_of(request), body)
}

/// A PDU.
pub(crate) fn pdu(command_id: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let words = [16 + body.len() as u32, command_id, status, sequence];
    words.iter().flat_map(|word| word.to_be_bytes()).chain(body.iter().copied()).collect()
}

pub(crate) fn command_of(pdu: &[u8]) -> u32 {
    u32::from_be_bytes([pdu[4], pdu[5], pdu[6], pdu[7]])
}

pub(crate) fn status_of(pdu: &[u8]) -> u32 {
    u32::from_be_bytes([pdu[8], pdu[9], pdu[10], pdu[11]])
}

pub(crate) fn sequence_of(pdu: &[u8]) -> u32 {
    u32::from_be_bytes([pdu[12], pdu[13], pdu[14], pdu[15]])
}
