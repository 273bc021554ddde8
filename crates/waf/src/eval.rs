//! Runs the rules of a phase.

use crate::Var;
use crate::facts::Entry;
use crate::lang::action::{AllowScope, EngineMode, Phase};
use crate::ops::{Operator, PatternError};
use crate::prefilter::{Lanes, Needs};
use crate::program::{Disruption, Link, Program, Rule, Select};
use crate::report::{Interruption, MATCHED_MAX, Match, MatchedVar, Refusal};
use crate::select::{Column, Hit, is_excluded, tx_number};
use crate::trace::{Event, Skip};
use crate::transaction::Transaction;
use crate::values::ValueId;

/// What a phase came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// On to the rule at this position.
    To(usize),
    /// The phase is over.
    Stop,
}

impl Transaction {
    /// Runs the rules of `phase`, unless the engine is off or an earlier one decided already.
    pub(crate) fn run(&mut self, phase: Phase) {
        self.phase = phase;
        self.allowed_phase = false;
        let engine = std::sync::Arc::clone(&self.engine);
        let program = &engine.program;
        let steps = &program.phases[phase as usize - 1];
        let mut at = 0;
        while let Some(&rule) = steps.get(at) {
            if self.mode == EngineMode::Off {
                self.note(|| "Rule engine disabled, returning...".to_owned());
                return;
            }
            if phase != Phase::Logging && self.interruption.is_some() {
                return;
            }
            if phase != Phase::Logging && self.is_allowed(phase) {
                return self.skipped(program, &steps[at..], Skip::Allowed);
            }
            match self.step(program, rule, at) {
                Flow::To(next) => {
                    if self.trace.is_some() {
                        let passed = steps.get(at + 1..next.min(steps.len())).unwrap_or(&[]);
                        self.skipped(program, passed, Skip::Jumped);
                    }
                    at = next;
                }
                Flow::Stop => return,
            }
        }
    }

    fn skipped(&mut self, program: &Program, rules: &[u32], why: Skip) {
        if self.trace.is_some() {
            for rule in rules {
                self.event(|_| Event::Skipped { rule: program.rules[*rule as usize].id, why });
            }
        }
    }

    fn is_allowed(&self, phase: Phase) -> bool {
        self.allowed_phase
            || match self.allowed {
                Some(AllowScope::Everything) => true,
                Some(AllowScope::Request) => phase <= Phase::RequestBody,
                _ => false,
            }
    }

    fn step(&mut self, program: &Program, index: u32, at: usize) -> Flow {
        let next = Flow::To(at + 1);
        if self.removed.get(index as usize).copied().unwrap_or(false) {
            let id = program.rules[index as usize].id;
            self.event(|_| Event::Skipped { rule: id, why: Skip::Removed });
            return next;
        }
        let rule = &program.rules[index as usize];
        self.rule = index;
        if !self.matches(program, rule) {
            return next;
        }
        self.conclude(program, rule);
        if self.interruption.is_some() && self.phase != Phase::Logging {
            return Flow::Stop;
        }
        match rule.skip_to {
            Some(usize::MAX) => Flow::Stop,
            Some(position) => Flow::To(position),
            None => Flow::To(at + 1 + rule.skip as usize),
        }
    }

    /// Whether a rule and all that is chained to it match. Changes are made on the way.
    fn matches(&mut self, program: &Program, rule: &Rule) -> bool {
        if !rule.looks_back {
            self.matched.clear();
        }
        for link in &rule.links {
            let matched = self.link(program, rule, link);
            self.event(|_| Event::Returned { rule: rule.id, matched });
            if !matched {
                self.matched.clear();
                return false;
            }
        }
        true
    }

    fn link(&mut self, program: &Program, rule: &Rule, link: &Link) -> bool {
        let Some(list) = link.list else {
            if matches!(link.test.operator, Operator::Never) {
                return false;
            }
            self.note(|| "Executing unconditional rule...".to_owned());
            self.change(program, link);
            return true;
        };
        if self.trace.is_none()
            && let Some(answer) = self.compare_tx(program, rule, link)
        {
            return answer;
        }
        if let Some(argument) = link.argument.literal() {
            return self.link_to(program, rule, link, list, argument);
        }
        let argument = self.fill(program, &link.argument);
        let matched = self.link_to(program, rule, link, list, &argument);
        self.give_back(argument);
        matched
    }

