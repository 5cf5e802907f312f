//! Which templates a text can be of: those of which some characters in a row stand in it.
//!
//! Of each template that run of up to four characters is its anchor which fewest other templates have too. Every run of
//! the text is then looked up: first in a filter of a few bits a template, which says no to nearly all, then in a table.

use super::fold::BREAK;
use super::pattern::Pattern;

/// Lengths of anchors, the longest first: a template whose literals are shorter takes a shorter one.
const LENGTHS: [usize; 3] = [4, 2, 1];
/// Counters in which the runs of all templates are counted; what shares one makes an anchor worse, not wrong.
const COUNTERS: usize = 1 << 18;
/// Bits of the filter for each template.
const BITS_EACH: usize = 32;

/// The templates by their anchors.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// One for each of [`LENGTHS`].
    by_length: [Table; LENGTHS.len()],
}

/// The anchors of one length.
#[derive(Debug, Default)]
struct Table {
    /// Bits, a power of two of them; empty if there is no anchor of this length.
    filter: Box<[u64]>,
    /// Sorted: the run's hash, the template.
    entries: Box<[(u64, u32)]>,
}

impl Anchors {
    /// Chooses the anchors of templates, each with its number.
    pub(super) fn new(templates: &[(u32, &Pattern)]) -> Self {
        if templates.is_empty() {
            return Self::default();
        }
        let mut counts = vec![0_u16; COUNTERS];
        for (_, pattern) in templates {
            for (_, hash) in runs(pattern) {
                let count = &mut counts[hash as usize % COUNTERS];
                *count = count.saturating_add(1);
            }
        }
        let mut entries: [Vec<(u64, u32)>; LENGTHS.len()] = Default::default();
        for (number, pattern) in templates {
            // INVARIANT: a pattern has a literal that is not empty, so it has a run.
            if let Some((length, hash)) = runs(pattern).min_by_key(|(_, hash)| counts[*hash as usize % COUNTERS]) {
                entries[length].push((hash, *number));
            }
        }
        Self { by_length: entries.map(Table::new) }
    }

    /// Tells every template that a text can be of; one may be told several times.
    pub(super) fn candidates(&self, text: &[char], mut tell: impl FnMut(u32)) {
        for (table, length) in self.by_length.iter().zip(LENGTHS) {
            if !table.filter.is_empty() {
                text.windows(length).for_each(|run| table.look(hash(run), &mut tell));
            }
        }
    }
}

impl Table {
    fn new(mut entries: Vec<(u64, u32)>) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        entries.sort_unstable();
        let words = (entries.len() * BITS_EACH / 64).next_power_of_two().max(16);
        let mut filter = vec![0; words].into_boxed_slice();
        for (hash, _) in &entries {
            let (word, bit) = place(*hash, words);
            filter[word] |= bit;
        }
        Self { filter, entries: entries.into() }
    }

    fn look(&self, hash: u64, tell: &mut impl FnMut(u32)) {
        let (word, bit) = place(hash, self.filter.len());
        if self.filter[word] & bit == 0 {
            return;
        }
        let first = self.entries.partition_point(|(own, _)| *own < hash);
        self.entries[first..].iter().take_while(|(own, _)| *own == hash).for_each(|(_, number)| tell(*number));
    }
}

/// A hash's bit in a filter of so many words, a power of two.
const fn place(hash: u64, words: usize) -> (usize, u64) {
    ((hash >> 32) as usize & (words - 1), 1 << (hash >> 58))
}

/// The runs that could be a pattern's anchor: those of the greatest length that one of its literals has. Each with the
/// position of its length in [`LENGTHS`].
fn runs(pattern: &Pattern) -> impl Iterator<Item = (usize, u64)> {
    let longest = pattern.literals().map(<[char]>::len).max().unwrap_or(0);
    let which = LENGTHS.iter().position(|length| *length <= longest).unwrap_or(LENGTHS.len() - 1);
    pattern.literals().flat_map(move |literal| literal.windows(LENGTHS[which])).map(move |run| (which, hash(run)))
}

/// The hash of up to four characters, line breaks taken as spaces.
fn hash(run: &[char]) -> u64 {
    let mut both = [0_u64; 2];
    for (at, ch) in run.iter().enumerate() {
        let ch = if *ch == BREAK { ' ' } else { *ch };
        both[at / 2 % 2] = both[at / 2 % 2] << 32 | u64::from(ch);
    }
    let mixed =
        both[0].wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ both[1].wrapping_mul(0xC2B2_AE3D_27D4_EB4F).rotate_left(31);
    mixed ^ mixed >> 29
}
