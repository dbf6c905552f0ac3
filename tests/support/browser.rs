//! A real Chromium for the tests of the pages, and what a user does in it.
//!
//! All tests of a process share one browser; each page is a tab in its own context. When a page is
//! dropped, it fails its test if anything went wrong on it, or if it sent a request to any other server.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use headless_chrome::browser::tab::point::Point;
use headless_chrome::protocol::cdp::Emulation::SetDeviceMetricsOverride;
use headless_chrome::protocol::cdp::Emulation::{
    MediaFeature, SetEmulatedMedia, SetFocusEmulationEnabled,
};
use headless_chrome::protocol::cdp::Log::{LogEntry, LogEntryLevel, LogEntrySource};
use headless_chrome::protocol::cdp::Network;
use headless_chrome::protocol::cdp::Runtime::{
    ConsoleAPICalledEventTypeOption as Kind, RemoteObject,
};
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::{Browser, Tab};
use serde_json::{Value, json};

use crate::support::{PATIENCE, TestServer, has, wait_until};

/// Written to a page's console: when this event arrives, all earlier ones have.
const MARK: &str = "the test was here";

const FLAGS: [&str; 19] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--lang=en-US",
    "--hide-scrollbars",
    "--enable-blink-features=ComputedAccessibilityInfo", // element.computedName
    "--disable-gpu",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-quic",
    "--disable-sync",
    // A background tab must not be throttled: late timers, no painting.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
];

/// A shell script that kills the browser when the tests' process ends, even by a kill: `read` returns
/// when the pipe's other end closes. (A static is never dropped.) The browser's helper processes may
/// still write to the profile, so the script waits before it removes it.
const KEEPER: &str = r#"
"$@" >/dev/null 2>&1 &
read -r _
kill -KILL $!
wait $!
sleep 0.3
rm -rf "$PROFILE"
"#;

/// The browser of this process, started by the first test that needs it.
static CHROMIUM: LazyLock<Chromium> = LazyLock::new(Chromium::start);

pub struct Chromium {
    browser: Browser,
    /// Owns the write end of the pipe that the keeper reads.
    _keeper: Child,
}

/// The browser. `None`: it isn't installed, and the test skips.
pub fn chromium() -> Option<&'static Chromium> {
    has("chromium", "apt-get install chromium").then(|| &*CHROMIUM)
}

impl Chromium {
    fn start() -> Chromium {
        let folder = env!("CARGO_TARGET_TMPDIR");
        let profile = format!("{folder}/chromium-{}", std::process::id());
        fs::create_dir_all(&profile).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", "chromium"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={profile}"))
            .env("PROFILE", &profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C ends the tests; the keeper then ends the browser
            .spawn()
            .expect("sh starts");
        let address = debugging_address(&profile);
        let browser = Browser::connect_with_timeout(address, PATIENCE * 3);
        let chromium = Chromium {
            browser: browser.expect("Chromium accepts the connection"),
            _keeper: keeper,
        };
        chromium.keep_awake();
        chromium
    }

    /// The crate's reader sleeps for up to 100 ms between events, and delays what is sent meanwhile. A tab
    /// that ticks makes each call about ten times faster.
    fn keep_awake(&self) {
        let tab = self.browser.new_tab().expect("room for a tab");
        tab.enable_runtime().unwrap();
        tab.evaluate("setInterval(() => console.debug('tick'), 5)", false)
            .unwrap();
    }

    /// Opens a page in a new tab, which shares neither storage nor connections with another.
    pub fn open(&self, server: &TestServer, path: &str) -> Page {
        let page = self.empty(server);
        page.go(path);
        page
    }

    /// Opens an empty tab.
    pub fn empty(&self, server: &TestServer) -> Page {
        let context = self.browser.new_context().expect("room for a context");
        let tab = context.new_tab().expect("room for a tab");
        Page::new(tab, server)
    }
}

