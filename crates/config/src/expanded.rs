//! A configuration written out whole, every default said, as TOML that loads to the same configuration.

mod http;
mod pool;
mod waf;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::check::shown;
use crate::model::{
    Need, Table, certificate, listener, packet, pool as model_pool, root, shield, waf as model_waf,
};
use crate::text::duration::written;
use crate::words::{self, Mode, Verified, word};
use crate::{
    Admin, Certificate, CertificateSource, Config, HashOn, Listener, ListenerMode, ListenerTls, LogSink,
    Name, NamedFile, Packet, PacketListener, PacketRate, Passthrough, ServerTls, ServerVerify, Shield,
    ShieldContext, Terminate,
};

/// The whole configuration with every default written out. It holds the password hashes, so that it loads to the same
/// configuration; [`expanded_for_viewers`] does not.
pub fn expanded(config: &Config) -> String {
    write(config, false)
}

/// As [`expanded`], but with the password hashes left out: for whoever may look but not log in as somebody else.
pub fn expanded_for_viewers(config: &Config) -> String {
    write(config, true)
}

/// A key and its value as TOML; `None` where it is not given.
type Line = (&'static str, Option<String>);

fn write(config: &Config, hide: bool) -> String {
    let mut out = Writer { text: String::new() };
    out.lines(
        &root::ROOT,
        &[("zone", config.zone.as_deref().map(quote)), ("workers", config.workers.map(|n| n.to_string()))],
    );
    out.header("process");
    let process = &config.process;
    out.lines(
        &root::PROCESS,
        &[("user", process.user.as_deref().map(quote)), ("drain", time(process.drain))],
    );
    out.header("limits");
    out.lines(&root::LIMITS, &[("connections", config.limits.connections.map(|n| n.to_string()))]);
    out.header("log");
    let log = &config.log;
    out.lines(
        &root::LOG,
        &[
            ("access", Some(sink(&log.access.sink))),
            ("format", Some(quote(word(words::FORMATS, &log.access.format)))),
            ("program", Some(sink(&log.program))),
            ("level", Some(quote(word(words::LEVELS, &log.level)))),
        ],
    );
    out.header("admin");
    out.lines(&root::ADMIN, &admin(&config.admin, hide));
    for one in &config.certificates {
        out.header(&format!("certificate.{}", name_key(&one.name)));
        out.lines(&certificate::CERTIFICATE, &certificate(one));
    }
    for one in &config.listeners {
        out.header(&format!("listener.{}", name_key(&one.name)));
        out.lines(&listener::LISTENER, &listener_lines(one));
    }
    for one in &config.packet_listeners {
        out.header(&format!("listener.{}", name_key(&one.name)));
        out.lines(&listener::LISTENER, &packet_listener(one));
    }
    out.header("packet");
    out.lines(&packet::PACKET, &packet_lines(&config.packet));
    let reads = |listener: &&Arc<Listener>| matches!(listener.mode, ListenerMode::Http(_));
    let requests: HashSet<&Name> =
        config.listeners.iter().filter(reads).flat_map(|listener| listener.mode.pools()).collect();
    for one in &config.pools {
        out.header(&format!("pool.{}", name_key(&one.name)));
        out.lines(&model_pool::POOL, &pool::pool_lines(one, requests.contains(&one.name)));
    }
    if let Some(abuse) = &config.abuse {
        out.header("abuse");
        out.lines(&model_waf::ABUSE, &waf::abuse_lines(abuse));
    }
    for one in &config.wafs {
        out.header(&format!("waf.{}", name_key(&one.name)));
        out.lines(&model_waf::WAF, &waf::waf_lines(one));
    }
    for one in &config.stick_tables {
        out.header(&format!("stick-table.{}", name_key(&one.name)));
        out.lines(&model_pool::STICK_TABLE, &pool::stick_table(one));
    }
    if let Some(one) = &config.shield {
        out.header("shield");
        out.lines(&shield::SHIELD, &shield_lines(one));
    }
    out.text
}

/// What is written, and how.
struct Writer {
    text: String,
}

impl Writer {
    fn header(&mut self, header: &str) {
        let _ = writeln!(self.text, "\n[{header}]");
    }

    /// The keys of a table in the order of the model; what is not given and has no default, as a comment.
    fn lines(&mut self, table: &Table, lines: &[Line]) {
        for key in table.keys {
            let Some((_, value)) = lines.iter().find(|(name, _)| *name == key.name) else { continue };
            let _ = match (value, key.need) {
                (Some(value), _) => writeln!(self.text, "{} = {value}", key.name),
                (None, Need::Optional(without)) => writeln!(self.text, "# no {}: {without}", key.name),
                (None, _) => Ok(()),
            };
        }
        debug_assert!(lines.iter().all(|(name, _)| table.key(name).is_some()), "a key is not in the model");
    }
}

fn admin(admin: &Admin, hide: bool) -> Vec<Line> {
    let users = admin.users.iter().map(|user| {
        let hash = if hide { "(not shown)" } else { user.password_hash.0.as_str() };
        inline(&[
            ("name", Some(quote(&user.name))),
            ("password-hash", Some(quote(hash))),
            ("role", Some(quote(word(words::ROLES, &user.role)))),
        ])
    });
    let users: Vec<String> = users.collect();
    vec![
        ("socket", admin.socket.as_ref().map(|path| quote(&path.display().to_string()))),
        ("bind", admin.bind.map(|address| quote(&address.to_string()))),
        ("users", (!users.is_empty()).then(|| rows(&users))),
    ]
}

fn listener_lines(listener: &Listener) -> Vec<Line> {
    let networks = |networks: &[ipnet::IpNet]| (!networks.is_empty()).then(|| list(networks));
    let limits = &listener.limits;
    let mut limit_lines = vec![
        ("connections", limits.connections.map(|n| n.to_string())),
        ("backlog", Some(limits.backlog.to_string())),
        ("per-source", waf::per_source(&limits.per_source)),
    ];
    if let ListenerMode::Http(http) = &listener.mode {
        limit_lines.extend(http::request_limits(http));
    }
    let mut lines = vec![
        ("bind", Some(list(&listener.bind))),
        ("allow", networks(&listener.sources.allow)),
        ("refuse", networks(&listener.sources.refuse)),
        ("accept-proxy", networks(&listener.accept_proxy)),
        ("limits", Some(inline(&limit_lines))),
    ];
    match &listener.mode {
        ListenerMode::Tcp { pool } => {
            lines.push(("mode", Some(quote(word(words::MODES, &Mode::Tcp)))));
            lines.push(("pool", Some(quote(pool))));
        }
        ListenerMode::Passthrough(passthrough) => lines.extend(passthrough_lines(passthrough)),
        ListenerMode::Tls(terminate) => lines.extend(terminate_lines(terminate)),
        ListenerMode::Http(http) => lines.extend(http::http_lines(http)),
    }
    lines
}

fn packet_listener(listener: &PacketListener) -> Vec<Line> {
    let by_source = listener.hash_on == HashOn::Source;
    vec![
        ("bind", Some(list(&listener.bind))),
        ("mode", Some(quote(listener.mode.word()))),
        ("pool", Some(quote(&listener.pool))),
        ("balance", Some(quote(word(words::PACKET_BALANCES, &by_source)))),
        ("hash-on", by_source.then(|| quote(word(words::HASHES, &listener.hash_on)))),
    ]
}

fn packet_lines(packet: &Packet) -> Vec<Line> {
    vec![
        ("interfaces", (!packet.interfaces.is_empty()).then(|| list(&packet.interfaces))),
        ("driver", Some(quote(word(words::DRIVERS, &packet.driver)))),
        ("mtu", packet.mtu.map(|mtu| mtu.to_string())),
        ("flows", Some(packet.flows.to_string())),
        ("vips", Some(packet.vips.to_string())),
        ("new-flows-per-second", Some(packet.new_flows_per_second.to_string())),
        ("fragments", Some(quote(word(words::ODD, &packet.fragments)))),
        ("ip-options", Some(quote(word(words::ODD, &packet.ip_options)))),
        ("settle", time(packet.settle)),
        ("on-stop", Some(quote(word(words::ON_STOP, &packet.on_stop)))),
        ("pins", Some(quote(&packet.pins.display().to_string()))),
    ]
}

fn certificate(certificate: &Certificate) -> Vec<Line> {
    let mut lines = match &certificate.source {
        CertificateSource::Pem { chain, key } => {
            vec![("chain", Some(file(chain))), ("key", key.as_ref().map(file))]
        }
        CertificateSource::Pfx { file: pfx, password } => {
            vec![("pfx", Some(file(pfx))), ("password-file", password.as_ref().map(file))]
        }
    };
    lines.push(("staple", certificate.staple.as_ref().map(file)));
    lines
}

fn terminate_lines(terminate: &Terminate) -> Vec<Line> {
    vec![
        ("mode", Some(quote(word(words::MODES, &Mode::Tls)))),
        ("pool", Some(quote(&terminate.pool))),
        ("tls", Some(listener_tls(&terminate.tls))),
        ("inspect-timeout", time(terminate.handshake_timeout)),
        ("plain-http", Some(quote(word(words::PLAIN_HTTP, &terminate.plain_http)))),
    ]
}

fn listener_tls(tls: &ListenerTls) -> String {
    let clients = tls.clients.as_ref().map(|clients| {
        inline(&[
            ("required", Some(clients.required.to_string())),
            ("ca", Some(file(&clients.ca))),
            ("crl", clients.crl.as_ref().map(file)),
        ])
    });
    inline(&[
        ("certificates", Some(list(&tls.certificates))),
        ("strict-sni", Some(tls.strict_sni.to_string())),
        ("min", Some(quote(word(words::VERSIONS, &tls.min)))),
        ("alpn", Some(list(&tls.alpn))),
        ("tickets", Some(tls.tickets.to_string())),
        ("client-certificates", clients),
    ])
}

fn server_tls(tls: &ServerTls) -> String {
    let (verify, ca) = match &tls.verify {
        ServerVerify::None => (Verified::None, None),
        ServerVerify::Chain { ca } => (Verified::Chain, Some(file(ca))),
        ServerVerify::Full { ca } => (Verified::Full, Some(file(ca))),
    };
    inline(&[
        ("verify", Some(quote(word(words::SERVER_VERIFY, &verify)))),
        ("ca", ca),
        ("name", tls.name.as_deref().map(quote)),
        ("certificate", tls.certificate.as_deref().map(quote)),
        ("min", Some(quote(word(words::VERSIONS, &tls.min)))),
    ])
}

fn passthrough_lines(passthrough: &Passthrough) -> Vec<Line> {
    let routes = passthrough.routes.iter().map(|route| {
        let names: Vec<String> = route.names.iter().map(shown).collect();
        inline(&[("sni", Some(list(&names))), ("pool", Some(quote(&route.pool)))])
    });
    let routes: Vec<String> = routes.collect();
    vec![
        ("mode", Some(quote(word(words::MODES, &Mode::Passthrough)))),
        ("pool", passthrough.pool.as_deref().map(quote)),
        ("routes", (!routes.is_empty()).then(|| rows(&routes))),
        ("inspect-timeout", time(passthrough.inspect_timeout)),
        ("plain-http", Some(quote(word(words::PLAIN_HTTP, &passthrough.plain_http)))),
        ("not-tls", Some(quote(word(words::NOT_TLS, &passthrough.not_tls)))),
    ]
}

fn time(duration: Duration) -> Option<String> {
    Some(quote(&written(duration)))
}

fn sink(sink: &LogSink) -> String {
    match sink {
        LogSink::Off => quote("off"),
        LogSink::Stdout => quote("stdout"),
        LogSink::Stderr => quote("stderr"),
        LogSink::File(path) => quote(&path.display().to_string()),
    }
}

fn file(file: &NamedFile) -> String {
    quote(&file.path.display().to_string())
}

fn shield_lines(shield: &Shield) -> Vec<Line> {
    let networks = |networks: &[ipnet::IpNet]| (!networks.is_empty()).then(|| list(networks));
    let contexts: Vec<String> = shield.contexts.iter().map(context).collect();
    vec![
        ("interfaces", Some(list(&shield.interfaces))),
        ("tracking", Some(quote(word(words::TRACKING, &shield.tracking)))),
        ("block", networks(&shield.block)),
        ("allow", networks(&shield.allow)),
        ("fragments", Some(quote(word(words::POLICIES, &shield.fragments)))),
        ("options", Some(quote(word(words::POLICIES, &shield.options)))),
        ("contexts", (!contexts.is_empty()).then(|| rows(&contexts))),
    ]
}

fn context(context: &ShieldContext) -> String {
    let rate = |rate: Option<PacketRate>| rate.map(|rate| quote(&rate.to_string()));
    let (source, total) = (&context.per_source, &context.total);
    let per_source = [
        ("syn", rate(source.syn)),
        ("packets", rate(source.packets)),
        ("udp", rate(source.udp)),
        ("icmp", rate(source.icmp)),
        ("connections", source.connections.map(|n| n.to_string())),
    ];
    let total = [("udp", rate(total.udp)), ("icmp", rate(total.icmp))];
    let given = |lines: &[Line]| lines.iter().any(|(_, value)| value.is_some()).then(|| inline(lines));
    inline(&[
        ("destination", Some(list(&context.destination))),
        ("tracking", Some(quote(word(words::TRACKING, &context.tracking)))),
        ("allow", (!context.allow.is_empty()).then(|| list(&context.allow))),
        ("syn-cookies", given(&[("above", rate(context.syn_cookies_above))])),
        ("per-source", given(&per_source)),
        ("total", given(&total)),
        ("strays", rate(Some(context.strays))),
    ])
}

/// `{ a = 1, b = "x" }` of those that are given.
fn inline(lines: &[Line]) -> String {
    let given =
        lines.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} = {value}")));
    format!("{{ {} }}", given.collect::<Vec<_>>().join(", "))
}

