//! `acl`.

use std::collections::HashMap;

use crate::account::Account;
use crate::haproxy::rule::{Condition, Match, Subject, Test, always};
use crate::outside::Outside;
use crate::table::{Rows, changed, exact, unsupported};
use crate::units;

/// Types of ACLs
pub(super) const TYPES: Rows = Rows {
    title: "Types of `acl`",
    kind: "squid acl",
    rows: &[
        changed(
            "url_regex",
            "hosts = [\"mail.example.com\"], paths = [\"/owa\"]",
            "host and path are told apart",
        ),
        exact("urlpath_regex", "path-regex = ['^/owa']"),
        exact("dstdomain", "hosts = [\"*.example.com\"]"),
        exact("dstdom_regex", "headers = [{ name = \"Host\", regex = '^mail' }]"),
        exact("src", "sources = [\"10.0.0.0/8\"]"),
        exact("method", "methods = [\"POST\"]"),
        exact("port", "a listener for each port"),
        exact("myport", "a listener for each port"),
        exact("localport", "a listener for each port"),
        exact("proto", "a listener with `tls`, another without"),
        exact("browser", "headers = [{ name = \"User-Agent\", regex = 'Outlook' }]"),
        exact("req_header", "headers = [{ name = \"NAME\", regex = 'x' }]"),
        unsupported("time", "routes do not look at the clock"),
        unsupported("proxy_auth", "servers ask for logins"),
        unsupported("dst", "routes look at what clients ask for, not where it is"),
        unsupported("external", "nothing is started from here"),
        unsupported("maxconn", "`[listener.NAME] limits` counts connections"),
    ],
};

/// An ACL: any of its values is enough.
#[derive(Debug, Default)]
pub(super) struct Acl {
    kind: String,
    /// Each with its line.
    values: Vec<(u32, String)>,
    ignore_case: bool,
    /// Why it cannot be asked.
    why: Option<String>,
    line: u32,
}

impl Acl {
    /// Reads a line: `acl NAME TYPE [-i] VALUES…`; values may stand in a file.
    pub(super) fn read(
        line: u32,
        words: &[String],
        acls: &mut HashMap<String, Self>,
        outside: &dyn Outside,
        account: &mut Account,
    ) {
        let (Some(name), Some(kind)) = (words.get(1), words.get(2)) else {
            account.unsupported(line, "an ACL has a name and a type");
            return;
        };
        let acl = acls.entry(name.clone()).or_default();
        acl.line = line;
        if TYPES.mark(&[kind.as_str()], line, account).is_none_or(|row| row.ours.is_empty()) {
            acl.why = Some(format!("`{kind}` has no counterpart"));
            return;
        }
        acl.kind.clone_from(kind);
        for value in words.iter().skip(3) {
            match value.as_str() {
                "-i" => acl.ignore_case = true,
                "-n" | "--" => {}
                value if value.starts_with('/') && matches!(kind.as_str(), "dstdomain" | "src") => {
                    match outside.read(value) {
                        Some(text) => {
                            let lines = text
                                .lines()
                                .map(str::trim)
                                .filter(|own| !own.is_empty() && !own.starts_with('#'));
                            acl.values.extend(lines.take(10_000).map(|own| (line, own.to_owned())));
                        }
                        None => account.unsupported(line, format!("the file {value} cannot be read")),
                    }
                }
                value => acl.values.push((line, value.to_owned())),
            }
        }
    }

