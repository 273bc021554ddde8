//! Rules of a section: `http-request`, `http-response`, `tcp-request`, `redirect`, and their older forms.

use super::acl::{Acls, Reading, condition_at};
use super::condition::{Condition, Rate, Subject, always, and, not, or};
use super::format;
use super::options::ACTIONS;
use super::text::{Directive, time};
use crate::account::Account;
use crate::block::{Table, Value, duration};

/// What is done with a request that a condition holds for, and that no earlier rule took.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) condition: Condition,
    pub(crate) outcome: Outcome,
    pub(crate) line: u32,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It goes to the backend of that name.
    Backend(String),
    /// It is answered as these keys of a route say.
    Answer(Table),
}

/// What is changed on the way, by keys of a route.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) condition: Condition,
    pub(crate) keys: Table,
    pub(crate) line: u32,
}

/// Everything that the rules of a section ask for.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) answers: Vec<Rule>,
    pub(crate) changes: Vec<Change>,
    /// `rate-limits`: the condition, and the keys of an entry.
    pub(crate) limits: Vec<Change>,
    /// Keys of the listener itself.
    pub(crate) listener: Table,
    pub(crate) allow: Vec<String>,
    pub(crate) refuse: Vec<String>,
    pub(crate) sources_line: u32,
    /// The ClientHello is read.
    pub(crate) hello: bool,
    /// Clients that speak no TLS are refused.
    pub(crate) tls_only: bool,
    /// `inspect-delay`, in milliseconds, with its line.
    pub(crate) inspect: Option<(u64, u32)>,
    /// Requests that no later refusal looks at.
    passed: Condition,
    /// What `track-sc` counts by, and in which table.
    tracked: Option<(String, Option<String>)>,
}

/// Periods of the counters of stick tables, by table: `http_req_rate(10s)`.
pub(crate) type Periods = std::collections::HashMap<String, Vec<(String, u64)>>;

/// Reads rules.
pub(crate) struct Reader<'a, 'b> {
    pub(crate) acls: &'a Acls<'b>,
    pub(crate) account: &'a mut Account,
    pub(crate) periods: &'a Periods,
    /// The section's own name: its table, where none is named.
    pub(crate) section: &'a str,
    pub(crate) rules: Rules,
}

impl Reader<'_, '_> {
    /// Reads one directive; what cannot be written here is marked, and leaves the rest alone.
    pub(crate) fn read(&mut self, directive: &Directive) {
        if let Err(why) = self.directive(directive) {
            self.account.unsupported(directive.line, why);
        }
    }

    fn directive(&mut self, directive: &Directive) -> Result<(), String> {
        let words = &directive.words;
        let at = condition_at(words);
        let (said, condition) = words.split_at(at);
        let line = directive.line;
        match directive.word(0) {
            "tcp-request" if directive.word(1) == "inspect-delay" => {
                self.rules.inspect = time(directive.word(2)).map(|time| (time, line));
                Ok(())
            }
            "tcp-request" => {
                let action = said.get(2..).unwrap_or_default();
                let condition = self.condition(condition, line)?;
                self.tcp(action, &condition, words, line)
            }
            "http-request" | "http-response" | "http-after-response" => {
                let condition = self.condition(condition, line)?;
                self.http(said, condition, line)
            }
            "redirect" => {
                let condition = self.condition(condition, line)?;
                let keys = self.redirect(said.get(1..).unwrap_or_default(), line)?;
                self.answer(condition, keys, line)
            }
            "block" => {
                let condition = self.condition(condition, line)?;
                self.answer(condition, Table::default().with("refuse", 403u64), line)
            }
            "monitor-uri" => {
                let path = vec![vec![super::condition::Test::new(
                    Subject::PathExact,
                    vec![directive.word(1).to_owned()],
                )]];
                let fixed = Table::default().with("status", 200u64).with("body", "OK\n");
                self.answer(path, Table::default().with("fixed", fixed), line)
            }
            old => {
                let condition = self.condition(condition, line)?;
                self.old(old, said.get(1).map_or("", String::as_str), condition, line)
            }
        }
    }

    fn condition(&mut self, words: &[String], line: u32) -> Result<Condition, String> {
        if words.iter().any(|word| {
            word.contains("ssl_hello_type") || word.contains("ssl_sni") || word.contains("ssl_ver")
        }) {
            self.rules.hello = true;
        }
        Reading { acls: self.acls, account: self.account, line }.condition(words)
    }

