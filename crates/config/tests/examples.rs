//! The configurations in examples/: each loads without a fault, and written out whole it is the same.

#![expect(clippy::disallowed_methods, reason = "the tests read the examples")]
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files should say so at once")]

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use transom_config::{
    AccessFormat, Balance, Config, Files, Level, ListenerMode, LogSink, NotTls, OnDown, Options, PlainHttp,
    Probe, ProxyProtocol, ServerName, Source, StartState, Verify, Zones, expanded, expanded_for_viewers,
    load, load_text,
};

/// The real file system, without patterns; files that keys name are another machine's.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn named(&self, _path: &Path) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    assert!(files.len() >= 5);
    files
}

fn example(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    load(&path, &Disk, &Options::default()).config.unwrap()
}

#[test]
fn every_example_loads_without_a_fault() {
    for path in examples() {
        let loaded = load(&path, &Disk, &Options::default());
        assert_eq!(loaded.report.render(false), "", "{}", path.display());
        assert!(loaded.config.is_some());
    }
}

#[test]
fn written_out_whole_it_is_the_same() {
    for path in examples() {
        let config = load(&path, &Disk, &Options::default()).config.unwrap();
        let text = expanded(&config);
        let again = load_text("expanded.toml", &text);
        assert_eq!(again.report.render(false), "", "{}:\n{text}", path.display());
        let again = again.config.unwrap();
        assert_eq!(again, config, "{text}");
        assert_eq!(expanded(&again), text);
    }
}

#[test]
fn viewers_see_no_hash() {
    let config = example("002-sni.toml");
    assert!(expanded(&config).contains("$argon2id$"));
    assert!(!expanded_for_viewers(&config).contains("$argon2id$"));
    assert!(!format!("{config:?}").contains("$argon2id$"));
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = "[listener.web]\nbind = [\"[::]:443\"]\nmode = \"passthrough\"\npool = \"web\"\n\
        [pool.web]\nservers = [{ name = \"web1\", address = \"192.0.2.10:443\" }]\nhealth-check = { tcp = true }\n";
    let config = load_text("x", text).config.unwrap();
    assert_eq!((config.zone.clone(), config.workers, config.limits.connections), (None, None, None));
    assert_eq!((config.process.user.clone(), config.process.drain), (None, Duration::from_secs(30)));
    let log = &config.log;
    assert_eq!((&log.access.sink, log.access.format), (&LogSink::Stdout, AccessFormat::Json));
    assert_eq!((&log.program, log.level), (&LogSink::Stderr, Level::Info));
    assert_eq!((config.admin.socket.clone(), config.admin.bind, config.admin.users.len()), (None, None, 0));
    let listener = config.listener("web").unwrap();
    assert_eq!((listener.limits.connections, listener.limits.backlog), (None, 4096));
    let ListenerMode::Passthrough(passthrough) = &listener.mode else { panic!("{listener:?}") };
    assert_eq!(passthrough.inspect_timeout, Duration::from_secs(5));
    assert_eq!((passthrough.plain_http, passthrough.not_tls), (PlainHttp::Refuse, NotTls::Refuse));
    let pool = config.pool("web").unwrap();
    assert_eq!((pool.balance, pool.zones, pool.on_down), (Balance::RoundRobin, Zones::Even, OnDown::Keep));
    assert_eq!(pool.timeouts.connect, Duration::from_secs(5));
    assert_eq!(pool.timeouts.idle, Duration::from_secs(65 * 60));
    assert_eq!((pool.retry.times, pool.retry.other_server), (3, true));
    assert_eq!((pool.queue.size, pool.queue.timeout), (1024, Duration::from_secs(5)));
    assert_eq!((pool.passive.fall, pool.passive.hold), (Some(5), Duration::from_secs(10)));
    assert_eq!((pool.slow_start, pool.proxy_protocol, &pool.source), (Duration::ZERO, None, &Source::Any));
    let server = &pool.servers[0];
    assert_eq!((server.weight, server.backup, server.start), (1, false, StartState::Ready));
    let check = pool.health_check.as_ref().unwrap();
    assert_eq!((&check.probe, check.rise, check.fall, check.port), (&Probe::Tcp, 2, 3, None));
    assert_eq!((check.every, check.timeout), (Duration::from_secs(2), Duration::from_secs(2)));
}