/// A list on one line.
fn list<T: ToString>(entries: &[T]) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| quote(&entry.to_string())).collect();
    format!("[{}]", entries.join(", "))
}

/// A list of tables, one a line.
fn rows(rows: &[String]) -> String {
    let rows: String = rows.iter().map(|row| format!("  {row},\n")).collect();
    format!("[\n{rows}]")
}

/// A TOML basic string of text that may have control characters.
fn string(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// A TOML basic string. Control characters do not come here: no value may have them.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A name as part of a header: bare, unless a dot in it would part it.
fn name_key(name: &str) -> String {
    if name.contains('.') { quote(name) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::expanded;
    use crate::load_text;
    use crate::model::root::ROOT;
    use crate::model::{Kind, Table};

    const EVERYTHING: &str = include_str!("../tests/everything.toml");

    /// Every key of this release in a table and those below it.
    fn keys(table: &'static Table, all: &mut Vec<&'static str>) {
        for key in table.keys.iter().filter(|key| key.later.is_none()) {
            all.push(key.name);
            match key.kind {
                Kind::Table(table) | Kind::Tables(table) | Kind::Named(table) => keys(table, all),
                _ => {}
            }
        }
    }

    #[test]
    fn a_file_with_every_key_is_the_same_when_written_out() {
        let mut all = Vec::new();
        keys(&ROOT, &mut all);
        let missing = all.iter().filter(|key| {
            !EVERYTHING.contains(&format!("{key} = ")) && !EVERYTHING.contains(&format!("[{key}"))
        });
        assert_eq!(missing.count(), 0, "everything.toml does not have every key");
        let loaded = load_text("everything.toml", EVERYTHING);
        assert_eq!(loaded.report.render(false), "");
        let config = loaded.config.expect("it is sound");
        let text = expanded(&config);
        let again = load_text("expanded.toml", &text);
        assert_eq!(again.report.render(false), "", "{text}");
        assert_eq!(again.config, Some(config), "{text}");
        // All but `include`, whose files are part of what is written out, and applications, which are expanded.
        all.clear();
        keys(&ROOT, &mut all);
        let mut expanded_away = vec!["application", "include"];
        keys(&crate::model::application::APPLICATION, &mut expanded_away);
        all.retain(|key| !expanded_away.contains(key));
        let written = |key: &&&str| text.contains(&format!("{key} = ")) || text.contains(&format!("[{key}"));
        let missing: Vec<_> = all.iter().filter(|key| !written(key)).collect();
        assert!(missing.is_empty(), "{missing:?} not in {text}");
    }
}
