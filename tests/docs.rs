//! The documents: quotes match the source, commands print what the text shows, both languages correspond,
//! and no link is dead.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` updates the quotes from the source, and records in
//! docs/translations.lock that the two languages of each section correspond.

#[path = "docs/console.rs"]
mod console;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/markdown.rs"]
mod markdown;
#[path = "docs/pairs.rs"]
mod pairs;
#[path = "docs/quotes.rs"]
mod quotes;
mod support;

use std::io::Write;
use std::sync::Once;
use std::thread;

use comet::routes::ROUTES;
use markdown::{Document, root};
use pairs::Pair;

/// The maps: tables with a row for each technique's chapter, module, script, test and walk.
const MAPS: [&str; 2] = ["docs/README.md", "docs/README.ko.md"];

/// The anchors of a chapter's parts.
#[rustfmt::skip]
const PARTS: [&str; 8] = ["idea", "wire", "client", "server", "thread", "wild", "errata", "next"];

fn is_updating() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

/// All documents. With `UPDATE_DOCS`, updates their quotes first.
fn documents() -> Vec<Document> {
    static MENDED: Once = Once::new();
    if is_updating() {
        MENDED.call_once(mend_quotes);
    }
    Document::all()
}

fn mend_quotes() {
    for document in Document::all() {
        let updated = quotes::updated(&document);
        if updated != document.text {
            write(&document.path, &updated);
        }
    }
}

/// Runs a check on every document, in parallel, since commands mostly wait. Returns what is wrong.
fn everywhere(check: fn(&Document) -> Vec<String>) -> Vec<String> {
    let documents = documents();
    thread::scope(|scope| {
        let checks = documents
            .iter()
            .map(|document| scope.spawn(move || check(document)));
        let checks: Vec<_> = checks.collect();
        let wrong = checks
            .into_iter()
            .map(|checked| checked.join().expect("the check doesn't panic"));
        wrong.flatten().collect()
    })
}

fn write(path: &str, text: &str) {
    std::fs::write(root().join(path), text).expect("the document can be written");
}

#[test]
fn quotes_match_the_source() {
    assert_none(everywhere(quotes::check));
}

#[test]
fn commands_print_what_the_documents_show() {
    if !support::has("curl", "apt-get install curl") {
        return;
    }
    assert_none(everywhere(|document| {
        match document.path.starts_with("docs/exercises/") {
            true => Vec::new(), // tests/exercises.rs runs those, each on its own branch
            false => console::check(document),
        }
    }));
}

#[test]
fn both_languages_have_the_same_shape() {
    let pairs = Pair::all(documents());
    assert_none(pairs.iter().flat_map(Pair::differences).collect());
}

#[test]
fn neither_language_changes_alone() {
    let pairs = Pair::all(documents());
    let lock = std::fs::read_to_string(root().join(pairs::LOCK)).unwrap_or_default();
    let changes: Vec<String> = pairs.iter().flat_map(|pair| pair.changes(&lock)).collect();
    if is_updating() {
        take_note(&changes);
        return write(pairs::LOCK, &pairs::lock(&pairs));
    }
    assert_none(changes);
    assert_eq!(
        lock,
        pairs::lock(&pairs),
        "{} has entries for other sections",
        pairs::LOCK
    );
}

/// Reports each change that the lock accepts. (A passing test hides println!.)
fn take_note(changes: &[String]) {
    for change in changes {
        let _ = writeln!(std::io::stderr(), "recorded: {change}");
    }
}

#[test]
fn no_link_is_dead() {
    assert_none(everywhere(links::check));
}

/// Each technique has a row in both maps, with its chapter, module, script, test and walk. The chapter quotes
/// the module and the script.
#[test]
fn each_technique_has_its_chapter_module_page_test_and_walk() {
    let techniques = ROUTES
        .iter()
        .filter(|route| route.source.starts_with("techniques/"));
    let rows = techniques.flat_map(|route| MAPS.map(|map| (map, route.name)));
    assert_none(
        rows.filter_map(|(map, name)| missing_in_map(&Document::read(map), name))
            .collect(),
    );
}

