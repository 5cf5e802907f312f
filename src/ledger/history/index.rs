//! Where a closed day's rows speak of a subscriber, so that a look-up need not read the whole day.
//!
//! A file a day, `index-DAY`, made when the day is sealed. It is derived from the rows and from nothing else: one that is
//! missing, torn or of other rows is made anew, and until then the day is read whole. Its parts:
//!
//! - every pair of a subscriber and a row that names them, eight octets, in order;
//! - for each reservation of the day the row of this day that settled it, four octets;
//! - reservations of earlier days that were settled on this one, with the row.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::domain::{Day, Msisdn};
use crate::ledger::record::{Record, RefusedTo, Settled, number_of, read_row};
use crate::ledger::seal::Seal;
use crate::ledger::volume::{ReadError, Row};

use super::Rows;

/// Pairs that are sorted in memory; more are sorted in runs.
const RUN: usize = 4_000_000;
/// Bits of a pair that are its row's place; the others are the number.
const ROW_BITS: u32 = 29;
/// Beside a settlement's row: it is the last word; it is none yet.
const ACCEPTED: u32 = 1 << 31;
const UNKNOWN: u32 = 1 << 30;
const MAGIC: &[u8; 8] = b"smsidx1\n";
const HEAD: u64 = 8 + 32 + 5 * 8;
/// Octets of a late settlement.
const LATE: u64 = 12;

/// An index that belongs to a seal.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
    first_row: i64,
    first_id: u64,
    pairs: u64,
    ids: u64,
    late: u64,
}

fn path(folder: &Path, day: Day) -> PathBuf {
    folder.join(format!("index-{day}"))
}