    /// Asks about what a link looks at, with its argument filled in.
    fn link_to(&mut self, program: &Program, rule: &Rule, link: &Link, list: u32, argument: &[u8]) -> bool {
        if link.column.is_none() {
            self.refresh_volatile(program, &program.lists[list as usize]);
        }
        self.event(|_| Event::Operator {
            rule: rule.id,
            name: link.test.name,
            argument: String::from_utf8_lossy(argument).into_owned(),
            targets: program.describe(list),
        });
        if self.trace.is_some() || link.multi_match && link.column.is_none() {
            return self.link_by_value(program, link, argument);
        }
        match link.column {
            Some(column) => {
                let mut columns = std::mem::take(&mut self.columns);
                let (source, facts) = self.source(program);
                let filled = source.refresh(&mut columns, column, facts);
                if !matches!(link.test.needs, Needs::Nothing) {
                    columns[filled as usize].index(facts);
                }
                let matched = if link.multi_match {
                    self.link_by_stages(program, link, argument, &mut columns, column)
                } else if columns[filled as usize].unique.is_empty() {
                    false
                } else {
                    let hits = &columns[program.base_of(column) as usize].hits;
                    self.link_by_column(program, link, argument, hits, &columns[filled as usize], None)
                };
                self.columns = columns;
                matched
            }
            None => {
                let mut hits = Vec::new();
                let (source, facts) = self.source(program);
                source.select(&program.lists[list as usize], facts, &mut hits);
                let mut any = false;
                for mut hit in hits {
                    let (source, facts) = self.source(program);
                    hit.value = source.transform(hit.value, link.chain, facts);
                    if self.test(link, hit.value, argument) {
                        any |= self.hit(program, link, hit, argument);
                    }
                }
                any
            }
        }
    }

    /// The shortest way for what rule sets do most: compare one number of TX with another.
    fn compare_tx(&mut self, program: &Program, rule: &Rule, link: &Link) -> Option<bool> {
        let Operator::Number(comparison) = &link.test.operator else { return None };
        if self.exempt.iter().any(|(_, excluded)| excluded.var == Var::Tx) {
            return None;
        }
        let list = &program.lists[link.list? as usize];
        let ([select], true, 0) = (list.selects.as_slice(), list.excludes.is_empty(), link.chain) else {
            return None;
        };
        let (slot, value) = match select {
            Select::TxSlot(slot) => (*slot, self.facts.tx(*slot).map(|value| tx_number(value, &self.facts))),
            Select::Count(inner) => match **inner {
                Select::TxSlot(slot) => (slot, Some(i64::from(self.facts.tx(slot).is_some()))),
                _ => return None,
            },
            _ => return None,
        };
        let Some(value) = value else { return Some(false) };
        let argument = self.number(program, &link.argument);
        if comparison.holds(value, argument) == link.test.negated {
            return Some(false);
        }
        if rule.remembers {
            let name = self.facts.values.intern(program.tx.name(slot).as_bytes());
            let value = self.facts.values.intern_number(value);
            let is_count = matches!(select, Select::Count(_));
            self.matched.push(Hit { var: Var::Tx, name, value, is_count });
        }
        self.change(program, link);
        Some(true)
    }

    /// Every value on its own, after every stage if asked; says what it does to whoever traces.
    fn link_by_value(&mut self, program: &Program, link: &Link, argument: &[u8]) -> bool {
        let mut hits = Vec::new();
        let (source, facts) = self.source(program);
        if let Some(list) = link.list {
            source.select(&program.lists[list as usize], facts, &mut hits);
        }
        let mut any = false;
        for hit in hits {
            let (source, facts) = self.source(program);
            let mut stages = source.stages(hit.value, link.chain, facts);
            self.trace_stages(program, link, hit);
            if !link.multi_match {
                stages.drain(..stages.len() - 1);
            }
            for value in stages {
                let hit = Hit { value, ..hit };
                self.event(|tx| Event::Target {
                    variable: tx.full_name(&hit),
                    value: String::from_utf8_lossy(tx.facts.values.get(value)).into_owned(),
                });
                if self.test(link, value, argument) {
                    any |= self.hit(program, link, hit, argument);
                }
            }
        }
        any
    }

    fn trace_stages(&mut self, program: &Program, link: &Link, hit: Hit) {
        if self.trace.is_none() {
            return;
        }
        let mut steps = Vec::new();
        let mut chain = link.chain;
        while chain != 0 {
            let (before, xform) = program.chains[chain as usize];
            steps.push(xform);
            chain = before;
        }
        let mut value = hit.value;
        for xform in steps.into_iter().rev() {
            value = self.facts.values.transform(value, xform, program.unicode.as_ref());
            self.event(|tx| Event::Transformed {
                xform,
                value: String::from_utf8_lossy(tx.facts.values.get(value)).into_owned(),
            });
        }
    }