/// What a technique's row in the map lacks.
fn missing_in_map(map: &Document, name: &str) -> Option<String> {
    let module = format!("src/techniques/{name}.rs");
    let script = format!("www/techniques/{name}.js");
    let Some(row) = row_of(map, &module) else {
        return Some(format!(
            "{}: no row of the table links to ../{module}",
            map.path
        ));
    };
    let links = Document::made_up(&map.path, row).links();
    let korean = if map.path.ends_with(".ko.md") {
        ".ko"
    } else {
        ""
    };
    let walk = format!("debug/{}{korean}.md", name.replace('_', "-"));
    let wanted = [format!("../{script}"), format!("../tests/{name}.rs"), walk];
    if let Some(file) = wanted.iter().find(|file| !links.contains(file)) {
        return Some(format!(
            "{}: the row of {name} has no link to {file}",
            map.path
        ));
    }
    match links.iter().find(|link| link.ends_with(".md")) {
        Some(chapter) => missing_in_chapter(
            &Document::read(&format!("docs/{chapter}")),
            &[module, script],
        ),
        None => Some(format!("{}: the row of {name} has no chapter", map.path)),
    }
}

/// What a chapter lacks: a part, or a quote from one of its files.
fn missing_in_chapter(chapter: &Document, files: &[String]) -> Option<String> {
    let anchors = chapter.anchors();
    if !PARTS.iter().eq(anchors
        .iter()
        .filter(|anchor| PARTS.contains(&anchor.as_str())))
    {
        return Some(format!(
            "{} lacks some of the parts {PARTS:?}, or has them in another order",
            chapter.path
        ));
    }
    let marks: Vec<String> = chapter
        .blocks()
        .into_iter()
        .filter_map(|block| block.mark)
        .collect();
    let is_quoted = |file: &String| {
        let start = format!("quote: {file} ");
        marks.iter().any(|mark| mark.starts_with(&start))
    };
    let file = files.iter().find(|file| !is_quoted(file))?;
    Some(format!("{} quotes nothing from {file}", chapter.path))
}

/// In `cargo doc`, lib.rs lists the modules in reading order, and each module links to its chapter.
#[test]
fn each_module_is_listed_and_links_to_its_chapter() {
    let book = std::fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    let modules = book
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "));
    let modules: Vec<&str> = modules.map(|name| name.trim_end_matches(';')).collect();
    let named = book
        .split("[`")
        .skip(1)
        .filter_map(|rest| rest.split_once("`]"));
    let named: Vec<&str> = named.map(|(name, _)| name).collect();
    assert_eq!(
        named, modules,
        "lib.rs lists the modules in the order it declares them"
    );
    let own = modules.iter().map(|name| (4, name.to_string()));
    let techniques = ROUTES
        .iter()
        .filter_map(|route| route.source.strip_suffix(".rs"));
    let techniques = techniques.filter(|source| source.starts_with("techniques/"));
    let techniques = techniques.map(|source| (5, source.to_string()));
    let modules = own.chain(techniques);
    assert_none(
        modules
            .filter_map(|(depth, module)| no_chapter(&module, depth))
            .collect(),
    );
}

/// `depth`: how many folders the module's `cargo doc` page lies below the repository's root.
fn no_chapter(module: &str, depth: usize) -> Option<String> {
    let files = [format!("src/{module}.rs"), format!("src/{module}/mod.rs")];
    let source = files
        .iter()
        .find_map(|file| std::fs::read_to_string(root().join(file)).ok());
    let source = source.expect("the module's file");
    let line = source
        .lines()
        .find_map(|line| line.strip_prefix("//! Chapter: ["));
    let chapter = line.and_then(|line| line.split_once(&format!("]({}", "../".repeat(depth))));
    let chapter = chapter.and_then(|(_, rest)| rest.strip_suffix(")."));
    match chapter.is_some_and(|chapter| root().join(chapter).is_file()) {
        true => None,
        false => Some(format!("{module}: no link to a chapter")),
    }
}

/// The row of a table that links to this file.
fn row_of<'a>(map: &'a Document, file: &str) -> Option<&'a str> {
    let mut rows = map.text.lines().filter(|line| line.starts_with('|'));
    rows.find(|row| row.contains(&format!("(../{file})")))
}

/// The checks work: each reports one small mistake.
mod nets {
    use super::*;

    const QUOTE: &str = "\
<!-- quote: src/event.rs fn gap_json -->
```rust
pub fn gap_json(next: u64) -> String {
    format!(r#\"{{\"gap\":true,\"next\":{next}}}\"#)
}
```
";

    fn document(text: &str) -> Document {
        Document::made_up("docs/made-up.md", text)
    }

    fn pair(english: &str, korean: &str) -> Pair {
        Pair {
            english: document(english),
            korean: Document::made_up("docs/made-up.ko.md", korean),
        }
    }

