//! The site as it is served, and whether its files agree with each other and with the server.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use comet::routes::ROUTES;
use serde_json::{Value, json};
use support::{Client, Head, TestServer, get, settings};

const TECHNIQUES: usize = 8;

/// The text of a file of this project.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file()
}

/// The files in `www/` and its folders that end with `end`, such as `techniques/polling.js`.
fn files(end: &str) -> Vec<String> {
    let folders = ["", "techniques/", "page/", "growth/", "desk/"];
    let names = folders.iter().flat_map(|folder| files_in(folder));
    names.filter(|name| name.ends_with(end)).collect()
}

fn files_in(folder: &str) -> Vec<String> {
    let www = Path::new(env!("CARGO_MANIFEST_DIR")).join("www");
    let entries = fs::read_dir(www.join(folder)).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().is_file());
    files
        .map(|entry| format!("{folder}{}", entry.file_name().into_string().unwrap()))
        .collect()
}

/// The names and texts of the files in `www/` that end with `end`.
fn texts(end: &str) -> Vec<(String, String)> {
    let files = files(end).into_iter();
    files
        .map(|name| (name.clone(), read(&format!("www/{name}"))))
        .collect()
}

/// The names of the techniques, in the article's order.
fn techniques() -> Vec<&'static str> {
    ROUTES[..TECHNIQUES]
        .iter()
        .map(|route| route.name)
        .collect()
}

/// The texts between each `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: char) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts
        .filter_map(|part| part.split_once(end))
        .map(|(inside, _)| inside)
        .collect()
}

/// Sends a request on a connection that stays open: a body that is too long or too short would be noticed.
fn ask(client: &mut Client, target: &str, headers: &str) -> (Head, String) {
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    ));
    client.read_answer()
}

fn header<'a>(head: &'a Head, name: &str) -> &'a str {
    head.header(name)
        .unwrap_or_else(|| panic!("no {name} in {}", head.text))
}

// What the server sends.

#[test]
fn the_root_is_the_first_page() {
    let server = TestServer::start();
    let mut client = server.connect();
    let (head, root) = ask(&mut client, "/", "");
    assert_eq!(head.status, 200);
    assert_eq!(root, read("www/index.html"));
    let (_, by_name) = ask(&mut client, "/index.html", "");
    assert_eq!(root, by_name);
    let (head, with_query) = ask(&mut client, "/?from=elsewhere", "");
    assert_eq!((head.status, with_query), (200, root));
}

/// Readers, chapters and other sites link to these.
#[test]
fn the_pages_and_comet_js_have_their_urls_at_the_root() {
    let server = TestServer::start();
    let mut client = server.connect();
    let pages = files(".html").into_iter();
    let pages = pages.filter(|name| name != "desk/desk.html");
    for file in pages.chain(["techniques/comet.js".to_string()]) {
        let name = file.rsplit('/').next().unwrap();
        let (head, body) = ask(&mut client, &format!("/{name}"), "");
        assert_eq!(
            (head.status, body),
            (200, read(&format!("www/{file}"))),
            "{name}"
        );
    }
}

#[test]
fn every_file_comes_unchanged_with_its_content_type() {
    let server = TestServer::start();
    let mut client = server.connect();
    for name in files("")
        .into_iter()
        .filter(|name| name != "desk/desk.html")
    {
        let (head, body) = ask(&mut client, &format!("/{name}"), "");
        assert_eq!(
            (head.status, &body),
            (200, &read(&format!("www/{name}"))),
            "{name}"
        );
        let (_, end) = name.rsplit_once('.').expect("a kind of file");
        let kind = match end {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "json" => "application/json",
            "svg" => "image/svg+xml",
            other => panic!("{name}: unknown ending {other}"),
        };
        assert_eq!(head.header("Content-Type"), Some(kind), "{name}");
        assert_eq!(
            head.header("X-Content-Type-Options"),
            Some("nosniff"),
            "{name}"
        );
    }
}

