//! The clone that exercises are done in: this repository as it is now, uncommitted changes included.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::markdown::root;
use super::support;

/// A clone in its own folder, for one exercise at a time.
pub struct Desk {
    pub folder: PathBuf,
    /// Cargo's target folder for the clone.
    target: PathBuf,
}

impl Desk {
    /// Unchanged files from an earlier run stay, so that little is rebuilt.
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

    /// Goes back to `main` and removes every trace of an exercise.
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

    /// Runs a git command, which must succeed; returns its output.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        let output = self.run(git.args(arguments));
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command in a shell, as a reader does.
    pub fn shell(&self, command: &str) -> Output {
        self.run(Command::new("sh").args(["-c", command]))
    }

    /// Builds the server from the clone's files; returns its path.
    pub fn build_comet(&self) -> PathBuf {
        let built = self.shell("cargo build");
        assert!(built.status.success(), "{}", said(&built));
        self.target.join("debug/comet")
    }

    /// Removes the variables that cargo set for this test's own crate: they would cause a full rebuild.
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
            .env_remove("COMET_REQUIRE") // meant for this test; a reader doesn't set it
            .output()
            .expect("the command starts")
    }
}

/// Standard output and standard error.
pub fn said(output: &Output) -> String {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{stdout}\n{stderr}")
}

/// Makes `to` equal to `from`, except for git's and cargo's folders. Unchanged files aren't touched: cargo
/// rebuilds by their time.
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
    removed.expect("the old file can be removed");
}
