//! The real `comet.js` in a browser: behind a proxy that cuts its connections, and when its server restarts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use comet::hub::RING_EVENTS;
use fastrand::Rng;
use serde_json::json;
use socket2::SockRef;

use super::PUBLISHERS;
use super::browser::{Page, chromium};
use super::support::{TestServer, seeded, settings};
use super::wire::TECHNIQUES;

/// One Comet for each transport, with the list of what it received and the count of its lost connections. The
/// page's clock runs forty times as fast: the script waits a second before it reconnects, and 45 s before it gives
/// up a silent frame. A connection without a sign of life is given up after 1.5 s of real time.
const FOLLOW: &str = "(async () => {
    const {setTimeout} = window;
    window.setTimeout = (f, ms, ...rest) => setTimeout.call(window, f, ms / 40, ...rest);
    const {Comet} = await import('/comet.js');
    window.follow = (topic, since, names) => names.map((name) => {
        const follower = {name, told: [], lost: 0};
        const tell = (what) => { if (what === 'lost') follower.lost += 1; };
        const options = {transports: [name], silence: 60_000, tell};
        const comet = new Comet(`/?topic=${topic}&since=${since}`, options);
        comet.onmessage = ({data}) => follower.told.push(JSON.parse(data).id ?? data);
        follower.close = () => comet.close();
        return follower;
    });
})()";

#[test]
fn exactly_once_in_order_when_the_connection_is_cut_under_comet_js() {
    let Some(chromium) = chromium() else { return };
    seeded(|mut random| {
        let (server, proxy) = server_behind_proxy(&mut random);
        let page = chromium.open(&server, "polling.html");
        page.requests_may_fail();
        page.js(FOLLOW);
        // Four at a time: a browser opens at most six connections to one port.
        for (topic, four) in ["one", "two"].iter().zip(TECHNIQUES.chunks(4)) {
            let names = four.iter().map(|(name, _)| *name);
            follow_through_cuts(&server, &proxy, &page, topic, &names.collect::<Vec<_>>());
        }
        // The browser logs an incomplete head as an error, which is expected here.
        let troubles = page.troubles().into_iter();
        let troubles: Vec<_> = troubles
            .filter(|trouble| !trouble.starts_with("log: "))
            .collect();
        assert!(troubles.is_empty(), "{troubles:#?}");
    });
}

fn follow_through_cuts(
    server: &TestServer,
    proxy: &Proxy,
    page: &Page,
    topic: &str,
    names: &[&str],
) {
    let base = server.publish(topic, "the beginning");
    page.js(&format!(
        "void (window.followers = follow('{topic}', {base}, {names:?}))"
    ));
    let mut ids = publish_while(server, topic, || {
        proxy.cuts.store(true, Ordering::SeqCst);
        page.wait("followers.every(({lost}) => lost > 1)");
        proxy.cuts.store(false, Ordering::SeqCst);
    });
    let last = server.publish(topic, "the end");
    ids.push(last);
    page.wait(&format!(
        "followers.every(({{told}}) => told.at(-1) === {last})"
    ));
    for (n, name) in names.iter().enumerate() {
        assert_eq!(
            page.js(&format!("followers[{n}].told")),
            json!(ids),
            "{name}"
        );
    }
    page.js("followers.forEach((follower) => follower.close())");
}

#[test]
fn comet_js_reconnects_to_a_restarted_server_and_gets_the_gap() {
    let Some(chromium) = chromium() else { return };
    let mut server = TestServer::start();
    let page = chromium.open(&server, "polling.html");
    page.requests_may_fail();
    page.js(FOLLOW);
    for four in TECHNIQUES.chunks(4) {
        let base = server.publish("chat", "the beginning");
        let first = server.publish("chat", "before");
        let names: Vec<_> = four.iter().map(|(name, _)| *name).collect();
        page.js(&format!(
            "void (window.followers = follow('chat', {base}, {names:?}))"
        ));
        page.wait(&format!(
            "followers.every(({{told}}) => told.at(-1) === {first})"
        ));
        server.restart();
        let last = server.publish("chat", "after");
        page.wait(&format!(
            "followers.every(({{told}}) => told.at(-1) === {last})"
        ));
        let gap = json!({"gap": true, "next": last - 1}).to_string();
        for (n, name) in names.iter().enumerate() {
            let told = page.js(&format!("followers[{n}].told"));
            assert_eq!(told, json!([first, gap, last]), "{name}");
        }
        page.js("followers.forEach((follower) => follower.close())");
    }
}

#[test]
fn comet_js_loses_nothing_if_it_is_cut_before_its_first_message() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    for since in ["", "&since=-2"] {
        let page = chromium.open(&server, "polling.html");
        page.js(&CUT_AT_ONCE.replace("SINCE", since));
        page.wait("told.length >= 3");
        assert_eq!(page.js("told"), json!([1, 2, 3]), "{since}");
    }
}

