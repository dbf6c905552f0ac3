//! Compares quotes with the source.

use super::markdown::{Block, Document, root};

/// The wrong quotes of this document.
pub fn check(document: &Document) -> Vec<String> {
    let blocks = document.blocks();
    blocks
        .iter()
        .filter_map(|block| wrong(document, block))
        .collect()
}

fn wrong(document: &Document, block: &Block) -> Option<String> {
    let place = format!("{}:{}", document.path, block.first + 1);
    match quoted(block)? {
        Err(why) => Some(format!("{place}: {why}")),
        Ok(source) if source == block.text => None,
        Ok(source) => Some(format!(
            "{place}: {} is now\n{source}\nand the quote is\n{}\nupdate it with UPDATE_DOCS=1 cargo test --test docs",
            block.mark.as_deref().unwrap_or_default(),
            block.text
        )),
    }
}

/// The document with its quotes updated from the source.
pub fn updated(document: &Document) -> String {
    let mut lines: Vec<String> = document.text.lines().map(String::from).collect();
    for block in document.blocks().iter().rev() {
        if let Some(Ok(source)) = quoted(block) {
            let source = source.lines().map(String::from);
            lines.splice(block.first..block.end, source);
        }
    }
    lines.join("\n") + "\n"
}

/// The quoted source, or why it can't be found. `None`: the block isn't a quote and needn't be one.
fn quoted(block: &Block) -> Option<Result<String, String>> {
    let mark = block.mark.as_deref().unwrap_or_default();
    match mark.strip_prefix("quote: ") {
        Some(what) => Some(find(what)),
        None if ["rust", "js"].contains(&&*block.language) && mark != "not a quote" => Some(Err(
            "say where it comes from, in the line before: <!-- quote: PATH fn NAME -->".to_string(),
        )),
        None => None,
    }
}

/// Finds `PATH fn NAME` and the like, or `PATH from "TEXT" to "TEXT"`.
fn find(what: &str) -> Result<String, String> {
    let (path, item) = what.split_once(' ').ok_or("a quote names PATH ITEM")?;
    let source =
        std::fs::read_to_string(root().join(path)).map_err(|why| format!("{path}: {why}"))?;
    let lines: Vec<&str> = source.lines().collect();
    let found = match item.strip_prefix("from ") {
        Some(range) => part(&lines, range),
        None => whole_item(&lines, item),
    };
    let (first, last) = found.ok_or_else(|| {
        format!("no one {item} in {path}: was it renamed? A method is fn Type::name")
    })?;
    Ok(dedent(&lines[first..=last]))
}

/// `"FROM" to "TO"`: from the first line with FROM to the next line with TO.
fn part(lines: &[&str], range: &str) -> Option<(usize, usize)> {
    let (from, to) = range.split_once("\" to \"")?;
    let (from, to) = (from.strip_prefix('"')?, to.strip_suffix('"')?);
    let first = lines.iter().position(|line| line.contains(from))?;
    let length = lines[first + 1..]
        .iter()
        .position(|line| line.contains(to))?;
    Some((first, first + 1 + length))
}

/// The item of this name. Of several, the one at the top level.
fn whole_item(lines: &[&str], item: &str) -> Option<(usize, usize)> {
    let (kind, name) = item.split_once(' ')?;
    let (owner, name) = name.rsplit_once("::").unwrap_or(("", name));
    let named = (0..lines.len()).filter(|n| begins_item(lines[*n], kind, name));
    let named: Vec<usize> = named.collect();
    let only = |is_it: &dyn Fn(&usize) -> bool| {
        let found: Vec<usize> = named.iter().copied().filter(is_it).collect();
        <[usize; 1]>::try_from(found).ok().map(|[first]| first)
    };
    let first = match owner {
        "" => only(&|n| indent(lines[*n]) == 0).or(only(&|_| true)),
        _ => only(&|n| owner_of(lines, *n) == owner),
    };
    Some((first?, end_of_item(lines, first?)?))
}

/// True if an item of this kind and name begins here, public or not.
fn begins_item(line: &str, kind: &str, name: &str) -> bool {
    let mut words = line.trim_start();
    for word in ["export ", "pub(crate) ", "pub ", "async ", "unsafe "] {
        words = words.strip_prefix(word).unwrap_or(words);
    }
    if kind == "fn" {
        words = words.strip_prefix("const ").unwrap_or(words);
    }
    let rest = words
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix(' '));
    let rest = rest.and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "_$".contains(c)))
}

/// The type whose `impl` this line is in.
fn owner_of<'a>(lines: &[&'a str], n: usize) -> &'a str {
    let before = lines[..n].iter().rev();
    let outer = before
        .clone()
        .find(|line| indent(line) == 0 && !line.is_empty());
    let implemented = outer.filter(|line| line.starts_with("impl"));
    let words = implemented.and_then(|line| line.trim_end_matches(" {").rsplit(' ').next());
    words.unwrap_or("").split('<').next().unwrap_or("")
}

/// The item's last line: the next one with the first one's indentation that ends with a brace or a semicolon.
fn end_of_item(lines: &[&str], first: usize) -> Option<usize> {
    let ends = |line: &str| {
        let code = line.split(" // ").next().unwrap_or("").trim_end();
        indent(line) == indent(lines[first]) && code.ends_with(['}', ';'])
    };
    (first..lines.len()).find(|n| ends(lines[*n]))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Removes the indentation that all lines share.
fn dedent(lines: &[&str]) -> String {
    let written = lines.iter().filter(|line| !line.is_empty());
    let common = written.map(|line| indent(line)).min().unwrap_or(0);
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.get(common..).unwrap_or(""))
        .collect();
    lines.join("\n")
}
