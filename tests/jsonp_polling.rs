//! JSONP polling, byte by byte. What it shares with long polling: see `polls.rs`.

mod support;

use serde_json::Value;
use support::{TestServer, chunk, json, post};

/// The JSON in the call of `f`.
fn answer(script: &str) -> Value {
    let inner = script.strip_prefix("/**/f(");
    let inner = inner.and_then(|rest| rest.strip_suffix(");"));
    json(inner.unwrap_or_else(|| panic!("not a call of f: {script:?}")))
}

#[test]
fn the_head_comes_at_once_and_the_call_with_the_first_event() {
    let server = TestServer::start();
    let mut client = server.get("/jsonp-polling?topic=chat&callback=comet.receive");
    let head = client.read_head();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: text/javascript; charset=utf-8",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "X-Content-Type-Options: nosniff",
        "Transfer-Encoding: chunked",
    ]);
    server.wait_held("jsonp_polling", 1);
    assert!(client.is_silent(), "held: no body before there is an event");

    let (id, at) = server.publish_at("chat", "안녕");
    let call = format!(
        "/**/comet.receive({{\"events\":[{{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\
         \"data\":{{\"text\":\"안녕\"}}}}],\"next\":{id},\"gap\":false}});"
    );
    client.expect(chunk(&call) + "0\r\n\r\n");
}

#[test]
fn an_event_cannot_become_code() {
    let server = TestServer::start();
    server.publish("chat", "</script><!--\u{2028}\u{2029}");
    let mut client = server.get("/jsonp-polling?callback=f&since=-1");
    let (_, body) = client.read_chunked_answer();
    let text = r#""data":{"text":"\u003c/script>\u003c!--\u2028\u2029"}"#;
    assert!(body.contains(text), "{body}");
    let same = &answer(&body)["events"][0]["data"]["text"];
    assert_eq!(
        same, "</script><!--\u{2028}\u{2029}",
        "and it still says the same"
    );
}

#[test]
fn a_callback_is_letters_digits_underscores_dots_and_dollars() {
    let server = TestServer::start();
    let last = server.publish("chat", "before");
    let longest = "a".repeat(64);
    let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz.0123456789";
    for callback in ["f", "$", "_.$9", all, longest.as_str()] {
        let mut client = server.get(&format!("/jsonp-polling?wait=0&callback={callback}"));
        let (_, body) = client.read_chunked_answer();
        assert_eq!(
            body,
            format!(r#"/**/{callback}({{"events":[],"next":{last},"gap":false}});"#)
        );
    }
}

#[test]
fn a_callback_that_could_be_other_code_is_refused() {
    let server = TestServer::start();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte);
    let others = (0..=255u8).filter(|byte| !fits(*byte));
    let mut targets: Vec<String> = others
        .map(|byte| format!("/jsonp-polling?wait=0&callback=a%{byte:02X}b"))
        .collect();
    targets.push("/jsonp-polling?wait=0".to_string());
    targets.push("/jsonp-polling?wait=0&callback=".to_string());
    targets.push(format!("/jsonp-polling?wait=0&callback={}", "a".repeat(65)));
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    server.assert_refused(
        &targets,
        "callback must be 1 to 64 letters, digits, _, . and $",
    );
}

#[test]
fn the_answer_to_a_wrong_callback_does_not_repeat_it() {
    let server = TestServer::start();
    let (_, body) = server.get("/jsonp-polling?callback=alert(1)").read_answer();
    assert!(!body.contains("alert"), "{body}");
}

#[test]
fn other_methods_than_get_are_refused() {
    let server = TestServer::start();
    let (head, _) = server
        .ask(&post("/jsonp-polling?callback=f", ""))
        .read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET"));
}
