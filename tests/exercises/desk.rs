//! Where exercises are done: a clone of this repository as it is now, with what is not committed, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::markdown::root;
use super::support;

/// A clone, in a folder of its own, that nobody else uses at the same time.
pub struct Desk {
    pub folder: PathBuf,
    /// Where what is built there goes.
    target: PathBuf,
}

impl Desk {
    /// What is there already is kept if it is the same: so little has to be built anew.
    pub fn new(name: &str) -> Desk {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exercises");
        let folder = place.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let _ = fs::remove_dir_all(folder.join(".git"));
        take_over(root(), &folder);
        let target = place.join("target");
        let desk = Desk { folder, target };
        desk.git(&["init", "--quiet", "--initial-branch", "main"]);
        desk.git(&["config", "user.name", "a reader"]);
        desk.git(&["config", "user.email", "reader@localhost"]);
        desk.git(&["add", "--all"]);
        desk.git(&["commit", "--quiet", "-m", "as it came"]);
        desk
    }

    /// On main again, with nothing of any exercise.
    pub fn reset(&self) {
        self.git(&["checkout", "--quiet", "--force", "main"]);
        self.git(&["reset", "--quiet", "--hard", ":/as it came"]);
        self.git(&["clean", "--quiet", "--force", "-d"]);
        let branches = self.git(&[
            "branch",
            "--list",
            "exercise-*",
            "--format=%(refname:short)",
        ]);
        for branch in branches.lines() {
            self.git(&["branch", "--quiet", "-D", branch]);
        }
    }

    /// A git command that succeeds, and what it printed.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        let output = self.run(git.args(arguments));
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a reader types into a shell.
    pub fn shell(&self, command: &str) -> Output {
        self.run(Command::new("sh").args(["-c", command]))
    }

    /// The server, as it is built from what is here now.
    pub fn build_comet(&self) -> PathBuf {
        let built = self.shell("cargo build");
        assert!(built.status.success(), "{}", said(&built));
        self.target.join("debug/comet")
    }

    /// Not with what cargo has told this test of the crate that *it* is of: that would build all anew.
    fn run(&self, command: &mut Command) -> Output {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "GIT_"];
            if ours.iter().any(|start| name.starts_with(start)) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_TERM_COLOR", "never")
            .env_remove("RUST_BACKTRACE")
            .env_remove("UPDATE_DOCS")
            .env_remove("COMET_REQUIRE") // that is asked of this test, and a reader asks it of nobody
            .output()
            .expect("it can be run")
    }
}

/// Both of its outputs.
pub fn said(output: &Output) -> String {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{stdout}\n{stderr}")
}

/// Makes `to` what `from` is, but for what git and cargo keep there. A file that is the same is left
/// alone: cargo goes by its time.
fn take_over(from: &Path, to: &Path) {
    let names = |folder| {
        let mut names = support::names(folder);
        names.retain(|name| name != "target" && name != ".git");
        names
    };
    let theirs = names(from);
    for name in names(to).iter().filter(|name| !theirs.contains(name)) {
        remove(&to.join(name));
    }
    for name in theirs {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            fs::create_dir_all(&to).expect("a folder");
            take_over(&from, &to);
        } else if fs::read(&from).ok() != fs::read(&to).ok() {
            fs::copy(&from, &to).expect("a copy");
        }
    }
}

fn remove(path: &Path) {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    removed.expect("it can be removed");
}