    /// What it asks.
    pub(super) fn condition(&self, account: &mut Account) -> Result<Condition, String> {
        if let Some(why) = &self.why {
            return Err(why.clone());
        }
        let values = || self.values.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let expressions = || -> Vec<String> {
            let flag = if self.ignore_case { "(?i)" } else { "" };
            self.values.iter().map(|(_, value)| format!("{flag}{value}")).collect()
        };
        let one = |subject: Subject, values: Vec<String>| Ok(vec![vec![Test::new(subject, values)]]);
        match self.kind.as_str() {
            "url_regex" => Ok(self.urls(account)),
            "urlpath_regex" => one(Subject::PathRegex, values()),
            "dstdomain" => one(Subject::Host, self.domains()),
            "dstdom_regex" => one(Subject::Header("Host".to_owned(), Match::Regex), expressions()),
            "src"
                if self.values.iter().any(|(_, value)| {
                    value == "all" || value == "0.0.0.0/0.0.0.0" || value == "0.0.0.0/0"
                }) =>
            {
                Ok(always())
            }
            "src" => {
                let nets: Option<Vec<String>> = values().iter().map(|value| units::network(value)).collect();
                one(Subject::Source, nets.ok_or("one of the sources is no network")?)
            }
            "method" => one(Subject::Method, values()),
            "port" | "myport" | "localport" => one(Subject::Port, values()),
            "proto" => {
                let https = self.values.iter().any(|(_, value)| value.eq_ignore_ascii_case("https"));
                let test = Test { not: !https, ..Test::new(Subject::Tls, Vec::new()) };
                Ok(vec![vec![test]])
            }
            "browser" => one(Subject::Header("User-Agent".to_owned(), Match::Regex), expressions()),
            "req_header" => {
                let (name, rest) = self.values.split_first().ok_or("it names no header")?;
                let rest = rest.iter().map(|(_, value)| value.clone()).collect();
                one(Subject::Header(name.1.clone(), Match::Regex), rest)
            }
            other => Err(format!("`{other}` has no counterpart")),
        }
    }

    /// Names, where a dot in front takes the name itself and all below it.
    fn domains(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (_, value) in &self.values {
            let value = value.to_lowercase();
            match value.strip_prefix('.') {
                Some(name) => names.extend([name.to_owned(), format!("*.{name}")]),
                None => names.push(value),
            }
        }
        names
    }

    /// Expressions on whole URLs: a host and the beginning of a path, where they are only that.
    fn urls(&self, account: &mut Account) -> Condition {
        let mut plain: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        let mut other: Vec<String> = Vec::new();
        let mut said = false;
        for (line, value) in &self.values {
            let anchored = value.starts_with('^');
            let Some((host, path)) = host_and_path(value) else {
                other.push(value.trim_start_matches("^https?://[^/]+").to_owned());
                account.changed(*line, "the expression is asked of the path alone");
                continue;
            };
            if !anchored && !std::mem::replace(&mut said, true) {
                account.finding(
                    *line,
                    "unanchored-expression",
                    format!(
                        "`{value}` is searched for anywhere in the URL: `https://other.example/?x={value}` matches as well, \
                         and its dots stand for any character; here and in the lines below it is the host `{host}` with names \
                         below it, and paths such as `{path}`"
                    ),
                );
            }
            let hosts = if anchored { vec![host] } else { vec![host.clone(), format!("*.{host}")] };
            match plain.iter_mut().find(|(own, _)| *own == hosts) {
                Some((_, paths)) => paths.push(path),
                None => plain.push((hosts, vec![path])),
            }
        }
        let mut condition: Condition = plain
            .into_iter()
            .map(|(hosts, paths)| {
                let mut all = vec![Test::new(Subject::Host, hosts)];
                if !paths.iter().any(|path| path == "/") {
                    all.push(Test::new(Subject::Path, paths));
                }
                all
            })
            .collect();
        if !other.is_empty() {
            condition.push(vec![Test::new(Subject::PathRegex, other)]);
        }
        condition
    }
}

/// `contoso.com/owa`, `^https://mail\.contoso\.com/owa/`: what is plain text but for its dots.
fn host_and_path(regex: &str) -> Option<(String, String)> {
    let bare = regex.trim_start_matches('^');
    let bare = ["https?://", "https://", "http://"]
        .iter()
        .find_map(|scheme| bare.strip_prefix(scheme))
        .unwrap_or(bare);
    let bare = bare.trim_end_matches(".*").trim_end_matches('$').replace("\\.", ".").replace("\\/", "/");
    let (host, path) = bare.find('/').map(|at| bare.split_at(at))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    let named = host.contains('.') && !host.starts_with('.');
    (named && bare.chars().all(plain)).then(|| {
        let path = path.trim_end_matches('/');
        (host.to_lowercase(), if path.is_empty() { "/".to_owned() } else { path.to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_that_are_host_and_path_are_told_apart() {
        for (regex, parts) in [
            ("contoso.com/owa", Some(("contoso.com", "/owa"))),
            (r"^https://mail\.contoso\.com/owa/.*", Some(("mail.contoso.com", "/owa"))),
            (r"^https?://a\.b/", Some(("a.b", "/"))),
            ("(owa|ecp)", None),
            ("/owa", None),
        ] {
            let parts = parts.map(|(host, path)| (host.to_owned(), path.to_owned()));
            assert_eq!(host_and_path(regex), parts, "{regex}");
        }
    }
}