    /// Rules before any request: who may connect at all.
    fn tcp(
        &mut self,
        action: &[String],
        condition: &Condition,
        words: &[String],
        line: u32,
    ) -> Result<(), String> {
        let word = action.first().map_or("", String::as_str);
        ACTIONS.mark(&["tcp-request", word], line, self.account);
        match word {
            "accept" => {
                self.rules.passed = or(std::mem::take(&mut self.rules.passed), condition.clone())?;
                Ok(())
            }
            "reject" | "silent-drop" => {
                let tls_only = words.iter().any(|word| word.contains("ssl_hello_type"));
                if self.rules.hello && condition == &always() && sources(&self.rules.passed).is_none()
                    || tls_only
                {
                    self.rules.tls_only = true;
                    return Ok(());
                }
                self.reject(condition, line)
            }
            "expect-proxy" => {
                self.rules.listener.set(line, "accept-proxy", Value::texts(["0.0.0.0/0", "::/0"]));
                Ok(())
            }
            _ if word.starts_with("track-sc") => self.track(action),
            "capture" => Ok(()),
            "set-var" => Ok(()),
            _ if word.starts_with("set-var(") => {
                self.account.not_needed(line, "put where it is used");
                Ok(())
            }
            _ => Err(format!("`tcp-request {word}` is not known here")),
        }
    }

    /// Who is refused: sources where that is all, else a rule.
    fn reject(&mut self, condition: &Condition, line: u32) -> Result<(), String> {
        if condition == &always()
            && let Some(nets) = sources(&self.rules.passed)
        {
            self.rules.allow.extend(nets);
            self.rules.sources_line = line;
            return Ok(());
        }
        if let Some(nets) = sources(condition) {
            self.rules.refuse.extend(nets);
            self.rules.sources_line = line;
            return Ok(());
        }
        if let [all] = condition.as_slice()
            && !all.is_empty()
            && all.iter().all(|test| test.subject == Subject::Source && test.not)
        {
            self.rules.allow.extend(all.iter().flat_map(|test| test.values.clone()));
            self.rules.sources_line = line;
            return Ok(());
        }
        self.answer(condition.clone(), Table::default().with("reset", true), line)
    }

    /// What is counted, by which key.
    fn track(&mut self, action: &[String]) -> Result<(), String> {
        let key = action.get(1).map_or("", String::as_str);
        let table = action.iter().position(|word| word == "table").and_then(|at| action.get(at + 1)).cloned();
        let by = match key {
            "src" => "source".to_owned(),
            "hdr_ip(x-forwarded-for)" | "hdr_ip(x-forwarded-for,-1)" => "source".to_owned(),
            key => format::sample(key, &self.acls.variables)?,
        };
        self.rules.tracked = Some((by, table));
        Ok(())
    }