/// Reads Chromium's address from its profile, where Chromium writes it once it listens.
fn debugging_address(profile: &str) -> String {
    let mut told = String::new();
    wait_until("Chromium listens", || {
        told = fs::read_to_string(format!("{profile}/DevToolsActivePort")).unwrap_or_default();
        told.lines().count() == 2
    });
    let (port, path) = told.split_once('\n').expect("two lines");
    format!("ws://127.0.0.1:{port}{}", path.trim())
}

/// A tab. Selectors are CSS, expressions JavaScript.
pub struct Page {
    tab: Arc<Tab>,
    /// The server's origin, such as `http://127.0.0.1:8080`.
    pub origin: String,
    notes: Arc<Mutex<Notes>>,
    /// The path that `go` last went to.
    path: Mutex<String>,
}

/// What happened on a page.
#[derive(Default)]
struct Notes {
    /// The ports a page may send requests to: the server's and the desk's.
    ports: Vec<u16>,
    troubles: Vec<String>,
    /// The browser's messages about failed requests.
    losses: Vec<String>,
    /// True if the test expects failed requests: `losses` are then no trouble.
    losses_allowed: bool,
    /// How many of our marks have arrived.
    marks: usize,
}

impl Page {
    fn new(tab: Arc<Tab>, server: &TestServer) -> Page {
        let shared = &server.server().shared;
        let notes = Arc::new(Mutex::new(Notes {
            ports: [&shared.ports[..], shared.desk_port.as_slice()].concat(),
            ..Notes::default()
        }));
        let listener = notes.clone();
        let listen = move |event: &Event| lock(&listener).take(event);
        tab.add_event_listener(Arc::new(listen)).unwrap();
        tab.enable_runtime().unwrap();
        tab.enable_log().unwrap();
        tab.call_method(watch_network()).unwrap();
        tab.call_method(SetFocusEmulationEnabled { enabled: true })
            .unwrap();
        let page = Page {
            tab,
            origin: format!("http://{}", server.address),
            notes,
            path: Mutex::default(),
        };
        page.width(1280);
        page
    }

    /// Goes to a page and waits until its scripts have built it.
    pub fn go(&self, path: &str) {
        *lock(&self.path) = format!("/{path}");
        let address = format!("{}/{path}", self.origin);
        self.tab.navigate_to(&address).expect("an address");
        self.wait("document.querySelector('footer.site') && document.querySelector('#main > *')");
    }

    /// The value of an expression, awaited if it is a promise.
    pub fn js(&self, expression: &str) -> Value {
        let expression = format!("(async () => JSON.stringify(await ({expression})) ?? 'null')()");
        let answer = self.tab.evaluate(&expression, true);
        let answer =
            answer.unwrap_or_else(|error| panic!("{}: {error}: {expression}", self.name()));
        match &answer.value {
            Some(Value::String(json)) => serde_json::from_str(json).expect("JSON"),
            _ => panic!("{}: {:?}: {expression}", self.name(), answer.description),
        }
    }

