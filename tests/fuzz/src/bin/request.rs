//! Any bytes must be read as the same requests, or be refused alike, whole, in two pieces and in many.
#![no_main]

#[path = "../../../bad_input/reader.rs"]
#[allow(dead_code)] // the other target uses the rest
mod reader;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let halves = bytes.split_at(bytes.len() / 2);
    let sevens = reader::every(7, bytes);
    reader::check_cuts(bytes, &[vec![halves.0, halves.1], sevens]);
});