    /// Checks that there is exactly one complaint, with these words.
    fn assert_says(wrong: &[String], what: &str) {
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains(what), "{wrong:?}");
    }

    #[test]
    fn a_changed_quote_is_reported_and_updated() {
        assert_none(quotes::check(&document(QUOTE)));
        let changed = document(&QUOTE.replace("u64", "u32"));
        assert_says(&quotes::check(&changed), "UPDATE_DOCS=1");
        assert_eq!(quotes::updated(&changed), QUOTE);
    }

    #[test]
    fn a_quote_without_a_source_is_reported() {
        let renamed = document(&QUOTE.replace("fn gap_json -->", "fn gap -->"));
        assert_says(&quotes::check(&renamed), "no one fn gap in src/event.rs");
        let unmarked = document("```js\nlet x;\n```\n");
        assert_says(&quotes::check(&unmarked), "say where it comes from");
    }

    #[test]
    fn methods_constants_inner_functions_and_parts_can_be_quoted() {
        for (what, line) in [
            (
                "src/event.rs fn News::is_empty",
                "pub fn is_empty(&self) -> bool {",
            ),
            (
                "www/techniques/xhr_streaming.js const LIMIT",
                "const LIMIT = 1024 * 1024; // bytes",
            ),
            (
                "www/techniques/long_polling.js function ask",
                "function ask() {",
            ),
            (
                "src/event.rs from \"unix_time() ->\" to \"now()\"",
                "pub fn unix_time() -> Duration {",
            ),
        ] {
            let quote = document(&format!("<!-- quote: {what} -->\n```\n```\n"));
            let quoted = quotes::updated(&quote);
            assert_eq!(quoted.lines().nth(2), Some(line), "{what}");
        }
    }

    #[test]
    fn a_changed_korean_heading_anchor_block_or_link_is_reported() {
        let english = "# A\n\n<a id=\"b\"></a>\n## B\n\n[c](polling.md)\n\n```text\nd\n```\n";
        let korean = "# 가\n\n<a id=\"b\"></a>\n## 나\n\n[다](polling.ko.md)\n\n```text\nd\n```\n";
        assert_none(pair(english, korean).differences());
        for (from, to, what) in [
            ("## 나", "### 나", "heading levels differ"),
            ("\"b\"", "\"c\"", "anchors differ"),
            ("\nd\n", "\ne\n", "code blocks differ"),
            ("polling.ko", "errata.ko", "links differ"),
        ] {
            let changed = korean.replace(from, to);
            assert_says(&pair(english, &changed).differences(), what);
        }
    }

    #[test]
    fn a_section_changed_in_one_language_is_reported() {
        let lock = pairs::lock(&[pair("# A\n\none\n", "# 가\n\n하나\n")]);
        assert_none(pair("# A\n\none\n", "# 가\n\n하나\n").changes(&lock));
        for (english, korean, what) in [
            (
                "# A\n\ntwo\n",
                "# 가\n\n하나\n",
                "the English changed, the Korean did not",
            ),
            (
                "# A\n\none\n",
                "# 나\n\n하나\n",
                "the Korean changed, the English did not",
            ),
            ("# A\n\ntwo\n", "# 가\n\n둘\n", "both changed"),
        ] {
            assert_says(&pair(english, korean).changes(&lock), what);
        }
        assert_says(&pair("# A\n", "# 가\n").changes(""), "is new");
    }

    #[test]
    fn a_different_output_is_reported() {
        if !support::has("curl", "apt-get install curl") {
            return;
        }
        let right = "```console\n$ curl -s 127.0.0.1:8081/healthz\n[…]ok[…]\n```\n";
        assert_none(console::check(&document(right)));
        let wrong = console::check(&document(&right.replace("]ok[", "]ill[")));
        assert_says(&wrong, "docs/made-up.md:2: curl");
        let forbidden = document("```console\n$ ls\n[…]\n```\n");
        assert_says(&console::check(&forbidden), "not run: why");
    }

    #[test]
    fn a_dead_link_is_reported() {
        assert_none(links::check(&document(
            "# The way\n[a](#the-way) [b](promises.md) `[c](x)`\n",
        )));
        for (link, why) in [
            ("nowhere.md", "there is no docs/nowhere.md"),
            ("#nowhere", "there is no #nowhere"),
            ("promises.md#nowhere", "there is no #nowhere"),
            ("../../elsewhere", "outside the repository"),
            ("images/none.png", "there is no docs/images/none.png"),
        ] {
            assert_says(&links::check(&document(&format!("[x]({link})"))), why);
        }
    }

    #[test]
    fn a_technique_without_a_row_is_reported() {
        let missing = missing_in_map(&document("| no | table |\n"), "polling");
        assert_says(
            &missing.into_iter().collect::<Vec<_>>(),
            "no row of the table",
        );
    }
}
