//! schedule_delivery_time and validity_period (SMPP 3.4 section 7.1.1).
//!
//! Absolute `YYMMDDhhmmsstnnp`: a civil time and its offset from UTC in quarter
//! hours. Relative `YYMMDDhhmmss000R`: a period from the present. Sixteen
//! characters decode easily and wrongly, so every field is checked here and
//! only a time that exists comes out.

use jiff::civil::DateTime;

use crate::domain::{LocalTime, Moment};

/// A time field that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// A point in time.
    Absolute(Absolute),
    /// A period from the present.
    Relative(Period),
}

/// A civil time at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absolute {
    /// The digits, read as if they were UTC.
    civil_ms: i64,
    /// Quarter hours ahead of UTC, -48..=48.
    quarters: i8,
}

/// Years and months are calendar units, the rest is a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Years, 0..=99.
    pub years: u8,
    /// Months.
    pub months: u8,
    /// Days.
    pub days: u8,
    /// Hours.
    pub hours: u8,
    /// Minutes.
    pub minutes: u8,
    /// Seconds.
    pub seconds: u8,
}

/// The field is neither empty nor a time that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form YYMMDDhhmmsstnnp or YYMMDDhhmmss000R")]
pub struct TimeError;

const QUARTER_MS: i64 = 15 * 60_000;
/// Local time is 32 quarter hours ahead of UTC.
const LOCAL_QUARTERS: i64 = 32;

impl Time {
    /// Reads a time field; `None` if it is empty.
    pub fn parse(field: &[u8]) -> Result<Option<Self>, TimeError> {
        if field.is_empty() {
            return Ok(None);
        }
        let (digits, sign) = field.first_chunk::<15>().zip(field.get(15)).ok_or(TimeError)?;
        if field.len() != 16 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(TimeError);
        }
        let two = |at: usize| (digits[at] - b'0') * 10 + (digits[at + 1] - b'0');
        let fields = [two(0), two(2), two(4), two(6), two(8), two(10)];
        match sign {
            b'R' if digits[12..] == *b"000" => Ok(Some(Self::Relative(Period::new(fields)))),
            b'+' | b'-' => {
                let (tenths, quarters) = (digits[12] - b'0', two(13));
                Absolute::new(fields, tenths, quarters, *sign == b'-').map(Self::Absolute).map(Some)
            }
            _ => Err(TimeError),
        }
    }
}

impl Absolute {
    fn new(fields: [u8; 6], tenths: u8, quarters: u8, behind: bool) -> Result<Self, TimeError> {
        let [year, month, day, hour, minute, second] = fields.map(u8::cast_signed);
        let civil =
            DateTime::new(2000 + i16::from(year), month, day, hour, minute, second, i32::from(tenths) * 100_000_000);
        let civil = civil.map_err(|_| TimeError)?;
        if quarters > 48 {
            return Err(TimeError);
        }
        let civil_ms = jiff::tz::Offset::UTC.to_timestamp(civil).map_err(|_| TimeError)?.as_millisecond();
        let quarters = if behind { -quarters.cast_signed() } else { quarters.cast_signed() };
        Ok(Self { civil_ms, quarters })
    }

    /// The moment by the book: the offset is what it says.
    pub const fn moment(self) -> Moment {
        Moment::from_ms(self.civil_ms - self.quarters as i64 * QUARTER_MS)
    }

    /// The moment if the digits are local time whatever the offset says.
    pub const fn as_local(self) -> Moment {
        Moment::from_ms(self.civil_ms - LOCAL_QUARTERS * QUARTER_MS)
    }

    /// Whether the offset is 00, which many clients write with local digits.
    pub const fn has_zero_offset(self) -> bool {
        self.quarters == 0
    }
}