#[test]
fn a_missing_page_is_a_404_in_json_that_says_where_to_begin() {
    let server = TestServer::start();
    let mut client = server.connect();
    let outside = [
        "/nothing",
        "/Index.html",
        "/index.html/",
        "/www/index.html",
        "/techniques",
        "/techniques/",
        "/techniques/techniques/polling.html",
        "/.",
        "/..",
        "/../Cargo.toml",
        "/../www/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "/..\\Cargo.toml",
        "/etc/passwd",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/index.html%00",
        "/sources/lib.rs",
    ];
    for path in outside {
        let (head, body) = ask(&mut client, path, "");
        assert_eq!(head.status, 404, "{path}: {body}");
        assert_eq!(
            head.header("Content-Type"),
            Some("application/json"),
            "{path}"
        );
        let error = support::json(&body)["error"].to_string();
        assert!(
            error.contains(path) || path.contains('\\'),
            "{path}: {error}"
        );
        assert!(error.contains("begin at /"), "{path}: {error}");
    }
}

#[test]
fn a_browser_that_has_this_version_gets_304() {
    let server = TestServer::start();
    let mut client = server.connect();
    for path in [
        "/",
        "/page/page.css",
        "/techniques/polling.js",
        "/source/lib.rs",
    ] {
        let (head, _) = ask(&mut client, path, "");
        let version = header(&head, "ETag").to_string();
        assert_eq!(head.header("Cache-Control"), Some("no-cache"), "{path}");
        let others = format!("\"another\", W/{version}");
        for known in [version.as_str(), &others, "*"] {
            client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {known}\r\n\r\n"
            ));
            let head = client.read_head();
            assert_eq!(head.status, 304, "{path}: {known}");
            assert_eq!(head.header("ETag"), Some(&*version), "{path}");
        }
        for another in ["\"another\"", "\"one,*,tag\""] {
            let (head, body) = ask(&mut client, path, &format!("If-None-Match: {another}\r\n"));
            assert_eq!(head.status, 200, "{path}: no body came with the 304");
            assert!(!body.is_empty(), "{path}");
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    let server = TestServer::start();
    let mut client = server.connect();
    for path in [
        "/",
        "/page/page.css",
        "/source/lib.rs",
        "/ports",
        "/nothing",
    ] {
        let (got, body) = ask(&mut client, path, "");
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = client.read_head();
        assert_eq!(head.status, got.status, "{path}");
        let length = body.len().to_string();
        assert_eq!(head.header("Content-Length"), Some(&*length), "{path}");
        for name in ["Content-Type", "ETag", "Content-Security-Policy"] {
            assert_eq!(head.header(name), got.header(name), "{path}");
        }
    }
}

#[test]
fn the_site_is_read_only() {
    let server = TestServer::start();
    for target in ["/", "/page/page.css", "/source/lib.rs", "/ports", "/weigh"] {
        let (head, _) = server.ask(&support::post(target, "")).read_answer();
        assert_eq!(head.status, 405, "{target}");
        assert_eq!(head.header("Allow"), Some("GET, HEAD"), "{target}");
    }
}

#[test]
fn every_page_has_the_policy_that_keeps_it_to_its_own_server() {
    let mut settings = settings();
    settings.allow_origins = vec!["http://comet.example".to_string()];
    let server = TestServer::with(settings);
    let ports = &server.server().shared.ports;
    let [one, other] = [ports[0], ports[1]];
    for host in ["127.0.0.1", "localhost", "[::1]", "comet.example"] {
        for page in files(".html")
            .into_iter()
            .filter(|name| name != "desk/desk.html")
        {
            let mut client = server.ask(&format!(
                "GET /{page} HTTP/1.1\r\nHost: {host}:{one}\r\n\r\n"
            ));
            let (head, _) = client.read_answer();
            let policy = header(&head, "Content-Security-Policy");
            let directives: BTreeSet<&str> = policy.split(';').map(str::trim).collect();
            let (mut connect, mut script) = (
                "connect-src 'self'".to_string(),
                "script-src 'self'".to_string(),
            );
            // A policy can't name an IPv6 address: such a page may use only its own port.
            let named = if host == "[::1]" { vec![] } else { vec![host] };
            for host in &named {
                let http = format!(" http://{host}:{one} http://{host}:{other}");
                connect += &http;
                script += &http;
            }
            for port in [one, other] {
                for host in named.iter().chain(&["localhost"]) {
                    connect += &format!(" ws://{host}:{port}");
                }
            }
            let expected = BTreeSet::from([
                "default-src 'self'",
                &connect,
                &script,
                "img-src 'self' data:",
                "frame-ancestors 'self'",
                "base-uri 'none'",
                "form-action 'self'",
                "object-src 'none'",
            ]);
            assert_eq!(directives, expected, "{page} at {host}");
        }
    }
}

