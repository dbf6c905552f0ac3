//! Any bytes as a query, and as a cursor.
#![no_main]

#[path = "../../../bad_input/reader.rs"]
#[allow(dead_code)] // the other target uses the rest
mod reader;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    reader::check_query(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        reader::check_cursor(text);
        reader::check_script(text);
    }
});
