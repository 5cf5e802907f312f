//! Reads `tests/pdus/*.hex`: hostile and odd frames, with what must become of each.
//!
//! ```text
//! # what it is, in a sentence
//! account: province             (`hefei` where nothing is said)
//!
//! expect: refuse 0xc2 decode_failed
//! 00000050 00000004 …  # the octets; the rest of a line behind `#` is a comment
//! ```
//!
//! One file may hold several frames, sent in their order on one session. Each is expected to
//! `pass` (it arrives unchanged, and the SMSC's answer comes back), to `pass unanswered`,
//! to meet `silence` (nothing arrives, nothing is answered), a `refuse STATUS [REASON]`
//! (its own response, a header only), a `nack STATUS`, or a `close` of the session.

use std::path::{Path, PathBuf};

use smsluice::policy::Reason;

/// One file.
pub(crate) struct HexFile {
    /// Its name with the ending.
    pub(crate) name: String,
    /// The sentence on top.
    pub(crate) comment: String,
    pub(crate) account: String,
    pub(crate) frames: Vec<(Expected, Vec<u8>)>,
}

/// What must become of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Pass { answered: bool },
    Silence,
    Refuse { status: u32, reason: Option<Reason> },
    Nack { status: u32 },
    Close,
}

/// The folder of the files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pdus")
}

/// All files, by name.
pub(crate) fn all() -> Vec<HexFile> {
    let entries = std::fs::read_dir(folder()).expect("tests/pdus").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "hex")).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> HexFile {
    let text = std::fs::read_to_string(path).expect("UTF-8");
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    let mut file = HexFile { name, comment: String::new(), account: "hefei".to_owned(), frames: Vec::new() };
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            file.comment.push_str(comment);
        } else if let Some(account) = line.strip_prefix("account: ") {
            account.clone_into(&mut file.account);
        } else if let Some(expected) = line.strip_prefix("expect: ") {
            let expected = expectation(expected).unwrap_or_else(|| panic!("{}: `{line}`", file.name));
            file.frames.push((expected, Vec::new()));
        } else if let Some(octets) = Some(hex(line)).filter(|octets| !octets.is_empty()) {
            let frame = file.frames.last_mut().unwrap_or_else(|| panic!("{}: octets before `expect:`", file.name));
            frame.1.extend(octets);
        }
    }
    assert!(!file.comment.is_empty() && !file.frames.is_empty(), "{} has no comment or no frame", file.name);
    file
}

fn expectation(text: &str) -> Option<Expected> {
    let mut words = text.split_whitespace();
    let kind = words.next()?;
    let mut status = || u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    Some(match kind {
        "pass" => Expected::Pass { answered: words.next().is_none() },
        "silence" => Expected::Silence,
        "close" => Expected::Close,
        "nack" => Expected::Nack { status: status()? },
        "refuse" => {
            let status = status()?;
            let reason = words.next().map(|code| {
                let known = Reason::ALL.into_iter().find(|reason| reason.code() == code);
                known.unwrap_or_else(|| panic!("`{code}` is no reason"))
            });
            Expected::Refuse { status, reason }
        }
        _ => return None,
    })
}

fn hex(line: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        line.split('#').next().unwrap_or_default().bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits: `{line}`");
    let text = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.chunks(2).map(|pair| text(pair).unwrap_or_else(|| panic!("`{line}` is not hexadecimal"))).collect()
}
