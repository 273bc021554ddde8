//! A decision in words, for `transom waf explain`.

use crate::Var;
use crate::decision::{Action, BodySeen, Broken, Decision};
use crate::lang::action::severity_name;
use crate::report::{Interruption, Match, MatchedVar, Refusal, escape};
use std::fmt::Write as _;

/// Matched variables shown of one rule.
const SHOWN_MAX: usize = 4;

/// What was decided about a request and why: the rules that matched, on what, and how to except them. Values are
/// shortened and secrets masked, as they are in the decision.
pub fn explain(decision: &Decision) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "request {} in {} mode: {}", decision.id, decision.mode.name(), action(decision));
    if !decision.method.is_empty() {
        let _ = writeln!(out, "  {} {}", escape(&decision.method), escape(&decision.path));
    }
    let (inbound, outbound) = (decision.inbound_score, decision.outbound_score);
    let _ = writeln!(out, "  anomaly score: inbound {inbound}, outbound {outbound}");
    for (what, seen) in [("request", decision.request_body), ("response", decision.response_body)] {
        match seen {
            BodySeen::Nothing => {}
            BodySeen::Whole(bytes) => {
                let _ = writeln!(out, "  {what} body: all {bytes} bytes looked at");
            }
            BodySeen::Beginning(bytes) => {
                let _ = writeln!(out, "  {what} body: only the first {bytes} bytes looked at");
            }
        }
    }
    match decision.broken {
        None => {}
        Some(Broken::PatternLimit) => {
            let count = decision.pattern_limit_hits;
            let _ = writeln!(out, "  {count} rules could not be asked: their pattern reached its step limit");
        }
        Some(Broken::Fault) => out.push_str("  the engine failed on this request; the log has the details\n"),
    }
    if decision.rules.is_empty() {
        out.push_str("  no rule matched\n");
    }
    for found in &decision.rules {
        rule(decision, found, &mut out);
    }
    out
}

fn action(decision: &Decision) -> String {
    match &decision.action {
        Action::Passed => "let through".to_owned(),
        Action::Refused(refused) => {
            let how = match &refused.action {
                Refusal::Deny => format!("refused with {}", refused.status),
                Refusal::Drop => "refused, connection closed".to_owned(),
                Refusal::Redirect(to) => format!("redirected to {}", escape(to)),
            };
            format!("{how} {}", by(refused, decision))
        }
        Action::WouldRefuse(refused) => {
            format!("let through; block mode would have refused it {}", by(refused, decision))
        }
    }
}

fn by(refused: &Interruption, decision: &Decision) -> String {
    match (refused.rule_id, decision.broken) {
        (0, Some(_)) => "because it could not be looked at and when-broken is \"closed\"".to_owned(),
        (0, None) => "because its body is over the limit".to_owned(),
        (id, _) => format!("by rule {id} in phase {}", refused.phase),
    }
}

fn rule(decision: &Decision, found: &Match, out: &mut String) {
    let severity = found.severity.map_or("", severity_name).to_lowercase();
    let comma = if severity.is_empty() { "" } else { ", " };
    let msg = if found.msg.is_empty() { "(no message)".to_owned() } else { escape(&found.msg) };
    let _ = writeln!(out, "rule {} (phase {}{comma}{severity}): {msg}", found.rule_id, found.phase);
    for matched in found.matched.iter().take(SHOWN_MAX) {
        let _ = writeln!(out, "  {} was `{}`", escape(&matched.full_name()), escape(&matched.value));
    }
    if found.matched.len() > SHOWN_MAX {
        let _ = writeln!(out, "  and {} more", found.matched.len() - SHOWN_MAX);
    }
    if !found.data.is_empty() {
        let _ = writeln!(out, "  {}", escape(&found.data));
    }
    let _ = writeln!(out, "  stands in {}", found.place);
    if let Some(exclude) = found.matched.last().and_then(|matched| exclude(decision, found, matched)) {
        let _ = writeln!(out, "  if that was no attack: {exclude}");
    }
}

/// The line that would have let an argument pass this rule.
fn exclude(decision: &Decision, found: &Match, matched: &MatchedVar) -> Option<String> {
    let is_argument = matches!(
        matched.var,
        Var::Args | Var::ArgsNames | Var::ArgsGet | Var::ArgsGetNames | Var::ArgsPost | Var::ArgsPostNames
    );
    (is_argument && !matched.name.is_empty()).then(|| {
        let (path, name) = (escape(&decision.path), escape(&matched.name));
        let id = found.rule_id;
        format!("{{ rule = {id}, paths = [\"{path}\"], argument = \"{name}\", why = \"…\" }}")
    })
}