    /// With `multiMatch`: asks about the values after each step of the chain, as far as it changed them.
    fn link_by_stages(
        &mut self,
        program: &Program,
        link: &Link,
        argument: &[u8],
        columns: &mut [Column],
        column: u32,
    ) -> bool {
        let mut stages = vec![column];
        while let Some(last) = stages.last().filter(|last| program.columns[**last as usize].chain != 0) {
            stages.push(program.columns[*last as usize].parent);
        }
        let base = stages[stages.len() - 1];
        let (mut any, mut before) = (false, None);
        for stage in stages.into_iter().rev() {
            let (source, facts) = self.source(program);
            let filled = source.refresh(columns, stage, facts);
            columns[filled as usize].index(facts);
            if before == Some(filled) {
                continue;
            }
            let (hits, last) =
                (&columns[base as usize].hits, before.map(|before: u32| &columns[before as usize]));
            any |= self.link_by_column(program, link, argument, hits, &columns[filled as usize], last);
            before = Some(filled);
        }
        any
    }

    /// Asks the operator only about values that hold what it needs, each different one once.
    fn link_by_column(
        &mut self,
        program: &Program,
        link: &Link,
        argument: &[u8],
        hits: &[Hit],
        column: &Column,
        before: Option<&Column>,
    ) -> bool {
        let mut any = false;
        for block in 0..column.blocks() {
            let mut candidates = column.candidates(&link.test.needs, block);
            if let Some(before) = before {
                candidates &= column.changed_since(before, block);
            }
            let mut passing = 0u64;
            while candidates != 0 {
                let lane = candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                if self.test(link, column.unique[block * Lanes::WIDTH + lane], argument) {
                    passing |= 1 << lane;
                }
            }
            if passing == 0 {
                continue;
            }
            for (index, (hit, lane)) in hits.iter().zip(&column.lane_of).enumerate() {
                let lane = *lane as usize;
                let hit = Hit { value: column.unique[lane], ..*hit };
                // A stage that left this value as it was has been asked already.
                if before.is_some_and(|before| before.value_of(index) == hit.value) {
                    continue;
                }
                if lane / Lanes::WIDTH == block && passing & 1 << (lane % Lanes::WIDTH) != 0 {
                    any |= self.hit(program, link, hit, argument);
                }
            }
        }
        any
    }

    /// Asks the operator about one value.
    fn test(&mut self, link: &Link, value: ValueId, argument: &[u8]) -> bool {
        if let Operator::ByteRange(allowed) = &link.test.operator {
            return self.facts.values.set(value).is_subset(*allowed) == link.test.negated;
        }
        match link.test.matches(self.facts.values.get(value), argument) {
            Ok(matched) => matched != link.test.negated,
            Err(error) => {
                self.pattern_failed(error);
                false
            }
        }
    }

    fn pattern_failed(&mut self, error: PatternError) {
        self.pattern_limit_hits += 1;
        let var = match error {
            PatternError::TooManySteps => Var::MscPcreLimitsExceeded,
            PatternError::Invalid => Var::MscPcreError,
        };
        self.facts.set(var, b"1");
    }

    /// A value passed the test: unless `ctl` took it away from this rule, remembers it and does what is
    /// done for every match.
    fn hit(&mut self, program: &Program, link: &Link, hit: Hit, argument: &[u8]) -> bool {
        if self.is_exempt(&hit) {
            return false;
        }
        self.matched.push(hit);
        if link.capture {
            self.capture(link, hit.value, argument);
        }
        self.change(program, link);
        true
    }

    fn is_exempt(&self, hit: &Hit) -> bool {
        let by_ctl = |(rules, excluded): &(std::sync::Arc<[u32]>, crate::program::Exclusion)| {
            rules.binary_search(&self.rule).is_ok() && is_excluded(hit, excluded, &self.facts)
        };
        self.exempt.iter().any(by_ctl)
    }

    fn capture(&mut self, link: &Link, value: ValueId, argument: &[u8]) {
        let found = link.test.captures(self.facts.values.get(value), argument);
        match found {
            Ok(found) if !found.is_empty() => {
                for slot in 0..10 {
                    self.facts.set_tx(slot, None);
                }
                for (slot, bytes) in found {
                    let value = self.facts.values.intern(&bytes);
                    self.facts.set_tx(slot as u32, Some(crate::facts::TxValue::Value(value)));
                    self.event(|_| Event::Captured {
                        slot,
                        value: String::from_utf8_lossy(&bytes).into_owned(),
                    });
                }
            }
            Ok(_) => {}
            Err(error) => self.pattern_failed(error),
        }
    }

