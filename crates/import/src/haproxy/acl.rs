//! ACLs: the words of a condition to tests (configuration manual, chapter 7).

use std::collections::HashMap;

use super::condition::{All, Condition, Match, Rate, Subject, Test, always, and, not, or};
use super::options::FETCHES;
use super::text::Directive;
use crate::account::Account;
use crate::outside::Outside;
use crate::units;

/// The ACLs of a section, by name, and what conditions need to be understood.
pub(crate) struct Acls<'a> {
    pub(crate) named: HashMap<String, Vec<Directive>>,
    /// Variables set by rules without a condition: the sample each holds.
    pub(crate) variables: HashMap<String, String>,
    pub(crate) outside: &'a dyn Outside,
}

/// `acl` directives referred to in a condition: their tests hold differences that the lines should be told of.
pub(crate) struct Reading<'a, 'b> {
    pub(crate) acls: &'a Acls<'b>,
    pub(crate) account: &'a mut Account,
    /// The line of the rule.
    pub(crate) line: u32,
}

/// Where a rule's condition begins: at `if` or `unless`.
pub(crate) fn condition_at(words: &[String]) -> usize {
    words.iter().position(|word| word == "if" || word == "unless").unwrap_or(words.len())
}

impl Reading<'_, '_> {
    /// The condition behind `if` or `unless`; without one, always.
    pub(crate) fn condition(&mut self, words: &[String]) -> Result<Condition, String> {
        let Some((first, rest)) = words.split_first() else { return Ok(always()) };
        let condition = self.alternatives(rest)?;
        if first == "unless" { not(&condition) } else { Ok(condition) }
    }

    /// `a b or !c { d }`
    fn alternatives(&mut self, words: &[String]) -> Result<Condition, String> {
        let mut result = Condition::new();
        let mut current = always();
        let mut rest = words;
        let mut negated = false;
        while let Some((word, behind)) = rest.split_first() {
            rest = behind;
            match word.as_str() {
                "or" | "||" => {
                    result = or(result, std::mem::replace(&mut current, always()))?;
                    continue;
                }
                "and" | "&&" => continue,
                "!" => {
                    negated = !negated;
                    continue;
                }
                _ => {}
            }
            let bare = word.trim_start_matches('!');
            negated ^= (word.len() - bare.len()) % 2 == 1;
            let test = if bare == "{" {
                let end = rest.iter().position(|word| word == "}").ok_or("a `{` has no `}`")?;
                let (inside, behind) = rest.split_at(end);
                rest = behind.get(1..).unwrap_or_default();
                self.test(inside, self.line)?
            } else {
                self.named(bare)?
            };
            let test = if std::mem::take(&mut negated) { not(&test)? } else { test };
            current = and(&current, &test)?;
        }
        or(result, current)
    }

    /// The ACL of that name: any of its lines is enough.
    fn named(&mut self, name: &str) -> Result<Condition, String> {
        let acls = self.acls;
        let Some(lines) = acls.named.get(name) else {
            return predefined(name).ok_or_else(|| format!("there is no ACL `{name}`"));
        };
        let mut result = Condition::new();
        for line in lines {
            let test = self.test(line.from(2), line.line).inspect_err(|why| {
                self.account.unsupported(line.line, why);
            })?;
            result = or(result, test)?;
        }
        Ok(result)
    }

    /// What a fetch is compared with.
    fn test(&mut self, words: &[String], line: u32) -> Result<Condition, String> {
        let (fetch, rest) = words.split_first().ok_or("an ACL says nothing")?;
        let given = self.arguments(rest)?;
        let mut fetch = Fetch::of(fetch)?;
        if fetch.name == "var" {
            let held = self
                .acls
                .variables
                .get(&fetch.argument)
                .ok_or("the variable is set under a condition, or never")?;
            fetch = Fetch::of(held)?;
            FETCHES.mark(&["var"], line, self.account);
        }
        let how = given.how.or(fetch.how).unwrap_or(Match::Value);
        let host = fetch.name == "hdr" && fetch.argument.eq_ignore_ascii_case("host");
        let host = if host { "(host)" } else { "" };
        let written = format!("{}{host}", fetch.written);
        let name = match FETCHES.find(&[written.as_str()]) {
            Some(_) if given.how.is_none() => written,
            _ => format!("{}{host}", row_name(&fetch.name, how)),
        };
        FETCHES
            .mark(&[name.as_str()], line, self.account)
            .ok_or_else(|| format!("`{}` is not known here", fetch.name))?;
        let Given { values, ignore_case, dns, .. } = given;
        if dns {
            return Err("names in DNS are not asked".to_owned());
        }
        let values: Vec<String> = if how == Match::Regex && ignore_case {
            values.into_iter().map(|regex| format!("(?i){regex}")).collect()
        } else {
            values
        };
        let values = if fetch.written.ends_with("_dir") && fetch.name != "hdr" {
            values.iter().map(|value| format!("(^|/){}(/|$)", escape(value.trim_matches('/')))).collect()
        } else {
            values
        };
        let how = if fetch.written.ends_with("_dir") && fetch.name != "hdr" { Match::Regex } else { how };
        self.subject(&fetch, how, values, line)
    }

