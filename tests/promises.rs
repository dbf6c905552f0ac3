//! Every promise in `docs/promises.md` names tests, and each of them exists.

const PROMISES: &str = include_str!("../docs/promises.md");

/// The tests that a row names in its last column: `FILE::FUNCTION`.
fn named_tests(row: &str) -> Vec<(&str, &str)> {
    let (_, tests) = row
        .trim_end_matches(" |")
        .rsplit_once(" | ")
        .expect("a column");
    let names = tests.split('`').skip(1).step_by(2);
    names
        .map(|name| name.split_once("::").expect(name))
        .collect()
}

/// True if the file has this function, with `#[test]` among the attributes and comments above it.
fn has_test(source: &str, function: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let start = format!("fn {function}(");
    let found = lines.iter().position(|line| line.starts_with(&start));
    let above = found.map_or(&[][..], |at| &lines[..at]).iter().rev();
    let mut above = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    above.any(|line| *line == "#[test]")
}

#[test]
fn every_promise_names_tests_that_exist() {
    let rows: Vec<&str> = PROMISES
        .lines()
        .filter(|line| line.starts_with("| **"))
        .collect();
    assert!(!rows.is_empty(), "docs/promises.md has no promises");
    for row in rows {
        let tests = named_tests(row);
        assert!(!tests.is_empty(), "no test is named in: {row}");
        for (file, function) in tests {
            let path = format!("{}/tests/{file}.rs", env!("CARGO_MANIFEST_DIR"));
            let source = std::fs::read_to_string(&path);
            let source = source.unwrap_or_else(|error| panic!("{file}::{function}: {error}"));
            assert!(
                has_test(&source, function),
                "{file}.rs has no test {function}"
            );
        }
    }
}
