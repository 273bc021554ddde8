//! `mode = "http"`

use std::collections::HashMap;
use std::path::Path;

use super::Checker;
use super::edits::{filled_in, templates};
use super::tls::HTTP_ALPN;
use crate::file::{Entry, Fields, Named, Value};
use crate::model::certificate::LISTENER_TLS;
use crate::model::http::{
    ACTIONS, FIXED, FORWARDED, LISTENER_TIMEOUTS, REDIRECT, REPLACE_PATH, REWRITES, ROUTE_LIMITS,
    ROUTE_TIMEOUTS,
};
use crate::model::listener::LISTENER_LIMITS;
use crate::model::rewriting::{REPLACE_HOST, REPLACE_URI};
use crate::report::{Code, Fault};
use crate::source::Span;
use crate::{
    Action, ClientTimeouts, Content, ErrorBody, ErrorPage, Fixed, Forwarded, Http, HttpRoute, HttpTls,
    ListenerTls, Name, Pattern, PlainHttp, Redirect, ReplaceHost, RequestLimits, Rewrite, words,
};

/// The status of `redirect` of a listener: the method stays (RFC 9110 section 15.4.9).
const REDIRECT_STATUS: u16 = 308;

impl Checker<'_> {
    /// What an `http` listener does.
    pub(super) fn http(&mut self, named: &Named, pool: Option<Name>, tls: Option<ListenerTls>) -> Http {
        let fields = &named.fields;
        let routes = self.http_routes(fields);
        let otherwise = self.otherwise(named, pool);
        self.in_clear(fields);
        self.spoken(fields);
        let tls = tls.map(|tls| HttpTls {
            tls: with_alpn(tls, fields),
            handshake_timeout: fields.duration("inspect-timeout"),
            plain_http: fields.word("plain-http", words::PLAIN_HTTP).unwrap_or(PlainHttp::Refuse),
        });
        self.shadowed(fields, &routes);
        Http {
            tls,
            routes,
            otherwise,
            edits: self.edits(fields),
            forwarded: self.forwarded(fields),
            timeouts: client_timeouts(fields),
            limits: request_limits(fields),
            error_pages: self.error_pages(fields),
            h2c: fields.bool("h2c"),
            ready: fields.bool("ready"),
            waf: self.waf_named(fields),
        }
    }

    /// What becomes of requests that no route takes.
    fn otherwise(&mut self, named: &Named, pool: Option<Name>) -> Option<Action> {
        let fields = &named.fields;
        match (fields.written("pool"), fields.written("redirect")) {
            (Some(pool), Some(redirect)) => {
                let message = "requests that no route takes go to `pool` or are sent elsewhere, not both";
                let fault =
                    Fault::new(Code::ContradictoryKeys, redirect.span, message).also(pool.span, "the pool");
                self.report.push(fault.remedy("take one of the two out"));
            }
            (None, None) if fields.written("routes").is_none() => {
                let message = format!(
                    "`listener.{}` has neither `routes` nor `pool` nor `redirect`: every request would be answered 404",
                    named.name
                );
                self.fault(
                    Code::MissingKey,
                    named.span,
                    message,
                    "add `pool = \"…\"`, or `redirect = \"https\"`",
                );
            }
            _ => {}
        }
        let scheme = fields.given("redirect").and_then(|_| fields.word("redirect", words::LISTENER_REDIRECT));
        if scheme == Some("https") && fields.written("tls").is_some() && fields.written("routes").is_none() {
            let message = "clients that speak TLS here already would be sent to `https` without end";
            self.fault(
                Code::ContradictoryKeys,
                fields.place("redirect"),
                message,
                "take `tls` out: who speaks plain HTTP to a TLS port is answered as `plain-http` says",
            );
        }
        let redirect = |scheme: &str| {
            Action::Redirect(Redirect {
                status: REDIRECT_STATUS,
                scheme: Some(scheme.into()),
                host: None,
                replace_host: None,
                path: None,
                to: None,
            })
        };
        pool.map(Action::Pool).or_else(|| scheme.map(redirect))
    }

    /// Keys about TLS where there is none, and the other way round.
    fn in_clear(&mut self, fields: &Fields) {
        if fields.written("tls").is_some() {
            if let Some(entry) = fields.written("h2c") {
                let message = "`h2c` is for listeners without `tls`; with it clients choose HTTP/2 by ALPN";
                self.fault(Code::KeyNotHonoured, entry.span, message, "take it out");
            }
            return;
        }
        for key in ["inspect-timeout", "plain-http"] {
            if let Some(entry) = fields.written(key) {
                let message = format!("`{key}` is for listeners with `tls`, and this one has none");
                self.fault(Code::KeyNotHonoured, entry.span, message, "take it out, or add `tls`");
            }
        }
    }

    /// Protocols of `alpn` that requests could not be read in: clients would be promised what they do not get.
    fn spoken(&mut self, listener: &Fields) {
        let tls = listener.table("tls", &LISTENER_TLS);
        for item in tls.list("alpn") {
            let Value::Text(protocol) = &item.value else { continue };
            if !HTTP_ALPN.contains(&&**protocol) {
                let message = format!("a listener of `mode = \"http\"` does not speak `{protocol}`");
                let remedy = format!("write `alpn = [\"{}\"]`, or take it out", HTTP_ALPN.join("\", \""));
                self.fault(Code::UnknownWord, item.span, message, remedy);
            }
        }
    }

    fn http_routes(&mut self, listener: &Fields) -> Vec<HttpRoute> {
        let mut names: HashMap<Name, Span> = HashMap::new();
        let mut routes = Vec::new();
        let all: Vec<Fields> = listener.tables("routes").cloned().collect();
        for (number, fields) in (1..).zip(&all) {
            self.route_keys_under(fields, "http");
            let name = fields.text("name").map_or_else(|| Name::from(format!("route-{number}")), Name::from);
            if let Some(first) = names.insert(name.clone(), fields.place("name")) {
                let message =
                    format!("there are two routes `{name}`, which logs and metrics could not tell apart");
                let fault = Fault::new(Code::DuplicateName, fields.place("name"), message);
                self.report.push(fault.also(first, "first here").remedy("rename one of them"));
            }
            let Some(action) = self.action(fields) else { continue };
            let rewrite = self.rewrite(fields, &action);
            let attack = self.attack(fields, &action);
            let action_leads = action.pool().is_some();
            let timeouts = fields.table("timeouts", &ROUTE_TIMEOUTS);
            routes.push(HttpRoute {
                name,
                matches: self.matches(fields),
                action,
                edits: self.edits(fields),
                rewrite,
                method: self.method(fields, action_leads),
                response_timeout: timeouts.given("response").map(|_| timeouts.duration("response")),
                body_max: fields.table("limits", &ROUTE_LIMITS).integer("body"),
                waf: self.waf_named(fields),
                attack,
                place: self.place(fields.span),
            });
        }
        routes
    }

    /// The one key that says what is done with a request.
    fn action(&mut self, route: &Fields) -> Option<Action> {
        let given: Vec<&Entry> = ACTIONS.iter().filter_map(|key| route.written(key)).collect();
        match given.as_slice() {
            [] => {
                let message = "the route does not say what is done with a request";
                let remedy = "add one of `pool = \"…\"`, `redirect = { … }`, `refuse = 403`, `reset = true`, `fixed = { … }`";
                self.fault(Code::MissingKey, route.span, message, remedy);
                return None;
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!(
                    "a route does one thing, but `{}` and `{}` are both given",
                    first.key.name, second.key.name
                );
                let fault = Fault::new(Code::ContradictoryKeys, second.span, message)
                    .also(first.span, "the other one");
                self.report.push(fault.remedy("take one of the two out"));
            }
        }
        let first = given.first()?;
        first.item.as_ref()?;
        match first.key.name {
            "pool" => self.pool_named(route, "pool").map(Action::Pool),
            "redirect" => Some(Action::Redirect(self.redirect(route))),
            "refuse" => Some(Action::Refuse(route.number("refuse"))),
            "fixed" => self.fixed(route).map(Action::Fixed),
            _ => {
                if !route.bool("reset") {
                    let message = "`reset = false` says nothing of what is done";
                    self.fault(
                        Code::ContradictoryKeys,
                        first.span,
                        message,
                        "write `reset = true`, or another action",
                    );
                }
                Some(Action::Reset)
            }
        }
    }

    /// Whether what it takes is called an attack.
    fn attack(&mut self, route: &Fields, action: &Action) -> bool {
        let attack = route.bool("attack");
        if attack && !matches!(action, Action::Refuse(_) | Action::Reset) {
            let message = "`attack` is for routes that refuse, and this one does something else";
            let remedy = "write `refuse = 403` or `reset = true`, or take `attack` out";
            self.fault(Code::KeyNotHonoured, route.place("attack"), message, remedy);
        }
        attack
    }

    fn redirect(&mut self, route: &Fields) -> Redirect {
        let fields = route.table("redirect", &REDIRECT);
        let text = |key: &str| fields.text(key).map(Into::into);
        let redirect = Redirect {
            status: fields.number("status"),
            scheme: fields
                .given("scheme")
                .and_then(|_| fields.word("scheme", words::SCHEMES))
                .map(Into::into),
            host: text("host"),
            replace_host: replace_host(&fields),
            path: filled_in(&fields, "path"),
            to: filled_in(&fields, "to"),
        };
        if matches!(redirect.status, 304..=306) {
            let message = format!("{} does not send a client elsewhere", redirect.status);
            self.fault(Code::OutOfRange, fields.place("status"), message, "write 301, 302, 303, 307 or 308");
        }
        if let (Some(host), Some(other)) = (fields.written("host"), fields.written("replace-host")) {
            let message = "the host is another one, or changed from the one asked for, not both";
            let fault =
                Fault::new(Code::ContradictoryKeys, other.span, message).also(host.span, "another one");
            self.report.push(fault.remedy("take one of the two out"));
        }
        let parts = ["scheme", "host", "replace-host", "path"];
        let part = parts.iter().find_map(|key| fields.written(key));
        match (fields.written("to"), part) {
            (Some(to), Some(part)) => {
                let message = format!("`to` is a whole URL, and `{}` a part of one", part.key.name);
                let fault = Fault::new(Code::ContradictoryKeys, part.span, message).also(to.span, "the URL");
                self.report.push(fault.remedy("take one of the two out"));
            }
            (None, None) => {
                let message = "the redirect names nothing that changes: clients would come back without end";
                self.fault(Code::MissingKey, fields.span, message, "add `scheme`, `host`, `path` or `to`");
            }
            _ => {}
        }
        redirect
    }

    fn fixed(&mut self, route: &Fields) -> Option<Fixed> {
        let fields = route.table("fixed", &FIXED);
        if let (Some(body), Some(file)) = (fields.written("body"), fields.written("file")) {
            let message = "the body is written here or in a file, not both";
            let fault =
                Fault::new(Code::ContradictoryKeys, file.span, message).also(body.span, "written here");
            self.report.push(fault.remedy("take one of the two out"));
        }
        let status: u16 = fields.number("status");
        if matches!(status, 204 | 304)
            && (fields.written("body").is_some() || fields.written("file").is_some())
        {
            let message = format!("an answer with status {status} has no body (RFC 9110 section 6.4.1)");
            self.fault(Code::ContradictoryKeys, fields.place("status"), message, "take the body out");
        }
        let content_type = fields.text("content-type").map(Box::<str>::from);
        let file = fields.written("file").is_some();
        let body = if file {
            Content::File(self.named_file(&fields, "file")?)
        } else {
            Content::Text(fields.text("body").unwrap_or_default().into())
        };
        let otherwise = match &body {
            Content::File(file) => Some(content_type_of(&file.path)),
            Content::Text(text) if text.is_empty() => None,
            Content::Text(_) => Some("text/plain; charset=utf-8"),
        };
        if let (Some(entry), true) = (fields.given("content-type"), otherwise.is_none()) {
            let message = "`content-type` says what the body is, and there is none";
            self.fault(Code::KeyNotHonoured, entry.span, message, "add `body` or `file`, or take it out");
        }
        let content_type = otherwise.map(|otherwise| content_type.unwrap_or_else(|| otherwise.into()));
        Some(Fixed { status, content_type, body, headers: templates(&fields, "headers") })
    }

    fn rewrite(&mut self, route: &Fields, action: &Action) -> Option<Rewrite> {
        let given: Vec<&Entry> = REWRITES.iter().filter_map(|key| route.written(key)).collect();
        let first = given.first()?;
        if let Some(second) = given.get(1) {
            let message = format!(
                "the path is changed once, but `{}` and `{}` are both given",
                first.key.name, second.key.name
            );
            let fault =
                Fault::new(Code::ContradictoryKeys, second.span, message).also(first.span, "the other one");
            self.report.push(fault.remedy("take one of the two out; `replace-path` can do both"));
        }
        if action.pool().is_none() {
            let message = format!(
                "`{}` changes what servers are asked for, and no server is asked here",
                first.key.name
            );
            self.fault(Code::KeyNotHonoured, first.span, message, "take it out");
        }
        match first.key.name {
            "set-path" => Some(Rewrite::Set(filled_in(route, "set-path")?)),
            "set-uri" => Some(Rewrite::SetUri(filled_in(route, "set-uri")?)),
            "set-query" => Some(Rewrite::SetQuery(filled_in(route, "set-query")?)),
            "replace-uri" => {
                let fields = route.table("replace-uri", &REPLACE_URI);
                Some(Rewrite::ReplaceUri {
                    regex: Pattern::new(fields.text("regex")?)?,
                    with: fields.text("with")?.into(),
                })
            }
            "strip-prefix" => Some(Rewrite::StripPrefix(super::matches::below(route.text("strip-prefix")?))),
            _ => {
                let fields = route.table("replace-path", &REPLACE_PATH);
                Some(Rewrite::Replace {
                    regex: fields.text("regex")?.into(),
                    with: fields.text("with")?.into(),
                })
            }
        }
    }

    fn method(&mut self, route: &Fields, leads: bool) -> Option<Box<str>> {
        let entry = route.written("set-method")?;
        if !leads {
            let message = "`set-method` changes what servers are asked for, and no server is asked here";
            self.fault(Code::KeyNotHonoured, entry.span, message, "take it out");
        }
        route.text("set-method").map(Into::into)
    }

    fn error_body(&mut self, fields: &Fields) -> Option<ErrorBody> {
        match (fields.written("file"), fields.written("redirect")) {
            (Some(_), None) => {
                let file = self.named_file(fields, "file")?;
                let (content_type, from) =
                    raw_head(&file.contents).unwrap_or_else(|| (content_type_of(&file.path).into(), 0));
                Some(ErrorBody::Page { content_type, file, from })
            }
            (None, Some(_)) => Some(ErrorBody::Redirect(fields.text("redirect")?.into())),
            (None, None) => {
                let message = "nothing says what is answered";
                self.fault(
                    Code::MissingKey,
                    fields.span,
                    message,
                    "add `file = \"…\"`, or `redirect = \"https://…\"`",
                );
                None
            }
            (Some(file), Some(redirect)) => {
                let message = "the answer is a page or a redirect, not both";
                let fault = Fault::new(Code::ContradictoryKeys, redirect.span, message);
                self.report.push(fault.also(file.span, "the page").remedy("take one of the two out"));
                None
            }
        }
    }

    fn forwarded(&mut self, listener: &Fields) -> Forwarded {
        let fields = listener.table("forwarded", &FORWARDED);
        let mut trust = Vec::new();
        for item in fields.list("trust") {
            let Value::Network(network) = item.value else { continue };
            if network.prefix_len() == 0 {
                let message =
                    format!("`{network}` believes anybody: each client may claim to have any address");
                self.fault(
                    Code::EverybodyBelieved,
                    item.span,
                    message,
                    "list the addresses of the proxies in front",
                );
            }
            trust.push(network);
        }
        Forwarded {
            trust,
            client: fields.bool("client"),
            proto: fields.bool("proto"),
            host: fields.bool("host"),
        }
    }

    fn error_pages(&mut self, listener: &Fields) -> Vec<ErrorPage> {
        let mut seen: HashMap<u16, Span> = HashMap::new();
        let mut pages = Vec::new();
        let all: Vec<Fields> = listener.tables("error-pages").cloned().collect();
        for fields in &all {
            let status: u16 = fields.number("status");
            let span = fields.place("status");
            if let Some(first) = seen.insert(status, span) {
                let fault =
                    Fault::new(Code::DuplicateName, span, format!("there are two pages for status {status}"));
                self.report.push(fault.also(first, "first here").remedy("keep one of them"));
            }
            if let Some(body) = self.error_body(fields) {
                pages.push(ErrorPage { status, body });
            }
        }
        pages
    }
}