    /// Flags and values behind a fetch; `-f` reads values from a file.
    fn arguments(&self, words: &[String]) -> Result<Given, String> {
        let mut given = Given::default();
        let mut rest = words.iter();
        let mut flags = true;
        while let Some(word) = rest.next() {
            match word.as_str() {
                "-i" if flags => given.ignore_case = true,
                "-n" | "-u" if flags => {
                    if word == "-u" {
                        rest.next();
                    }
                }
                "-M" if flags => return Err("a map cannot be a condition here".to_owned()),
                "-m" if flags => {
                    given.how = Some(match rest.next().map_or("", String::as_str) {
                        "str" => Match::Value,
                        "beg" => Match::Prefix,
                        "end" | "dom" => Match::Suffix,
                        "sub" | "dir" => Match::Contains,
                        "reg" => Match::Regex,
                        "found" => Match::Present,
                        "ip" | "int" | "bool" => continue,
                        other => return Err(format!("`-m {other}` has no counterpart")),
                    });
                }
                "-f" if flags => {
                    let path = rest.next().map_or("", String::as_str);
                    let text = self
                        .acls
                        .outside
                        .read(path)
                        .ok_or_else(|| format!("the file {path} cannot be read"))?;
                    let lines =
                        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                    given.values.extend(lines.take(FILE_VALUES_MAX).map(str::to_owned));
                }
                "--" if flags => flags = false,
                _ => {
                    flags = false;
                    given.values.push(word.clone());
                }
            }
        }
        Ok(given)
    }

    fn subject(
        &mut self,
        fetch: &Fetch,
        how: Match,
        values: Vec<String>,
        line: u32,
    ) -> Result<Condition, String> {
        let one = |subject: Subject, values: Vec<String>| Ok(vec![vec![Test::new(subject, values)]]);
        match fetch.name.as_str() {
            "path" | "url" => self.path(how, values, line),
            "base" => Ok(values.iter().map(|value| base(how, value)).collect()),
            "hdr" if fetch.argument.eq_ignore_ascii_case("host") => self.host(how, values, line),
            "hdr" => one(Subject::Header(fetch.argument.to_lowercase(), how), values),
            "hdr_cnt" => counted(&values, Subject::Header(fetch.argument.to_lowercase(), Match::Present)),
            "cook" => one(Subject::Cookie(fetch.argument.clone(), how), values),
            "url_param" => one(Subject::Query(fetch.argument.clone(), how), values),
            "method" => one(Subject::Method, values),
            "src" => {
                let nets: Option<Vec<String>> = values.iter().map(|value| units::network(value)).collect();
                one(Subject::Source, nets.ok_or("one of the sources is no network")?)
            }
            "req_ssl_sni" => self.sni(how, values),
            "ssl_fc_sni" => {
                let mut condition = self.sni(how, values)?;
                for test in condition.iter_mut().flatten().filter(|test| test.subject == Subject::Sni) {
                    test.subject = Subject::Host;
                }
                Ok(condition)
            }
            "req_ssl_hello_type" | "req_len" | "req_ssl_ver" | "http_first_req" | "always_true" => {
                Ok(always())
            }
            "always_false" => Ok(Condition::new()),
            "ssl_fc" => boolean(&values, Subject::Tls),
            "ssl_c_used" => boolean(&values, Subject::ClientCertificate),
            "ssl_c_verify" => one(Subject::ClientCertificate, Vec::new()),
            "dst_port" => one(Subject::Port, values),
            "dst" => one(Subject::Destination, values),
            "so_id" => one(Subject::BindId, values),
            "nbsrv" => servers(&fetch.argument, &values),
            "srv_is_up" => {
                let up = boolean(&values, Subject::ServersBelow(fetch.argument.clone(), 1))?;
                not(&up)
            }
            "sc_http_req_rate" => rate(Rate::Requests, &values),
            "sc_conn_rate" => rate(Rate::NewConnections, &values),
            "sc_conn_cur" => rate(Rate::Connections, &values),
            "sc_http_err_rate" => rate(Rate::Errors, &values),
            other => Err(format!("`{other}` is not known here")),
        }
    }

