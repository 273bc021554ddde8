//! `[application.NAME]`: certificates, listeners and pools named after it.

use std::fmt::Write as _;

use super::directories::DIRECTORIES;
use super::{named_mut, read, routes_mut, with_port};
use crate::ServerName;
use crate::check::shown;
use crate::file::{Fields, Item, Named, Value, add};
use crate::model::pool::CONNECT;
use crate::report::{Code, Fault, Report};

/// Times of servers that hold requests on purpose.
const LONG: &str = "65m";

/// What Exchange's attackers ask for, in path and query decoded once: ProxyShell and ProxyNotShell (CVE-2021-34473,
/// CVE-2022-41040), as Microsoft's own rules have it, and the token that leads to PowerShell.
const ATTACKS: &str = r"['autodiscover.*powershell', 'powershell.*autodiscover', 'x-rps-cat=', 'autodiscover\.json.*(/mapi/nspi|/ews|/powershell)']";

/// Cookies that only servers give each other: ProxyLogon (CVE-2021-26855).
const SERVER_COOKIE: &str = r"'(?i)(^|[;,\s])(x-beresource|x-anonresource[a-z-]*)\s*='";

/// The cookie of ProxyToken (CVE-2021-33766).
const TOKEN_COOKIE: &str = r"'(?i)(^|[;,\s])securitytoken\s*='";

/// Puts what each application stands for in its place.
pub(super) fn expand(root: &mut Fields, report: &mut Report) {
    let all: Vec<Named> = root.named("application").to_vec();
    for named in &all {
        let application = Application { named, fields: &named.fields };
        if application.is_sound(root, report) {
            application.put(root, report);
        }
    }
}

struct Application<'a> {
    named: &'a Named,
    fields: &'a Fields,
}

