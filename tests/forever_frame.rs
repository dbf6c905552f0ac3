//! The forever frame, byte by byte. What it shares with the other streams: see `streams.rs`.

mod support;

use support::{Client, Head, TestServer, chunk};

/// One line of the document: a script that makes this call and then removes itself.
fn script(nonce: &str, call: &str) -> String {
    format!("<script nonce=\"{nonce}\">{call};document.currentScript.remove()</script>\n")
}

/// The document's beginning.
fn beginning(nonce: &str) -> String {
    let document = "<!doctype html><meta charset=\"utf-8\"><title>forever frame</title>\n";
    document.to_string() + &script(nonce, "parent.comet.heartbeat?.()")
}

/// The nonce in the answer's policy, which must allow nothing else.
fn nonce(head: &Head) -> String {
    let policy = head.header("Content-Security-Policy").expect("a policy");
    let nonce = policy.strip_prefix("default-src 'none'; script-src 'nonce-");
    let nonce = nonce.and_then(|rest| rest.strip_suffix("'; frame-ancestors 'self'"));
    nonce.unwrap_or_else(|| panic!("{policy}")).to_string()
}

/// A frame after its beginning, and its nonce.
fn frame(server: &TestServer, target: &str) -> (Client, String) {
    let mut client = server.get(target);
    let head = client.read_head();
    assert_eq!(head.status, 200, "{target}");
    let nonce = nonce(&head);
    client.expect(chunk(&beginning(&nonce)));
    (client, nonce)
}

#[test]
fn the_nonce_is_hard_to_guess_and_differs_in_each_answer() {
    let server = TestServer::start();
    let (_, one) = frame(&server, "/forever-frame");
    let (_, other) = frame(&server, "/forever-frame");
    assert_ne!(one, other);
    for nonce in [one, other] {
        assert!(nonce.len() >= 16, "{nonce}");
        assert!(
            nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{nonce}"
        );
    }
}

#[test]
fn each_event_is_a_script_sent_as_one_chunk() {
    let server = TestServer::start();
    let (mut client, nonce) = frame(&server, "/forever-frame");
    for text in ["hello", "안녕"] {
        let (id, at) = server.publish_at("chat", text);
        client.expect(chunk(&format!(
            "<script nonce=\"{nonce}\">parent.comet.receive({{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\
             \"data\":{{\"text\":\"{text}\"}}}});document.currentScript.remove()</script>\n"
        )));
    }
}

#[test]
fn an_event_cannot_become_code() {
    let server = TestServer::start();
    let (mut client, nonce) = frame(&server, "/forever-frame");
    let (id, at) = server.publish_at("chat", "</script><!--\u{2028}\u{2029}");
    let event = format!(
        r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"\u003c/script>\u003c!--\u2028\u2029"}}}}"#
    );
    client.expect(chunk(&script(
        &nonce,
        &format!("parent.comet.receive({event})"),
    )));
}

#[test]
fn name_chooses_the_object_that_is_called() {
    let server = TestServer::start();
    for name in ["A_z09", "abcdefghijklmnopqrstuvwxyz_01234"] {
        let mut client = server.get(&format!("/forever-frame?since=1&name={name}"));
        let nonce = nonce(&client.read_head());
        let beat = script(&nonce, &format!("parent.{name}.heartbeat?.()"));
        assert!(client.read_chunk().ends_with(&beat));
        let call = format!("parent.{name}.receive({{\"gap\":true,");
        assert!(client.read_chunk().contains(&call));
    }
}

#[test]
fn a_name_that_could_be_code_is_refused() {
    let server = TestServer::start();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let others = (0..=255u8).filter(|byte| !fits(*byte));
    let mut targets: Vec<String> = others
        .map(|byte| format!("/forever-frame?name=a%{byte:02X}b"))
        .collect();
    targets.push("/forever-frame?name=".to_string());
    targets.push(format!("/forever-frame?name={}", "a".repeat(33)));
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    server.assert_refused(&targets, "name must be 1 to 32 letters, digits and _");
}
