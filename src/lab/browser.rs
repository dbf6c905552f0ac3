//! A real Chromium in a process of its own, seen from outside: the page in it reports over comet, and
//! `/proc` tells what its renderer, the process that runs the page's scripts, uses.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use procfs::process::{Process, all_processes};

/// The names that it goes by.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

const FLAGS: [&str; 16] = [
    "--headless=new",
    "--no-sandbox", // only our own pages are opened, and root has no sandbox
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    // Nobody looks at the page, but its timers shall run as if somebody did.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    // No renderer but the page's.
    "--disable-features=SpareRendererForSitePerProcess,PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    // What scripts use is told to the byte, and a page can have it cleared away before it asks.
    "--enable-precise-memory-info",
    "--js-flags=--expose-gc",
];

/// Runs the browser for as long as somebody holds the other end of its standard input: however the lab
/// ends, the browser ends, and nothing of it stays on disk. (Its helpers follow it, and may write a last
/// time.)
const KEEPER: &str = r#"
"$@" >/dev/null 2>&1 </dev/null &
read -r _
kill -KILL $!
wait $!
sleep 0.3
rm -rf "$PROFILE"
"#;

/// A running browser with one page. Dropping it ends it, and removes what it kept on disk.
pub struct Browser {
    keeper: Child,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Processor time until now.
    pub cpu: Duration,
}

/// Where Chromium is, if it is on this machine.
pub fn find() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let mut places = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.find(|place| place.is_file())
}

impl Browser {
    /// Starts `program` with a page, in a profile of its own.
    pub fn open(program: &PathBuf, url: &str) -> io::Result<Browser> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("comet-lab-{}-{number}", std::process::id());
        let profile = std::env::temp_dir().join(name);
        fs::create_dir_all(&profile)?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .env("PROFILE", &profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C is for the lab; the keeper sees to the browser then
            .spawn()?;
        Ok(Browser { keeper })
    }

    /// The process that runs the page: of the browser's renderers the one that was started last, if there
    /// are several. (The browser draws parts of itself with others.)
    pub fn renderer(&self) -> Option<Process> {
        let family = descendants(self.keeper.id() as i32);
        let renderers = family.into_iter().filter(is_renderer);
        renderers.max_by_key(|process| process.stat().map_or(0, |stat| stat.starttime))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// What `process` uses; nothing, if it is gone.
pub fn usage(process: &Process) -> Usage {
    let pages = process.statm().map_or(0, |statm| statm.resident);
    let ticks = process.stat().map_or(0, |stat| stat.utime + stat.stime);
    Usage {
        resident: pages * procfs::page_size(),
        cpu: Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64),
    }
}

fn is_renderer(process: &Process) -> bool {
    let arguments = process.cmdline().unwrap_or_default();
    // A process that renames itself, as Chromium's do, has all its arguments in one.
    arguments
        .iter()
        .any(|argument| argument.contains("--type=renderer"))
}

/// All processes that `ancestor` has begotten, children's children included.
fn descendants(ancestor: i32) -> Vec<Process> {
    let all = all_processes().into_iter().flatten().flatten();
    let all = all.filter_map(|process| Some((process.stat().ok()?.ppid, process)));
    let mut others: Vec<(i32, Process)> = all.collect();
    let mut family = vec![ancestor];
    let mut found = Vec::new();
    loop {
        let (children, rest): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|(parent, _)| family.contains(parent));
        if children.is_empty() {
            return found;
        }
        family.extend(children.iter().map(|(_, process)| process.pid()));
        found.extend(children.into_iter().map(|(_, process)| process));
        others = rest;
    }
}
