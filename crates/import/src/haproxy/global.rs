//! `global`.

use super::bind::minimum;
use super::rows::GLOBAL;
use super::text::{Directive, Section, time};
use super::{Base, Context};
use crate::block::Value;
use crate::units;

/// Reads every `global`.
pub(crate) fn read(sections: &[Section], context: &mut Context<'_>) -> Base {
    let mut base = Base::default();
    for section in sections.iter().filter(|section| section.kind == "global") {
        context.account.not_needed(section.line, "what holds for all stands in tables of its own");
        for directive in &section.directives {
            let words = if directive.word(0) == "no" { directive.from(1) } else { directive.from(0) };
            if GLOBAL.mark(words, directive.line, context.account).is_some() && directive.word(0) != "no" {
                one(directive, &mut base, context);
            }
        }
    }
    base
}

fn one(directive: &Directive, base: &mut Base, context: &mut Context<'_>) {
    let line = directive.line;
    let value = directive.word(1);
    match directive.word(0) {
        "maxconn" => match units::count(value).filter(|most| *most > 0) {
            Some(most) => context.draft.block(&["limits"], line).keys.set(line, "connections", most),
            None => context.account.unsupported(line, "the number is none"),
        },
        "nbthread" => {
            if let Some(threads) = units::count(value).filter(|threads| *threads > 0) {
                context.draft.block(&[], line).keys.set(line, "workers", threads);
            }
        }
        "hard-stop-after" => {
            if let Some(time) = time(value) {
                context.draft.block(&["process"], line).keys.set(line, "drain", Value::time(time));
            }
        }
        "log" => log(value, line, context),
        "ca-base" => value.clone_into(&mut base.authorities),
        "crt-base" => value.clone_into(&mut base.certificates),
        "localpeer" => base.node = Some(value.to_owned()),
        "ssl-default-bind-options" => options(directive, &mut base.bind_tls, true),
        "ssl-default-server-options" => options(directive, &mut base.server_tls, false),
        "ssl-server-verify" if value == "none" => base.server_tls.set(line, "verify", "none"),
        _ => {}
    }
}

/// `ssl-min-ver TLSv1.2 no-tls-tickets`
fn options(directive: &Directive, tls: &mut crate::block::Table, listener: bool) {
    let line = directive.line;
    let mut words = directive.from(1).iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "ssl-min-ver" => minimum(tls, words.next().map_or("", String::as_str), line),
            "ssl-max-ver" => drop(words.next()),
            "no-tlsv12" | "force-tlsv13" => minimum(tls, "TLSv1.3", line),
            "no-tls-tickets" if listener => tls.set(line, "tickets", false),
            _ => {}
        }
    }
}

/// Where the access log goes.
pub(crate) fn log(target: &str, line: u32, context: &mut Context<'_>) {
    let sink = match target {
        "stdout" | "fd@1" => "stdout",
        "stderr" | "fd@2" => "stderr",
        _ => return,
    };
    context.draft.block(&["log"], line).keys.set(line, "access", sink);
}
