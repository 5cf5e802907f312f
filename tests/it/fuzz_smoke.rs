//! A moment of what `fuzz/` does for hours (docs/fuzzing.md): the same bodies, the frames on
//! file and some texts as seeds, and a generator that starts from the same number every time.

use smsluice::sim::random::Random;
use smsluice::sim::submit::ucs2;

use crate::{bodies, hexfile, reader};

/// Inputs for each body.
const INPUTS: usize = 6_000;

fn run(body: fn(&[u8]), seeds: &[Vec<u8>], seed: u64) {
    let mut random = Random::new(seed);
    for input in seeds {
        body(input);
    }
    for _ in 0..INPUTS {
        body(&mutated(seeds, &mut random));
    }
}

/// A seed, hit a few times.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let pick = |random: &mut Random| &seeds[random.below(seeds.len() as u64) as usize];
    let mut input = pick(random).clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() as u64 + 1) as usize;
        match random.below(7) {
            0 => input.truncate(at),
            1 => input.insert(at, random.number() as u8),
            2 => input.extend_from_slice(&pick(random)[..]),
            3 => drop(input.splice(at..at, (0..random.below(9)).map(|_| 0).collect::<Vec<u8>>())),
            _ if at == input.len() => {}
            4 => drop(input.remove(at)),
            5 => input[at] ^= 1 << random.below(8),
            _ => input[at] = random.number() as u8,
        }
    }
    input
}

#[test]
fn streams() {
    run(bodies::frame_stream, &seeds("frame_stream"), 1);
}

#[test]
fn submissions() {
    run(bodies::submission, &seeds("submission"), 2);
}

#[test]
fn tlvs_and_headers() {
    run(bodies::tlv_udh, &seeds("tlv_udh"), 3);
}

#[test]
fn times() {
    run(bodies::time, &seeds("time"), 4);
}

#[test]
fn texts() {
    run(bodies::text, &seeds("text"), 5);
}

#[test]
fn policy_files() {
    run(bodies::policy_file, &seeds("policy_file"), 6);
}

/// Every target has seeds. With `FUZZ_CORPUS=fuzz/corpus` they are written where cargo-fuzz looks for them.
#[test]
fn the_seeds_are_written() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let corpus = std::env::var_os("FUZZ_CORPUS").map_or_else(|| elsewhere.path().to_owned(), Into::into);
    for target in ["frame_stream", "submission", "tlv_udh", "time", "text", "policy_file"] {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder).expect("a folder");
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target} has no seed");
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n:04}")), seed).expect("written");
        }
        assert!(std::fs::read_dir(&folder).expect("there").count() >= seeds.len(), "{target}");
    }
}

/// Inputs that get far into a body.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let frames: Vec<Vec<u8>> =
        hexfile::all().into_iter().flat_map(|file| file.frames).map(|(_, octets)| octets).collect();
    let messages = frames.iter().filter_map(|frame| reader::read(frame));
    let behind = |first: u8, rest: &[u8]| [&[first], rest].concat();
    match target {
        "frame_stream" => frames.iter().map(|frame| behind(200, frame)).chain([behind(99, &frames.concat())]).collect(),
        "submission" => frames
            .iter()
            .filter_map(|frame| Some((operation(frame)?, frame)))
            .flat_map(|(operation, frame)| (0..3).map(move |rules| behind(rules << 2 | operation, &frame[16..])))
            .collect(),
        "tlv_udh" => messages
            .map(|message| {
                let tlvs = message.tlvs.iter().flat_map(|(tag, value)| {
                    [&tag.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
                });
                let tlvs: Vec<u8> = tlvs.collect();
                let data = message.texts().first().copied().unwrap_or_default();
                let share = (tlvs.len() * 127).div_ceil((tlvs.len() + data.len()).max(1)) as u8;
                behind(share << 1 | u8::from(message.esm_class & 0x40 != 0), &[&tlvs, data].concat())
            })
            .collect(),
        "time" => {
            let fields = messages.flat_map(|message| [message.schedule, message.validity]);
            fields.map(|field| [&[0x6A, 0x1B, 0x2C, 0x3D][..], &field].concat()).collect()
        }
        "text" => {
            let written = messages.map(|message| {
                let text = message.header_and_text().map(|(_, text)| text.to_vec()).unwrap_or_default();
                behind(message.data_coding, &text)
            });
            let labelled = include_str!("../data/messages.csv").lines().map(|line| behind(8, &ucs2(line)));
            let others =
                [behind(0, b"\x00\x1b\x65 10086"), behind(15, &[0xD2, 0xC6, 0xB6, 0xAF, 0x81, 0x30, 0x81, 0x30])];
            written.chain(labelled).chain(others).collect()
        }
        _ => {
            let blocks = include_str!("../scenarios/schedule.md").split("```toml").skip(1);
            let blocks = blocks.filter_map(|rest| Some(rest.split("```").next()?.as_bytes().to_vec()));
            let shipped = include_str!("../../config/policy.toml");
            let set: String = shipped
                .lines()
                .map(|line| {
                    line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line).to_owned() + "\n"
                })
                .collect();
            blocks.chain([shipped.as_bytes().to_vec(), set.into_bytes()]).collect()
        }
    }
}

/// The number by which the body knows the operation.
fn operation(frame: &[u8]) -> Option<u8> {
    match frame.get(4..8)? {
        [0, 0, 0, 4] => Some(0),
        [0, 0, 0, 7] => Some(1),
        [0, 0, 1, 3] => Some(2),
        [0, 0, 0, 0x21] => Some(3),
        _ => None,
    }
}