#[test]
fn what_is_written_arrives() {
    let sni = example("002-sni.toml");
    let ListenerMode::Passthrough(https) = &sni.listener("https").unwrap().mode else { panic!() };
    assert_eq!(https.plain_http, PlainHttp::Redirect);
    assert_eq!(https.pool.as_deref(), Some("npm-https"));
    assert_eq!(https.routes[0].names[1], ServerName::Exact("autodiscover.dyb.test".into()));
    assert_eq!(sni.pool("exchange").unwrap().stick.as_ref().unwrap().table, "exchange".into());
    assert_eq!(sni.stick_table("exchange").unwrap().memory_bytes(), 2_000_000);
    assert_eq!(sni.listener("http").unwrap().place.line, 16);

    let mail = example("smtp-and-https.toml");
    assert_eq!(mail.log.access.sink, LogSink::File("/var/log/transom/access.log".into()));
    let smtp = mail.pool("smtp").unwrap();
    assert_eq!(smtp.health_check.as_ref().unwrap().probe, Probe::Smtp { expect: 250 });
    assert!(smtp.servers[2].backup);
    let https = mail.pool("https").unwrap();
    assert_eq!((https.balance, https.on_down), (Balance::Hash, OnDown::Close));
    let Probe::Http { tls: Some(Verify::Full { name, .. }), path, .. } =
        &https.health_check.as_ref().unwrap().probe
    else {
        panic!()
    };
    assert_eq!((&**name, &**path), ("mail.example.com", "/owa/healthcheck.htm"));

    let zones = example("zones.toml");
    assert_eq!(zones.zone.as_deref(), Some("a"));
    assert_eq!(zones.pool("exchange-smtp").unwrap().zones, Zones::Strict);

    let proxied = example("proxy-protocol.toml");
    assert_eq!(proxied.pool("web").unwrap().proxy_protocol, Some(ProxyProtocol::V2));
    assert_eq!(proxied.pool("web").unwrap().servers[0].address.to_string(), "web1.internal:443");
    assert_eq!(proxied.listener("https").unwrap().accept_proxy.len(), 2);
}

#[test]
fn the_zone_said_outside_the_file_wins() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/zones.toml");
    let zone = |zone: &str| Options { zone: Some(zone.to_owned()) };
    let loaded = load(&path, &Disk, &zone("b"));
    assert_eq!(loaded.config.unwrap().zone.as_deref(), Some("b"));
    let nowhere = load(&path, &Disk, &zone("d")).report;
    assert!(
        nowhere.render(false).contains("no server of the pool `exchange-smtp` is in this node's zone `d`")
    );
    let bad = load(&path, &Disk, &zone("not a zone"));
    assert!(bad.config.is_none() && bad.report.render(false).contains("--zone"));
}

/// The plans that the first configurations were drawn from, as they were written: what they ask for can be asked for.
#[test]
fn seeds_load_as_they_were_drawn() {
    let squid = example("001-squid.toml");
    let ListenerMode::Http(https) = &squid.listener("https").unwrap().mode else { panic!() };
    let names: Vec<&str> = https.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(
        names,
        ["exchange-owa", "exchange-ecp", "exchange-rpc", "exchange-activesync", "exchange"],
        "directories first, then the paths that are none"
    );
    assert_eq!(squid.pool("exchange-rpc").unwrap().balance, Balance::Hash);

    let nlb = example("000-aws-nlb.toml");
    assert_eq!(nlb.pool("exchange-smtp").unwrap().source, Source::Client);
    assert_eq!(nlb.remarks().len(), 1);
}
