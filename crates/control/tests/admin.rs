//! The admin API as its users see it: over a real unix socket and a real address.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{ADA, OTTO, Running, VIC, WITH_USERS, WITHOUT_USERS};
use serde_json::{Value, json};
use transom_control::{ClientError, ReloadOutcome};

#[test]
fn every_list_is_there_over_the_unix_socket() {
    let running = Running::start(WITHOUT_USERS);
    let table = [
        ("/api/v1/listeners", "listeners", 1),
        ("/api/v1/pools", "pools", 2),
        ("/api/v1/servers", "servers", 3),
        ("/api/v1/stick-tables", "stick_tables", 1),
    ];
    for (path, key, count) in table {
        let value = running.client.get(path).unwrap().json().unwrap();
        assert_eq!(value[key].as_array().unwrap().len(), count, "{path}: {value:#}");
        assert_eq!(value["generation"], 1, "{path}");
    }
    let faults = running.client.get("/api/v1/faults").unwrap().json().unwrap();
    assert!(faults["faults"].as_array().unwrap().iter().any(|fault| fault["code"] == "pool-empty"));
    let metrics = running.client.get("/metrics").unwrap();
    assert!(metrics.text().contains("transom_server_up{pool=\"main\",server=\"one\"} 1\n"));
    running.control.stop();
}

#[test]
fn listeners_show_their_real_addresses() {
    let running = Running::start(WITHOUT_USERS);
    running.control.set_listeners(vec![("https".into(), "127.0.0.1:8443".parse().unwrap())]);
    let value = running.client.get("/api/v1/listeners").unwrap().json().unwrap();
    assert_eq!(value["listeners"][0]["addresses"], json!(["127.0.0.1:8443"]));
    assert_eq!(value["listeners"][0]["bind"], json!(["127.0.0.1:0"]));
}

#[test]
fn a_server_is_drained_and_weighed_and_put_back() {
    let running = Running::start(WITHOUT_USERS);
    let path = "/api/v1/pools/main/servers/one";
    let table = [
        (json!({"admin": "drain", "weight": 5}), "drain", 5),
        (json!({"admin": "maint"}), "maint", 5),
        (json!({"weight": 0}), "maint", 0),
        (json!({"weight": null, "admin": "ready"}), "ready", 100),
    ];
    for (body, admin, weight) in table {
        let value = running.client.post(path, &body).unwrap().json().unwrap();
        assert_eq!((&value["admin"], &value["weight"]), (&json!(admin), &json!(weight)), "{body}");
    }
    let server = running.server("main", "one");
    assert_eq!((server.admin().as_str(), server.weight()), ("ready", 100));
}

#[test]
fn refusals_say_why() {
    let running = Running::start(WITHOUT_USERS);
    let client = &running.client;
    let post = |path: &str, body: Value| client.post(path, &body).unwrap();
    let table = [
        (client.get("/api/v2/pools").unwrap(), 404, "not-found", "there is no /api/v2/pools"),
        (post("/metrics", json!({})), 405, "method-not-allowed", "/metrics knows GET, not POST"),
        (post("/api/v1/pools/x/servers/one", json!({})), 404, "not-found", "there is no pool x"),
        (post("/api/v1/pools/main/servers/x", json!({})), 404, "not-found", "pool main has no server x"),
        (
            post("/api/v1/pools/main/servers/one", json!({"admin": "off"})),
            400,
            "bad-request",
            "\"admin\" is \"off\", but must be \"ready\", \"drain\" or \"maint\"",
        ),
        (client.get("/api/v1/stick-tables/x").unwrap(), 404, "not-found", "there is no stick table x"),
        (
            client.delete("/api/v1/stick-tables/clients/1.2.3.4").unwrap(),
            404,
            "not-found",
            "stick table clients has no entry 1.2.3.4",
        ),
        (
            client.delete("/api/v1/stick-tables/clients/x").unwrap(),
            404,
            "not-found",
            "stick table clients has no entry text:0ea60428fb76c7bd04e46a48f5b3a1",
        ),
        (
            post("/api/v1/reload", json!("x".repeat(70_000))),
            413,
            "body-too-large",
            "the body is larger than 65536 bytes",
        ),
    ];
    for (reply, status, code, error) in table {
        let Err(ClientError::Refused { status: got, code: word, error: sentence }) = reply.json() else {
            panic!("{reply:?} is no refusal")
        };
        assert_eq!((got, word.as_str(), sentence.as_str()), (status, code, error));
    }
}

