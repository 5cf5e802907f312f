//! Types whose values are words: of files, of the API, of records.

/// Gives an enumeration the word of each value, and each value for its word.
macro_rules! words {
    ($type:ident, $what:literal, $($variant:ident = $word:literal),+ $(,)?) => {
        impl $type {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in files, the API and records.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|own| own.code() == text).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|own| own.code()).collect();
                    format!(concat!("no such ", $what, ": one of {}"), known.join(", "))
                })
            }
        }
    };
}

pub(crate) use words;
