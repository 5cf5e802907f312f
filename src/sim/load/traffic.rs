//! What a load run sends: PDUs made once, in which number and sequence are
//! filled in, to numbers that come up once each.

use crate::sim::random::Random;
use crate::sim::submit::SubmitSpec;
use crate::smpp::frame::HEADER;

/// A text that conforms to the rules: 65 characters, signature at its end.
pub const DEFAULT_TEXT: &str = "尊敬的客户，您本月的话费账单已经生成，可登录网上营业厅或前往就近营业厅查询明细，感谢您一直以来的信任与支持，祝您生活愉快。【移动】";
const UNSIGNED_TEXT: &str = "尊敬的客户，您本月的话费账单已经生成，可登录网上营业厅查询明细，感谢您的支持。";
const FILLER: &str = "本短信较长，";
const TOO_LONG: usize = 80;
/// Good messages a repeat is chosen from.
const RECENT: usize = 1024;
/// Octets from a number's first to the first of the text: the number and its NUL, three octets, two empty times, five octets.
const BEHIND_NUMBER: usize = 11 + 1 + 3 + 2 + 5;
/// Ideographs that a personal text begins with.
const IDEOGRAPHS: u64 = 20_000;
/// Numbers of one segment.
const PER_SEGMENT: u64 = 10_000;

/// What a message is made to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text as given, to a new subscriber.
    Good,
    /// The same to a subscriber of another city.
    OtherCity,
    /// A text of 80 characters and more.
    TooLong,
    /// A text without a signature.
    NoSignature,
    /// The text as given, to a subscriber served before.
    Repeat,
}

/// What is sent, and to whom.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// `source_addr`.
    pub source: String,
    /// The text.
    pub text: String,
    /// Number segments of seven digits to send to.
    pub segments: Vec<u32>,
    /// Segments of other cities, for [`Kind::OtherCity`].
    pub other_segments: Vec<u32>,
    /// Kinds of messages and their shares; what is missing to 1 is good.
    pub mix: Vec<(Kind, f64)>,
    /// Numbers to leave out in front, so that a later run meets new subscribers.
    pub skip: u64,
    /// `registered_delivery`.
    pub registered_delivery: u8,
    /// Whether each text is another than the one before, as texts with a name in them are: its first character changes.
    pub personal: bool,
    /// Seed of the mix and of the order of the numbers.
    pub seed: u64,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Good, Self::OtherCity, Self::TooLong, Self::NoSignature, Self::Repeat];

    /// The word for options and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::OtherCity => "other_city",
            Self::TooLong => "too_long",
            Self::NoSignature => "no_signature",
            Self::Repeat => "repeat",
        }
    }

    /// The kind of a word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl Traffic {
    /// Good messages with the default text.
    pub fn new(segments: Vec<u32>) -> Self {
        Self {
            source: "6202".to_owned(),
            text: DEFAULT_TEXT.to_owned(),
            segments,
            other_segments: Vec::new(),
            mix: Vec::new(),
            skip: 0,
            registered_delivery: 0,
            personal: false,
            seed: 1,
        }
    }

    /// How many subscribers there are to send to.
    pub fn numbers(&self) -> u64 {
        (self.segments.len() as u64 * PER_SEGMENT).saturating_sub(self.skip)
    }

    pub(super) fn needs_other_city(&self) -> bool {
        self.share(Kind::OtherCity) > 0.0
    }

    /// How many subscribers `count` messages need.
    #[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "an estimate")]
    pub(super) fn distinct_of(&self, count: u64) -> u64 {
        match self.share(Kind::Repeat) {
            share if share > 0.0 => (count as f64 * (1.0 - share) * 0.99) as u64,
            _ => count,
        }
    }

    fn share(&self, kind: Kind) -> f64 {
        self.mix.iter().filter(|(mixed, _)| *mixed == kind).map(|(_, share)| share).sum()
    }

    fn template(&self, kind: Kind) -> Template {
        let text = match kind {
            Kind::Good | Kind::OtherCity | Kind::Repeat => self.text.clone(),
            Kind::NoSignature => UNSIGNED_TEXT.to_owned(),
            Kind::TooLong => {
                let missing = TOO_LONG.saturating_sub(self.text.chars().count());
                FILLER.repeat(missing.div_ceil(FILLER.chars().count()).max(1)) + &self.text
            }
        };
        let mut spec = SubmitSpec::new(&self.source, "10000000000", &text);
        spec.registered_delivery = self.registered_delivery;
        // service_type, then both addresses with two octets in front and a NUL behind.
        let at = HEADER + 1 + 2 + self.source.len() + 1 + 2;
        Template {
            octets: spec.submit_sm(0),
            at,
            text_at: (self.personal && !text.is_ascii()).then_some(at + BEHIND_NUMBER),
        }
    }
}

/// The messages of one connection.
#[derive(Debug)]
pub(super) struct Messages {
    traffic: Traffic,
    templates: [Template; Kind::ALL.len()],
    random: Random,
    offset: u64,
    connection: u64,
    connections: u64,
    drawn: u64,
    /// The last good ones, for repeats, and how many there were.
    recent: Vec<u64>,
    good: usize,
}

