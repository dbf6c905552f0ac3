//! Flash's policy file, byte by byte.

mod support;

use std::time::Duration;

use support::{Client, TestServer, get};

const REQUEST: &str = "<policy-file-request/>\0";

fn policy(port: u16) -> String {
    format!(
        "<?xml version=\"1.0\"?><cross-domain-policy>\
         <allow-access-from domain=\"*\" to-ports=\"{port}\"/></cross-domain-policy>\0"
    )
}

#[test]
fn the_policy_names_the_port_that_was_asked_and_ends_the_connection() {
    let server = TestServer::start();
    for address in server.server().addresses.clone() {
        let mut client = Client::to(address);
        client.send(REQUEST);
        assert_eq!(client.read_to_end(), policy(address.port()));
    }
}

#[test]
fn the_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(REQUEST);
    assert_eq!(client.read_to_end(), policy(server.address.port()));
}

#[test]
fn a_request_without_its_nul_is_incomplete() {
    let server = TestServer::with_limits(|limits| limits.request = Duration::from_millis(50));
    let mut client = server.ask("<policy-file-request/>");
    assert_eq!(client.read_answer().0.status, 408);
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn anything_else_with_that_beginning_is_refused() {
    let server = TestServer::start();
    for request in ["<policy-file-request/>\r\n", "<policy>", "<!doctype html>"] {
        let mut client = server.ask(request);
        assert_eq!(client.read_answer().0.status, 400, "{request:?}");
        assert_eq!(client.read_to_end(), "");
    }
}

#[test]
fn it_is_answered_after_an_http_request_too() {
    let server = TestServer::start();
    let mut client = server.ask(&(get("/polling") + REQUEST));
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(client.read_to_end(), policy(server.address.port()));
}

#[test]
fn blank_lines_before_it_are_ignored() {
    let server = TestServer::start();
    let mut client = server.ask(&("\r\n\r\n".to_string() + REQUEST));
    assert_eq!(client.read_to_end(), policy(server.address.port()));
}