    fn http(&mut self, said: &[String], condition: Condition, line: u32) -> Result<(), String> {
        let kind = said.first().map_or("", String::as_str);
        let action = said.get(1).map_or("", String::as_str);
        let (name, argument) =
            action.split_once('(').map_or((action, ""), |(n, a)| (n, a.trim_end_matches(')')));
        let arguments = said.get(2..).unwrap_or_default();
        let mut row = vec![kind.to_owned(), name.to_owned()];
        row.extend(arguments.first().cloned());
        let known = ACTIONS.mark(&row, line, self.account);
        if known.is_none_or(|row| row.ours.is_empty() && row.how != "put where it is used") {
            return Ok(());
        }
        let word = |index: usize| arguments.get(index).map_or("", String::as_str);
        let side = if kind == "http-request" { "request" } else { "response" };
        match name {
            "set-header" => self.set_header(side, word(0), word(1), condition, line),
            "add-header" => self.header("add", side, word(0), word(1), condition, line),
            "del-header" => {
                let regex = arguments.get(1).is_some_and(|flag| flag == "-m");
                if regex && arguments.get(2).is_none_or(|how| how != "str") {
                    return Err("headers are removed by their names".to_owned());
                }
                let mut keys = Table::default();
                keys.add(line, &format!("remove-{side}-headers"), word(0));
                self.change(condition, keys, line)
            }
            "replace-header" | "replace-value" => {
                let with = references(&format::format(word(2), &self.acls.variables)?);
                let regex = if name == "replace-header" { anchored(word(1)) } else { word(1).to_owned() };
                let entry = Table::default().with("name", word(0)).with("regex", regex).with("with", with);
                let mut keys = Table::default();
                keys.push(line, &format!("replace-{side}-headers"), entry);
                self.change(condition, keys, line)
            }
            "deny" | "tarpit" | "reject" | "silent-drop" => {
                let refusal = self.refusal(name, arguments, line)?;
                self.answer(condition, refusal, line)
            }
            "return" => {
                let fixed = self.fixed(arguments, line)?;
                self.answer(condition, Table::default().with("fixed", fixed), line)
            }
            "redirect" => {
                let keys = self.redirect(arguments, line)?;
                self.answer(condition, keys, line)
            }
            "allow" => {
                self.rules.passed = or(std::mem::take(&mut self.rules.passed), condition)?;
                Ok(())
            }
            "set-path" | "set-uri" | "set-pathq" | "set-query" | "set-method" | "replace-path"
            | "replace-pathq" | "replace-uri" => self.path(name, arguments, condition, line),
            "set-timeout" if word(0) == "server" || word(0) == "tunnel" => {
                let limit = time(word(1)).ok_or("the time is none")?;
                let key = if word(0) == "server" { "response" } else { "idle" };
                let timeouts = Table::default().with(key, Value::time(limit));
                self.change(condition, Table::default().with("timeouts", timeouts), line)
            }
            "set-var" if condition == always() => {
                // Variables of the whole section were gathered before.
                let _ = argument;
                Ok(())
            }
            "set-src" => {
                self.rules.listener.table(line, "forwarded").add(line, "trust", "10.0.0.0/8");
                Ok(())
            }
            "wait-for-body" => Ok(()),
            _ if name.starts_with("track-sc") => self.track(said.get(1..).unwrap_or_default()),
            _ => Err(format!("`{kind} {name}` is not known here")),
        }
    }

    /// Headers of X-Forwarded have a place of their own.
    fn set_header(
        &mut self,
        side: &str,
        name: &str,
        value: &str,
        condition: Condition,
        line: u32,
    ) -> Result<(), String> {
        let same = match (name.to_ascii_lowercase().as_str(), value) {
            ("x-forwarded-proto", "https") => only(&condition, &Subject::Tls, false),
            ("x-forwarded-proto", "http") => only(&condition, &Subject::Tls, true),
            ("x-forwarded-proto", "%[ssl_fc,iif(https,http)]") => true,
            ("x-forwarded-for", "%[src]" | "%ci") => condition == always(),
            ("x-forwarded-host", "%[req.hdr(host)]" | "%[req.hdr(Host)]" | "%[hdr(host)]") => {
                condition == always()
            }
            _ => false,
        };
        if side == "request" && same {
            self.account.mark(line, crate::Verdict::Exact, "`forwarded` says it by itself");
            return Ok(());
        }
        self.header("set", side, name, value, condition, line)
    }

    fn header(
        &mut self,
        how: &str,
        side: &str,
        name: &str,
        value: &str,
        condition: Condition,
        line: u32,
    ) -> Result<(), String> {
        let (name, value) = (name.to_owned(), format::format(value, &self.acls.variables)?);
        let mut keys = Table::default();
        keys.table(line, &format!("{how}-{side}-headers")).set(line, &name, value);
        self.change(condition, keys, line)
    }

    fn path(
        &mut self,
        name: &str,
        arguments: &[String],
        condition: Condition,
        line: u32,
    ) -> Result<(), String> {
        let word = |index: usize| arguments.get(index).map_or("", String::as_str);
        let text = |index: usize| format::format(word(index), &self.acls.variables);
        let mut keys = Table::default();
        match name {
            "replace-path" => keys.set(line, "replace-path", replacement(&anchored(word(0)), &text(1)?)),
            "replace-uri" | "replace-pathq" => {
                keys.set(line, "replace-uri", replacement(&anchored(word(0)), &text(1)?));
            }
            "set-path" => {
                let value = word(0);
                match value.strip_prefix("%[path,regsub(").and_then(|rest| rest.strip_suffix(")]")) {
                    Some(substitution) => keys.set(line, "replace-path", regsub(substitution)?),
                    None => keys.set(line, "set-path", text(0)?),
                }
            }
            "set-uri" | "set-pathq" => keys.set(line, "set-uri", text(0)?),
            other => keys.set(line, other, text(0)?),
        }
        self.change(condition, keys, line)
    }

