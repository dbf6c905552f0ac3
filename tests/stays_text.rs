//! Published text stays text in every technique, also in those that answer with a script.

#[path = "support/browser.rs"]
#[allow(dead_code)] // this file uses some of it
mod browser;
mod support;

use browser::chromium;
use serde_json::{Value, json};
use support::{TestServer, post};

/// A published body, and the text that a reader must see.
const SAID: [(&str, &str); 5] = [
    (
        r#"{"nick":"a","text":"</script><script>document.title='harm'</script><!--"}"#,
        "</script><script>document.title='harm'</script><!--",
    ),
    (
        r#"{"nick":"<img src=x onerror=\"document.title='harm'\">","text":"the nickname, too"}"#,
        "the nickname, too",
    ),
    (
        "{\"nick\":\"a\",\"text\":\"line\u{2028}separator\u{2029}and paragraph\"}",
        "line\u{2028}separator\u{2029}and paragraph",
    ),
    (
        r#"{"nick":"a","text":"no prototype","__proto__":{"harm":true}}"#,
        "no prototype",
    ),
    // Half a surrogate pair can't be passed on as JSON: the whole body is taken as plain text.
    (
        r#"{"nick":"a","text":"half \ud800 a pair"}"#,
        r#"{"nick":"a","text":"half \ud800 a pair"}"#,
    ),
];

const PAGES: [&str; 9] = [
    "polling",
    "long_polling",
    "xhr_streaming",
    "forever_frame",
    "multipart_streaming",
    "jsonp_polling",
    "event_source",
    "websocket",
    "comet",
];

#[test]
fn published_text_is_the_same_by_every_technique() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let said = r#"{"__proto__":{"nick":"a"},"b":[{"c":1,"__proto__":2}],"d":"{\"__proto__\":3}"}"#;
    let (head, _) = server.ask(&post("/publish?topic=same", said)).read_answer();
    assert_eq!(head.status, 200);
    let page = chromium.open(&server, "polling.html");
    page.js("(async () => { window.comets = await import('/comet.js'); })()");
    let names = page.js("comets.TRANSPORTS.concat('event-source')");
    for name in names.as_array().expect("a list") {
        let data = page.js(&format!(
            "new Promise((told) => {{
                const comet = new comets.Comet('/?topic=same&since=-1', {{transports: [{name}]}});
                comet.onmessage = (e) => {{ comet.close(); told(JSON.stringify(JSON.parse(e.data).data)); }};
            }})"
        ));
        assert_eq!(data, json!(said), "{name}");
    }
}

#[test]
fn published_text_stays_text_in_every_technique() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    for (body, _) in SAID {
        let (head, _) = server.ask(&post("/publish", body)).read_answer();
        assert_eq!(head.status, 200, "{body}");
    }
    let shown = Value::from(SAID.map(|(_, text)| text).to_vec()).to_string();
    let page = chromium.empty(&server);
    for name in PAGES {
        page.go(&format!("{name}.html"));
        let texts = "JSON.stringify([...document.querySelectorAll('#chat-log .text')].map((text) => text.textContent))";
        page.wait(&format!("{texts} === JSON.stringify({shown})"));
        let harm = page.js("[document.title.includes('harm'), ({}).harm === true, \
             document.querySelectorAll('#chat-log :is(script, img)').length]");
        assert_eq!(harm, json!([false, false, 0]), "{name}");
    }
}