impl Application<'_> {
    fn word(&self, key: &str) -> &'static str {
        match self.fields.value(key) {
            Some(Value::Word(word)) => word,
            _ => "",
        }
    }

    fn is(&self, kind: &str) -> bool {
        self.word("kind") == kind
    }

    /// What cannot be expanded is reported.
    fn is_sound(&self, root: &Fields, report: &mut Report) -> bool {
        let (fields, name) = (self.fields, &self.named.name);
        let mut fault = |code, span, message: String, remedy: &str| {
            report.push(Fault::new(code, span, message).remedy(remedy));
        };
        for key in ["version", "smtp"] {
            if let (Some(entry), false) = (fields.written(key), self.is("exchange")) {
                let message = format!("`{key}` is for `kind = \"exchange\"`");
                fault(Code::KeyNotHonoured, entry.span, message, "take it out");
            }
        }
        let certificates = ["certificate", "certificates"].into_iter().filter_map(|key| fields.written(key));
        let certificates: Vec<_> = certificates.collect();
        if let Some(listener) = fields.given("listener") {
            let own = ["bind", "http-bind"]
                .into_iter()
                .filter_map(|key| fields.written(key))
                .chain(certificates.first().copied());
            for entry in own {
                let message = format!("`{}` is the listener's, which `listener` names", entry.key.name);
                fault(Code::ContradictoryKeys, entry.span, message, "take one of the two out");
            }
            let target =
                root.named("listener").iter().find(|one| fields.text("listener") == Some(&*one.name));
            let reads = |one: &Named| {
                matches!(one.fields.given("mode").map(|item| &item.value), Some(Value::Word("http")))
            };
            if !target.is_some_and(reads) {
                let message = format!(
                    "there is no listener `{}` of `mode = \"http\"`",
                    fields.text("listener").unwrap_or_default()
                );
                fault(Code::DanglingReference, listener.span, message, "name one, or take `listener` out");
                return false;
            }
        } else if fields.written("listener").is_none() && certificates.is_empty() {
            let message = format!("`application.{name}` has no certificate to show");
            let remedy = "add `certificate = { chain = \"…\", key = \"…\" }`, or `certificates = [\"…\"]`";
            fault(Code::MissingKey, self.named.span, message, remedy);
            return false;
        } else if let [one, other] = certificates.as_slice() {
            let message = "`certificate` and `certificates` are both given".to_owned();
            report.push(
                Fault::new(Code::ContradictoryKeys, other.span, message)
                    .also(one.span, "the other one")
                    .remedy("take one of the two out"),
            );
        }
        // What is missing or faulty has been reported.
        let whole = |server: &Fields| ["name", "address"].iter().all(|key| server.given(key).is_some());
        ["kind", "names", "servers"].iter().all(|key| fields.given(key).is_some())
            && !fields.list("names").is_empty()
            && fields.tables("servers").all(whole)
    }

    /// Writes it out and adds it to the file.
    fn put(&self, root: &mut Fields, report: &mut Report) {
        let mut made = read(&self.text(), self.named.span, report);
        for pool in named_mut(&mut made, "pool").into_iter().flatten() {
            // SMTP is relayed as it is.
            if self.fields.given("connect").is_some() && pool.fields.written("source").is_none() {
                pool.fields.copy("connect", self.fields);
            }
        }
        if let Some(Item { span, value: Value::Table(certificate) }) = self.fields.given("certificate") {
            for own in named_mut(&mut made, "certificate").into_iter().flatten() {
                own.fields = certificate.clone();
                own.span = *span;
            }
        }
        if let Some(target) = self.fields.text("listener") {
            let listener =
                named_mut(&mut made, "listener").map(std::mem::take).unwrap_or_default().into_iter().next();
            let routes: Vec<Item> =
                listener.map(|one| one.fields.list("routes").to_vec()).unwrap_or_default();
            let all = named_mut(root, "listener").into_iter().flatten();
            for one in all.filter(|one| &*one.name == target) {
                if let Some(theirs) = routes_mut(&mut one.fields) {
                    theirs.splice(0..0, routes.iter().cloned());
                }
            }
        }
        for entry in made.into_entries() {
            add(root, entry, report);
        }
    }

    /// All of it as TOML, but for `connect` and `certificate`, which are copied as they are.
    fn text(&self) -> String {
        let mut text = String::new();
        let name = &self.named.name;
        if self.fields.given("certificate").is_some() {
            let _ = writeln!(text, "[certificate.\"{name}\"]\nchain = \"/\"");
        }
        self.listeners(&mut text);
        self.routes(&mut text);
        self.pools(&mut text);
        text
    }

    fn listeners(&self, text: &mut String) {
        let (fields, name) = (self.fields, &self.named.name);
        let binds = |key: &str, otherwise: &str| match fields.given(key) {
            Some(_) => strings(fields.list(key)),
            None => otherwise.to_owned(),
        };
        let http = binds("http-bind", "[\"[::]:80\"]");
        if fields.written("listener").is_none() && http != "[]" {
            let _ = writeln!(
                text,
                "[listener.\"{name}-http\"]\nbind = {http}\nmode = \"http\"\nredirect = \"https\""
            );
        }
        if fields.bool("smtp") && self.is("exchange") {
            for (word, port) in MAIL {
                let _ = writeln!(
                    text,
                    "[listener.\"{name}-{word}\"]\nbind = [\"[::]:{port}\"]\nmode = \"tcp\"\npool = \"{name}-{word}\""
                );
            }
        }
        let certificates = match fields.given("certificates") {
            Some(_) => strings(fields.list("certificates")),
            None => format!("[\"{name}\"]"),
        };
        let bind = binds("bind", "[\"[::]:443\"]");
        let _ = writeln!(
            text,
            "[listener.\"{name}\"]\nbind = {bind}\nmode = \"http\"\nplain-http = \"redirect\""
        );
        let _ = writeln!(text, "tls = {{ certificates = {certificates} }}");
    }

    /// The routes of the listener whose table was begun last.
    fn routes(&self, text: &mut String) {
        let name = &self.named.name;
        let hosts = strings(self.fields.list("names"));
        let mut route = |ends: &str, rest: &str| {
            let _ = writeln!(
                text,
                "[[listener.\"{name}\".routes]]\nname = \"{name}{ends}\"\nhosts = {hosts}\n{rest}"
            );
        };
        if self.is("exchange") {
            route("-attack-uri", &format!("uri-regex = {ATTACKS}\nrefuse = 403"));
            let cookie =
                |regex: &str| format!("headers = [{{ name = \"Cookie\", regex = {regex} }}]\nrefuse = 403");
            route("-attack-cookie", &cookie(SERVER_COOKIE));
            route("-attack-token", &format!("paths = [\"/ecp\"]\n{}", cookie(TOKEN_COOKIE)));
        }
        let blocked = self.blocked();
        let inside = strings(self.fields.list("inside"));
        if !blocked.is_empty() {
            let but = if inside == "[]" { String::new() } else { format!("not-sources = {inside}\n") };
            route("-blocked", &format!("paths = {}\n{but}refuse = 403", list(&blocked)));
        }
        let waf = self.fields.text("waf").map(|waf| format!("waf = \"{waf}\"\n")).unwrap_or_default();
        let pool = format!("{waf}pool = \"{name}\"");
        let long = format!("timeouts = {{ response = \"{LONG}\" }}\n");
        match self.word("kind") {
            "exchange" => {
                route("-start", "path-exact = [\"/\"]\nredirect = { path = \"/owa/\", status = 302 }");
                let open = |path: &&str| inside != "[]" || !blocked.iter().any(|own| below(path, own));
                let paths: Vec<&str> =
                    DIRECTORIES.iter().map(|directory| directory.path).filter(open).collect();
                route("", &format!("paths = {}\n{pool}", list(&paths)));
            }
            "rdgateway" => {
                let paths = "[\"/remotedesktopgateway\", \"/rpc\", \"/rdweb\", \"/kdcproxy\"]";
                route("", &format!("paths = {paths}\n{long}{pool}"));
            }
            "sharepoint" => route("", &format!("timeouts = {{ response = \"10m\" }}\n{pool}")),
            _ => route("", &pool),
        }
    }

    fn blocked(&self) -> Vec<&str> {
        match self.fields.given("block") {
            Some(_) => self.fields.texts("block").collect(),
            None if self.is("exchange") => vec!["/ecp", "/powershell"],
            None => Vec::new(),
        }
    }

    fn pools(&self, text: &mut String) {
        let (fields, name) = (self.fields, &self.named.name);
        let _ = writeln!(text, "[pool.\"{name}\"]\nservers = {}", self.servers(None));
        let connect = match self.authority() {
            Some(ca) => format!("{{ tls = {{ ca = {ca}{} }} }}", self.server_name(", ")),
            None => format!("{{ tls = {{ {} }} }}", self.server_name("").trim()),
        };
        let _ = writeln!(text, "connect = {connect}");
        let tls = match fields.given("connect") {
            Some(_) => fields.table("connect", &CONNECT).written("tls").is_some(),
            None => true,
        };
        let connection = if tls { "{ tls = true }" } else { "{ tcp = true }" };
        let old = self.word("version") == "2010";
        match self.word("kind") {
            "exchange" if old => {
                let _ = writeln!(
                    text,
                    "health-check = {connection}\nstick = {{ on = \"source\", table = \"{name}\" }}"
                );
                let _ = writeln!(text, "timeouts = {{ response = \"{LONG}\" }}");
            }
            "exchange" => text.push_str("application = \"exchange\"\nbalance = \"least-connections\"\n"),
            // Both channels of a client go to one server (MS-TSGU section 3.3.5).
            "rdgateway" => {
                let _ = writeln!(text, "balance = \"hash\"\nhealth-check = {connection}");
            }
            "sharepoint" => {
                let scheme = if tls { "https" } else { "http" };
                let check =
                    "statuses = [\"2xx\", \"3xx\", \"401\", \"403\"], every = \"5s\", timeout = \"5s\"";
                let _ = writeln!(
                    text,
                    "balance = \"least-connections\"\nhealth-check = {{ {scheme} = \"/\", {check} }}"
                );
            }
            _ => {
                let _ = writeln!(text, "health-check = {connection}");
            }
        }
        if self.is("exchange") && old {
            let _ = writeln!(text, "[stick-table.\"{name}\"]\nsize = 50_000\nexpire = \"12h\"");
        }
        if fields.bool("smtp") && self.is("exchange") {
            for (word, port) in MAIL {
                let servers = self.servers(Some(port));
                let _ = writeln!(
                    text,
                    "[pool.\"{name}-{word}\"]\nservers = {servers}\nsource = {{ client = true }}"
                );
                text.push_str(
                    "health-check = { smtp = \"EHLO\", expect = 250, every = \"10s\", timeout = \"5s\" }\n",
                );
            }
        }
    }

    /// The authorities that servers are believed by: those that signed our own certificate, as theirs is the same.
    fn authority(&self) -> Option<String> {
        match &self.fields.given("certificate")?.value {
            Value::Table(certificate) => certificate.text("chain").map(quote),
            _ => None,
        }
    }

    /// `name = "…"` of the servers' certificates: the first of `names` that is one.
    fn server_name(&self, before: &str) -> String {
        let names = self.fields.list("names").iter();
        let exact = names.filter_map(|item| match &item.value {
            Value::ServerName(ServerName::Exact(name)) => Some(name),
            _ => None,
        });
        exact.take(1).map(|name| format!("{before}name = \"{name}\"")).collect()
    }

    /// The servers, on another port than theirs perhaps.
    fn servers(&self, port: Option<u16>) -> String {
        let server = |fields: &Fields| {
            let address = fields.text("address").unwrap_or_default();
            let address = match port {
                // Without the port it may have.
                Some(port) => with_port(bare(address), port),
                None => with_port(address, 443),
            };
            let zone = fields.text("zone").map(|zone| format!(", zone = \"{zone}\"")).unwrap_or_default();
            format!(
                "{{ name = \"{}\", address = \"{address}\", weight = {}, backup = {}{zone} }}",
                fields.text("name").unwrap_or_default(),
                fields.integer("weight").unwrap_or(1),
                fields.bool("backup")
            )
        };
        let servers: Vec<String> = self.fields.tables("servers").map(server).collect();
        format!("[{}]", servers.join(", "))
    }
}

/// Ports of SMTP, and what the listeners and pools of each end in.
const MAIL: [(&str, u16); 2] = [("smtp", 25), ("submission", 587)];

/// An address without its port.
fn bare(address: &str) -> &str {
    if crate::text::address::server(address).is_err() {
        return address;
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether a path is another or lies below it.
fn below(path: &str, other: &str) -> bool {
    let other = other.trim_end_matches('/');
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn list(texts: &[&str]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A list as it was written.
fn strings(items: &[Item]) -> String {
    let texts: Vec<String> = items
        .iter()
        .filter_map(|item| match &item.value {
            Value::Text(text) => Some(text.to_string()),
            Value::Bind(address) => Some(address.to_string()),
            Value::Network(network) => Some(network.to_string()),
            Value::ServerName(name) => Some(shown(name)),
            _ => None,
        })
        .collect();
    list(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A TOML basic string.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