/// Removes a day's.
pub(in crate::ledger) fn remove(folder: &Path, day: Day) -> io::Result<()> {
    match std::fs::remove_file(path(folder, day)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a sealed day's, unless it is there. Tells whether it made one.
pub(in crate::ledger) fn make(
    rows: &impl Rows,
    folder: &Path,
    seal: &Seal,
    goes_on: impl Fn() -> bool,
) -> Result<bool, ReadError> {
    if seal.rows >= 1 << ROW_BITS || Index::open(folder, seal).is_some() {
        return Ok(false);
    }
    let mut making = Making::new(folder, seal);
    rows.read(seal.day, i64::MIN, &mut |row| {
        if !goes_on() {
            return Err(ReadError::Io(io::ErrorKind::Interrupted.into()));
        }
        making.row(row)
    })?;
    making.finish(seal)?;
    Ok(true)
}

/// An index that is made.
struct Making<'a> {
    folder: &'a Path,
    day: Day,
    first_row: i64,
    first_id: Option<u64>,
    pairs: Vec<u64>,
    runs: Vec<File>,
    settled: Vec<u32>,
    late: BTreeMap<u64, u32>,
}

impl<'a> Making<'a> {
    fn new(folder: &'a Path, seal: &Seal) -> Self {
        let (day, first_row) = (seal.day, seal.first_row);
        let (pairs, runs, settled, late) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Self { folder, day, first_row, first_id: None, pairs, runs, settled, late }
    }

    fn row(&mut self, row: &Row) -> Result<(), ReadError> {
        let place = (row.number - self.first_row).cast_unsigned() as u32; // below 2^29
        let first_id = *self.first_id.get_or_insert(row.first_id);
        let mut id = row.first_id;
        for record in read_row(&row.records) {
            let record = record.map_err(|_| ReadError::Corrupt { day: self.day, row: row.number })?;
            match &record {
                Record::Reserved(taken) | Record::Passed(taken) => self.pair(taken.recipient, place),
                Record::Part(part) => self.pair(part.taken.recipient, place),
                Record::Receipt(receipt) => self.pair(receipt.recipient, place),
                Record::Refused(refused) => {
                    if let RefusedTo::Numbers(numbers) = refused.to {
                        for number in numbers {
                            self.pair(number_of(*number), place);
                        }
                    }
                }
                Record::Settled(own) => self.settle(own.id, first_id, own.settled, place),
                _ => {}
            }
            if record.has_an_id() {
                id += 1;
                self.settled.resize((id - first_id) as usize, 0);
            }
        }
        if self.pairs.len() >= RUN {
            self.run()?;
        }
        Ok(())
    }

    fn pair(&mut self, number: Option<Msisdn>, place: u32) {
        let pair = number.map(|number| number.get() << ROW_BITS | u64::from(place));
        self.pairs.extend(pair.filter(|pair| self.pairs.last() != Some(pair)));
    }

    fn settle(&mut self, id: u64, first_id: u64, how: Settled, place: u32) {
        let Some(index) = id.checked_sub(first_id) else {
            return settle(self.late.entry(id).or_default(), how, place);
        };
        if let Some(settled) = self.settled.get_mut(index as usize) {
            settle(settled, how, place);
        }
    }

    /// Sorts what there is and puts it aside.
    fn run(&mut self) -> io::Result<()> {
        self.pairs.sort_unstable();
        let path = self.folder.join(format!("index-{}.run", self.day));
        let mut file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
        std::fs::remove_file(&path)?; // it has no name and is gone with this process
        let mut out = BufWriter::new(&mut file);
        for pair in self.pairs.drain(..) {
            out.write_all(&pair.to_be_bytes())?;
        }
        out.flush()?;
        drop(out);
        file.seek(SeekFrom::Start(0))?;
        self.runs.push(file);
        Ok(())
    }

    fn finish(mut self, seal: &Seal) -> io::Result<()> {
        self.pairs.sort_unstable();
        let new = path(self.folder, self.day).with_extension("new");
        let mut out = BufWriter::new(File::create(&new)?);
        out.write_all(&[0; HEAD as usize])?;
        let mut pairs = 0;
        let mut last = None;
        merge(std::mem::take(&mut self.pairs), std::mem::take(&mut self.runs), |pair| {
            if last.replace(pair) == Some(pair) {
                return Ok(());
            }
            pairs += 1;
            out.write_all(&pair.to_be_bytes())
        })?;
        for settled in &self.settled {
            out.write_all(&settled.to_be_bytes())?;
        }
        for (id, place) in &self.late {
            out.write_all(&id.to_be_bytes())?;
            out.write_all(&place.to_be_bytes())?;
        }
        out.seek(SeekFrom::Start(0))?;
        out.write_all(MAGIC)?;
        out.write_all(&seal.hash())?;
        let first_row = self.first_row.cast_unsigned();
        let (ids, late) = (self.settled.len() as u64, self.late.len() as u64);
        for number in [first_row, self.first_id.unwrap_or_default(), pairs, ids, late] {
            out.write_all(&number.to_be_bytes())?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(new, path(self.folder, self.day))
    }
}

/// Of several settlements of one reservation the first counts; what was unknown may be released, and an acceptance is
/// the last word.
fn settle(settled: &mut u32, how: Settled, place: u32) {
    let flag = match how {
        Settled::Accepted => ACCEPTED,
        Settled::Unknown => UNKNOWN,
        Settled::Rejected(_) => 0,
    };
    let released = *settled & UNKNOWN != 0 && how == Settled::Rejected(0);
    if *settled == 0 || released || *settled & ACCEPTED == 0 && flag == ACCEPTED {
        *settled = (place + 1) | flag;
    }
}

/// Hands over what is in memory and in the runs, in order.
fn merge(pairs: Vec<u64>, runs: Vec<File>, mut each: impl FnMut(u64) -> io::Result<()>) -> io::Result<()> {
    let mut runs: Vec<_> = runs.into_iter().map(BufReader::new).collect();
    let (count, mut own) = (runs.len(), pairs.into_iter());
    let mut next = |which: usize| -> io::Result<Option<u64>> {
        let Some(run) = runs.get_mut(which) else { return Ok(own.next()) };
        let mut pair = [0; 8];
        match run.read_exact(&mut pair) {
            Ok(()) => Ok(Some(u64::from_be_bytes(pair))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    };
    let mut heads = BinaryHeap::new();
    for which in 0..=count {
        heads.extend(next(which)?.map(|pair| Reverse((pair, which))));
    }
    while let Some(Reverse((pair, which))) = heads.pop() {
        each(pair)?;
        heads.extend(next(which)?.map(|pair| Reverse((pair, which))));
    }
    Ok(())
}

/// The first of so many places of which something is not so any more.
fn first(count: u64, is_before: impl Fn(u64) -> io::Result<bool>) -> io::Result<u64> {
    let (mut from, mut to) = (0, count);
    while from < to {
        let middle = from + (to - from) / 2;
        if is_before(middle)? {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(from)
}

impl Index {
    /// A sealed day's, if it is there and whole.
    pub(super) fn open(folder: &Path, seal: &Seal) -> Option<Self> {
        let file = File::open(path(folder, seal.day)).ok()?;
        let mut head = [0; HEAD as usize];
        file.read_exact_at(&mut head, 0).ok()?;
        let number = |at: usize| Some(u64::from_be_bytes(*head.get(40 + 8 * at..)?.first_chunk()?));
        let own = head.starts_with(MAGIC) && head[8..40] == seal.hash();
        let (first_row, first_id) = (number(0)?.cast_signed(), number(1)?);
        let (pairs, ids, late) = (number(2)?, number(3)?, number(4)?);
        let length = HEAD.checked_add(pairs.checked_mul(8)?)?.checked_add(ids.checked_mul(4)?)?;
        let length = length.checked_add(late.checked_mul(LATE)?)?;
        let whole = own && file.metadata().ok()?.len() == length;
        whole.then_some(Self { file, first_row, first_id, pairs, ids, late })
    }

    /// Rows that name a subscriber, in order.
    pub(super) fn rows_of(&self, number: Msisdn) -> io::Result<Vec<i64>> {
        let key = number.get() << ROW_BITS;
        let mut at = first(self.pairs, |at| Ok(self.number::<8>(HEAD + 8 * at).map(u64::from_be_bytes)? < key))?;
        let mut rows = Vec::new();
        while at < self.pairs {
            let pair = u64::from_be_bytes(self.number::<8>(HEAD + 8 * at)?);
            if pair >> ROW_BITS != number.get() {
                break;
            }
            rows.push(self.row(pair as u32 & ((1 << ROW_BITS) - 1)));
            at += 1;
        }
        Ok(rows)
    }

    /// The row that settled a reservation, of this day or an earlier one.
    pub(super) fn row_that_settled(&self, id: u64) -> io::Result<Option<i64>> {
        let settled = HEAD + 8 * self.pairs;
        if let Some(index) = id.checked_sub(self.first_id).filter(|index| *index < self.ids) {
            return Ok(self.settled(u32::from_be_bytes(self.number::<4>(settled + 4 * index)?)));
        }
        let late = settled + 4 * self.ids;
        let of = |at: u64| self.number::<8>(late + LATE * at).map(u64::from_be_bytes);
        let at = first(self.late, |at| Ok(of(at)? < id))?;
        if at >= self.late || of(at)? != id {
            return Ok(None);
        }
        Ok(self.settled(u32::from_be_bytes(self.number::<4>(late + LATE * at + 8)?)))
    }

    fn settled(&self, settled: u32) -> Option<i64> {
        (settled & !(ACCEPTED | UNKNOWN)).checked_sub(1).map(|place| self.row(place))
    }

    fn row(&self, place: u32) -> i64 {
        self.first_row + i64::from(place)
    }

    fn number<const N: usize>(&self, at: u64) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.file.read_exact_at(&mut octets, at)?;
        Ok(octets)
    }
}
