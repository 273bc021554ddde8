//! `http` listeners, written out whole.

use super::{Line, file, inline, list, listener_tls, quote, rows, string, time};
use crate::check::shown;
use crate::text::{size, template};
use crate::words::{self, Mode, word};
use crate::{
    Action, Content, Edits, ErrorBody, ErrorPage, FieldEdits, FieldMatch, FieldReplace, Fixed, Forwarded,
    Http, HttpRoute, Matches, PathMatch, Redirect, Rewrite, ServersUp, Template, UpBound, ValueMatch,
};

/// The keys of an `http` listener, but for those that all listeners have.
pub(super) fn http_lines(http: &Http) -> Vec<Line> {
    let mut lines = vec![("mode", Some(quote(word(words::MODES, &Mode::Http))))];
    match &http.otherwise {
        Some(Action::Pool(pool)) => lines.push(("pool", Some(quote(pool)))),
        Some(Action::Redirect(redirect)) => lines.push(("redirect", redirect.scheme.as_deref().map(quote))),
        _ => {}
    }
    let routes: Vec<String> = http.routes.iter().map(route).collect();
    lines.push(("routes", (!routes.is_empty()).then(|| rows(&routes))));
    if let Some(tls) = &http.tls {
        lines.push(("tls", Some(listener_tls(&tls.tls))));
        lines.push(("inspect-timeout", time(tls.handshake_timeout)));
        lines.push(("plain-http", Some(quote(word(words::PLAIN_HTTP, &tls.plain_http)))));
    }
    let timeouts = &http.timeouts;
    lines.push((
        "timeouts",
        Some(inline(&[
            ("head", time(timeouts.head)),
            ("body", time(timeouts.body)),
            ("keep-alive", time(timeouts.keep_alive)),
            ("send", time(timeouts.send)),
        ])),
    ));
    lines.extend(edits(&http.edits));
    lines.push(("forwarded", Some(forwarded(&http.forwarded))));
    let pages: Vec<String> = http.error_pages.iter().map(error_page).collect();
    lines.push(("error-pages", (!pages.is_empty()).then(|| rows(&pages))));
    lines.push(("h2c", http.tls.is_none().then(|| http.h2c.to_string())));
    lines.push(("ready", Some(http.ready.to_string())));
    lines.push(("waf", http.waf.as_deref().map(quote)));
    lines
}

/// `limits` of an `http` listener that are about requests.
pub(super) fn request_limits(http: &Http) -> [Line; 4] {
    let limits = &http.limits;
    [
        ("head", Some(quote(&size::written(limits.head_bytes.into())))),
        ("header-fields", Some(limits.fields.to_string())),
        ("body", limits.body.map(|bytes| quote(&size::written(bytes)))),
        ("requests", limits.requests.map(|requests| requests.to_string())),
    ]
}

fn route(route: &HttpRoute) -> String {
    let mut lines: Vec<Line> = vec![("name", Some(quote(&route.name)))];
    lines.extend(matches(&route.matches));
    lines.push(action(&route.action));
    lines.push(("attack", route.attack.then(|| "true".to_owned())));
    lines.extend(edits(&route.edits));
    match &route.rewrite {
        None => {}
        Some(Rewrite::Set(path)) => lines.push(("set-path", Some(string(&template::written(path))))),
        Some(Rewrite::SetUri(uri)) => lines.push(("set-uri", Some(string(&template::written(uri))))),
        Some(Rewrite::SetQuery(query)) => lines.push(("set-query", Some(string(&template::written(query))))),
        Some(Rewrite::ReplaceUri { regex, with }) => lines.push((
            "replace-uri",
            Some(inline(&[("regex", Some(quote(regex.text()))), ("with", Some(quote(with)))])),
        )),
        Some(Rewrite::StripPrefix(path)) => lines.push(("strip-prefix", Some(quote(path)))),
        Some(Rewrite::Replace { regex, with }) => lines.push((
            "replace-path",
            Some(inline(&[("regex", Some(quote(regex))), ("with", Some(quote(with)))])),
        )),
    }
    lines.push(("set-method", route.method.as_deref().map(quote)));
    lines.push(("waf", route.waf.as_deref().map(quote)));
    if let Some(response) = route.response_timeout {
        lines.push(("timeouts", Some(inline(&[("response", time(response))]))));
    }
    if let Some(body) = route.body_max {
        lines.push(("limits", Some(inline(&[("body", Some(quote(&size::written(body))))]))));
    }
    inline(&lines)
}

fn matches(matches: &Matches) -> Vec<Line> {
    fn some<T: ToString>(entries: &[T]) -> Option<String> {
        (!entries.is_empty()).then(|| list(entries))
    }
    let hosts: Vec<String> = matches.hosts.iter().map(shown).collect();
    let paths = |which: fn(&PathMatch) -> Option<&str>| {
        let texts: Vec<&str> = matches.paths.iter().filter_map(which).collect();
        some(&texts)
    };
    let fields = |fields: &[FieldMatch]| {
        let all: Vec<String> = fields.iter().map(field_match).collect();
        (!all.is_empty()).then(|| format!("[{}]", all.join(", ")))
    };
    vec![
        ("hosts", some(&hosts)),
        ("paths", paths(|path| if let PathMatch::Below(path) = path { Some(path) } else { None })),
        ("path-exact", paths(|path| if let PathMatch::Exact(path) = path { Some(path) } else { None })),
        ("path-suffix", paths(|path| if let PathMatch::Suffix(path) = path { Some(path) } else { None })),
        ("path-regex", paths(|path| if let PathMatch::Regex(path) = path { Some(path) } else { None })),
        ("uri-regex", some(&matches.uri)),
        ("methods", some(&matches.methods)),
        ("sources", some(&matches.sources)),
        ("not-sources", some(&matches.not_sources)),
        ("headers", fields(&matches.headers)),
        ("query", fields(&matches.query)),
        ("cookies", fields(&matches.cookies)),
        ("client-certificate", matches.client_certificate.map(|shown| shown.to_string())),
        ("servers-up", (!matches.servers_up.is_empty()).then(|| servers_up(&matches.servers_up))),
    ]
}