#[test]
fn stick_entries_come_in_pages_and_go_when_told() {
    let running = Running::start(WITHOUT_USERS);
    for n in 1..=5 {
        running.stick("main", &format!("192.0.2.{n}"));
    }
    let mut keys = Vec::new();
    let mut path = "/api/v1/stick-tables/clients?limit=2".to_owned();
    for _ in 0..3 {
        let page = running.client.get(&path).unwrap().json().unwrap();
        for entry in page["entries"].as_array().unwrap() {
            assert_eq!(entry["server"], "one");
            assert!(entry["expires_seconds"].as_f64().unwrap() > 1700.0);
            keys.push(entry["key"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/stick-tables/clients?limit=2&after={next}"),
            None => break,
        }
    }
    keys.sort();
    assert_eq!(keys, ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"]);
    let deleted = running.client.delete("/api/v1/stick-tables/clients/192.0.2.3").unwrap();
    assert_eq!(deleted.json().unwrap()["deleted"], true);
    assert_eq!(running.client.delete("/api/v1/stick-tables/clients/192.0.2.3").unwrap().status, 404);
    let cleared = running.client.delete("/api/v1/stick-tables/clients").unwrap();
    assert_eq!(cleared.json().unwrap()["deleted"], 4);
}

#[test]
fn a_reload_is_answered_by_the_program() {
    let running = Running::start(WITHOUT_USERS);
    running.answer_reloads(vec![
        ReloadOutcome { applied: true, generation: 2, report: "fine".into() },
        ReloadOutcome { applied: false, generation: 2, report: "transom.toml:1: no".into() },
    ]);
    let applied = running.client.post("/api/v1/reload", &json!({})).unwrap().json().unwrap();
    assert_eq!((&applied["applied"], &applied["generation"]), (&json!(true), &json!(2)));
    let refused = running.client.post("/api/v1/reload", &json!({})).unwrap();
    assert_eq!(refused.status, 422);
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((&body["code"], &body["report"]), (&json!("reload-failed"), &json!("transom.toml:1: no")));
    let gone = running.client.post("/api/v1/reload", &json!({})).unwrap();
    assert_eq!(gone.status, 503, "nobody answers any more");
}

#[test]
fn ready_says_when_no_client_should_come() {
    let running = Running::start(WITHOUT_USERS);
    assert_eq!(running.client.get("/ready").unwrap().status, 200);
    let unused = json!({"admin": "maint"});
    running.client.post("/api/v1/pools/spare/servers/three", &unused).unwrap();
    assert_eq!(running.client.get("/ready").unwrap().status, 200, "no listener uses that pool");
    for server in ["one", "two"] {
        running.client.post(&format!("/api/v1/pools/main/servers/{server}"), &unused).unwrap();
    }
    let empty = running.client.get("/ready").unwrap();
    assert_eq!((empty.status, empty.text()), (503, "not ready: pool main has no usable server\n".into()));
    running.client.post("/api/v1/pools/main/servers/one", &json!({"admin": "ready"})).unwrap();
    assert_eq!(running.client.get("/ready").unwrap().status, 200);
    running.control.set_draining();
    let draining = running.client.get("/ready").unwrap();
    assert_eq!((draining.status, draining.text()), (503, "not ready: draining before a stop\n".into()));
}

#[test]
fn the_status_page_says_what_is_wrong_first() {
    let running = Running::start(WITHOUT_USERS);
    let page = running.client.get("/status").unwrap().text();
    assert!(page.contains("Nothing is wrong."), "{page}");
    running.client.post("/api/v1/pools/main/servers/one", &json!({"admin": "maint"})).unwrap();
    running.client.post("/api/v1/pools/main/servers/two", &json!({"admin": "maint"})).unwrap();
    let page = running.client.get("/status").unwrap().text();
    let wrong = page.find("Pool main has no usable server: its clients are turned away.").unwrap();
    assert!(wrong < page.find("<h2>Listeners</h2>").unwrap());
    assert!(!page.contains("<script"));
}

#[test]
fn answers_are_neither_cached_nor_guessed_at() {
    let running = Running::start(WITHOUT_USERS);
    let answer = running.tcp("GET", "/status", &[], "");
    for header in [
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'",
    ] {
        assert!(answer.head.contains(header), "{header} in {}", answer.head);
    }
    let root = running.tcp("GET", "/", &[], "");
    assert_eq!(root.status, 303);
    assert!(root.head.contains("location: /status"));
    let head = running.tcp("HEAD", "/ready", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn without_users_this_machine_may_look_and_no_more() {
    let running = Running::start(WITHOUT_USERS);
    assert_eq!(running.tcp("GET", "/api/v1/servers", &[], "").status, 200);
    let drain = running.tcp("POST", "/api/v1/pools/main/servers/one", &[], r#"{"admin":"drain"}"#);
    assert_eq!((drain.status, drain.code().as_str()), (403, "forbidden"));
    assert_eq!(running.tcp("POST", "/api/v1/reload", &[], "").status, 403);
}

#[test]
fn users_log_in_and_do_what_their_role_may() {
    let running = Running::start(WITH_USERS);
    let (drain, entry) = ("/api/v1/pools/main/servers/one", "/api/v1/stick-tables/clients/192.0.2.1");
    let table = [
        (None, "GET", "/metrics", 401),
        (Some("vic:wrong"), "GET", "/metrics", 401),
        (Some("nobody:look"), "GET", "/metrics", 401),
        (Some(VIC), "GET", "/metrics", 200),
        (Some(VIC), "GET", "/api/v1/config", 200),
        (Some(VIC), "POST", drain, 403),
        (Some(VIC), "DELETE", entry, 403),
        (Some(VIC), "POST", "/api/v1/reload", 403),
        (Some(OTTO), "POST", drain, 200),
        (Some(OTTO), "DELETE", entry, 404),
        (Some(OTTO), "POST", "/api/v1/reload", 403),
        (Some(ADA), "POST", drain, 200),
        (Some(ADA), "POST", "/api/v1/reload", 503),
    ];
    running.stop_listening();
    for (user, method, path, want) in table {
        let authorization = user.map(common::basic);
        let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        let answer = running.tcp(method, path, &headers, r#"{"admin":"ready"}"#);
        assert_eq!(answer.status, want, "{user:?} {method} {path}: {answer:?}");
        if want == 401 {
            assert!(answer.head.contains("www-authenticate: Basic realm=\"transom\""), "{answer:?}");
        }
    }
    assert_eq!(running.client.get("/metrics").unwrap().status, 200, "the unix socket asks nobody");
}

#[test]
fn guessing_is_slowed_down() {
    let running = Running::start(WITH_USERS);
    let ask = |user: &str| running.tcp("GET", "/ready", &[("Authorization", &common::basic(user))], "");
    assert_eq!(ask(VIC).status, 200);
    for n in 0..5 {
        assert_eq!(ask(&format!("ada:guess{n}")).status, 401);
    }
    let held = ask(ADA);
    assert_eq!((held.status, held.code().as_str()), (429, "too-many-logins"));
    assert!(held.head.contains("retry-after: "), "{held:?}");
    assert_eq!(ask(VIC).status, 200, "who was let in a moment ago goes on");
}

#[test]
fn pages_elsewhere_cannot_ask_for_their_readers() {
    let running = Running::start(WITHOUT_USERS);
    let port = running.address.port();
    let (own, local) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));
    let (own_page, local_page) = (format!("http://{own}"), format!("http://{local}"));
    let (own, local) = (own.as_str(), local.as_str());
    let (own_page, local_page) = (own_page.as_str(), local_page.as_str());
    let table = [
        ("GET", vec![("Host", own)], 200),
        ("GET", vec![("Host", local)], 200),
        ("GET", vec![("Host", "evil.example")], 421),
        ("GET", vec![("Host", "evil.example:8404")], 421),
        ("GET", vec![("Host", own), ("Host", "evil.example")], 421),
        ("POST", vec![("Host", own), ("Origin", "http://evil.example")], 403),
        ("POST", vec![("Host", own), ("Origin", local_page)], 403),
        ("POST", vec![("Host", own), ("Origin", own_page)], 405),
    ];
    for (method, headers, want) in table {
        let answer = running.tcp_with_host(method, "/metrics", &headers, "");
        assert_eq!(answer.status, want, "{method} {headers:?}: {answer:?}");
    }
    assert_eq!(running.tcp_with_host("GET", "/metrics", &[], "").status, 421);
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let running = Running::start(WITH_USERS);
    let config = running.client.get("/api/v1/config").unwrap();
    let text = config.json().unwrap()["toml"].as_str().unwrap().to_owned();
    assert!(text.contains("clients") && text.contains("otto"), "{text}");
    assert!(!config.text().contains("argon2"), "{text}");
}

#[test]
fn a_request_that_is_too_large_or_broken_is_refused() {
    let running = Running::start(WITHOUT_USERS);
    let long = "a".repeat(20_000);
    let answer = running.tcp("GET", "/metrics", &[("X-Long", &long)], "");
    assert_eq!(answer.status, 431, "{answer:?}");
    let answer = running.raw("GARBAGE\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(running.client.get("/ready").unwrap().status, 200);
}

#[test]
fn idle_connections_at_the_address_leave_the_socket_alone() {
    let running = Running::start(WITHOUT_USERS);
    let idle: Vec<_> = (0..80).map(|_| std::net::TcpStream::connect(running.address).unwrap()).collect();
    assert_eq!(running.client.get("/ready").unwrap().status, 200);
    drop(idle);
    assert_eq!(running.tcp("GET", "/ready", &[], "").status, 200);
}

#[test]
fn other_sockets_take_over_at_a_reload() {
    let running = Running::start(WITHOUT_USERS);
    let (client, socket) = running.another_unix_socket();
    assert_eq!(running.client.get("/ready").unwrap().status, 200);
    running.control.set_admin(vec![socket]).unwrap();
    assert_eq!(client.get("/ready").unwrap().status, 200);
    assert!(common::within(Duration::from_secs(5), || running.client.get("/ready").is_err()));
}

#[test]
fn health_checks_take_a_dead_server_down_and_a_reload_is_followed() {
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (alive, dead) = (listening.local_addr().unwrap(), common::free_address());
    let config = |servers: &str| {
        format!(
            "[listener.l]\nbind = [\"127.0.0.1:0\"]\nmode = \"tcp\"\npool = \"p\"\n[pool.p]\n\
             health-check = {{ tcp = true, every = \"1s\", timeout = \"1s\" }}\nservers = [{servers}]\n"
        )
    };
    let alive = format!("{{ name = \"alive\", address = \"{alive}\" }}");
    let dead = format!("{{ name = \"dead\", address = \"{dead}\" }}");
    let running = Running::start(&config(&alive));
    let probed = |name: &str| {
        let server = running.server("p", name);
        server.last_probe().map(|last| (server.condition().as_str(), last.result.outcome.is_ok()))
    };
    assert!(common::within(Duration::from_secs(10), || probed("alive") == Some(("up", true))));
    running.reload(&config(&format!("{alive}, {dead}")));
    assert!(common::within(Duration::from_secs(10), || probed("dead") == Some(("down", false))));
    let value = running.client.get("/api/v1/servers").unwrap().json().unwrap();
    assert_eq!(value["servers"][1]["probe"]["fault"], "server-refused");
    let page = running.client.get("/status").unwrap().text();
    assert!(page.contains("Server p/dead is down for "), "{page}");
    running.control.stop();
}

/// The keys of a value and of what is in it, in order; of a list, those of its first element.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}{}", shape(value))).collect();
            format!("{{{}}}", fields.join(" "))
        }
        Value::Array(elements) => elements.first().map(shape).unwrap_or_default(),
        _ => String::new(),
    }
}

#[test]
fn the_examples_of_the_reference_have_the_shape_of_real_answers() {
    let running = Running::start(WITHOUT_USERS);
    running.stick("main", "192.0.2.1");
    running.server("main", "one").observe(
        transom_state::ProbeResult { outcome: Ok(()), detail: "".into(), took: Duration::ZERO },
        std::time::Instant::now(),
    );
    let get = |path: &str| running.client.get(path).unwrap().json().unwrap();
    let table = [
        (get("/api/v1/listeners"), include_str!("../src/admin/examples/listeners.json")),
        (get("/api/v1/pools"), include_str!("../src/admin/examples/pools.json")),
        (get("/api/v1/servers"), include_str!("../src/admin/examples/servers.json")),
        (get("/api/v1/stick-tables"), include_str!("../src/admin/examples/stick-tables.json")),
        (get("/api/v1/stick-tables/clients"), include_str!("../src/admin/examples/stick-entries.json")),
        (get("/api/v1/faults"), include_str!("../src/admin/examples/faults.json")),
        (get("/api/v1/config"), include_str!("../src/admin/examples/config.json")),
        (
            running.client.delete("/api/v1/stick-tables/clients/192.0.2.1").unwrap().json().unwrap(),
            include_str!("../src/admin/examples/delete-entry.json"),
        ),
        (
            running.client.delete("/api/v1/stick-tables/clients").unwrap().json().unwrap(),
            include_str!("../src/admin/examples/delete-entries.json"),
        ),
    ];
    for (real, example) in table {
        let example: Value = serde_json::from_str(example).unwrap();
        assert_eq!(shape(&real), shape(&example));
    }
}