    /// `deny deny_status 429`, `tarpit`, `reject`
    fn refusal(&mut self, name: &str, arguments: &[String], line: u32) -> Result<Table, String> {
        let option =
            |word: &str| arguments.iter().position(|own| own == word).and_then(|at| arguments.get(at + 1));
        if name == "reject" || name == "silent-drop" {
            return Ok(Table::default().with("reset", true));
        }
        let status = option("deny_status").or_else(|| option("status"));
        let default = if name == "tarpit" { 500 } else { 403 };
        let status =
            status.map_or(Ok(default), |text| text.parse::<u64>()).map_err(|_| "the status is no number")?;
        if option("string").is_some() || option("file").is_some() || option("lf-string").is_some() {
            let fixed = self.fixed(arguments, line)?;
            let mut table = Table::default().with("status", status);
            table.entries.extend(fixed.entries.into_iter().filter(|entry| entry.key != "status"));
            return Ok(Table::default().with("fixed", table));
        }
        if !(400..=599).contains(&status) {
            return Ok(Table::default().with("fixed", Table::default().with("status", status)));
        }
        Ok(Table::default().with("refuse", status))
    }

    /// `return status 200 content-type text/plain string "ok"`
    fn fixed(&mut self, arguments: &[String], line: u32) -> Result<Table, String> {
        let mut table = Table::default();
        let mut headers = Table::default();
        let mut rest = arguments.iter();
        let next = |rest: &mut std::slice::Iter<'_, String>| rest.next().cloned().unwrap_or_default();
        while let Some(word) = rest.next() {
            match word.as_str() {
                "status" | "deny_status" => {
                    let status: u64 = next(&mut rest).parse().map_err(|_| "the status is no number")?;
                    table.set(line, "status", status);
                }
                "content-type" => table.set(line, "content-type", next(&mut rest)),
                "string" => table.set(line, "body", next(&mut rest)),
                "file" => table.set(line, "file", next(&mut rest)),
                "lf-string" => {
                    table.set(line, "body", format::format(&next(&mut rest), &self.acls.variables)?);
                }
                "hdr" => {
                    let name = next(&mut rest);
                    headers.set(line, &name, format::format(&next(&mut rest), &self.acls.variables)?);
                }
                "errorfile" => {
                    self.account.changed(line, "the file's head is part of it there");
                    table.set(line, "file", next(&mut rest));
                }
                "default-errorfiles" => {}
                other => return Err(format!("`{other}` of an answer has no counterpart")),
            }
        }
        if table.get("status").is_none() {
            table.set(line, "status", 200u64);
        }
        if !headers.is_empty() {
            table.set(line, "headers", headers);
        }
        Ok(table)
    }

