//! The source's layout: the core is short enough for one sitting and listed in reading order, and no imports form
//! a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The core: the modules directly in `src/`, in reading order.
const SITTING: [&str; 10] = [
    "server",
    "routes",
    "request",
    "connection",
    "hub",
    "event",
    "doorbell",
    "failure",
    "publish",
    "techniques",
];
/// The most lines that the core may have, comments included.
const MAX_LINES: usize = 2000;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The text of every source file, by its path below `src/`, such as `door/reader.rs`.
fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![src()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(src()).unwrap().to_str().unwrap();
                sources.insert(name.to_string(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// The core module of a file: `hub` for `hub.rs`, `techniques` for `techniques/polling.rs`.
fn module(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn the_sitting_has_at_most_2000_lines() {
    let sources = sources();
    let flat = |file: &&String| !matches!(file.as_str(), "main.rs" | "lib.rs");
    let sitting: Vec<&String> = sources
        .keys()
        .filter(|file| !file.contains('/') || file.starts_with("techniques/"))
        .filter(flat)
        .collect();
    let modules: BTreeSet<&str> = sitting.iter().map(|file| module(file)).collect();
    assert_eq!(
        modules,
        BTreeSet::from(SITTING),
        "the modules directly in src/"
    );
    let lines = sitting.iter().map(|file| sources[*file].lines().count());
    let lines: usize = lines.sum();
    assert!(lines <= MAX_LINES, "{lines} lines to read in one sitting");
}

#[test]
fn lib_rs_lists_and_declares_the_sitting_in_reading_order() {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    for (pattern, what) in [("[`NAME`]:", "listed"), ("pub mod NAME;", "declared")] {
        let places: Vec<Option<usize>> = SITTING
            .iter()
            .map(|name| lib.find(&pattern.replace("NAME", name)))
            .collect();
        assert!(places.iter().all(Option::is_some), "{what}: {places:?}");
        assert!(places.is_sorted(), "{what} in the wrong order: {places:?}");
    }
}

/// The files that a file imports.
fn imports(file: &str, sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let text = &sources[file];
    let uses = text.split("\nuse ").skip(1);
    let paths = uses.flat_map(|part| expand(part.split(';').next().unwrap()));
    let files = paths.filter_map(|path| resolve(file, &path, sources));
    files.filter(|found| found != file).collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let tree: String = tree.chars().filter(|char| !char.is_whitespace()).collect();
    let Some((stem, rest)) = tree.split_once('{') else {
        return vec![tree];
    };
    let inner = &rest[..rest.rfind('}').unwrap()];
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, char) in inner.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let expanded = parts.into_iter().flat_map(expand);
    expanded.map(|part| format!("{stem}{part}")).collect()
}

/// The file of a path: the longest prefix that is a module with a file.
fn resolve(file: &str, path: &str, sources: &BTreeMap<String, String>) -> Option<String> {
    let (first, rest) = path.split_once("::")?;
    let own_folder = &file[..file.rfind('/').map_or(0, |end| end + 1)];
    let (folder, rest) = match first {
        "crate" => ("", rest),
        "super" => (own_folder, rest),
        // A module names its submodules without a prefix.
        _ if sources.contains_key(&format!("{own_folder}{first}.rs")) => (own_folder, path),
        _ => return None,
    };
    let mut steps: Vec<&str> = rest.split("::").collect();
    while !steps.is_empty() {
        let stem = format!("{folder}{}", steps.join("/"));
        for candidate in [format!("{stem}.rs"), format!("{stem}/mod.rs")] {
            if sources.contains_key(&candidate) {
                return Some(candidate);
            }
        }
        steps.pop();
    }
    Some(format!("{folder}mod.rs")).filter(|file| sources.contains_key(file))
}

#[test]
fn no_import_cycles_among_the_files() {
    let sources = sources();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = sources
        .keys()
        .filter(|file| !matches!(file.as_str(), "main.rs" | "lib.rs"))
        .map(|file| (file.clone(), imports(file, &sources)))
        .collect();
    let count: usize = arrows.values().map(BTreeSet::len).sum();
    assert!(count > 100, "only {count} imports were found");
    // Removes the files whose imports have all been removed. The rest are in a cycle, or import one.
    loop {
        let left: BTreeSet<String> = arrows.keys().cloned().collect();
        arrows.retain(|_, imported| imported.intersection(&left).next().is_some());
        if arrows.len() == left.len() {
            break;
        }
    }
    let circle: Vec<&String> = arrows.keys().collect();
    assert!(
        circle.is_empty(),
        "these files import each other: {circle:?}"
    );
}
