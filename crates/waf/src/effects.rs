//! What rules change: variables, collections, the engine itself.

use crate::Var;
use crate::facts::TxValue;
use crate::lang::action::{BodyKind, Ctl, EngineMode};
use crate::ops::parse_number;
use crate::program::{ChangeTo, Effect, Exclusion, Link, Name, Piece, Program, Rule, SetVar, Text};
use crate::select::STORED;
use crate::trace::Event;
use crate::transaction::Transaction;

impl Transaction {
    /// Does a link's `setvar`s.
    pub(crate) fn change(&mut self, program: &Program, link: &Link) {
        for change in &link.changes {
            if change.var == Var::Tx {
                self.change_tx(program, change);
            } else {
                self.change_stored(program, change);
            }
        }
    }

    fn change_tx(&mut self, program: &Program, change: &SetVar) {
        let name = match &change.name {
            Name::Slot(slot) => Ok(*slot),
            Name::Text(text) => {
                let name = self.fill(program, text);
                match program.tx.find(&name) {
                    Some(slot) => {
                        self.give_back(name);
                        Ok(slot)
                    }
                    None => Err(name),
                }
            }
        };
        let old = match &name {
            Ok(slot) => self.facts.tx(*slot),
            Err(name) => self.facts.tx_named(name),
        };
        let old_number = || old.map_or(0, |value| crate::select::tx_number(value, &self.facts));
        let new = match &change.change {
            ChangeTo::Unset => None,
            ChangeTo::Set(text) => Some(self.tx_from(program, text)),
            ChangeTo::Add(text) => {
                Some(TxValue::Number(old_number().saturating_add(self.number(program, text))))
            }
            ChangeTo::Subtract(text) => {
                Some(TxValue::Number(old_number().saturating_sub(self.number(program, text))))
            }
        };
        if self.trace.is_some() {
            let mut value = Vec::new();
            if let Some(new) = new {
                self.facts.write_tx(new, &mut value);
            }
            let shown = match &name {
                Ok(slot) => program.tx.name(*slot).to_owned(),
                Err(name) => String::from_utf8_lossy(name).into_owned(),
            };
            self.saving(Var::Tx, &shown, &value);
        }
        match name {
            Ok(slot) => self.facts.set_tx(slot, new),
            Err(name) => {
                self.facts.set_tx_named(&name, new);
                self.give_back(name);
            }
        }
    }

