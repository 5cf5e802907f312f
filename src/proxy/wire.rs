//! Octets in, octets out. Only whole PDUs are written, and a buffer exists only while there is something in it.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::smpp::frame::{Cut, MAX_PDU};
use crate::traffic::Gate;

/// How much one read takes at most; any single PDU fits.
const BUFFER: usize = MAX_PDU;
/// What waits for the rest of its PDU is copied out of the buffer up to this size.
const SMALL: usize = 4096;
/// Buffers a thread keeps for the next reads.
const SPARE_MAX: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// What has been read from a peer and not been consumed.
///
/// A whole buffer is borrowed from the thread for a read and goes back when what
/// was read has been consumed, so an idle session owns none.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    filled: usize,
}

/// The whole PDUs at the front of an inbox.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    octets: &'a [u8],
    at: usize,
    /// The length that ended the stream, if one did.
    pub(super) bad: Option<u32>,
}

impl Inbox {
    /// Reads once, as much as is there. `Ok(0)` is the end of the stream.
    pub(super) async fn fill(&mut self, stream: &TcpStream) -> io::Result<usize> {
        loop {
            stream.readable().await?;
            self.make_room();
            match self.read(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.consume(0),
                done => return done,
            }
        }
    }

    /// A read that leaves room has emptied the socket. The stream learns it at once,
    /// so that the next read waits instead of asking the system in vain.
    fn read(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut read = None;
        let ready = stream.try_io(Interest::READABLE, || {
            let room = &mut self.buffer[self.filled..];
            let octets = (&*SockRef::from(stream)).read(room)?;
            read = Some(octets);
            if (1..room.len()).contains(&octets) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(octets) }
        });
        match read {
            Some(octets) => {
                self.filled += octets;
                Ok(octets)
            }
            None => ready,
        }
    }

    /// The whole PDUs there are, in order.
    pub(super) fn frames(&self) -> Frames<'_> {
        Frames { octets: self.octets(), at: 0, bad: None }
    }

    /// Everything read so far.
    pub(super) fn octets(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Drops octets from the front. The buffer goes back unless a large part of a PDU is left in it.
    pub(super) fn consume(&mut self, octets: usize) {
        let left = octets..self.filled;
        self.filled = left.len();
        if left.len() > SMALL {
            self.buffer.copy_within(left, 0);
            return;
        }
        let rest = self.buffer[left].to_vec(); // of nothing it allocates nothing
        give_back(std::mem::replace(&mut self.buffer, rest));
    }

    /// Whether part of a PDU waits for the rest.
    pub(super) const fn is_partial(&self) -> bool {
        self.filled > 0
    }

    fn make_room(&mut self) {
        if self.buffer.len() < BUFFER {
            let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BUFFER]);
            buffer[..self.filled].copy_from_slice(self.octets());
            self.buffer = buffer;
        }
    }
}

fn give_back(buffer: Vec<u8>) {
    SPARE.with_borrow_mut(|spare| {
        if buffer.len() == BUFFER && spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
    });
}

impl Frames<'_> {
    /// Octets of the PDUs returned so far.
    pub(super) const fn consumed(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = (usize, &'a [u8]);

    /// Where the PDU begins, and its octets.
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.octets[self.at..];
        match Cut::at(rest, MAX_PDU) {
            Cut::Whole(length) => {
                let start = self.at;
                self.at += length;
                Some((start, &rest[..length]))
            }
            Cut::Partial(_) => None,
            Cut::Bad(length) => {
                self.bad = Some(length);
                None
            }
        }
    }
}

/// Writes everything. On an error tells how many octets the system had taken.
pub(super) async fn write_all(stream: &TcpStream, mut slices: &mut [IoSlice<'_>]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match stream.try_write_vectored(slices) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(octets) => {
                written += octets;
                IoSlice::advance_slices(&mut slices, octets);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.writable().await.map_err(|error| (written, error))?;
            }
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// How far a write came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// To its end.
    Through,
    /// Until its session must not begin anything more.
    Stopped,
    /// Until the gateway must not write at all.
    Unleased,
}

/// Writes from octet `written` on, for as long as the gate's session `may`, which is asked whenever the system has not taken
/// everything, and the gateway is `leased`, which is asked right before each handing over; `written` is how far it came in
/// any case.
pub(super) async fn write_while(
    stream: &TcpStream,
    mut slices: &mut [IoSlice<'_>],
    written: &mut usize,
    gate: &Gate,
    may: impl Fn() -> bool,
    leased: impl Fn() -> bool,
) -> io::Result<Came> {
    IoSlice::advance_slices(&mut slices, *written);
    while !slices.is_empty() {
        if !leased() {
            return Ok(Came::Unleased);
        }
        match stream.try_write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(octets) => {
                *written += octets;
                IoSlice::advance_slices(&mut slices, octets);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::select! {
                ready = stream.writable() => ready?,
                () = gate.recalled() => {}
            },
            Err(error) => return Err(error),
        }
        if !slices.is_empty() && !may() {
            return Ok(Came::Stopped);
        }
    }
    Ok(Came::Through)
}

/// Writes one run of octets.
pub(super) async fn write_one(stream: &TcpStream, octets: &[u8]) -> io::Result<()> {
    write_all(stream, &mut [IoSlice::new(octets)]).await.map_err(|(_, error)| error)
}

/// Ends both directions; whoever reads the stream sees its end.
pub(super) fn shut(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both); // an error means it is closed already
}
