//! Runs a real Chromium in a process of its own. The page reports over comet; the memory and CPU time of the
//! renderer, the process that runs the page's scripts, come from `/proc`.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::unistd::Pid;

use super::proc;

/// Its possible names.
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
    // The page is not visible, but its timers must run as if it were.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    // No renderers besides the page's.
    "--disable-features=SpareRendererForSitePerProcess,PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    // Exact heap sizes, and `gc()` for the page to call before it reads them.
    "--enable-precise-memory-info",
    "--js-flags=--expose-gc",
];

/// Runs the browser until standard input closes. However the lab ends, the browser ends too, and its
/// profile is removed. (Chromium's helpers end a little later, and may still write: hence the sleep.)
const KEEPER: &str = r#"
"$@" >/dev/null 2>&1 </dev/null &
read -r _
kill -KILL $!
wait $!
sleep 0.3
rm -rf "$PROFILE"
"#;

/// A running browser with one page. Dropping it ends the browser and removes its profile.
pub struct Browser {
    keeper: Child,
}

/// A process's memory and CPU time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub resident: u64,
    /// CPU time so far.
    pub cpu: Duration,
}

/// The path of Chromium, if it is installed.
pub fn find() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let mut places = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.find(|place| place.is_file())
}

impl Browser {
    /// Starts `program` with this page and an empty profile.
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
            .process_group(0) // Ctrl-C ends the lab; the keeper then ends the browser
            .spawn()?;
        Ok(Browser { keeper })
    }

    /// The process that runs the page: the renderer that started last. (The browser draws parts of itself
    /// with others.)
    pub fn renderer(&self) -> Option<Pid> {
        let family = proc::descendants(Pid::from_raw(self.keeper.id() as i32));
        let renderers = family.into_iter().filter(is_renderer);
        renderers.max_by_key(|process| proc::started(*process))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The memory and CPU time that a process uses; zero if it has ended.
pub fn usage(process: Pid) -> Usage {
    Usage {
        resident: proc::resident(process),
        cpu: proc::cpu(process),
    }
}

fn is_renderer(process: &Pid) -> bool {
    proc::command_line(*process).contains("--type=renderer")
}