    /// `scheme https code 301`, `prefix URL`, `location URL`
    fn redirect(&mut self, words: &[String], line: u32) -> Result<Table, String> {
        let mut table = Table::default();
        let mut status = 302u64;
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let value = || rest.clone().next().cloned().unwrap_or_default();
            match word.as_str() {
                "scheme" => {
                    let scheme = format::format(&value(), &self.acls.variables)?;
                    table.set(line, "scheme", scheme);
                    rest.next();
                }
                "location" => {
                    self.location(&value(), &mut table, line)?;
                    rest.next();
                }
                "prefix" => {
                    self.prefix(&value(), &mut table, line)?;
                    rest.next();
                }
                "code" => {
                    status = value().parse().map_err(|_| "the status is no number")?;
                    rest.next();
                }
                "drop-query" | "append-slash" | "ignore-empty" => {
                    self.account.changed(line, format!("without `{word}`"));
                }
                "set-cookie" | "clear-cookie" => {
                    self.account.changed(line, format!("without `{word}`"));
                    rest.next();
                }
                other => return Err(format!("`{other}` of a redirect has no counterpart")),
            }
        }
        if status != 308 {
            table.set(line, "status", status);
        }
        Ok(Table::default().with("redirect", table))
    }

    /// The place to go, whole.
    fn location(&mut self, location: &str, table: &mut Table, line: u32) -> Result<(), String> {
        if let Some((scheme, substitution)) = host_substitution(location) {
            table.set(line, "scheme", scheme);
            table.set(line, "replace-host", regsub(substitution)?);
            return Ok(());
        }
        let ours = format::format(location, &self.acls.variables)?;
        if let Some(scheme) =
            ["https", "http"].iter().find(|scheme| ours.strip_prefix(**scheme) == Some("://{host}{uri}"))
        {
            table.set(line, "scheme", *scheme);
            return Ok(());
        }
        if ours.starts_with('/') {
            table.set(line, "path", ours);
        } else if let Some((scheme, path)) = ours.split_once("://{host}") {
            table.set(line, "scheme", scheme);
            table.set(line, "path", if path.is_empty() { "/" } else { path });
        } else {
            table.set(line, "to", ours);
        }
        Ok(())
    }

    /// What is put before path and query.
    fn prefix(&mut self, prefix: &str, table: &mut Table, line: u32) -> Result<(), String> {
        if let Some((scheme, substitution)) = host_substitution(prefix) {
            table.set(line, "scheme", scheme);
            table.set(line, "replace-host", regsub(substitution)?);
            return Ok(());
        }
        let ours = format::format(prefix, &self.acls.variables)?;
        let Some((scheme, rest)) = ours.split_once("://") else {
            table.set(line, "path", format!("{}{{uri}}", ours.trim_end_matches('/')));
            return Ok(());
        };
        table.set(line, "scheme", scheme);
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if host != "{host}" {
            table.set(line, "host", host);
        }
        if !path.trim_end_matches('/').is_empty() {
            table.set(line, "path", format!("{}{{uri}}", path.trim_end_matches('/')));
        }
        Ok(())
    }

    /// Forms of HAProxy 1.x.
    fn old(&mut self, word: &str, argument: &str, condition: Condition, line: u32) -> Result<(), String> {
        let side = if word.starts_with("req") { "request" } else { "response" };
        if word.ends_with("add") {
            let (name, value) = argument.split_once(':').ok_or("the header has no `:`")?;
            if let ("request", "x-forwarded-proto") = (side, name.trim().to_ascii_lowercase().as_str()) {
                self.account.mark(line, crate::Verdict::Changed, "`forwarded` says it by itself");
                return Ok(());
            }
            return self.header("add", side, name.trim(), value.trim(), condition, line);
        }
        let name = argument.trim_start_matches('^').split(':').next().unwrap_or_default();
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') || name.is_empty() {
            return Err("headers are removed by their names".to_owned());
        }
        let mut keys = Table::default();
        keys.add(line, &format!("remove-{side}-headers"), name);
        self.change(condition, keys, line)
    }

    fn change(&mut self, condition: Condition, keys: Table, line: u32) -> Result<(), String> {
        self.rules.changes.push(Change { condition, keys, line });
        Ok(())
    }

    /// A rule that ends it, for requests that no earlier `allow` let pass.
    fn answer(&mut self, condition: Condition, keys: Table, line: u32) -> Result<(), String> {
        let condition = match self.rules.passed.as_slice() {
            [] => condition,
            _ => and(&condition, &not(&self.rules.passed)?)?,
        };
        let rated = condition.iter().flatten().any(|test| matches!(test.subject, Subject::Rate(..)));
        if rated {
            return self.limit(condition, keys, line);
        }
        self.rules.answers.push(Rule { condition, outcome: Outcome::Answer(keys), line });
        Ok(())
    }

    /// Refusals by rate are limits.
    fn limit(&mut self, condition: Condition, keys: Table, line: u32) -> Result<(), String> {
        let (by, table) = self.rules.tracked.clone().unwrap_or_else(|| ("source".to_owned(), None));
        let table = table.unwrap_or_else(|| self.section.to_owned());
        for mut all in condition {
            let mut entry = Table::default().with("by", by.as_str());
            let rates: Vec<(Rate, u64)> = all
                .iter()
                .filter_map(|test| match (&test.subject, test.not) {
                    (Subject::Rate(rate, most), false) => Some((*rate, *most)),
                    _ => None,
                })
                .collect();
            all.retain(|test| !matches!(test.subject, Subject::Rate(..)));
            for (rate, most) in rates {
                let (key, counter) = match rate {
                    Rate::Requests => ("requests", "http_req_rate"),
                    Rate::Connections => ("connections", "conn_cur"),
                    Rate::NewConnections => ("connection-rate", "conn_rate"),
                    Rate::Errors => ("errors", "http_err_rate"),
                };
                if rate == Rate::Connections {
                    entry.set(line, key, most);
                    continue;
                }
                let periods = self.periods.get(&table);
                let period = periods
                    .and_then(|all| all.iter().find(|(name, _)| name == counter))
                    .map(|(_, period)| *period);
                let period = period.ok_or_else(|| format!("no stick table stores `{counter}`"))?;
                entry.set(line, key, format!("{most}/{}", duration(period)));
            }
            entry.entries.extend(keys.entries.clone());
            self.rules.limits.push(Change { condition: vec![all], keys: entry, line });
        }
        Ok(())
    }
}