#[test]
fn sources_come_unchanged_as_plain_text() {
    let server = TestServer::start();
    let mut client = server.connect();
    let modules = ROUTES.iter().map(|route| route.source);
    for module in modules.chain(["main.rs", "lib.rs", "server.rs", "techniques/mod.rs"]) {
        let (head, body) = ask(&mut client, &format!("/source/{module}"), "");
        assert_eq!(head.status, 200, "{module}");
        assert_eq!(header(&head, "Content-Type"), "text/plain; charset=utf-8");
        assert_eq!(body, read(&format!("src/{module}")), "{module}");
    }
}

#[test]
fn no_file_outside_src_is_served_as_a_source() {
    let server = TestServer::start();
    let mut client = server.connect();
    let outside = [
        "/source/",
        "/source/nothing.rs",
        "/source/techniques",
        "/source/techniques/",
        "/source/../Cargo.toml",
        "/source/../src/../Cargo.toml",
        "/source/techniques/../../Cargo.toml",
        "/source/%2e%2e/Cargo.toml",
        "/source/..%2fCargo.toml",
        "/source/..%5cCargo.toml",
        "/source/%2e%2e%2fCargo.toml",
        "/source//etc/passwd",
        "/source/%2fetc%2fpasswd",
        "/source//proc/self/environ",
        "/source/lib.rs%00",
        "/source/lib.rs/",
        "/source/LIB.RS",
    ];
    for path in outside {
        let (head, body) = ask(&mut client, path, "");
        assert_eq!(head.status, 404, "{path}: {body}");
        assert!(support::json(&body)["error"].is_string(), "{path}");
    }
    let mut absolute =
        server.ask("GET http://localhost/source/../Cargo.toml HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(absolute.read_answer().0.status, 404);
}

#[test]
fn ports_lists_the_public_ports_in_order() {
    let server = TestServer::start();
    let (head, body) = server.get("/ports").read_answer();
    assert_eq!(header(&head, "Content-Type"), "application/json");
    assert_eq!(header(&head, "Cache-Control"), "no-store, no-transform");
    let addresses = server.server().addresses.iter();
    let ports: Vec<u16> = addresses.map(|address| address.port()).collect();
    assert_eq!(
        support::json(&body),
        json!({ "ports": ports, "desk": null })
    );
}

#[test]
fn weigh_answers_with_the_exact_length_of_the_head() {
    let server = TestServer::start();
    let mut client = server.connect();
    for more in ["", "X: y\r\n", "Cookie: a=b; c=d\r\nAccept: */*\r\n"] {
        let request = format!("GET /weigh?n=1 HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
        client.send(&request);
        let (head, body) = client.read_answer();
        assert_eq!(header(&head, "Cache-Control"), "no-store, no-transform");
        assert_eq!(support::json(&body), json!({ "bytes": request.len() }));
    }
    client.send_split(get("/weigh"));
    let (_, body) = client.read_answer();
    assert_eq!(
        support::json(&body),
        json!({ "bytes": get("/weigh").len() })
    );
}

#[test]
fn the_desks_page_is_at_the_desk_for_this_machine_only() {
    let mut settings = settings();
    settings.desk = Some("127.0.0.1:0".parse().unwrap());
    let server = TestServer::with(settings);
    let desk = format!(
        "http://localhost:{}/",
        server.server().shared.desk_port.unwrap()
    );
    for (host, status) in [
        ("localhost", 302),
        ("127.0.0.1:1", 302),
        ("[::1]", 302),
        ("192.0.2.1", 404),
    ] {
        for page in ["/desk.html", "/desk/desk.html"] {
            let request = format!("GET {page} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let (head, body) = server.ask(&request).read_answer();
            assert_eq!(head.status, status, "{host}");
            let led = head.header("Location") == Some(&desk) || body.contains(&desk);
            assert!(led, "{host} is told where it is: {body}");
        }
    }
    let deskless = TestServer::start();
    let (head, body) = deskless.get("/desk.html").read_answer();
    assert_eq!(head.status, 404);
    assert!(
        support::json(&body)["error"]
            .to_string()
            .contains("no desk")
    );
}

// The files.

#[test]
fn each_technique_has_its_page_script_module_and_test() {
    for (name, route) in techniques().into_iter().zip(&ROUTES) {
        assert_eq!(route.path, format!("/{}", name.replace('_', "-")));
        assert_eq!(route.source, format!("techniques/{name}.rs"));
        let page = read(&format!("www/techniques/{name}.html"));
        assert!(
            page.contains(&format!(r#"<body data-technique="{name}">"#)),
            "{name}"
        );
        assert!(
            page.contains(r#"<script type="module" src="/page/technique_page.js">"#),
            "{name}"
        );
        for file in [
            format!("www/techniques/{name}.js"),
            format!("src/techniques/{name}.rs"),
            format!("tests/{name}.rs"),
        ] {
            assert!(exists(&file), "{name} has no {file}");
        }
    }
}

#[test]
fn the_client_lists_the_techniques_that_the_server_has() {
    let list = read("www/page/techniques.js");
    let listed = between(&list, "{name: '", '\'');
    assert_eq!(listed, techniques(), "the same, in the same order");
    let paths = between(&list, "path: '", '\'');
    let routes: Vec<&str> = ROUTES[..TECHNIQUES]
        .iter()
        .map(|route| route.path)
        .collect();
    assert_eq!(paths, routes);
}

#[test]
fn every_page_begins_as_a_page_should() {
    for (name, page) in texts(".html") {
        assert!(
            page.starts_with("<!doctype html>\n<html lang=\"en\">\n"),
            "{name}"
        );
        for part in [
            r#"<meta charset="utf-8">"#,
            r#"<meta name="viewport" content="width=device-width, initial-scale=1">"#,
            r#"<link rel="icon" href="/favicon.svg" type="image/svg+xml">"#,
            r#"<main id="main" tabindex="-1">"#,
            "<title data-say=",
            "<noscript>",
        ] {
            assert!(page.contains(part), "{name} has no {part}");
        }
        let noscript = page
            .split("<noscript>")
            .nth(1)
            .and_then(|rest| rest.split("</noscript>").next());
        assert!(noscript.is_some_and(has_hangul), "{name} has no Korean");
    }
}

#[test]
fn no_page_has_script_or_style_of_its_own() {
    for (name, page) in texts(".html") {
        for script in between(&page, "<script", '<') {
            assert!(
                script.contains(" src=\"") && script.ends_with('>'),
                "{name}: <script{script}"
            );
        }
        for forbidden in [
            "<style",
            " style=",
            "javascript:",
            "<base",
            "<meta http-equiv",
        ] {
            assert!(!page.contains(forbidden), "{name} has {forbidden}");
        }
        for attribute in page
            .split([' ', '\n'])
            .filter_map(|word| word.split_once('='))
        {
            let (attribute, _) = attribute;
            assert!(!attribute.starts_with("on"), "{name} has {attribute}=");
        }
    }
}

#[test]
fn no_file_names_another_host() {
    for (name, text) in texts("") {
        for scheme in ["http://", "https://", "ws://", "wss://"] {
            for rest in text.split(scheme).skip(1) {
                let host = rest
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                    .next();
                let known = matches!(host, Some("" | "." | "localhost" | "127.0.0.1"))
                    || rest.starts_with("www.w3.org/2000/svg");
                let start: String = rest.chars().take(40).collect();
                assert!(known, "{name}: {scheme}{start}");
            }
        }
        for reference in ["src=\"//", "href=\"//", "url(//", "'//", "@import"] {
            assert!(!text.contains(reference), "{name}: {reference}");
        }
    }
}

#[test]
fn every_file_that_is_named_exists() {
    for (name, page) in texts(".html") {
        for file in between(&page, "src=\"", '"')
            .iter()
            .chain(&between(&page, "href=\"", '"'))
        {
            assert!(exists(&format!("www{file}")), "{name} names {file}");
        }
    }
    for (name, script) in texts(".js") {
        let (folder, _) = name.rsplit_once('/').expect("every script is in a folder");
        for import in between(&script, " from '", '\'') {
            let file = format!("www/{folder}/{import}");
            assert!(
                import.starts_with('.') && exists(&file),
                "{name} imports {import}"
            );
        }
    }
    for (name, style) in texts(".css") {
        assert!(!style.contains("url("), "{name} needs another file");
    }
}

// The pages' texts.

/// Strings that are the same in both languages: units, numbers, names.
const SAME: [&str; 6] = [
    "unit.bytes",
    "unit.kilobytes",
    "unit.megabytes",
    "unit.ms",
    "wire.share",
    "event_source.title",
];

fn strings() -> serde_json::Map<String, Value> {
    match support::json(&read("www/page/strings.json")) {
        Value::Object(strings) => strings,
        other => panic!("not a table: {other}"),
    }
}

fn has_hangul(text: &str) -> bool {
    text.chars().any(|c| ('\u{ac00}'..='\u{d7a3}').contains(&c))
}

/// The `{names}` in a string, which a script replaces.
fn placeholders(text: &str) -> BTreeSet<&str> {
    between(text, "{", '}').into_iter().collect()
}

/// All keys that scripts compute from a name and a suffix.
fn computed_keys() -> BTreeSet<String> {
    let names = techniques().into_iter().chain(["comet"]);
    let parts = ["title", "lead", "what", "try"];
    let keys = names.flat_map(|name| parts.map(|part| format!("{name}.{part}")));
    keys.chain(["topic.baseball".to_string(), "topic.chat".to_string()])
        .collect()
}

/// The keys that pages and scripts use literally, with the file's name.
fn literal_keys() -> Vec<(String, String)> {
    let mut keys = Vec::new();
    for (name, text) in texts(".html").into_iter().chain(texts(".js")) {
        for attribute in [
            "data-say",
            "data-say-label",
            "data-say-placeholder",
            "data-say-title",
        ] {
            for (start, end) in [("=\"", '"'), ("': '", '\'')] {
                let found = between(&text, &format!("{attribute}{start}"), end);
                keys.extend(found.into_iter().map(|key| (name.clone(), key.to_string())));
            }
        }
        for start in ["say('", ": 'desk.", ": 'strain."] {
            let prefix = start.trim_start_matches("say('").trim_start_matches(": '");
            let said = between(&text, start, '\'').into_iter();
            keys.extend(said.map(|key| (name.clone(), format!("{prefix}{key}"))));
        }
    }
    keys
}

#[test]
fn every_string_exists_in_english_and_in_korean() {
    for (key, string) in strings() {
        let languages: Vec<&String> = string.as_object().expect("a table").keys().collect();
        assert_eq!(languages, ["en", "ko"], "{key}");
        let [en, ko] = ["en", "ko"].map(|language| string[language].as_str().unwrap_or_default());
        assert!(
            !en.trim().is_empty() && !ko.trim().is_empty(),
            "{key} is empty"
        );
        assert!(!has_hangul(en), "{key}: {en}");
        assert_eq!(SAME.contains(&&*key), en == ko, "{key}: {ko}");
        assert!(has_hangul(ko) || en == ko, "{key}: {ko}");
        assert_eq!(placeholders(en), placeholders(ko), "{key}");
        assert_eq!(en.matches('`').count() % 2, 0, "{key}: {en}");
        assert_eq!(ko.matches('`').count() % 2, 0, "{key}: {ko}");
    }
}

#[test]
fn no_key_is_there_twice() {
    let table = read("www/page/strings.json");
    for key in strings().keys() {
        assert_eq!(table.matches(&format!("\"{key}\": {{")).count(), 1, "{key}");
    }
}

#[test]
fn every_key_that_is_used_is_in_the_table() {
    let strings = strings();
    for (file, key) in literal_keys() {
        assert!(strings.contains_key(&key), "{file} uses {key}");
    }
    for key in computed_keys() {
        assert!(strings.contains_key(&key), "a page uses {key}");
    }
}

#[test]
fn every_string_in_the_table_is_used() {
    let texts = [texts(".html"), texts(".js")].concat();
    let computed = computed_keys();
    for key in strings().keys() {
        let quoted = [format!("'{key}'"), format!("\"{key}\"")];
        let said = texts
            .iter()
            .any(|(_, text)| quoted.iter().any(|key| text.contains(key)));
        assert!(said || computed.contains(key), "nothing uses {key}");
    }
}

/// Without this, the tests above would look for the wrong keys.
#[test]
fn no_other_keys_are_computed() {
    let parts = ["title", "lead", "what", "try"];
    for (name, script) in texts(".js") {
        for key in
            between(&script, "say(`", '`')
                .iter()
                .chain(&between(&script, "'data-say': `", '`'))
        {
            let known = key
                .strip_prefix("${name}.")
                .is_some_and(|part| parts.contains(&part));
            assert!(
                known || *key == "topic.${topic}" || *key == "topic.${lane.topic}",
                "{name}: {key}"
            );
        }
    }
}

#[test]
fn a_page_has_its_title_before_its_scripts_have_run() {
    let strings = strings();
    for (name, page) in texts(".html") {
        let titles = between(&page, "<title data-say=\"", '<');
        let (key, title) = titles[0].split_once("\">").expect("a key and a title");
        assert_eq!(strings[key]["en"], title, "{name}");
    }
}
