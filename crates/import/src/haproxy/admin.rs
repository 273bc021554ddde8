//! Statistics pages become the admin address.

use super::bind::Bind;
use super::settings::Proxy;
use super::{Base, Context};
use crate::block::{Item, Table};

/// Whether a section serves statistics and nothing else.
pub(crate) fn is_statistics(proxy: &Proxy) -> bool {
    let stats =
        proxy.settings.all("stats").any(|directive| (proxy.line..=proxy.end).contains(&directive.line));
    let other =
        proxy.settings.get("default_backend").is_some() || proxy.settings.all("use_backend").next().is_some();
    stats && !other && !proxy.is_pool()
}

/// Writes `[admin]`.
pub(crate) fn write(proxy: &Proxy, base: &Base, context: &mut Context<'_>) {
    let Some(directive) = proxy.settings.all("bind").next() else { return };
    let bind = Bind::read(directive, base, context);
    let Some(address) = bind.addresses.first().cloned() else { return };
    if context.draft.find(&["admin"]).is_some() {
        context.account.changed(directive.line, "there is one admin address, and it is the first");
        return;
    }
    if bind.tls.is_some() {
        context.account.changed(directive.line, "in clear, on this machine only");
    }
    let users = users(proxy, context);
    let local = address.starts_with("127.") || address.starts_with("[::1]");
    let port = address.rsplit(':').next().unwrap_or_default().to_owned();
    let reach =
        if users.is_empty() && !local || bind.tls.is_some() { format!("127.0.0.1:{port}") } else { address };
    if users.is_empty() && !local {
        context.account.changed(directive.line, "from this machine only: others need a password");
        context.account.finding(
            directive.line,
            "statistics-for-everybody",
            "the statistics page asks nobody for a password; here it is reached from this machine only",
        );
    }
    let block = context.draft.block(&["admin"], proxy.line);
    block.end = proxy.end;
    block.keys.set(directive.line, "bind", reach);
    for (line, user) in users {
        block.list("users").push(Item::new(line, user));
    }
    for directive in
        proxy.settings.all("http-request").filter(|own| (proxy.line..=proxy.end).contains(&own.line))
    {
        super::options::ACTIONS.mark(&rule_words(&directive.words), directive.line, context.account);
    }
}

/// The words of a rule that its row is found by.
fn rule_words(words: &[String]) -> Vec<String> {
    words.iter().take(3).map(|word| word.split('(').next().unwrap_or_default().to_owned()).collect()
}

/// `stats auth NAME:PASSWORD`
fn users(proxy: &Proxy, context: &mut Context<'_>) -> Vec<(u32, Table)> {
    let operator = proxy.settings.all("stats").any(|directive| directive.word(1) == "admin");
    let mut users = Vec::new();
    for directive in proxy.settings.all("stats").filter(|directive| directive.word(1) == "auth") {
        let (name, password) = directive.word(2).split_once(':').unwrap_or((directive.word(2), ""));
        context.account.finding(
            directive.line,
            "password-in-clear",
            format!("the password of `{name}` stands in the file in clear, and is known to all who could read it: choose another one"),
        );
        let Some(hash) = context.outside.hash(password) else {
            context.account.changed(directive.line, "without the user: the password was not hashed");
            continue;
        };
        let mut user =
            Table::default().with("name", crate::block::plain_name(name)).with("password-hash", hash);
        if operator {
            user.set(0, "role", "operator");
        }
        users.push((directive.line, user));
    }
    users
}
