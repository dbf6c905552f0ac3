//! Finds dead links.

use super::markdown::{Document, root};

/// The dead links of a document.
pub fn check(document: &Document) -> Vec<String> {
    let links = document.links().into_iter();
    let dead = links.filter_map(|link| Some((wrong(document, &link)?, link)));
    dead.map(|(why, link)| format!("{}: {link}: {why}", document.path))
        .collect()
}

/// Why a link is dead. External links aren't fetched.
fn wrong(document: &Document, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (link, None),
    };
    let Some(path) = target(&document.path, file) else {
        return Some("it leads outside the repository".to_string());
    };
    if !root().join(&path).exists() && path != document.path {
        return Some(format!("there is no {path}"));
    }
    missing_anchor(document, &path, anchor?)
}

fn missing_anchor(document: &Document, path: &str, anchor: &str) -> Option<String> {
    let targets = match path == document.path {
        true => document.targets(),
        false if path.ends_with(".md") => Document::read(path).targets(),
        false => Vec::new(), // no line numbers: they would soon be wrong
    };
    let found = targets.iter().any(|target| target == anchor);
    (!found).then(|| format!("there is no #{anchor} in {path}"))
}

/// A link's target, from the repository's root. `None`: it is outside the repository.
pub fn target(from: &str, file: &str) -> Option<String> {
    if file.is_empty() {
        return Some(from.to_string());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            "" | "." if parts.is_empty() => return None,
            "" | "." => {}
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