/// A WebSocket is cut before its first message, and three events are published before it reconnects.
const CUT_AT_ONCE: &str = "(async () => {
    const sockets = [];
    const {WebSocket} = window;
    window.WebSocket = class extends WebSocket {
        constructor(...how) { super(...how); sockets.push(this); }
    };
    const {Comet} = await import('/comet.js');
    const topic = `quiet-${performance.timeOrigin.toFixed()}`;
    const comet = new Comet(`/?topic=${topic}SINCE`, {transports: ['websocket']});
    window.told = [];
    comet.onmessage = ({data}) => told.push(JSON.parse(data).data);
    await new Promise((opened) => { comet.onopen = opened; });
    const lost = new Promise((lost) => { comet.onchoice = lost; });
    sockets.at(-1).close();
    await lost; // it reconnects in a second
    for (const body of ['1', '2', '3']) await fetch(`/publish?topic=${topic}`, {method: 'POST', body});
})()";

/// Publishes from four threads while `doing` runs, but no more than the ring holds, so that nothing may be lost.
/// Returns the ids, in order.
fn publish_while(server: &TestServer, topic: &str, doing: impl FnOnce()) -> Vec<u64> {
    let done = AtomicBool::new(false);
    let publish = || {
        let share = (0..RING_EVENTS / PUBLISHERS - 1).take_while(|_| !done.load(Ordering::SeqCst));
        let publish = |_| {
            thread::sleep(Duration::from_millis(40)); // a pace that the page can follow
            server.publish(topic, "</script>홈런")
        };
        share.map(publish).collect::<Vec<u64>>()
    };
    let mut ids = thread::scope(|scope| {
        let publishers = [(); PUBLISHERS].map(|()| scope.spawn(publish));
        doing();
        done.store(true, Ordering::SeqCst);
        publishers
            .map(|publisher| publisher.join().expect("a publisher"))
            .concat()
    });
    ids.sort_unstable();
    ids
}

/// A server, and a proxy that a browser takes for it: it has the same port on another address of this machine.
fn server_behind_proxy(random: &mut Rng) -> (TestServer, Proxy) {
    let mut settings = settings();
    settings.listen = vec![SocketAddr::from(([127, 0, 0, 2], 0))];
    settings.limits.heartbeat = Duration::from_millis(100);
    loop {
        let mut server = TestServer::with(settings.clone());
        let behind = server.address;
        server.address.set_ip([127, 0, 0, 1].into());
        if let Ok(listener) = TcpListener::bind(server.address) {
            return (server, Proxy::start(listener, behind, random.fork()));
        }
    }
}

/// Forwards bytes. While `cuts` is true, it cuts each connection after some of them.
struct Proxy {
    listener: Arc<TcpListener>,
    cuts: Arc<AtomicBool>,
}

impl Proxy {
    fn start(listener: TcpListener, behind: SocketAddr, mut random: Rng) -> Proxy {
        let proxy = Proxy {
            listener: Arc::new(listener),
            cuts: Arc::default(),
        };
        let (listener, cuts) = (proxy.listener.clone(), proxy.cuts.clone());
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let Ok(server) = TcpStream::connect(behind) else {
                    return;
                };
                pass_on(client, server, cuts.clone(), random.fork());
            }
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
    }
}

fn pass_on(client: TcpStream, server: TcpStream, cuts: Arc<AtomicBool>, random: Rng) {
    let (client, server) = (Arc::new(client), Arc::new(server));
    let (from, to) = (client.clone(), server.clone());
    thread::spawn(move || {
        let _ = io::copy(&mut &*from, &mut &*to);
        let _ = to.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let end = pass_on_until_cut(&server, &client, &cuts, random);
        let _ = client.shutdown(end);
        let _ = server.shutdown(Shutdown::Both);
    });
}

/// Forwards the server's bytes. Returns how to shut down the client's connection: `Both` ends it properly; `Read`
/// ends only the other thread, and the close is then a reset.
fn pass_on_until_cut(
    mut server: &TcpStream,
    mut client: &TcpStream,
    cuts: &AtomicBool,
    mut random: Rng,
) -> Shutdown {
    let most = [400, 4_000, 20_000][random.usize(0..3)];
    let mut left = random.usize(0..most);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        let cutting = cuts.load(Ordering::SeqCst);
        let passed = if cutting { count.min(left) } else { count };
        left -= if cutting { passed } else { 0 };
        if client.write_all(&buffer[..passed]).is_err() {
            break;
        }
        if passed < count && random.bool() {
            let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
            return Shutdown::Read;
        }
        if passed < count {
            break;
        }
    }
    Shutdown::Both
}