fn servers_up(all: &[ServersUp]) -> String {
    let entries: Vec<String> = all
        .iter()
        .map(|one| {
            let bound = match one.bound {
                UpBound::Below(number) => ("below", Some(number.to_string())),
                UpBound::AtLeast(number) => ("at-least", Some(number.to_string())),
            };
            inline(&[("pool", Some(quote(&one.pool))), ("server", one.server.as_deref().map(quote)), bound])
        })
        .collect();
    format!("[{}]", entries.join(", "))
}

fn field_match(field: &FieldMatch) -> String {
    let value = match &field.value {
        ValueMatch::Present => ("present", Some("true".to_owned())),
        ValueMatch::Exact(text) => ("value", Some(quote(text))),
        ValueMatch::Prefix(text) => ("prefix", Some(quote(text))),
        ValueMatch::Suffix(text) => ("suffix", Some(quote(text))),
        ValueMatch::Contains(text) => ("contains", Some(quote(text))),
        ValueMatch::Regex(text) => ("regex", Some(quote(text))),
    };
    inline(&[("name", Some(quote(&field.name))), value, ("not", Some(field.not.to_string()))])
}

fn action(action: &Action) -> Line {
    match action {
        Action::Pool(pool) => ("pool", Some(quote(pool))),
        Action::Redirect(to) => ("redirect", Some(redirect(to))),
        Action::Refuse(status) => ("refuse", Some(status.to_string())),
        Action::Reset => ("reset", Some("true".to_owned())),
        Action::Fixed(answer) => ("fixed", Some(fixed(answer))),
    }
}

fn redirect(redirect: &Redirect) -> String {
    inline(&[
        ("status", Some(redirect.status.to_string())),
        ("scheme", redirect.scheme.as_deref().map(quote)),
        ("host", redirect.host.as_deref().map(quote)),
        (
            "replace-host",
            redirect.replace_host.as_ref().map(|host| {
                inline(&[("regex", Some(quote(host.regex.text()))), ("with", Some(quote(&host.with)))])
            }),
        ),
        ("path", redirect.path.as_ref().map(|path| string(&template::written(path)))),
        ("to", redirect.to.as_ref().map(|to| string(&template::written(to)))),
    ])
}

fn fixed(fixed: &Fixed) -> String {
    let (body, from) = match &fixed.body {
        Content::Text(text) => ((!text.is_empty()).then(|| string(text)), None),
        Content::File(from) => (None, Some(file(from))),
    };
    inline(&[
        ("status", Some(fixed.status.to_string())),
        ("content-type", fixed.content_type.as_deref().map(quote)),
        ("body", body),
        ("file", from),
        ("headers", headers(&fixed.headers)),
    ])
}

fn edits(edits: &Edits) -> Vec<Line> {
    let names = |all: &[Box<str>]| (!all.is_empty()).then(|| list(all));
    let FieldEdits { replace, remove, set, add } = &edits.request;
    let response = &edits.response;
    vec![
        ("set-request-headers", headers(set)),
        ("add-request-headers", headers(add)),
        ("remove-request-headers", names(remove)),
        ("set-response-headers", headers(&response.set)),
        ("add-response-headers", headers(&response.add)),
        ("remove-response-headers", names(&response.remove)),
        ("replace-request-headers", replaces(replace)),
        ("replace-response-headers", replaces(&response.replace)),
    ]
}

fn headers(all: &[(Box<str>, Template)]) -> Option<String> {
    let entries: Vec<String> = all
        .iter()
        .map(|(name, value)| format!("{} = {}", key(name), string(&template::written(value))))
        .collect();
    (!entries.is_empty()).then(|| format!("{{ {} }}", entries.join(", ")))
}

fn replaces(all: &[FieldReplace]) -> Option<String> {
    let entry = |one: &FieldReplace| {
        inline(&[
            ("name", Some(quote(&one.name))),
            ("regex", Some(quote(one.regex.text()))),
            ("with", Some(string(&template::written(&one.with)))),
        ])
    };
    let entries: Vec<String> = all.iter().map(entry).collect();
    (!entries.is_empty()).then(|| format!("[{}]", entries.join(", ")))
}

/// The name of a header as a key: in quotation marks where TOML has none of its characters in bare keys.
pub(super) fn key(name: &str) -> String {
    let bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare { name.to_owned() } else { quote(name) }
}

fn forwarded(forwarded: &Forwarded) -> String {
    inline(&[
        ("trust", (!forwarded.trust.is_empty()).then(|| list(&forwarded.trust))),
        ("client", Some(forwarded.client.to_string())),
        ("proto", Some(forwarded.proto.to_string())),
        ("host", Some(forwarded.host.to_string())),
    ])
}

fn error_page(page: &ErrorPage) -> String {
    let answer = match &page.body {
        ErrorBody::Page { file: page, .. } => ("file", Some(file(page))),
        ErrorBody::Redirect(to) => ("redirect", Some(quote(to))),
    };
    inline(&[("status", Some(page.status.to_string())), answer])
}
