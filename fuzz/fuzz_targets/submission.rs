#![no_main]

#[path = "../../tests/it/bodies.rs"]
#[allow(dead_code, reason = "one body of several")]
mod bodies;
#[path = "../../tests/it/reader.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod reader;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::submission(input));