    fn path(&mut self, how: Match, values: Vec<String>, line: u32) -> Result<Condition, String> {
        let one = |subject: Subject, values: Vec<String>| Ok(vec![vec![Test::new(subject, values)]]);
        let plain = |values: Vec<String>| -> Vec<String> {
            values.iter().map(|value| value.split('?').next().unwrap_or_default().to_owned()).collect()
        };
        match how {
            Match::Value => one(Subject::PathExact, plain(values)),
            Match::Prefix => {
                let (paths, odd): (Vec<_>, Vec<_>) =
                    plain(values).into_iter().partition(|path| path.starts_with('/'));
                if paths.iter().any(|path| path == "/") {
                    return Ok(always());
                }
                if !odd.is_empty() && paths.is_empty() {
                    return Err("a path begins with `/`".to_owned());
                }
                if paths.iter().any(|path| path.ends_with('/')) {
                    self.account.changed(line, "the path without its last `/` is taken as well");
                }
                let paths = paths.iter().map(|path| path.trim_end_matches('/').to_owned()).collect();
                one(Subject::Path, paths)
            }
            Match::Suffix => one(Subject::PathSuffix, values),
            Match::Regex => one(Subject::PathRegex, values),
            Match::Contains => one(Subject::PathRegex, values.iter().map(|value| escape(value)).collect()),
            Match::Present => Ok(always()),
        }
    }