/// A moment as an absolute time field. `local_as_00`: with offset 00 in front of local digits,
/// for an account whose software means it so.
pub fn written(moment: Moment, local_as_00: bool) -> [u8; 16] {
    let LocalTime { day, second } = LocalTime::of(moment);
    let date = day.to_civil();
    let mut field = *b"000000000000032+";
    let parts = [
        u32::from(date.year().rem_euclid(100).cast_unsigned()),
        u32::from(date.month().cast_unsigned()),
        u32::from(date.day().cast_unsigned()),
        second / 3600,
        second / 60 % 60,
        second % 60,
    ];
    for (pair, number) in field.chunks_exact_mut(2).zip(parts) {
        pair.copy_from_slice(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
    }
    if local_as_00 {
        field[13..15].copy_from_slice(b"00");
    }
    field
}

impl Period {
    const fn new([years, months, days, hours, minutes, seconds]: [u8; 6]) -> Self {
        Self { years, months, days, hours, minutes, seconds }
    }

    /// Whether each field is in the range of its place: 90 minutes written as minutes are read differently by different SMSCs.
    pub const fn is_ordinary(self) -> bool {
        self.months <= 12 && self.days <= 31 && self.hours <= 23 && self.minutes <= 59 && self.seconds <= 59
    }

    /// The moment a period later. A day that its month lacks becomes the month's last.
    pub fn after(self, now: Moment) -> Moment {
        let months = i64::from(self.years) * 12 + i64::from(self.months);
        let from = if months == 0 { now } else { months_later(now, months) };
        let hours = i64::from(self.days) * 24 + i64::from(self.hours);
        let seconds = (hours * 60 + i64::from(self.minutes)) * 60 + i64::from(self.seconds);
        Moment::from_ms(from.ms().saturating_add(seconds * 1000))
    }
}

fn months_later(now: Moment, months: i64) -> Moment {
    let today = LocalTime::of(now).day.to_civil();
    let then = today
        .checked_add(jiff::Span::new().months(months))
        .expect("a day before 2150 and 99 years and 99 months stay inside jiff's range");
    let days = then.duration_since(today).as_hours() / 24;
    Moment::from_ms(now.ms().saturating_add(days * 86_400_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text).expect("valid")
    }

    fn absolute(field: &str) -> Absolute {
        match Time::parse(field.as_bytes()) {
            Ok(Some(Time::Absolute(time))) => time,
            other => panic!("{field}: {other:?}"),
        }
    }

    fn later(now: &str, field: &str) -> String {
        match Time::parse(field.as_bytes()) {
            Ok(Some(Time::Relative(period))) => period.after(at(now)).to_string(),
            other => panic!("{field}: {other:?}"),
        }
    }

    #[test]
    fn an_offset_says_how_far_ahead_of_utc_the_digits_are() {
        let afternoon = at("2026-11-24T14:00:00");
        for field in ["261124140000032+", "261124060000000+", "261124150000036+", "261124010000020-"] {
            assert_eq!(absolute(field).moment(), afternoon, "{field}");
        }
        assert_eq!(absolute("261124140000532+").moment().ms(), afternoon.ms() + 500);
    }

    #[test]
    fn what_is_written_is_read_as_the_same_moment() {
        for text in ["2026-11-24T14:00:00", "2027-01-01T00:00:00", "2099-12-31T23:59:59"] {
            let field = |local_as_00| String::from_utf8(written(at(text), local_as_00).to_vec()).expect("ASCII");
            assert_eq!(absolute(&field(false)).moment(), at(text));
            assert!(absolute(&field(true)).has_zero_offset() && absolute(&field(true)).as_local() == at(text));
        }
        assert_eq!(&written(at("2026-11-24T14:05:09"), false), b"261124140509032+");
    }

    #[test]
    fn offset_zero_has_two_readings() {
        let time = absolute("261124090000000+");
        assert!(time.has_zero_offset() && absolute("261124090000000-").has_zero_offset());
        assert_eq!((time.moment(), time.as_local()), (at("2026-11-24T17:00:00"), at("2026-11-24T09:00:00")));
        assert!(!absolute("261124090000032+").has_zero_offset());
    }

    #[test]
    fn periods_clamp_to_the_end_of_the_month() {
        assert_eq!(later("2026-11-24T09:00:00", "000000013000000R"), "2026-11-24T10:30:00+08:00");
        assert_eq!(later("2026-01-31T09:00:00", "000100000000000R"), "2026-02-28T09:00:00+08:00");
        assert_eq!(later("2028-02-29T09:00:00", "010000000000000R"), "2029-02-28T09:00:00+08:00");
        assert_eq!(later("2026-11-24T09:00:00", "000100000001000R"), "2026-12-24T09:00:01+08:00");
        assert_eq!(later("2026-11-24T23:59:59", "000000000001000R"), "2026-11-25T00:00:00+08:00");
        assert_eq!(later("2026-11-24T09:00:00", "990000000000000R"), "2125-11-24T09:00:00+08:00");
        let period = |field: &str| match Time::parse(field.as_bytes()) {
            Ok(Some(Time::Relative(period))) => period.is_ordinary(),
            other => panic!("{other:?}"),
        };
        assert!(period("991231235959000R") && !period("001300000000000R") && !period("000000009000000R"));
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        assert_eq!(Time::parse(b""), Ok(None));
        for field in [
            "261324140000032+",
            "260024140000032+",
            "260230140000032+",
            "261124240000032+",
            "261124146000032+",
            "261124140060032+",
            "261124140000049+",
            "261124140000032*",
            "261124140000032r",
            "26112414000003+",
            "261124140000032+0",
            "000000010000100R",
            "000000010000032R",
            "2611241400000 2+",
            "-61124140000032+",
            "0",
        ] {
            assert_eq!(Time::parse(field.as_bytes()), Err(TimeError), "{field}");
        }
    }
}