    fn saving(&mut self, var: Var, name: &str, value: &[u8]) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.event(|_| Event::Note(format!("Saving variable: {}:{name} with value: {value}", var.name())));
    }

    /// A text as a TX value: as a number if it is the way we would write that number.
    fn tx_from(&mut self, program: &Program, text: &Text) -> TxValue {
        if let [Piece::TxSlot(slot)] = text.0.as_slice()
            && let Some(value) = self.facts.tx(*slot)
        {
            return value;
        }
        if let Some(bytes) = text.literal() {
            return self.tx_of(bytes);
        }
        let bytes = self.fill(program, text);
        let value = self.tx_of(&bytes);
        self.give_back(bytes);
        value
    }

    fn tx_of(&mut self, bytes: &[u8]) -> TxValue {
        match canonical_number(bytes) {
            Some(number) => TxValue::Number(number),
            None => TxValue::Value(self.facts.values.intern(bytes)),
        }
    }

    pub(crate) fn number(&self, program: &Program, text: &Text) -> i64 {
        match text.0.as_slice() {
            [Piece::Text(text)] => parse_number(text),
            [Piece::TxSlot(slot)] => {
                self.facts.tx(*slot).map_or(0, |value| crate::select::tx_number(value, &self.facts))
            }
            _ => parse_number(&self.expand(program, text)),
        }
    }

    fn change_stored(&mut self, program: &Program, change: &SetVar) {
        let name = match &change.name {
            Name::Slot(slot) => program.tx.name(*slot).as_bytes().to_vec(),
            Name::Text(text) => self.expand(program, text),
        };
        let value = match &change.change {
            ChangeTo::Unset => Vec::new(),
            ChangeTo::Set(text) | ChangeTo::Add(text) | ChangeTo::Subtract(text) => {
                self.expand(program, text)
            }
        };
        let (source, _) = self.source(program);
        let Some((store, at)) = source.record(change.var) else { return };
        match &change.change {
            ChangeTo::Unset => store.set(at, &name, None),
            ChangeTo::Set(_) => store.set(at, &name, Some(&value)),
            ChangeTo::Add(_) => store.add(at, &name, parse_number(&value)),
            ChangeTo::Subtract(_) => store.add(at, &name, parse_number(&value).saturating_neg()),
        }
        if self.trace.is_some() {
            let shown = store_value(self, program, change.var, &name);
            self.saving(change.var, &String::from_utf8_lossy(&name), &shown);
        }
    }

    /// Does what a link does once its whole chain has matched.
    pub(crate) fn effects(&mut self, program: &Program, link: &Link) {
        for effect in &link.effects {
            match effect {
                Effect::ExpireVar { var, name, seconds } => self.expire(program, *var, name, seconds),
                Effect::InitCol { var, key } => self.init_collection(program, *var, key),
                Effect::SetEnv { name, value } => {
                    let (name, value) = (self.expand(program, name), self.expand(program, value));
                    self.event(|_| {
                        let text = String::from_utf8_lossy;
                        Event::Note(format!(
                            "Setting environment variable: {} to {}",
                            text(&name),
                            text(&value)
                        ))
                    });
                    self.facts.add(Var::Env, &name, &value);
                }
                Effect::Ctl(ctl, exclusion, rules) => self.ctl(program, ctl, exclusion.as_ref(), rules),
            }
        }
    }

    fn expire(&mut self, program: &Program, var: Var, name: &Text, seconds: &Text) {
        let name = self.expand(program, name);
        let seconds = parse_number(&self.expand(program, seconds));
        let (source, _) = self.source(program);
        if let Some((store, at)) = source.record(var) {
            store.expire(at, &name, u64::try_from(seconds).unwrap_or(0));
        }
    }

    fn init_collection(&mut self, program: &Program, var: Var, key: &Text) {
        let key = self.expand(program, key);
        match var {
            Var::Session => self.facts.set(Var::SessionId, &key),
            Var::User => self.facts.set(Var::UserId, &key),
            _ => {}
        }
        if let Some(index) = STORED.iter().position(|stored| *stored == var) {
            self.keys[index] = Some(key);
        }
    }

    fn ctl(
        &mut self,
        program: &Program,
        ctl: &Ctl,
        exclusion: Option<&Exclusion>,
        rules: &std::sync::Arc<[u32]>,
    ) {
        match ctl {
            Ctl::Engine(mode) => {
                // Who runs the engine may forbid that rules refuse; rules cannot allow it to themselves.
                self.mode = match (self.mode_max, *mode) {
                    (EngineMode::DetectionOnly, EngineMode::On) => EngineMode::DetectionOnly,
                    (_, mode) => mode,
                };
                self.event(|_| {
                    Event::Note(format!(
                        "Setting SecRuleEngine to {} as requested by a ctl:ruleEngine action",
                        mode_name(*mode)
                    ))
                });
            }
            Ctl::RequestBodyAccess(on) => self.request_body_access = *on,
            Ctl::ResponseBodyAccess(on) => self.response_body_access = *on,
            Ctl::ForceRequestBody(on) => self.force_request_body = *on,
            Ctl::BodyProcessor(kind) => self.set_body_kind(Some(*kind)),
            Ctl::RequestBodyLimit(limit) => self.request_body_limit = *limit,
            Ctl::ResponseBodyLimit(limit) => self.response_body_limit = *limit,
            Ctl::RemoveRules(_) => self.remove(program, rules),
            Ctl::RemoveTarget(..) => {
                if let Some(exclusion) = exclusion {
                    self.exempt.push((std::sync::Arc::clone(rules), exclusion.clone()));
                }
            }
            Ctl::AuditEngine(engine) => self.audit_engine = *engine,
            Ctl::AuditLogParts(parts) => self.change_audit_parts(parts),
            Ctl::XmlIntoArgs(how) => self.xml_into_args = *how,
        }
    }

    /// Rules that are not to run from here on.
    pub(crate) fn remove(&mut self, program: &Program, rules: &[u32]) {
        self.removed.resize(program.rules.len(), false);
        for rule in rules {
            self.removed[*rule as usize] = true;
        }
    }

    /// `+E` adds parts, `-E` takes them away, anything else replaces them.
    fn change_audit_parts(&mut self, change: &str) {
        if let Some(more) = change.strip_prefix('+') {
            let mut parts = self.audit_parts().to_owned();
            parts.extend(more.chars().filter(|part| !self.audit_parts().contains(*part)));
            self.audit_parts = Some(parts);
        } else if let Some(less) = change.strip_prefix('-') {
            let parts = self.audit_parts().chars().filter(|part| !less.contains(*part)).collect();
            self.audit_parts = Some(parts);
        } else {
            self.audit_parts = Some(change.to_owned());
        }
    }

    pub(crate) fn set_body_kind(&mut self, kind: Option<BodyKind>) {
        self.body_kind = kind;
        self.facts.set(Var::ReqbodyProcessor, kind.map_or("", BodyKind::name).as_bytes());
    }

    /// Fills a text in.
    pub(crate) fn expand(&self, program: &Program, text: &Text) -> Vec<u8> {
        let mut out = Vec::new();
        self.expand_into(program, text, &mut out);
        out
    }

    /// As [`Transaction::expand`], into a buffer that is to be given back.
    pub(crate) fn fill(&mut self, program: &Program, text: &Text) -> Vec<u8> {
        let mut out = self.buffers.pop().unwrap_or_default();
        out.clear();
        self.expand_into(program, text, &mut out);
        out
    }

    pub(crate) fn give_back(&mut self, buffer: Vec<u8>) {
        self.buffers.push(buffer);
    }

    fn expand_into(&self, program: &Program, text: &Text, out: &mut Vec<u8>) {
        for piece in &text.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::TxSlot(slot) => {
                    if let Some(value) = self.facts.tx(*slot) {
                        self.facts.write_tx(value, out);
                    }
                }
                Piece::Matching(var, pattern) => self.expand_matching(program, *var, pattern, out),
                Piece::Value(var, name) => self.expand_value(program, *var, name.as_deref(), out),
            }
        }
    }

    fn expand_matching(&self, program: &Program, var: Var, pattern: &crate::ops::Pattern, out: &mut Vec<u8>) {
        let is_match = |name: &[u8]| pattern.is_match(name).unwrap_or(false);
        if var == Var::Tx {
            let slot = (0..program.tx.len() as u32)
                .find(|slot| self.facts.tx(*slot).is_some() && is_match(program.tx.name(*slot).as_bytes()));
            if let Some(value) = slot.and_then(|slot| self.facts.tx(slot)) {
                self.facts.write_tx(value, out);
            }
            return;
        }
        let source = crate::facts::names_of(var).unwrap_or(var);
        if !source.is_collection() {
            return;
        }
        let members = self.facts.members(source);
        if let Some(entry) = members.iter().find(|entry| is_match(self.facts.values.get(entry.name))) {
            out.extend_from_slice(self.facts.values.get(if source == var {
                entry.value
            } else {
                entry.name
            }));
        }
    }

    fn expand_value(&self, program: &Program, var: Var, name: Option<&str>, out: &mut Vec<u8>) {
        let facts = &self.facts;
        match (var, name) {
            (Var::MatchedVar, _) => {
                out.extend(self.matched.last().map_or(&b""[..], |hit| facts.values.get(hit.value)));
            }
            (Var::MatchedVarName, _) => {
                if let Some(hit) = self.matched.last() {
                    out.extend_from_slice(self.full_name(hit).as_bytes());
                }
            }
            (Var::MatchedVars, _) => {
                out.extend(self.matched.first().map_or(&b""[..], |hit| facts.values.get(hit.value)));
            }
            (Var::Rule, name) => {
                if let Some(rule) = program.rules.get(self.rule as usize) {
                    out.extend_from_slice(&self.rule_field(program, rule, name.unwrap_or("id")));
                }
            }
            (Var::Tx, Some(name)) => {
                if let Some(value) = facts.tx_named(name.as_bytes()) {
                    facts.write_tx(value, out);
                }
            }
            (Var::Duration, _) => out.extend_from_slice(self.duration().as_bytes()),
            (var, Some(name)) if var.is_stored() => {
                out.extend_from_slice(&store_value(self, program, var, name.as_bytes()));
            }
            (var, name) if var.is_collection() => {
                let (source, only_names) =
                    crate::facts::names_of(var).map_or((var, false), |source| (source, true));
                let wanted = |own: &[u8]| name.is_none_or(|name| own.eq_ignore_ascii_case(name.as_bytes()));
                let found = facts.members(source).iter().find(|entry| wanted(facts.values.get(entry.name)));
                if let Some(entry) = found {
                    out.extend_from_slice(facts.values.get(if only_names {
                        entry.name
                    } else {
                        entry.value
                    }));
                }
            }
            (var, _) => out.extend_from_slice(facts.bytes(var)),
        }
    }

    /// `%{rule.id}` and its like.
    pub(crate) fn rule_field(&self, program: &Program, rule: &Rule, field: &str) -> Vec<u8> {
        match field.to_lowercase().as_str() {
            "id" => rule.id.to_string().into_bytes(),
            "msg" => self.expand(program, &rule.about.msg),
            "logdata" => self.expand(program, &rule.about.data),
            "severity" => {
                rule.about.severity.map_or_else(Vec::new, |severity| severity.to_string().into_bytes())
            }
            "rev" => rule.about.rev.clone().into_bytes(),
            "ver" => rule.about.ver.clone().into_bytes(),
            "maturity" => rule.about.maturity.to_string().into_bytes(),
            "accuracy" => rule.about.accuracy.to_string().into_bytes(),
            _ => Vec::new(),
        }
    }
}

fn store_value(tx: &Transaction, program: &Program, var: Var, name: &[u8]) -> Vec<u8> {
    tx.stored(program, var).and_then(|(store, at)| store.get(at, name)).unwrap_or_default()
}

fn mode_name(mode: EngineMode) -> &'static str {
    match mode {
        EngineMode::On => "Enabled",
        EngineMode::DetectionOnly => "DetectionOnly",
        EngineMode::Off => "Disabled",
    }
}

/// The number that `bytes` are, if writing it again gives the same bytes.
fn canonical_number(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() < 19)?;
    let number: i64 = text.parse().ok()?;
    let plain =
        number == 0 && text == "0" || number != 0 && !text.starts_with(['+', '0']) && !text.starts_with("-0");
    plain.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::canonical_number;

    #[test]
    fn only_what_is_written_as_we_would_is_a_number() {
        for (text, number) in [
            ("0", Some(0)),
            ("-5", Some(-5)),
            ("12", Some(12)),
            ("012", None),
            ("+1", None),
            ("-0", None),
            ("", None),
            ("1a", None),
        ] {
            assert_eq!(canonical_number(text.as_bytes()), number, "{text}");
        }
    }
}
