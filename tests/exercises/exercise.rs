//! One exercise: its page, its patches, and the proof that they work.

use std::fs;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::console::{self, Comet, Step};
use super::desk::{Desk, said};
use super::markdown::{Document, root};
use super::support;

/// A folder of `docs/exercises/`.
pub struct Exercise {
    pub number: usize,
    /// From the repository's root.
    pub folder: String,
    page: Document,
}

/// All proofs share one clone, in turn, so that little is built twice.
static DESK: LazyLock<Mutex<Desk>> = LazyLock::new(|| Mutex::new(Desk::new("clone")));

/// The tests that check the text and the house against the original code: an answer may change that code.
const OF_THE_TEXT: [&str; 4] = ["docs", "exercises", "house", "walks"];

impl Exercise {
    /// All exercises, by number.
    pub fn all() -> Vec<Exercise> {
        let names = support::names(&root().join("docs/exercises"));
        names.into_iter().filter_map(Exercise::of_folder).collect()
    }

    fn of_folder(name: String) -> Option<Exercise> {
        let number = name.split('-').next()?.parse().ok()?;
        let folder = format!("docs/exercises/{name}");
        let page = Document::read(&format!("{folder}/task.md"));
        Some(Exercise {
            number,
            folder,
            page,
        })
    }

    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// The wrong answers, then the official one.
    pub fn answers(&self) -> Vec<String> {
        let mut answers = self.wrong_answers();
        answers.push(self.file("solution.patch"));
        answers
    }

    pub fn wrong_answers(&self) -> Vec<String> {
        let names = support::names(&root().join(&self.folder)).into_iter();
        let wrong = names.filter(|name| name.starts_with("wrong-") && name.ends_with(".patch"));
        wrong.map(|name| self.file(&name)).collect()
    }

    /// The exercise's check: the page's first `cargo test` that fails.
    fn check(&self) -> String {
        let steps = console::steps(&self.page).into_iter();
        let mut tests = steps.filter(|step| step.command.starts_with("cargo test "));
        let check = tests.find(|step| {
            step.expected
                .iter()
                .any(|line| line.contains("; 1 failed;"))
        });
        check
            .unwrap_or_else(|| panic!("{}: no check", self.page.path))
            .command
    }

    /// What the check prints for a wrong answer: the patch's `Caught:` line, after its `Why:` line.
    fn caught(&self, answer: &str) -> String {
        let patch = fs::read_to_string(root().join(answer)).expect("a patch");
        let mut lines = patch.lines();
        let why = lines.next().and_then(|line| line.strip_prefix("Why: "));
        assert!(
            why.is_some_and(|why| !why.is_empty()),
            "{answer}: no Why: line"
        );
        let caught = lines.next().and_then(|line| line.strip_prefix("Caught: "));
        caught
            .unwrap_or_else(|| panic!("{answer}: no Caught: line"))
            .to_string()
    }
}

/// Types the page's commands, and tries the answers on the way.
pub fn prove(number: usize) {
    if !support::has("git", "apt-get install git") || !is_wanted() {
        return;
    }
    let exercises = Exercise::all();
    let exercise = exercises.iter().find(|exercise| exercise.number == number);
    let exercise = exercise.unwrap_or_else(|| panic!("there is no exercise {number}"));
    let desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
    desk.reset();
    let mut reader = Reader {
        exercise,
        desk: &desk,
        comet: None,
    };
    for step in console::steps(&exercise.page) {
        reader.takes(&step);
    }
    assert_eq!(
        desk.git(&["branch", "--show-current"]).trim(),
        "main",
        "the reader is back on main"
    );
    assert_eq!(
        desk.git(&["status", "--porcelain"]),
        "",
        "main has no changes"
    );
    let kept = desk.git(&["show", &format!("exercise-{number:02}:work-of-mine")]);
    assert_eq!(kept, "kept\n", "the reader's work is kept");
}

/// True if the exercises were asked for: they take minutes to build.
fn is_wanted() -> bool {
    let wanted = support::is_all_required();
    if !wanted {
        support::skip("the exercises run with COMET_REQUIRE=all (a minute each)");
    }
    wanted
}