    /// A rule matched to the end of its chain: does what it says, and writes it down.
    fn conclude(&mut self, program: &Program, rule: &Rule) {
        for link in &rule.links {
            self.effects(program, link);
        }
        if let Some(severity) = rule.about.severity {
            self.highest_severity = self.highest_severity.min(severity);
            let text = self.highest_severity.to_string();
            self.facts.set(Var::HighestSeverity, text.as_bytes());
        }
        let refuses = self.disrupt(program, rule);
        if rule.log || rule.audit || refuses {
            let found = self.describe(program, rule, refuses);
            self.matches.push(found);
        }
    }

    /// Carries out the disruptive action. In detection mode nothing is refused and nothing let through.
    fn disrupt(&mut self, program: &Program, rule: &Rule) -> bool {
        if matches!(rule.disruption, Disruption::Pass) {
            return false;
        }
        self.event(|_| Event::Note(format!("Running action: {}", disruption_name(&rule.disruption))));
        let acts = self.mode == EngineMode::On;
        let action = match &rule.disruption {
            Disruption::Pass => return false,
            Disruption::Allow(_) if !acts => return false,
            Disruption::Allow(AllowScope::Phase) => {
                self.allowed_phase = true;
                return false;
            }
            Disruption::Allow(scope) => {
                self.allowed = Some(*scope);
                return false;
            }
            Disruption::Deny => Refusal::Deny,
            Disruption::Drop => Refusal::Drop,
            Disruption::Redirect(to) => {
                Refusal::Redirect(String::from_utf8_lossy(&self.expand(program, to)).into_owned())
            }
        };
        let decided = if acts { &mut self.interruption } else { &mut self.would_refuse };
        let (rule_id, phase, status) = (rule.id, self.phase as u8, rule.status);
        decided.get_or_insert(Interruption { rule_id, phase, status, action });
        acts
    }

    fn describe(&mut self, program: &Program, rule: &Rule, disruptive: bool) -> Match {
        let text = |tx: &Self, text| String::from_utf8_lossy(&tx.expand(program, text)).into_owned();
        let links = &rule.links;
        let msg = links.iter().rev().find_map(|link| link.msg.as_ref()).unwrap_or(&rule.about.msg);
        let data = links.iter().rev().find_map(|link| link.data.as_ref()).unwrap_or(&rule.about.data);
        let kept = self.matched.len().saturating_sub(MATCHED_MAX);
        let lossy = |id| String::from_utf8_lossy(self.facts.values.get(id)).into_owned();
        let matched = self.matched[kept..]
            .iter()
            .map(|hit| MatchedVar { var: hit.var, name: lossy(hit.name), value: lossy(hit.value) })
            .collect();
        let last = links.last().expect("a rule has at least itself");
        Match {
            rule_id: rule.id,
            index: self.rule,
            place: rule.place.clone(),
            phase: self.phase as u8,
            msg: text(self, msg),
            data: text(self, data),
            severity: rule.about.severity,
            tags: rule.about.tags.iter().map(|tag| text(self, tag)).collect(),
            rev: rule.about.rev.clone(),
            ver: rule.about.ver.clone(),
            maturity: rule.about.maturity,
            accuracy: rule.about.accuracy,
            matched,
            test: format!("Operator `{}' with parameter `{}'", last.test.name, text(self, &last.argument)),
            disruptive,
            log: rule.log,
            audit: rule.audit,
        }
    }

    /// The variables that matched so far in this chain, as a collection.
    pub(crate) fn matched_entries(&mut self) -> Vec<Entry> {
        let hits = self.matched.clone();
        hits.iter()
            .map(|hit| {
                let name = self.full_name(hit);
                Entry { name: self.facts.values.intern(name.as_bytes()), value: hit.value }
            })
            .collect()
    }

    /// `ARGS:id`, or the bare name of a single variable.
    pub(crate) fn full_name(&self, hit: &Hit) -> String {
        match self.facts.values.get(hit.name) {
            b"" => hit.var.name().to_owned(),
            name => format!("{}:{}", hit.var.name(), String::from_utf8_lossy(name)),
        }
    }
}

fn disruption_name(disruption: &Disruption) -> &'static str {
    match disruption {
        Disruption::Pass => "pass",
        Disruption::Deny => "deny",
        Disruption::Drop => "drop",
        Disruption::Redirect(_) => "redirect",
        Disruption::Allow(_) => "allow",
    }
}