/// What a listener speaks where `alpn` does not say.
fn with_alpn(mut tls: ListenerTls, listener: &Fields) -> ListenerTls {
    let written = match listener.given("tls").map(|item| &item.value) {
        Some(Value::Table(fields)) => fields.written("alpn").is_some(),
        _ => true,
    };
    if !written {
        tls.alpn = HTTP_ALPN.iter().map(|protocol| Box::from(*protocol)).collect();
    }
    tls
}

fn client_timeouts(listener: &Fields) -> ClientTimeouts {
    let fields = listener.table("timeouts", &LISTENER_TIMEOUTS);
    ClientTimeouts {
        head: fields.duration("head"),
        body: fields.duration("body"),
        keep_alive: fields.duration("keep-alive"),
        send: fields.duration("send"),
    }
}

fn request_limits(listener: &Fields) -> RequestLimits {
    let fields = listener.table("limits", &LISTENER_LIMITS);
    RequestLimits {
        head_bytes: fields.number("head"),
        fields: fields.number("header-fields"),
        body: fields.integer("body"),
        requests: fields.integer("requests").and_then(|n| u32::try_from(n).ok()),
    }
}

fn replace_host(redirect: &Fields) -> Option<ReplaceHost> {
    redirect.given("replace-host")?;
    let fields = redirect.table("replace-host", &REPLACE_HOST);
    Some(ReplaceHost { regex: Pattern::new(fields.text("regex")?)?, with: fields.text("with")?.into() })
}

/// What a file that begins with a head says of its body, and where that begins; `None`: it is a body alone.
fn raw_head(bytes: &[u8]) -> Option<(Box<str>, usize)> {
    if !bytes.starts_with(b"HTTP/1.") {
        return None;
    }
    let ends = [&b"\r\n\r\n"[..], b"\n\n"].into_iter().filter_map(|end| {
        let at = bytes.windows(end.len()).position(|window| window == end)?;
        Some(at + end.len())
    });
    let from = ends.min()?;
    let head = String::from_utf8_lossy(bytes.get(..from)?);
    let kind = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-type").then(|| value.trim().into())
    });
    Some((kind.unwrap_or_else(|| "text/html".into()), from))
}

/// What a file holds, by the ending of its name; HTML where it says nothing.
fn content_type_of(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "txt" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        _ => "text/html; charset=utf-8",
    }
}
