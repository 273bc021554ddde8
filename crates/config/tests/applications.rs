//! What ready-made settings stand for.

#![expect(clippy::disallowed_methods, reason = "the tests read the examples")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use transom_config::{
    Action, Config, Http, ListenerMode, PathMatch, Probe, RequestKey, ServerVerify, Source, expanded,
    load_text,
};
use transom_testkit::golden::assert_golden;

fn sound(text: &str) -> Config {
    let loaded = load_text("application.toml", text);
    assert_eq!(loaded.report.render(false), "", "{text}");
    loaded.config.expect("there are no errors")
}

fn http<'a>(config: &'a Config, listener: &str) -> &'a Http {
    match &config.listener(listener).expect("it is there").mode {
        ListenerMode::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

/// Path to pool, of the routes that lead to one.
fn led(http: &Http) -> BTreeMap<String, String> {
    let pairs = http.routes.iter().filter_map(|route| {
        let pool = route.action.pool()?.to_string();
        Some(route.matches.paths.iter().map(move |path| (format!("{path:?}"), pool.clone())))
    });
    pairs.flatten().collect()
}

fn below(path: &str) -> String {
    format!("{:?}", PathMatch::Below(path.into()))
}

const SHORT: &str = r#"
[application.mail]
kind = "exchange"
names = ["mail.example.com"]
certificate = { chain = "/mail.pem" }
servers = [{ name = "ex1", address = "10.0.0.13" }, { name = "ex2", address = "2001:db8::14" }]
"#;

#[test]
fn the_quick_example_stands_for_what_is_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../../examples/exchange-quick.toml")).unwrap();
    let config = sound(&text);
    assert_golden(root.join("tests/exchange-quick.expanded.toml"), &expanded(&config));
}

#[test]
fn each_directory_is_up_and_down_by_itself() {
    let config = sound(SHORT);
    for (word, path) in [("owa", "/owa"), ("mapi", "/mapi"), ("activesync", "/microsoft-server-activesync")] {
        let pool = config.pool(&format!("mail-{word}")).expect(word);
        let Probe::Http { tls: Some(_), path: asked, expect, .. } =
            &pool.health_check.as_ref().expect("it is checked").probe
        else {
            panic!("{pool:?}")
        };
        assert_eq!(**asked, format!("{path}/healthcheck.htm"));
        assert_eq!(expect.body.as_deref(), Some("200 OK"));
        assert_eq!(pool.servers.len(), 2);
        assert_eq!(pool.servers[1].address.to_string(), "[2001:db8::14]:443");
        assert_eq!(led(http(&config, "mail"))[&below(path)], format!("mail-{word}"));
    }
    // Nothing but directories is let through, so that no server is asked for the rest.
    assert_eq!(config.pool("mail"), None);
    assert_eq!(http(&config, "mail").otherwise, None);
    let Some(ServerVerify::Full { ca }) =
        config.pool("mail-owa").unwrap().tls.as_ref().map(|tls| &tls.verify)
    else {
        panic!()
    };
    assert_eq!(ca.path.to_str(), Some("/mail.pem"));
}

#[test]
fn what_is_held_for_long_has_an_hour() {
    let config = sound(SHORT);
    let http = http(&config, "mail");
    let long = |name: &str| http.routes.iter().find(|route| &*route.name == name).unwrap().response_timeout;
    for name in ["mail-activesync", "mail-mapi", "mail-rpc", "mail-ews"] {
        assert_eq!(long(name), Some(Duration::from_secs(65 * 60)), "{name}");
    }
    assert_eq!(long("mail-owa"), None);
}

#[test]
fn ecp_and_powershell_are_for_those_inside() {
    let paths = |text: &str| {
        let config = sound(text);
        let http = http(&config, "mail");
        let blocked = http.routes.iter().find(|route| &*route.name == "mail-blocked").cloned();
        (led(http), blocked)
    };
    let (nobody, blocked) = paths(SHORT);
    assert_eq!(blocked.map(|route| route.action), Some(Action::Refuse(403)));
    assert!(!nobody.contains_key(&below("/ecp")) && !nobody.contains_key(&below("/powershell")));
    let (inside, blocked) = paths(&format!("{SHORT}inside = [\"10.0.0.0/8\"]\n"));
    assert_eq!(inside[&below("/ecp")], "mail-ecp");
    assert_eq!(blocked.unwrap().matches.not_sources.len(), 1);
    let (everybody, blocked) = paths(&format!("{SHORT}block = []\n"));
    assert_eq!((everybody[&below("/ecp")].as_str(), blocked), ("mail-ecp", None));
}

