//! The part of Markdown that these documents use: prose and blocks, headings, anchors and links.

use std::path::{Path, PathBuf};

/// One document of this repository.
pub struct Document {
    /// From the repository's root, such as `docs/polling.md`.
    pub path: String,
    pub text: String,
}

/// A fenced block of code.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// The word after the fence, such as `rust`.
    pub language: String,
    /// The comment on the line before: where the block is quoted from, or why it isn't run.
    pub mark: Option<String>,
    pub text: String,
    /// The lines of `text` in the document, counted from 0.
    pub first: usize,
    pub end: usize,
}

#[derive(Debug, PartialEq)]
pub struct Heading {
    pub level: usize,
    pub text: String,
}

/// The repository's own folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Document {
    /// A document made up by a test.
    pub fn made_up(path: &str, text: &str) -> Document {
        let (path, text) = (path.to_string(), text.to_string());
        Document { path, text }
    }

    pub fn read(path: &str) -> Document {
        let text = std::fs::read_to_string(root().join(path));
        Document::made_up(path, &text.unwrap_or_else(|why| panic!("{path}: {why}")))
    }

    /// README.md, and everything below docs/.
    pub fn all() -> Vec<Document> {
        let mut files = vec![PathBuf::from("README.md")];
        add_files(Path::new("docs"), &mut files);
        files.sort();
        let paths = files.iter().map(|file| file.to_str().expect("UTF-8"));
        let paths = paths.filter(|path| path.ends_with(".md"));
        paths.map(Document::read).collect()
    }

    pub fn blocks(&self) -> Vec<Block> {
        let lines: Vec<&str> = self.text.lines().collect();
        let fences = (0..lines.len()).filter(|n| lines[*n].starts_with("```"));
        let fences: Vec<usize> = fences.collect();
        let pairs = fences.chunks_exact(2);
        pairs.map(|pair| block(&lines, pair[0], pair[1])).collect()
    }

    /// The lines outside the blocks, without comments.
    pub fn prose(&self) -> Vec<&str> {
        let mut inside = false;
        let mut prose = Vec::new();
        for line in self.text.lines() {
            match line.starts_with("```") {
                true => inside = !inside,
                false if inside || line.starts_with("<!--") => {}
                false => prose.push(line),
            }
        }
        prose
    }

    pub fn headings(&self) -> Vec<Heading> {
        self.prose().into_iter().filter_map(heading).collect()
    }

    /// From each heading to the next. Text before the first heading is a section, too.
    pub fn sections(&self) -> Vec<String> {
        let mut sections = Vec::new();
        for line in self.prose() {
            if sections.is_empty() || heading(line).is_some() {
                sections.push(String::new());
            }
            let last = sections.last_mut().expect("a section has begun");
            *last += line;
            last.push('\n');
        }
        sections
    }

    /// The explicit anchors: `<a id="…"></a>`.
    pub fn anchors(&self) -> Vec<String> {
        let prose = without_code(&self.prose().join("\n"));
        between(&prose, "<a id=\"", '"')
    }

    /// The targets of links and images, in order.
    pub fn links(&self) -> Vec<String> {
        let prose = without_code(&self.prose().join("\n"));
        let starts = [("](", ')'), ("src=\"", '"'), ("href=\"", '"')];
        let links = starts.map(|(start, end)| between(&prose, start, end));
        links.concat()
    }

    /// Every anchor that a link can name after `#`.
    pub fn targets(&self) -> Vec<String> {
        let mut targets = self.anchors();
        for Heading { text, .. } in self.headings() {
            let slug = slug(&text);
            let again = (1..).map(|n| format!("{slug}-{n}"));
            let mut names = std::iter::once(slug.clone()).chain(again);
            targets.extend(names.find(|name| !targets.contains(name)));
        }
        targets
    }
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder exists");
    for entry in entries.map(|entry| entry.expect("a readable entry")) {
        let path = folder.join(entry.file_name());
        match entry.path().is_dir() {
            true => add_files(&path, files),
            false => files.push(path),
        }
    }
}

fn block(lines: &[&str], open: usize, close: usize) -> Block {
    let before = lines[..open].last().copied();
    let mark = before.filter(|line| line.starts_with("<!-- ") && line.ends_with(" -->"));
    Block {
        language: lines[open].trim_start_matches('`').trim().to_string(),
        mark: mark.map(|line| line[5..line.len() - 4].to_string()),
        text: lines[open + 1..close].join("\n"),
        first: open + 1,
        end: close,
    }
}

fn heading(line: &str) -> Option<Heading> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let text = text.strip_prefix(' ').filter(|_| level > 0)?;
    let text = text.trim().to_string();
    Some(Heading { level, text })
}

/// Removes what is between backticks: code has no links.
fn without_code(prose: &str) -> String {
    prose.split('`').step_by(2).collect()
}

fn between(text: &str, start: &str, end: char) -> Vec<String> {
    let parts = text.split(start).skip(1);
    let found = parts.filter_map(|part| part.split_once(end));
    found.map(|(inside, _)| inside.to_string()).collect()
}

/// The anchor that GitHub gives to a heading.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let words = heading.chars().filter(kept).collect::<String>();
    words.to_lowercase().replace(' ', "-")
}
