//! Octets in, octets out. Only whole PDUs are written, and a buffer exists only while there is something in it.

use std::io::{self, IoSlice};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::smpp::frame::{Cut, MAX_PDU};

/// How much one read takes at most.
const READ: usize = 64 * 1024;

/// What has been read from a peer and not been consumed.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: BytesMut,
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
            let missing = match Cut::at(&self.buffer, MAX_PDU) {
                Cut::Partial(whole) => whole.saturating_sub(self.buffer.len()),
                Cut::Whole(_) | Cut::Bad(_) => 0,
            };
            self.buffer.reserve(READ.max(missing));
            match stream.try_read_buf(&mut self.buffer) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.consume(0),
                Err(error) => return Err(error),
            }
        }
    }

    /// The whole PDUs there are, in order.
    pub(super) fn frames(&self) -> Frames<'_> {
        Frames { octets: &self.buffer, at: 0, bad: None }
    }

    /// Everything read so far.
    pub(super) fn octets(&self) -> &[u8] {
        &self.buffer
    }

    /// Drops octets from the front; an empty buffer's memory goes too.
    pub(super) fn consume(&mut self, octets: usize) {
        self.buffer.advance(octets);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Whether part of a PDU waits for the rest.
    pub(super) fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }
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

/// Writes one run of octets.
pub(super) async fn write_one(stream: &TcpStream, octets: &[u8]) -> io::Result<()> {
    write_all(stream, &mut [IoSlice::new(octets)]).await.map_err(|(_, error)| error)
}

/// Ends both directions; whoever reads the stream sees its end.
pub(super) fn shut(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both); // an error means it is closed already
}

/// Ends the reading direction only.
pub(super) fn shut_reading(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Read);
}
