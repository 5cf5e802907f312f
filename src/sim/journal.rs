//! What went over the wires of the simulated SMSC, PDU by PDU.
//!
//! The file has one line a PDU, `<unix_ms> <conn> <in|out> <hex>`, and grows at
//! its end by one `write` a batch, made before the answers of that batch go
//! out. So it survives the death of every process: what an ESME saw answered
//! is in it. It is not synced; power loss is not what it is for.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use parking_lot::Mutex;

/// Which way a PDU went, seen from the SMSC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the ESME.
    In,
    /// To the ESME.
    Out,
}

/// One PDU of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds since 1970 by the clock of the simulator.
    pub at_ms: i64,
    /// The number of the connection, from 1.
    pub connection: u64,
    /// Which way.
    pub direction: Direction,
    /// The PDU.
    pub octets: Vec<u8>,
}

/// Where PDUs are noted: a file, the memory, both or nowhere.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<Mutex<File>>,
    memory: Option<Mutex<Vec<Entry>>>,
    memory_max: usize,
}

/// The notes of one batch, reused from batch to batch.
#[derive(Debug, Default)]
pub struct Notes {
    lines: Vec<u8>,
    entries: Vec<Entry>,
}

impl Journal {
    /// Opens the file for appending, if one is named, and keeps the first `memory_max` PDUs in memory.
    pub fn open(path: Option<&Path>, memory_max: usize) -> io::Result<Self> {
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        let memory = (memory_max > 0).then(Mutex::default);
        Ok(Self { file: file.map(Mutex::new), memory, memory_max })
    }

    /// Whether nothing is noted at all.
    pub const fn is_off(&self) -> bool {
        self.file.is_none() && self.memory.is_none()
    }

    /// Notes one PDU; [`Journal::flush`] makes it last.
    pub fn note(&self, notes: &mut Notes, at_ms: i64, connection: u64, direction: Direction, octets: &[u8]) {
        if self.file.is_some() {
            line(&mut notes.lines, at_ms, connection, direction, octets);
        }
        if self.memory.is_some() {
            notes.entries.push(Entry { at_ms, connection, direction, octets: octets.to_vec() });
        }
    }

    /// Writes the notes of a batch.
    pub fn flush(&self, notes: &mut Notes) -> io::Result<()> {
        if let Some(memory) = &self.memory {
            let mut memory = memory.lock();
            let room = self.memory_max - memory.len();
            memory.extend(notes.entries.drain(..).take(room));
        }
        if let Some(file) = self.file.as_ref().filter(|_| !notes.lines.is_empty()) {
            file.lock().write_all(&notes.lines)?;
            notes.lines.clear();
        }
        Ok(())
    }

    /// What the memory holds.
    pub fn entries(&self) -> Vec<Entry> {
        self.memory.as_ref().map(|memory| memory.lock().clone()).unwrap_or_default()
    }
}

fn line(out: &mut Vec<u8>, at_ms: i64, connection: u64, direction: Direction, octets: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{at_ms} {connection} {direction} ");
    out.extend(octets.iter().flat_map(|octet| [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]));
    out.push(b'\n');
}

// === impl Direction ===

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

// === impl Entry ===

/// The line is no line of a journal; the last one may be cut short when the simulator was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a journal line of the form `<unix_ms> <conn> <in|out> <hex>`")]
pub struct NotALine;

impl FromStr for Entry {
    type Err = NotALine;

    fn from_str(line: &str) -> Result<Self, NotALine> {
        let mut words = line.split(' ');
        let mut word = || words.next().ok_or(NotALine);
        let at_ms = word()?.parse().map_err(|_| NotALine)?;
        let connection = word()?.parse().map_err(|_| NotALine)?;
        let direction = match word()? {
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => return Err(NotALine),
        };
        Ok(Self { at_ms, connection, direction, octets: from_hex(word()?).ok_or(NotALine)? })
    }
}

/// The octets of pairs of hexadecimal digits.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_what_was_written() {
        let mut out = Vec::new();
        line(&mut out, 1_795_000_000_123, 7, Direction::Out, &[0, 0xAB, 0x10]);
        let text = String::from_utf8(out).expect("ASCII");
        assert_eq!(text, "1795000000123 7 out 00ab10\n");
        let entry: Entry = text.trim_end().parse().expect("a line");
        assert_eq!((entry.connection, entry.direction, entry.octets), (7, Direction::Out, vec![0, 0xAB, 0x10]));
        assert_eq!("1795000000123 7 out 00a".parse::<Entry>(), Err(NotALine));
    }
}