/// A reader at work on an exercise.
struct Reader<'a> {
    exercise: &'a Exercise,
    desk: &'a Desk,
    /// The reader's server, if it runs, built from the current code.
    comet: Option<Comet>,
}

impl Reader<'_> {
    fn takes(&mut self, step: &Step) {
        if step.command == "docs/exercises/answer" {
            self.tries_wrong_answers();
            self.shell("echo kept >work-of-mine");
        }
        match step.command == "wait" || step.command.starts_with("curl ") {
            true => self.asks(step),
            false => self.types(step),
        }
        if step.command == "docs/exercises/answer" {
            self.has_the_answer();
        }
    }

    fn asks(&mut self, step: &Step) {
        let desk = self.desk;
        let comet = self
            .comet
            .get_or_insert_with(|| Comet::start(&desk.build_comet()));
        let output = comet.run(&step.command);
        self.compare(step, &output);
    }

    fn types(&mut self, step: &Step) {
        let output = self.desk.shell(&step.command);
        let is_check = step.command == self.exercise.check();
        let (place, said) = (self.place(step), said(&output));
        assert_ne!(
            output.status.success(),
            is_check,
            "{place}: {}\n{said}",
            output.status
        );
        if is_check {
            assert!(
                !said.contains("warning: "),
                "{place}: it compiles without warnings\n{said}"
            );
        }
        self.compare(step, &String::from_utf8_lossy(&output.stdout));
        if step.command.starts_with("docs/exercises/") {
            self.comet = None; // it was built from other code
        }
    }

    fn compare(&self, step: &Step, output: &str) {
        if let Some(how) = step.differs(output) {
            panic!("{}\n{how}", self.place(step));
        }
    }

    fn place(&self, step: &Step) -> String {
        format!(
            "{}:{}: {}",
            self.exercise.page.path, step.line, step.command
        )
    }

    fn tries_wrong_answers(&self) {
        for answer in self.exercise.wrong_answers() {
            let caught = self.exercise.caught(&answer);
            self.desk.git(&["apply", &answer]);
            let output = self.desk.shell(&self.exercise.check());
            let said = said(&output);
            assert!(!output.status.success(), "{answer} passes\n{said}");
            assert!(
                said.contains("test result: FAILED") && said.contains(&caught),
                "{answer}: not {caught:?} in\n{said}"
            );
            self.desk.git(&["reset", "--quiet", "--hard"]);
            self.desk.git(&["clean", "--quiet", "--force", "-d"]);
        }
    }

    /// Checks the official answer. The other tests run only if it changed more than tests.
    fn has_the_answer(&self) {
        let check = self.exercise.check();
        self.shell(&check);
        let changed = self.desk.git(&["diff", "--name-only", "main"]);
        let is_test = |file: &str| file.starts_with("tests/");
        self.shell("cargo fmt --check");
        match changed.lines().all(is_test) {
            true => self.shell(&clippy_instead(&check)),
            false => {
                self.shell("cargo clippy --all-targets -- -D warnings");
                self.shell(&everything(self.desk));
            }
        }
    }

    fn shell(&self, command: &str) {
        let output = self.desk.shell(command);
        assert!(
            output.status.success(),
            "{}: {command}\n{}",
            self.exercise.folder,
            said(&output)
        );
    }
}

/// Clippy for the file of a check, which is `cargo test --test NAME [TEST]`.
fn clippy_instead(check: &str) -> String {
    let test = check.split(' ').nth(3).expect("a file's name");
    format!("cargo clippy --test {test} -- -D warnings")
}

/// The command that runs every test except [`OF_THE_TEXT`].
fn everything(desk: &Desk) -> String {
    let names = support::names(&desk.folder.join("tests")).into_iter();
    let tests = names.filter_map(|name| name.strip_suffix(".rs").map(String::from));
    let tests = tests.filter(|name| !OF_THE_TEXT.contains(&name.as_str()));
    let tests: Vec<String> = tests.map(|name| format!("--test {name}")).collect();
    format!("cargo test --lib --bins {}", tests.join(" "))
}