#[test]
fn attacks_are_refused_before_anything_else() {
    let config = sound(SHORT);
    let names: Vec<&str> = http(&config, "mail").routes.iter().take(3).map(|route| &*route.name).collect();
    assert_eq!(names, ["mail-attack-uri", "mail-attack-cookie", "mail-attack-token"]);
    let regexes = &http(&config, "mail").routes[0].matches.uri;
    let found = |uri: &str| {
        regexes.iter().any(|regex| {
            regex::RegexBuilder::new(regex).case_insensitive(true).build().unwrap().is_match(uri)
        })
    };
    for attack in [
        "/autodiscover/autodiscover.json?@evil.test/PowerShell/?X-Rps-CAT=VgEAVAdXaW5kb3dz",
        "/autodiscover/autodiscover.json?a=b@evil.test/mapi/nspi/?&Email=autodiscover/autodiscover.json?a=b@evil.test",
        "/Autodiscover/Autodiscover.json?a@b.c/ews/exchange.asmx?&Email=autodiscover/autodiscover.json",
        "/owa/?X-RPS-cat=x",
    ] {
        assert!(found(attack), "{attack}");
    }
    for ordinary in [
        "/autodiscover/autodiscover.xml",
        "/autodiscover/autodiscover.json/v1.0/alice@example.com?Protocol=ActiveSync&RedirectCount=1",
        "/powershell?clientApplication=x",
        "/ews/exchange.asmx",
    ] {
        assert!(!found(ordinary), "{ordinary}");
    }
}

#[test]
fn exchange_2010_keeps_a_client_on_one_server() {
    let config = sound(&format!("{SHORT}version = \"2010\"\n"));
    let pool = config.pool("mail").expect("one for all directories");
    assert_eq!(pool.stick.as_ref().map(|stick| &stick.on), Some(&RequestKey::Source));
    assert!(matches!(pool.health_check.as_ref().unwrap().probe, Probe::Tls { .. }));
    assert!(config.stick_table("mail").is_some() && config.pools.len() == 1);
}

#[test]
fn mail_is_relayed_where_asked_for_from_the_clients_own_addresses() {
    assert!(sound(SHORT).listener("mail-smtp").is_none());
    let config = sound(&format!("{SHORT}smtp = true\n"));
    for (name, port) in [("mail-smtp", 25), ("mail-submission", 587)] {
        let pool = config.pool(name).expect(name);
        assert_eq!(pool.source, Source::Client);
        assert_eq!(config.listener(name).unwrap().bind[0].port(), port);
        assert_eq!(pool.servers[0].address.to_string(), format!("10.0.0.13:{port}"));
        assert_eq!(pool.servers[1].address.to_string(), format!("[2001:db8::14]:{port}"));
        assert_eq!(pool.tls, None);
    }
    assert!(config.remarks()[0].contains("ip rule add fwmark"));
    assert!(sound(SHORT).remarks().is_empty());
}

#[test]
fn clients_of_port_80_are_sent_to_https() {
    let config = sound(SHORT);
    assert!(matches!(&http(&config, "mail-http").otherwise, Some(Action::Redirect(to)) if to.status == 308));
    assert!(sound(&format!("{SHORT}http-bind = []\n")).listener("mail-http").is_none());
}

#[test]
fn an_application_can_share_the_listener_of_other_sites() {
    let text = r#"
        [listener.https]
        bind = ["[::]:443"]
        mode = "http"
        tls = { certificates = ["all"] }
        pool = "web"
        routes = [{ hosts = ["old.example.com"], refuse = 410 }]
        [certificate.all]
        chain = "/all.pem"
        [pool.web]
        servers = [{ name = "web", address = "10.0.0.20:80" }]
        [application.desk]
        kind = "rdgateway"
        names = ["desk.example.com"]
        listener = "https"
        servers = [{ name = "rd1", address = "rd1.internal" }]
    "#;
    let config = sound(text);
    let names: Vec<&str> = http(&config, "https").routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["desk", "route-2"]);
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.pool("desk").unwrap().servers[0].address.to_string(), "rd1.internal:443");
}

#[test]
fn a_pool_of_exchange_is_parted_where_routes_lead_to_it() {
    let text = |check: &str| {
        format!(
            r#"
            [listener.https]
            bind = ["[::]:80"]
            mode = "http"
            pool = "web"
            routes = [{{ name = "exchange", paths = ["/exchange", "/OWA", "/rpc"], pool = "ex", timeouts = {{ response = "9m" }} }}]
            [pool.web]
            servers = [{{ name = "web", address = "10.0.0.20:80" }}]
            [pool.ex]
            application = "exchange"
            servers = [{{ name = "ex", address = "10.0.0.13:80" }}]
            {check}
            "#
        )
    };
    let config = sound(&text(""));
    let pools: Vec<&str> = config.pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(pools, ["web", "ex", "ex-owa", "ex-rpc"]);
    let routes = &http(&config, "https").routes;
    let names: Vec<&str> = routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["exchange-owa", "exchange-rpc", "exchange"]);
    assert!(routes.iter().all(|route| route.response_timeout == Some(Duration::from_secs(540))));
    assert!(matches!(
        &config.pool("ex-rpc").unwrap().health_check.as_ref().unwrap().probe,
        Probe::Http { tls: None, path, .. } if **path == *"/rpc/healthcheck.htm"
    ));
    // Whoever says how to check is asked no further.
    let whole = sound(&text("health-check = { tcp = true }"));
    assert_eq!(whole.pools.len(), 2);
}
