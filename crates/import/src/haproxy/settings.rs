//! What a section says, together with its defaults.

use std::collections::HashMap;

use super::rows::PROXY;
use super::text::{Directive, Section, time};
use crate::account::Account;

/// Directives of which every one counts, in order; of all others the last one does.
const MANY: &[&str] = &[
    "bind",
    "server",
    "server-template",
    "default-server",
    "acl",
    "use_backend",
    "use-server",
    "redirect",
    "block",
    "http-request",
    "http-response",
    "http-after-response",
    "tcp-request",
    "tcp-response",
    "reqadd",
    "rspadd",
    "reqidel",
    "reqdel",
    "rspidel",
    "rspdel",
    "errorfile",
    "errorloc",
    "errorloc302",
    "errorloc303",
    "http-check",
    "tcp-check",
    "stick",
    "stats",
    "log",
    "monitor-uri",
    "unique-id-header",
    "dispatch",
];

/// Directives that a section does not take from its defaults once it has one of its own.
const REPLACED: &[&str] = &["http-check", "tcp-check", "stats"];

/// Directives by the words of their rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    one: HashMap<String, Directive>,
    pub(crate) many: Vec<Directive>,
}

impl Settings {
    /// The settings of a section, on top of those it takes over.
    pub(crate) fn read(section: &Section, inherited: Self, account: &mut Account) -> Self {
        let mut settings = inherited;
        let has = |word: &str| section.directives.iter().any(|directive| directive.word(0) == word);
        settings.many.retain(|old| !REPLACED.contains(&old.word(0)) || !has(old.word(0)));
        for directive in &section.directives {
            settings.add(directive, account);
        }
        settings
    }

    fn add(&mut self, directive: &Directive, account: &mut Account) {
        let mut words = directive.words.clone();
        if directive.word(0) == "no" && directive.word(1) != "log" {
            words.remove(0);
            self.one.remove(&key(&words));
            match PROXY.find(&words) {
                Some(_) => account.exact(directive.line),
                None => {
                    account.unsupported(directive.line, format!("`{}` is not known here", directive.word(1)));
                }
            }
            return;
        }
        if directive.word(0) == "default" {
            words.remove(0);
            self.one.remove(&key(&words));
            account.exact(directive.line);
            return;
        }
        if let Some(second) = words.get_mut(1)
            && let Some(at) = second.find('(')
            && matches!(directive.word(0), "balance" | "persist")
        {
            second.truncate(at);
        }
        if PROXY.mark(&words, directive.line, account).is_none() {
            return;
        }
        if MANY.contains(&directive.word(0)) {
            self.many.push(directive.clone());
        } else {
            self.one.insert(key(&words), directive.clone());
        }
    }

    /// The directive of these words.
    pub(crate) fn get(&self, words: &str) -> Option<&Directive> {
        self.one.get(words)
    }

    /// Every directive that begins with this word.
    pub(crate) fn all(&self, word: &str) -> impl Iterator<Item = &Directive> {
        self.many.iter().filter(move |directive| directive.word(0) == word)
    }

    /// A time in milliseconds, with its line.
    pub(crate) fn time(&self, words: &str) -> Option<(u64, u32)> {
        let old = match words {
            "timeout client" => "clitimeout",
            "timeout server" => "srvtimeout",
            "timeout connect" => "contimeout",
            _ => "",
        };
        let directive = self.get(words).or_else(|| self.get(old))?;
        let text = directive.words.last()?;
        time(text).map(|time| (time, directive.line))
    }
}

/// Under which words a directive is kept: those of its row, or the first where rows tell values apart.
fn key(words: &[String]) -> String {
    let first = words.first().map_or("", String::as_str);
    if matches!(first, "mode" | "balance" | "http-reuse" | "capture" | "compression") {
        return first.to_owned();
    }
    PROXY.find(words).map_or(first, |row| row.words).to_owned()
}

/// A frontend, a backend, or both.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) end: u32,
    pub(crate) settings: Settings,
}

impl Proxy {
    pub(crate) fn new(section: &Section, settings: Settings) -> Self {
        let (kind, name) = (section.kind.clone(), section.name.clone());
        Self { kind, name, line: section.line, end: section.end, settings }
    }

    /// Whether it accepts connections.
    pub(crate) fn is_listener(&self) -> bool {
        self.kind != "backend" && self.settings.all("bind").next().is_some()
    }

    /// Whether it has servers.
    pub(crate) fn is_pool(&self) -> bool {
        let servers = self.settings.all("server").chain(self.settings.all("server-template"));
        self.kind != "frontend" && servers.chain(self.settings.all("dispatch")).next().is_some()
    }

    /// Whether it reads requests.
    pub(crate) fn is_http(&self) -> bool {
        self.settings.get("mode").is_some_and(|directive| directive.word(1) == "http")
    }

    /// The ports it accepts on.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let port = |text: &str| text.rsplit(':').next().and_then(|port| port.parse().ok());
        self.settings
            .all("bind")
            .flat_map(|bind| bind.word(1).split(',').filter_map(port).collect::<Vec<_>>())
            .collect()
    }

    /// The backends that its rules may choose.
    pub(crate) fn targets(&self, proxies: &[Proxy]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        names.extend(self.settings.get("default_backend").map(|directive| directive.word(1).to_owned()));
        for directive in self.settings.all("use_backend") {
            match directive.word(1).split_once("%[") {
                Some((before, _)) => {
                    let fits = |proxy: &&Proxy| proxy.is_pool() && proxy.name.starts_with(before);
                    names.extend(proxies.iter().filter(fits).map(|proxy| proxy.name.clone()));
                }
                None => names.push(directive.word(1).to_owned()),
            }
        }
        names
    }
}