/// The sources, if a condition looks at nothing else.
fn sources(condition: &Condition) -> Option<Vec<String>> {
    let mut nets = Vec::new();
    for all in condition {
        match all.as_slice() {
            [test] if test.subject == Subject::Source && !test.not => nets.extend(test.values.clone()),
            _ => return None,
        }
    }
    (!nets.is_empty()).then_some(nets)
}

/// Whether a condition is this subject alone, or always.
fn only(condition: &Condition, subject: &Subject, negated: bool) -> bool {
    match condition.as_slice() {
        [all] => match all.as_slice() {
            [] => !negated,
            [test] => test.subject == *subject && test.not == negated,
            _ => false,
        },
        _ => false,
    }
}

/// HAProxy's `\1` are our `${1}`.
fn references(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek().copied()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                rest.next();
                // The braces are needed only where the next character could be part of the name.
                let plain = rest.peek().is_none_or(|next| !next.is_ascii_alphanumeric() && *next != '_');
                result.push_str(&if plain { format!("${digit}") } else { format!("${{{digit}}}") });
            }
            ('$', _) => result.push_str("$$"),
            (c, _) => result.push(c),
        }
    }
    result
}

/// `replace-path = { regex, with }`
fn replacement(regex: &str, with: &str) -> Table {
    Table::default().with("regex", regex).with("with", references(with))
}

/// HAProxy replaces the whole where the expression matches: ours says so.
fn anchored(regex: &str) -> String {
    let from = if regex.starts_with('^') || regex.starts_with(".*") || regex.starts_with("(.*)") {
        ""
    } else {
        "^.*?"
    };
    let to =
        if regex.ends_with('$') || regex.ends_with(".*") || regex.ends_with("(.*)") { "" } else { ".*$" };
    format!("{from}{regex}{to}")
}

/// `^/old,/new,i` of a `regsub`.
fn regsub(arguments: &str) -> Result<Table, String> {
    let mut parts = split_arguments(arguments).into_iter();
    let (regex, with) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let flags = parts.next().unwrap_or_default();
    if regex.is_empty() {
        return Err("the substitution has no expression".to_owned());
    }
    let regex = if flags.contains('i') { format!("(?i){regex}") } else { regex };
    Ok(replacement(&regex, &with))
}

/// Arguments between commas, with quotation marks and backslashes undone.
fn split_arguments(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let last = parts.last_mut().expect("there is one from the start");
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (',', None) => parts.push(String::new()),
            ('\\', None) => match rest.next() {
                Some(',') => last.push(','),
                Some(next) => last.extend(['\\', next]),
                None => last.push('\\'),
            },
            (c, _) => last.push(c),
        }
    }
    parts
}

/// `https://%[hdr(host),regsub(^www\.,,i)]%[capture.req.uri]`: the scheme, and what `regsub` is given.
fn host_substitution(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://%[")?;
    let rest = rest.strip_prefix("req.").unwrap_or(rest);
    let rest = rest.strip_prefix("hdr(host),regsub(").or_else(|| rest.strip_prefix("hdr(Host),regsub("))?;
    let (inside, behind) = rest.split_once(")]")?;
    let uri = matches!(behind, "" | "%[capture.req.uri]" | "%[pathq]" | "%[url]");
    uri.then_some((scheme, inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_groups_are_written_our_way() {
        for (theirs, ours) in [(r"/\1", "/$1"), (r"\1x", "${1}x"), ("$", "$$"), (r"\2/\1", "$2/$1")] {
            assert_eq!(references(theirs), ours);
        }
    }

    #[test]
    fn expressions_take_the_whole_where_theirs_do() {
        assert_eq!(anchored("^/a/(.*)"), "^/a/(.*)");
        assert_eq!(anchored("/a"), "^.*?/a.*$");
        assert_eq!(anchored("(.*)"), "(.*)");
    }

    #[test]
    fn arguments_are_split_at_commas() {
        assert_eq!(split_arguments(r"^www\.,,i"), [r"^www\.", "", "i"]);
        assert_eq!(split_arguments("'a,b',c"), ["a,b", "c"]);
    }
}
