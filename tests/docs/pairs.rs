//! Compares the two languages of a document.

use std::collections::BTreeMap;

use super::markdown::{Block, Document, root};

/// The file of the sections' hashes.
pub const LOCK: &str = "docs/translations.lock";

const HOW_TO: &str = "when both say the same, UPDATE_DOCS=1 cargo test --test docs records it";

/// A document in English and the same in Korean.
pub struct Pair {
    pub english: Document,
    pub korean: Document,
}

impl Pair {
    /// Every Korean document with its English one. Fails if the English one is missing.
    pub fn all(documents: Vec<Document>) -> Vec<Pair> {
        let korean = documents
            .into_iter()
            .filter(|document| document.path.ends_with(".ko.md"));
        korean
            .map(|korean| Pair {
                english: Document::read(&korean.path.replace(".ko.md", ".md")),
                korean,
            })
            .collect()
    }

    /// The differences in structure, and the links to the wrong language.
    pub fn differences(&self) -> Vec<String> {
        let (english, korean) = (&self.english, &self.korean);
        let differences = [
            differs("heading levels", levels(english), levels(korean)),
            differs("anchors", english.anchors(), korean.anchors()),
            differs("code blocks", blocks(english), blocks(korean)),
            differs("links", links(english), links(korean)),
        ];
        let differences = differences.into_iter().flatten();
        let differences = differences.map(|what| format!("{}: {what}", korean.path));
        differences
            .chain(links_across(english))
            .chain(links_across(korean))
            .collect()
    }

    /// Each section's name in the lock, and its hash in both languages.
    fn hashes(&self) -> Vec<(String, [String; 2])> {
        let name = self.english.path.trim_end_matches(".md");
        let sections = self
            .english
            .sections()
            .into_iter()
            .zip(self.korean.sections());
        let hashed = sections.map(|(english, korean)| [hash(&english), hash(&korean)]);
        let named = hashed
            .enumerate()
            .map(|(n, hashes)| (format!("{name} {n}"), hashes));
        named.collect()
    }

    /// The sections that have changed since the lock was written.
    pub fn changes(&self, lock: &str) -> Vec<String> {
        let known = parse(lock);
        let hashes = self.hashes().into_iter();
        let changes = hashes.filter_map(|(name, hashes)| {
            let why = change(known.get(&name), &hashes)?;
            Some(format!("{name} ({}): {why}", self.title(&name)))
        });
        changes.collect()
    }

    /// The heading of a section, for the message.
    fn title(&self, name: &str) -> String {
        let number = name.rsplit(' ').next().and_then(|n| n.parse().ok());
        let section = self.english.sections().swap_remove(number.unwrap_or(0));
        section.lines().next().unwrap_or_default().to_string()
    }
}

/// The lock for the documents as they are.
pub fn lock(pairs: &[Pair]) -> String {
    let hashes = pairs.iter().flat_map(Pair::hashes);
    let lines = hashes.map(|(name, [english, korean])| format!("{name} {english} {korean}\n"));
    let about = "# A hash of each section in English and in Korean, written by UPDATE_DOCS=1.\n";
    about.to_string() + &lines.collect::<String>()
}

/// Parses the lock. A line is `docs/polling 3 HASH HASH`.
fn parse(lock: &str) -> BTreeMap<String, [String; 2]> {
    let lines = lock.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let known = lines.filter_map(|words| match words[..] {
        [path, number, english, korean] => Some((
            format!("{path} {number}"),
            [english.to_string(), korean.to_string()],
        )),
        _ => None,
    });
    known.collect()
}

fn change(known: Option<&[String; 2]>, now: &[String; 2]) -> Option<String> {
    let Some(known) = known else {
        return Some(format!("is new; {HOW_TO}"));
    };
    match [known[0] == now[0], known[1] == now[1]] {
        [true, true] => None,
        [false, true] => Some(format!("the English changed, the Korean did not; {HOW_TO}")),
        [true, false] => Some(format!("the Korean changed, the English did not; {HOW_TO}")),
        [false, false] => Some(format!("both changed; {HOW_TO}")),
    }
}

/// FNV-1a: the standard library's hash may change with a release. White space doesn't count, so a
/// paragraph can be rewrapped.
fn hash(section: &str) -> String {
    let words = section.split_whitespace().collect::<Vec<_>>().join(" ");
    let hash = words.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn levels(document: &Document) -> Vec<String> {
    let headings = document.headings().into_iter();
    headings.map(|heading| "#".repeat(heading.level)).collect()
}

/// The blocks, with their marks.
fn blocks(document: &Document) -> Vec<String> {
    let show = |block: Block| format!("{:?} {}\n{}", block.mark, block.language, block.text);
    document.blocks().into_iter().map(show).collect()
}

/// Sorted: the languages order a sentence differently.
fn links(document: &Document) -> Vec<String> {
    let links = document.links().into_iter();
    let mut links: Vec<String> = links.map(|link| link.replace(".ko.md", ".md")).collect();
    links.sort();
    links
}

/// The first place where two lists differ.
fn differs(what: &str, english: Vec<String>, korean: Vec<String>) -> Option<String> {
    let longer = english.len().max(korean.len());
    let differing = (0..longer).find(|n| english.get(*n) != korean.get(*n))?;
    let show = |list: &[String]| {
        list.get(differing)
            .cloned()
            .unwrap_or("nothing".to_string())
    };
    Some(format!(
        "{what} differ: the English has\n{}\nthe Korean has\n{}",
        show(&english),
        show(&korean)
    ))
}

/// Links to the wrong language. Only a link to the document's own translation may cross.
fn links_across(document: &Document) -> Vec<String> {
    let korean = document.path.ends_with(".ko.md");
    let own = document.path.rsplit('/').next().unwrap_or_default();
    let own = own.replace(".ko.md", ".md");
    let links = document.links().into_iter();
    let local = links.filter(|link| !link.contains("://") && link.contains(".md"));
    let foreign = local.filter(|link| link.replace(".ko.md", ".md") != own);
    let foreign = foreign.filter(|link| is_across(document, link, korean));
    foreign
        .map(|link| format!("{}: {link} leads to the other language", document.path))
        .collect()
}

fn is_across(document: &Document, link: &str, korean: bool) -> bool {
    let file = link.split('#').next().unwrap_or_default();
    let folder = root().join(&document.path);
    let folder = folder.parent().expect("a folder");
    let counterpart = file.replace(".md", ".ko.md");
    match korean {
        true => !file.ends_with(".ko.md") && folder.join(counterpart).exists(),
        false => file.ends_with(".ko.md"),
    }
}