    /// Waits, in the page itself, until an expression is true; returns its value.
    pub fn wait(&self, expression: &str) -> Value {
        let value = self.js(&format!(
            "new Promise((done) => {{
                const end = Date.now() + {};
                (async function look() {{
                    let value = null;
                    try {{ value = await ({expression}); }} catch {{}}
                    if (value || Date.now() > end) done(value || null);
                    else setTimeout(look, 20);
                }})();
            }})",
            PATIENCE.as_millis()
        ));
        assert!(!value.is_null(), "{}", self.in_vain(expression));
        value
    }

    fn in_vain(&self, expression: &str) -> String {
        let text = self.js(
            "[...document.querySelectorAll('#main > :not(.sources)')].map((part) => part.innerText)",
        );
        let mut notes = lock(&self.notes);
        notes.losses.truncate(5);
        let (name, told) = (self.name(), (&notes.troubles, &notes.losses));
        format!("{name}: waited in vain for: {expression}\ntrouble: {told:#?}\nthe page: {text}")
    }

    /// The visible text of the first element that matches.
    pub fn text(&self, selector: &str) -> String {
        let text = self.js(&format!("document.querySelector({selector:?})?.innerText"));
        text.as_str().unwrap_or_default().to_string()
    }

    /// One of the counts of the wire strip.
    pub fn count(&self, name: &str) -> u64 {
        let value = self.wait(&count(name));
        let value = value.as_str().expect("text");
        value
            .parse()
            .unwrap_or_else(|_| panic!("{}: {name} is {value}", self.name()))
    }

    /// Waits until a count of the wire strip is at least `least`.
    pub fn wait_count(&self, name: &str, least: u64) {
        self.wait(&format!("Number({}) >= {least}", count(name)));
    }

    /// Clicks the middle of an element.
    pub fn click(&self, selector: &str) {
        let middle = self.wait(&format!(
            "(() => {{
                const element = document.querySelector({selector:?});
                element.scrollIntoView({{block: 'center', behavior: 'instant'}});
                const box = element.getBoundingClientRect();
                const x = box.x + box.width / 2, y = box.y + box.height / 2;
                return element.contains(document.elementFromPoint(x, y)) && [x, y];
            }})()"
        ));
        let [x, y] = [0, 1].map(|axis| middle[axis].as_f64().expect("a number"));
        self.tab.click_point(Point { x, y }).expect("a mouse");
    }

    /// Presses a key, by its name in the UI Events standard.
    pub fn press(&self, key: &str) {
        self.tab.press_key(key).expect("a key");
    }

    /// Presses Tab until the focused element matches; returns the number of presses.
    pub fn tab_to(&self, selector: &str) -> usize {
        let there = format!("document.activeElement.matches({selector:?})");
        let presses = (1..60).find(|_| {
            self.press("Tab");
            self.js(&there) == true
        });
        presses.unwrap_or_else(|| panic!("{}: Tab does not reach {selector}", self.name()))
    }

    /// Types into the focused element, one key per character.
    pub fn type_keys(&self, text: &str) {
        self.tab.type_str(text).expect("keys");
    }

    /// Inserts text into the focused element at once, as a phone's keyboard does.
    pub fn write(&self, text: &str) {
        self.tab.send_character(text).expect("an input");
    }

    /// Focuses an element without the mouse: the layout may shift before a click.
    pub fn focus(&self, selector: &str) {
        self.wait(&format!(
            "(() => {{
                const element = document.querySelector({selector:?});
                element.focus();
                return document.activeElement === element;
            }})()"
        ));
    }

    /// Switches a checkbox with the keyboard.
    pub fn toggle(&self, selector: &str) {
        self.focus(selector);
        self.press(" ");
    }

    /// Replaces a field's text.
    pub fn enter(&self, selector: &str, text: &str) {
        self.focus(selector);
        self.js("document.activeElement.select()");
        self.write(text);
    }

    /// Sets the window's width, in pixels.
    pub fn width(&self, width: u32) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1.0, "mobile": false });
        let call: SetDeviceMetricsOverride = serde_json::from_value(size).expect("a size");
        self.tab.call_method(call).expect("a window");
    }

    /// Sets the system's colour scheme: `light` or `dark`.
    pub fn colour_scheme(&self, scheme: &str) {
        let name = "prefers-color-scheme".to_string();
        let value = scheme.to_string();
        let features = Some(vec![MediaFeature { name, value }]);
        let call = SetEmulatedMedia {
            media: None,
            features,
        };
        self.tab.call_method(call).expect("a colour scheme");
    }

    /// Sets the browser's preferred language.
    pub fn preferred_language(&self, language: &str) {
        let told = self.tab.set_user_agent("Mozilla/5.0", Some(language), None);
        told.expect("a language");
    }

    /// From here on, failed requests are no trouble.
    pub fn requests_may_fail(&self) {
        lock(&self.notes).losses_allowed = true;
    }

    /// Takes the troubles since the last call.
    pub fn troubles(&self) -> Vec<String> {
        self.catch_up();
        let mut notes = lock(&self.notes);
        let losses = std::mem::take(&mut notes.losses);
        let mut troubles = std::mem::take(&mut notes.troubles);
        if !notes.losses_allowed {
            troubles.extend(losses);
        }
        troubles
    }

    /// Waits for a mark. Events arrive in order, so all earlier ones have arrived, too.
    fn catch_up(&self) {
        let before = lock(&self.notes).marks;
        self.js(&format!("console.debug({MARK:?})"));
        wait_until("the mark on the console", || {
            lock(&self.notes).marks > before
        });
    }

    /// The path of the page, for messages.
    pub fn name(&self) -> String {
        lock(&self.path).clone()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        let troubles = if failing { Vec::new() } else { self.troubles() };
        let _ = self.tab.close_target();
        assert!(troubles.is_empty(), "{}: {troubles:#?}", self.name());
    }
}