/// A PDU in which two fields are filled in.
#[derive(Debug)]
struct Template {
    octets: Vec<u8>,
    at: usize,
    /// Where the character stands that is another each time.
    text_at: Option<usize>,
}

impl Messages {
    pub(super) fn new(traffic: &Traffic, connection: usize, connections: usize) -> Self {
        Self {
            templates: Kind::ALL.map(|kind| traffic.template(kind)),
            random: Random::stream(traffic.seed, connection as u64),
            offset: Random::new(traffic.seed).below(PER_SEGMENT),
            traffic: traffic.clone(),
            connection: connection as u64,
            connections: connections as u64,
            drawn: 0,
            recent: vec![0; RECENT],
            good: 0,
        }
    }

    /// Appends the next message and says of what kind it is.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, sequence: u32) -> Kind {
        let kind = self.draw();
        let index = match kind {
            Kind::Repeat => self.recent[self.random.below(self.good.min(RECENT) as u64) as usize],
            _ => self.drawn,
        };
        self.drawn += u64::from(kind != Kind::Repeat);
        if kind == Kind::Good {
            self.recent[self.good % RECENT] = index;
            self.good += 1;
        }
        let segments = if kind == Kind::OtherCity { &self.traffic.other_segments } else { &self.traffic.segments };
        let national = number(segments, self.traffic.skip + index * self.connections + self.connection, self.offset);
        self.templates[kind as usize].write(out, sequence, national);
        kind
    }

    fn draw(&mut self) -> Kind {
        if self.traffic.mix.is_empty() {
            return Kind::Good;
        }
        let mut left = self.random.fraction();
        for (kind, share) in &self.traffic.mix {
            if left < *share {
                // The first message has nothing to repeat.
                return if *kind == Kind::Repeat && self.good == 0 { Kind::Good } else { *kind };
            }
            left -= share;
        }
        Kind::Good
    }
}

impl Template {
    fn write(&self, out: &mut Vec<u8>, sequence: u32, national: u64) {
        let start = out.len();
        out.extend_from_slice(&self.octets);
        out[start + 12..start + HEADER].copy_from_slice(&sequence.to_be_bytes());
        let mut rest = national;
        for digit in out[start + self.at..start + self.at + 11].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if let Some(at) = self.text_at {
            let ideograph = 0x4E00 + (u64::from(sequence) % IDEOGRAPHS) as u16;
            out[start + at..start + at + 2].copy_from_slice(&ideograph.to_be_bytes());
        }
    }
}

/// Number `index`: through all segments first, then to the next number of each, in an order that is no row.
fn number(segments: &[u32], index: u64, offset: u64) -> u64 {
    let count = segments.len() as u64;
    let (round, at) = (index / count, index % count);
    u64::from(segments[at as usize]) * PER_SEGMENT + (round * 7_919 + offset) % PER_SEGMENT
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::smpp::Submission;

    #[test]
    fn personal_texts_differ_and_are_read_like_the_others() {
        let traffic = Traffic { personal: true, ..Traffic::new(vec![1_385_600]) };
        let mut messages = Messages::new(&traffic, 0, 1);
        let mut text_of = |sequence| {
            let mut out = Vec::new();
            messages.write(&mut out, sequence);
            Submission::read(&out).expect("sound").user_data.text.to_vec()
        };
        let (first, second) = (text_of(1), text_of(2));
        assert_eq!((&first[..2], &second[..2]), (&[0x4E, 1][..], &[0x4E, 2][..]));
        assert_eq!(first[2..], second[2..]);
        assert_eq!(first.len(), 2 * 65);
    }

    #[test]
    fn the_default_text_has_65_characters() {
        assert_eq!(DEFAULT_TEXT.chars().count(), 65);
    }

    #[test]
    fn each_number_comes_up_once_over_all_connections() {
        let traffic = Traffic::new(vec![1_385_510, 1_385_511, 1_385_512]);
        let mut seen = HashSet::new();
        for connection in 0..3 {
            let mut messages = Messages::new(&traffic, connection, 3);
            for sequence in 0..10_000 {
                let mut out = Vec::new();
                messages.write(&mut out, sequence);
                let read = Submission::read(&out).expect("sound");
                assert_eq!(read.sequence, sequence);
                assert!(read.destination.digits.starts_with(b"13855"));
                assert!(seen.insert(read.destination.digits.to_vec()));
            }
        }
    }

    #[test]
    fn a_mix_is_made_of_its_shares() {
        let mix = vec![(Kind::OtherCity, 0.1), (Kind::TooLong, 0.1), (Kind::Repeat, 0.2)];
        let other_segments = vec![1_300_301];
        let mut messages = Messages::new(&Traffic { other_segments, mix, ..Traffic::new(vec![1_385_510]) }, 0, 1);
        let mut counts = [0_u32; Kind::ALL.len()];
        for sequence in 0..10_000 {
            let mut out = Vec::new();
            counts[messages.write(&mut out, sequence) as usize] += 1;
        }
        assert!(counts[Kind::Good as usize].abs_diff(6000) < 300, "{counts:?}");
        assert!(counts[Kind::Repeat as usize].abs_diff(2000) < 200 && counts[Kind::NoSignature as usize] == 0);
    }
}