    fn host(&mut self, how: Match, values: Vec<String>, line: u32) -> Result<Condition, String> {
        let one = |subject: Subject, values: Vec<String>| Ok(vec![vec![Test::new(subject, values)]]);
        match how {
            Match::Value => {
                if values.iter().any(|value| value.contains(':')) {
                    self.account.changed(line, "names are compared without the port");
                }
                let mut names: Vec<String> = Vec::new();
                for value in &values {
                    let name = value.split(':').next().unwrap_or_default().to_lowercase();
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                one(Subject::Host, names)
            }
            Match::Suffix => {
                let mut names = Vec::new();
                for value in &values {
                    let value = value.to_lowercase();
                    match value.strip_prefix('.') {
                        Some(below) => names.push(format!("*.{below}")),
                        None => {
                            self.account.changed(line, "on whole labels of the name");
                            names.extend([value.clone(), format!("*.{value}")]);
                        }
                    }
                }
                one(Subject::Host, names)
            }
            how => one(Subject::Header("host".to_owned(), how), values),
        }
    }

    fn sni(&mut self, how: Match, values: Vec<String>) -> Result<Condition, String> {
        let names = match how {
            Match::Value => values.iter().map(|value| value.to_lowercase()).collect(),
            Match::Suffix => values
                .iter()
                .map(|value| {
                    let value = value.to_lowercase();
                    value.strip_prefix('.').map_or(format!("*.{value}"), |below| format!("*.{below}"))
                })
                .collect(),
            Match::Regex => {
                let names: Option<Vec<String>> = values.iter().map(|value| plain_regex(value)).collect();
                names.ok_or("server names of TLS are compared whole, or with `*.` in front")?
            }
            Match::Present => return Ok(vec![vec![Test::new(Subject::Sni, vec!["*".to_owned()])]]),
            _ => return Err("server names of TLS are compared whole, or with `*.` in front".to_owned()),
        };
        Ok(vec![vec![Test::new(Subject::Sni, names)]])
    }
}

/// Values read from a file at most.
const FILE_VALUES_MAX: usize = 10_000;

/// What stands behind a fetch.
#[derive(Default)]
struct Given {
    values: Vec<String>,
    how: Option<Match>,
    ignore_case: bool,
    dns: bool,
}

/// A fetch, with the forms of its name brought to one.
struct Fetch {
    name: String,
    /// As it was written, but for `req.` and the like.
    written: String,
    argument: String,
    how: Option<Match>,
}

impl Fetch {
    fn of(text: &str) -> Result<Self, String> {
        let (call, converters) = match text.find(')') {
            Some(end) => text.split_at(end + 1),
            None => text.split_once(',').map_or((text, ""), |(call, rest)| (call, rest)),
        };
        for converter in converters.split(',').filter(|converter| !converter.is_empty()) {
            let name = converter.split('(').next().unwrap_or_default();
            if !matches!(name, "lower" | "upper" | "url_dec" | "field" | "1" | ":)" | "host_only" | "strcmp")
            {
                return Err(format!("the converter `{name}` has no counterpart in a condition"));
            }
        }
        let (name, argument) =
            call.split_once('(').map_or((call, ""), |(name, rest)| (name, rest.trim_end_matches(')')));
        let name = name.strip_prefix("req.").or_else(|| name.strip_prefix("http_")).unwrap_or(name);
        let name = name.strip_prefix("req_").filter(|rest| rest.starts_with("hdr")).unwrap_or(name);
        let name = name.replace("fhdr", "hdr");
        let written = name.clone();
        let (name, how) = split_how(&name);
        let name = match name.as_str() {
            "capture.req.hdr" | "shdr" => return Err(format!("`{name}` is not known here")),
            "ssl_sni" | "req.ssl_sni" => "req_ssl_sni".to_owned(),
            "ssl_hello_type" => "req_ssl_hello_type".to_owned(),
            "rdp_cookie" => return Err("cookies of RDP are no condition here".to_owned()),
            "urlp" => "url_param".to_owned(),
            "capture.req.uri" | "pathq" => "url".to_owned(),
            "capture.req.method" => "method".to_owned(),
            "len" => "req_len".to_owned(),
            "first_req" => "http_first_req".to_owned(),
            "ssl_ver" => "req_ssl_ver".to_owned(),
            name if name.starts_with("sc") || name.starts_with("src_") => counter(name),
            name => name.to_owned(),
        };
        let argument = argument.split(',').next().unwrap_or_default().trim_matches('"').to_owned();
        Ok(Self { name, written, argument, how })
    }
}

/// `path_beg` is `path` compared with the beginning.
fn split_how(name: &str) -> (String, Option<Match>) {
    const HOW: &[(&str, Match)] = &[
        ("_beg", Match::Prefix),
        ("_end", Match::Suffix),
        ("_dom", Match::Suffix),
        ("_sub", Match::Contains),
        ("_dir", Match::Contains),
        ("_reg", Match::Regex),
    ];
    const SUBJECTS: &[&str] = &["path", "url", "base", "hdr", "cook", "urlp", "url_param"];
    for (ending, how) in HOW {
        if let Some(subject) = name.strip_suffix(ending).filter(|subject| SUBJECTS.contains(subject)) {
            return (subject.to_owned(), Some(*how));
        }
    }
    (name.to_owned(), None)
}

/// The name of a fetch's row: comparisons by `-m` count as the older names of the same.
fn row_name(name: &str, how: Match) -> String {
    let ending = match (name, how) {
        ("path" | "url" | "base" | "hdr", Match::Prefix) => "_beg",
        ("path" | "url" | "hdr", Match::Suffix) => "_end",
        ("path" | "url" | "hdr", Match::Contains) => "_sub",
        ("path" | "url" | "hdr", Match::Regex) => "_reg",
        ("hdr", Match::Present) => "_cnt",
        _ => "",
    };
    format!("{name}{ending}")
}

/// `sc0_http_req_rate`, `sc_http_req_rate(0)`, `src_http_req_rate` are one.
fn counter(name: &str) -> String {
    let bare = name.strip_prefix("src").or_else(|| name.strip_prefix("sc")).unwrap_or(name);
    format!("sc_{}", bare.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('_'))
}

/// ACLs that are there without being defined (configuration manual, 7.4).
fn predefined(name: &str) -> Option<Condition> {
    let method = |name: &str| Some(vec![vec![Test::new(Subject::Method, vec![name.to_owned()])]]);
    match name {
        "TRUE" | "HTTP" | "WAIT_END" | "REQ_CONTENT" | "HTTP_1.1" => Some(always()),
        "FALSE" => Some(Condition::new()),
        "LOCALHOST" => {
            Some(vec![vec![Test::new(Subject::Source, vec!["127.0.0.0/8".to_owned(), "::1".to_owned()])]])
        }
        "METH_GET" => Some(vec![vec![Test::new(Subject::Method, vec!["GET".to_owned(), "HEAD".to_owned()])]]),
        name => name.strip_prefix("METH_").and_then(method),
    }
}

/// `{ ssl_fc }`, `{ ssl_fc 1 }`, `{ ssl_fc 0 }`
fn boolean(values: &[String], subject: Subject) -> Result<Condition, String> {
    let holds = vec![vec![Test::new(subject, Vec::new())]];
    match values.first().map_or("1", String::as_str) {
        "0" | "false" => not(&holds),
        _ => Ok(holds),
    }
}

/// `hdr_cnt(x) gt 0`, `eq 0`
fn counted(values: &[String], subject: Subject) -> Result<Condition, String> {
    let words: Vec<&str> = values.iter().map(String::as_str).collect();
    let present = vec![vec![Test::new(subject, Vec::new())]];
    match words.as_slice() {
        ["gt", "0"] | ["ge" | "eq", "1"] | ["1" | "1:"] | [] => Ok(present),
        ["eq", "0"] | ["lt", "1"] | ["0"] => not(&present),
        _ => Err("headers are there or not; they are not counted".to_owned()),
    }
}

/// `nbsrv(pool) lt 1`, `eq 0`, `ge 2`
fn servers(pool: &str, values: &[String]) -> Result<Condition, String> {
    let words: Vec<&str> = values.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().map_err(|_| "servers are counted in numbers".to_owned());
    let below =
        |number: u64| vec![vec![Test::new(Subject::ServersBelow(pool.to_owned(), number), Vec::new())]];
    match words.as_slice() {
        ["lt", n] => Ok(below(number(n)?)),
        ["le", n] => Ok(below(number(n)?.saturating_add(1))),
        ["gt", n] => not(&below(number(n)?.saturating_add(1))),
        ["ge", n] => not(&below(number(n)?)),
        ["eq", "0"] | ["0"] => Ok(below(1)),
        [] => not(&below(1)),
        _ => Err("servers are counted with `lt`, `le`, `gt`, `ge`".to_owned()),
    }
}

/// `gt 100`, `ge 100`
fn rate(rate: Rate, values: &[String]) -> Result<Condition, String> {
    let words: Vec<&str> = values.iter().map(String::as_str).collect();
    let most = match words.as_slice() {
        ["gt", n] => n.parse::<u64>().ok(),
        ["ge", n] => n.parse::<u64>().ok().map(|n| n.saturating_sub(1)),
        _ => None,
    };
    let most = most.ok_or("rates are compared with `gt` or `ge`")?;
    Ok(vec![vec![Test::new(Subject::Rate(rate, most), Vec::new())]])
}

/// Host and path in one.
fn base(how: Match, value: &str) -> All {
    let (host, path) = value.find('/').map_or((value, ""), |at| value.split_at(at));
    let mut all = vec![Test::new(Subject::Host, vec![host.to_lowercase()])];
    let path = path.trim_end_matches('/');
    if !path.is_empty() {
        let subject = if how == Match::Prefix { Subject::Path } else { Subject::PathExact };
        all.push(Test::new(subject, vec![path.to_owned()]));
    }
    all
}

/// A regular expression that is only a name: `^mail\.example\.com$`.
fn plain_regex(regex: &str) -> Option<String> {
    let bare = regex.trim_start_matches("(?i)").strip_prefix('^')?.strip_suffix('$')?;
    let name = bare.replace("\\.", ".");
    let dots_escaped = bare.matches('.').count() == bare.matches("\\.").count();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    (dots_escaped && plain).then(|| name.to_lowercase())
}

/// Text as a regular expression for itself.
pub(crate) fn escape(text: &str) -> String {
    let special = |c: char| r".+*?()|[]{}^$\".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