impl Notes {
    fn take(&mut self, event: &Event) {
        match event {
            Event::RuntimeConsoleAPICalled(event) => {
                self.take_console(&event.params.Type, &event.params.args);
            }
            Event::RuntimeExceptionThrown(event) => {
                let details = &event.params.exception_details;
                let thrown = details.exception.as_ref();
                let thrown = thrown.and_then(|thrown| thrown.description.as_deref());
                self.troubles
                    .push(format!("{} {}", details.text, thrown.unwrap_or_default()));
            }
            Event::LogEntryAdded(event) => self.take_entry(&event.params.entry),
            Event::NetworkRequestWillBeSent(event) => self.take_request(&event.params.request.url),
            Event::NetworkWebSocketCreated(event) => self.take_request(&event.params.url),
            Event::PageJavascriptDialogOpening(event) => {
                self.troubles
                    .push(format!("a dialog: {}", event.params.message));
            }
            Event::InspectorTargetCrashed(_) => self.troubles.push("it crashed".to_string()),
            _ => {}
        }
    }

    fn take_console(&mut self, kind: &Kind, words: &[RemoteObject]) {
        let words = words
            .iter()
            .map(|word| word.value.clone().unwrap_or_default());
        let words: Vec<Value> = words.collect();
        match kind {
            Kind::Debug if words == [Value::from(MARK)] => self.marks += 1,
            Kind::Error | Kind::Warning | Kind::Assert => {
                self.troubles.push(format!("console: {words:?}"));
            }
            _ => {}
        }
    }

    fn take_entry(&mut self, entry: &LogEntry) {
        if matches!(entry.level, LogEntryLevel::Verbose | LogEntryLevel::Info) {
            return;
        }
        let url = entry.url.as_deref().unwrap_or_default();
        let told = format!("log: {} {url}", entry.text);
        // The browser reports a failed script as one of a wrong type: that is a failed request, too.
        let failed = entry.source == LogEntrySource::Network || told.contains("/broken?");
        match failed {
            true => self.losses.push(told),
            false => self.troubles.push(told),
        }
    }

    /// A request to anything but the page's own server is a trouble.
    fn take_request(&mut self, url: &str) {
        let authority = url.split('/').nth(2).unwrap_or_default();
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        let ours = matches!(host, "127.0.0.1" | "localhost" | "[::1]")
            && self.ports.iter().any(|ours| ours.to_string() == port);
        if !ours && !url.starts_with("data:") && url != "about:blank" {
            self.troubles.push(format!("a request to {url}"));
        }
    }
}

/// An expression: a count of the wire strip, unformatted.
fn count(name: &str) -> String {
    format!("document.querySelector('[data-count={name}]').dataset.value")
}

fn watch_network() -> Network::Enable {
    Network::Enable {
        max_total_buffer_size: None,
        max_resource_buffer_size: None,
        max_post_data_size: None,
        report_direct_socket_traffic: None,
        enable_durable_messages: None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
