//! A window of the day, `22:00-08:00`.

use serde::{Deserialize, Serialize};

/// A window of the day, seconds `[start, end)`; `start > end` passes midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First second inside.
    pub start: u32,
    /// First second after; 86 400 is the end of the day.
    pub end: u32,
}

impl Window {
    /// Whether a second of the day lies inside, the window widened by `guard` seconds on both sides.
    pub const fn contains(self, second: u32, guard: u32) -> bool {
        const DAY: u32 = 86_400;
        let length = (self.end + DAY - self.start) % DAY;
        let length = if length == 0 { DAY } else { length };
        let widened = length + 2 * guard;
        (second + 2 * DAY - self.start + guard) % DAY < widened
    }

    /// Reads `"22:00-08:00"`; seconds may follow (`"10:59:30-14:00"`), `24:00` ends a day.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hint = "write it as \"22:00-08:00\", hours 00-23 and minutes 00-59, the end may be 24:00";
        let (start, end) = text.split_once('-').ok_or_else(|| format!("`{text}` is not a window: {hint}"))?;
        let start = Self::second(start.trim()).filter(|second| *second < 86_400);
        let end = Self::second(end.trim());
        match (start, end) {
            (Some(start), Some(end)) if start == end => Err(format!("`{text}` is empty: {hint}")),
            (Some(start), Some(end)) => Ok(Self { start, end }),
            _ => Err(format!("`{text}` is not a window of the day: {hint}")),
        }
    }

    fn second(text: &str) -> Option<u32> {
        let mut parts = text.split(':');
        let mut next = |limit: u32| {
            let part = parts.next()?;
            let number: u32 = (part.len() == 2).then(|| part.parse().ok()).flatten()?;
            (number <= limit).then_some(number)
        };
        let (hour, minute) = (next(24)?, next(59)?);
        let second = if text.len() > 5 { next(59)? } else { 0 };
        let whole = hour * 3600 + minute * 60 + second;
        (parts.next().is_none() && whole <= 86_400).then_some(whole)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clock = |second: u32| {
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
        };
        write!(f, "{}-{}", clock(self.start), clock(self.end))
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_half_open_and_may_pass_midnight() {
        let night = Window::parse("22:00-08:00").expect("valid");
        for (second, inside) in [(79_199, false), (79_200, true), (0, true), (28_799, true), (28_800, false)] {
            assert_eq!(night.contains(second, 0), inside, "{second}");
        }
        let busy = Window::parse("11:00-14:00").expect("valid");
        assert!(!busy.contains(39_599, 0) && busy.contains(39_600, 0) && !busy.contains(50_400, 0));
        assert!(busy.contains(39_599, 1) && busy.contains(50_400, 1) && !busy.contains(50_401, 1));
    }

    #[test]
    fn impossible_windows_are_refused() {
        for text in ["25:00-08:00", "22:00", "22:60-08:00", "8-9", "24:00-08:00", "08:00-24:01", "08:00-08:00", ""] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
        assert_eq!(Window::parse("08:00-24:00").expect("valid").to_string(), "08:00-24:00");
    }
}
