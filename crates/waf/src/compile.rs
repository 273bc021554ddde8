//! From a [`Ruleset`] to a [`Program`].

use crate::Var;
use crate::body::xml::Path;
use crate::lang::action::{Action, Ctl, Phase};
use crate::lang::target::{Mode, Selector, Target};
use crate::lang::{Files, Item, LoadError, RuleText, Ruleset};
use crate::ops::{Context, Pattern, Test};
use crate::program::{
    About, ChainId, ChangeTo, ColumnId, ColumnPlace, Disruption, Effect, Exclusion, Link, ListId, Member,
    Name, PHASES, Program, Rule, Select, SetVar, TargetList, Text, TxNames,
};
use crate::xform::{UnicodeMap, Xform};
use std::collections::HashMap;
use std::sync::Arc;

/// Compiles everything, and reports every fault.
pub(crate) fn compile(set: Ruleset, files: &dyn Files) -> Result<Program, Vec<LoadError>> {
    let mut compiler = Compiler {
        files,
        defaults: set.defaults,
        lists: HashMap::new(),
        chains: HashMap::new(),
        columns: HashMap::new(),
        markers: Vec::new(),
        jumps: Vec::new(),
        program: Program {
            rules: Vec::new(),
            phases: Default::default(),
            lists: Vec::new(),
            // The first entry stands for "no transformation"; its step is never looked at.
            chains: vec![(0, Xform::Length)],
            columns: Vec::new(),
            tx: TxNames::new(),
            paths: Vec::new(),
            path_names: Vec::new(),
            by_id: Default::default(),
            unicode: None,
            relevant_status: None,
            settings: set.settings,
            warnings: set.warnings,
            excluded: Vec::new(),
            uses_time: false,
            uses_full_request: false,
            uses_file_content: false,
        },
    };
    compiler.note_uses(&set.items);
    let mut errors = Vec::new();
    if let Err(message) = compiler.settings() {
        errors.push(LoadError { place: crate::lang::Place::new(&Arc::from("settings"), 0), message });
    }
    for item in &set.items {
        match item {
            Item::Marker(name) => {
                let positions = std::array::from_fn(|phase| compiler.program.phases[phase].len());
                compiler.markers.push((name.clone(), positions));
            }
            Item::Rule(rule) => {
                if let Err(error) = compiler.rule(rule) {
                    errors.push(error);
                }
            }
        }
    }
    compiler.resolve_jumps();
    compiler.resolve_exclusions();
    compiler.note_memory();
    if errors.is_empty() { Ok(compiler.program) } else { Err(errors) }
}

/// Targets, and the namespaces their XML paths may use.
type ListKey = (Vec<Target>, Vec<(String, String)>);

struct Compiler<'f> {
    files: &'f dyn Files,
    defaults: Vec<(Phase, Vec<Action>)>,
    lists: HashMap<ListKey, ListId>,
    chains: HashMap<(ChainId, Xform), ChainId>,
    columns: HashMap<(ListId, ChainId), ColumnId>,
    /// A marker, and how many rules of each phase stand before it.
    markers: Vec<(String, [usize; PHASES])>,
    /// Rules that skip, and the marker they skip to.
    jumps: Vec<(u32, usize, String)>,
    program: Program,
}

impl Compiler<'_> {
    fn settings(&mut self) -> Result<(), String> {
        let settings = &self.program.settings;
        if let Some(pattern) = &settings.audit.relevant_status {
            self.program.relevant_status = Some(Pattern::compile(pattern, false, settings.pcre_match_limit)?);
        }
        if let Some((file, page)) = &settings.unicode_map {
            let bytes = self
                .files
                .read(file)
                .map_err(|error| format!("Failed to locate the unicode map file from: {file} ({error})"))?;
            self.program.unicode = Some(UnicodeMap::parse(&String::from_utf8_lossy(&bytes), *page)?);
        }
        Ok(())
    }

    /// Some variables are costly and rarely asked for. Looking for their names in the whole text of a rule
    /// finds more than need be, never less.
    fn note_uses(&mut self, items: &[Item]) {
        let text = format!("{items:?}");
        self.program.uses_time = text.contains("Time");
        self.program.uses_full_request = text.contains("FullRequest");
        self.program.uses_file_content = text.contains("FilesTmpContent");
    }

    fn rule(&mut self, text: &RuleText) -> Result<(), LoadError> {
        let at = |text: &RuleText| text.place.clone();
        let phase = phase_of(text);
        let defaults: Vec<Action> = match self.defaults.iter().find(|(known, _)| *known == phase) {
            Some((_, actions)) => actions.clone(),
            None => vec![Action::Log(true), Action::AuditLog(true), Action::Pass],
        };
        let mut links = Vec::new();
        let mut link = Some(text);
        while let Some(text) = link {
            let compiled = self.link(text, &defaults);
            links.push(compiled.map_err(|message| LoadError { place: at(text), message })?);
            if text.is_chained() && text.next.is_none() {
                links.push(Link::that_never_matches());
            }
            link = text.next.as_deref();
        }
        let index = self.program.rules.len() as u32;
        let mut rule = Rule {
            id: text.id(),
            place: at(text),
            phase,
            links,
            about: About::default(),
            disruption: Disruption::Pass,
            status: 403,
            log: true,
            audit: true,
            looks_back: false,
            remembers: true,
            skip: 0,
            skip_to: None,
        };
        let steps = &mut self.program.phases[phase as usize - 1];
        steps.push(index);
        let position = steps.len();
        for action in defaults.iter().chain(&text.actions) {
            match action {
                Action::SkipAfter(marker) => self.jumps.push((index, position, marker.clone())),
                _ => self.head_action(&mut rule, action, &defaults),
            }
        }
        // The status may stand on any rule of a chain.
        let mut link = text.next.as_deref();
        while let Some(text) = link {
            let status = text.actions.iter().find(|action| matches!(action, Action::Status(_)));
            status.into_iter().for_each(|action| self.head_action(&mut rule, action, &[]));
            link = text.next.as_deref();
        }
        if rule.id != 0 {
            self.program.by_id.insert(rule.id, index);
        }
        self.program.rules.push(rule);
        Ok(())
    }

    /// Actions that concern a chain as a whole and stand on its first rule.
    fn head_action(&mut self, rule: &mut Rule, action: &Action, defaults: &[Action]) {
        let tx = &mut self.program.tx;
        match action {
            Action::Msg(msg) => rule.about.msg = Text::compile(msg, tx),
            Action::LogData(data) => rule.about.data = Text::compile(data, tx),
            Action::Severity(severity) => rule.about.severity = Some(*severity),
            Action::Tag(tag) => rule.about.tags.push(Text::compile(tag, tx)),
            Action::Rev(rev) => rule.about.rev.clone_from(rev),
            Action::Ver(ver) => rule.about.ver.clone_from(ver),
            Action::Maturity(maturity) => rule.about.maturity = *maturity,
            Action::Accuracy(accuracy) => rule.about.accuracy = *accuracy,
            Action::Status(status) => rule.status = *status,
            Action::Log(log) => (rule.log, rule.audit) = (*log, *log),
            Action::AuditLog(audit) => rule.audit = *audit,
            Action::Skip(count) => rule.skip = *count,
            Action::Block => {
                for action in defaults.iter().filter(|action| !matches!(action, Action::Block)) {
                    if is_disruptive(action) {
                        self.head_action(rule, action, &[]);
                    }
                }
            }
            Action::Pass => rule.disruption = Disruption::Pass,
            Action::Deny => rule.disruption = Disruption::Deny,
            Action::Drop => rule.disruption = Disruption::Drop,
            Action::Allow(scope) => rule.disruption = Disruption::Allow(*scope),
            Action::Redirect(to) => {
                rule.disruption = Disruption::Redirect(Text::compile(to, tx));
                if !(300..400).contains(&rule.status) {
                    rule.status = 302;
                }
            }
            _ => {}
        }
    }

    fn link(&mut self, text: &RuleText, defaults: &[Action]) -> Result<Link, String> {
        let capture = text.actions.contains(&Action::Capture);
        let chain = self.chain(defaults.iter().chain(&text.actions));
        let mut link = Link {
            test: Test::always(),
            argument: Text::default(),
            list: None,
            chain,
            column: None,
            multi_match: text.actions.contains(&Action::MultiMatch),
            capture,
            changes: Vec::new(),
            effects: Vec::new(),
            msg: None,
            data: None,
        };
        if let Some((targets, operator)) = &text.test {
            let mut context = Context {
                files: self.files,
                place: &text.place,
                captures: capture,
                match_limit: self.program.settings.pcre_match_limit,
                warnings: &mut self.program.warnings,
            };
            link.test = Test::compile(operator, &mut context)?;
            link.argument = Text::compile(&link.test.argument, &mut self.program.tx);
            let list = self.list(targets, &text.actions)?;
            link.list = Some(list);
            if !self.program.lists[list as usize].volatile {
                link.column = Some(self.column(list, chain));
            }
        }
        for action in &text.actions {
            self.link_action(&mut link, action)?;
        }
        Ok(link)
    }

    fn link_action(&mut self, link: &mut Link, action: &Action) -> Result<(), String> {
        let tx = &mut self.program.tx;
        match action {
            Action::Msg(msg) => link.msg = Some(Text::compile(msg, tx)),
            Action::LogData(data) => link.data = Some(Text::compile(data, tx)),
            Action::SetVar { var, name, change } => {
                let change = ChangeTo::compile(change, tx);
                let name = match (var, name.literal().and_then(|name| std::str::from_utf8(name).ok())) {
                    (Var::Tx, Some(name)) => Name::Slot(tx.add(name)),
                    _ => Name::Text(Text::compile(name, tx)),
                };
                link.changes.push(SetVar { var: *var, name, change });
            }
            Action::ExpireVar { var, name, seconds } => link.effects.push(Effect::ExpireVar {
                var: *var,
                name: Text::compile(name, tx),
                seconds: Text::compile(seconds, tx),
            }),
            Action::InitCol { var, key } => {
                link.effects.push(Effect::InitCol { var: *var, key: Text::compile(key, tx) });
            }
            Action::SetEnv { name, value } => {
                let (name, value) = (Text::compile(name, tx), Text::compile(value, tx));
                link.effects.push(Effect::SetEnv { name, value });
            }
            Action::Ctl(ctl) => {
                let exclusion = match ctl {
                    Ctl::RemoveTarget(_, target) => Some(self.exclusion(target)?),
                    _ => None,
                };
                link.effects.push(Effect::Ctl(ctl.clone(), exclusion, Arc::from([])));
            }
            _ => {}
        }
        Ok(())
    }

    /// The chain of an action list's transformations.
    fn chain<'a>(&mut self, actions: impl Iterator<Item = &'a Action>) -> ChainId {
        let mut chain = 0;
        for action in actions {
            match action {
                Action::TransformNone => chain = 0,
                Action::Transform(xform) => {
                    let next = self.program.chains.len() as ChainId;
                    let found = *self.chains.entry((chain, *xform)).or_insert(next);
                    if found == next {
                        self.program.chains.push((chain, *xform));
                    }
                    chain = found;
                }
                _ => {}
            }
        }
        chain
    }

    fn column(&mut self, list: ListId, chain: ChainId) -> ColumnId {
        let next = self.program.columns.len() as ColumnId;
        let found = *self.columns.entry((list, chain)).or_insert(next);
        if found == next {
            self.program.columns.push(ColumnPlace { list, chain, parent: found });
            if chain != 0 {
                let before = self.program.chains[chain as usize].0;
                self.program.columns[found as usize].parent = self.column(list, before);
            }
        }
        found
    }

    fn list(&mut self, targets: &[Target], actions: &[Action]) -> Result<ListId, String> {
        let namespaces: Vec<(String, String)> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Xmlns { prefix, uri } => Some((prefix.clone(), uri.clone())),
                _ => None,
            })
            .collect();
        let key = (targets.to_vec(), namespaces.clone());
        if let Some(list) = self.lists.get(&key) {
            return Ok(*list);
        }
        let mut list = TargetList { selects: Vec::new(), excludes: Vec::new(), volatile: false };
        for target in targets {
            list.volatile |= target.var.is_volatile();
            match target.mode {
                Mode::Exclude => list.excludes.push(self.exclusion(target)?),
                Mode::Include => list.selects.push(self.select(target, &namespaces)?),
                Mode::Count => list.selects.push(Select::Count(Box::new(self.select(target, &namespaces)?))),
            }
        }
        let id = self.program.lists.len() as ListId;
        self.program.lists.push(list);
        self.lists.insert(key, id);
        Ok(id)
    }

    fn select(&mut self, target: &Target, namespaces: &[(String, String)]) -> Result<Select, String> {
        if target.var == Var::Xml {
            let path = match &target.selector {
                Selector::Path(path) => path.as_str(),
                _ => "/*",
            };
            let entry = (Path::parse(path)?, namespaces.to_vec());
            let index = self.program.paths.iter().position(|known| *known == entry).unwrap_or_else(|| {
                self.program.paths.push(entry);
                self.program.path_names.push(path.to_owned());
                self.program.paths.len() - 1
            });
            return Ok(Select::Xml(index as u32));
        }
        Ok(match &target.selector {
            _ if !target.var.is_collection() => Select::Single(target.var),
            Selector::Name(name) if target.var == Var::Tx => Select::TxSlot(self.program.tx.add(name)),
            _ => Select::Members(target.var, self.member(&target.selector)?),
        })
    }

    fn exclusion(&self, target: &Target) -> Result<Exclusion, String> {
        Ok(Exclusion { var: target.var, member: self.member(&target.selector)? })
    }

    fn member(&self, selector: &Selector) -> Result<Member, String> {
        Ok(match selector {
            Selector::All | Selector::Path(_) => Member::All,
            Selector::Name(name) => Member::Named(name.clone().into_bytes()),
            Selector::Pattern(pattern) => {
                let limit = self.program.settings.pcre_match_limit;
                Member::Matching(Arc::new(Pattern::compile(&format!("(?i){pattern}"), false, limit)?))
            }
        })
    }

    /// Which rules `ctl` takes away is known once all rules are.
    fn resolve_exclusions(&mut self) {
        let sets: Vec<(usize, usize, usize, Arc<[u32]>)> = self
            .program
            .rules
            .iter()
            .enumerate()
            .flat_map(|(rule, text)| {
                text.links.iter().enumerate().map(move |(link, text)| (rule, link, text))
            })
            .flat_map(|(rule, link, text)| {
                text.effects.iter().enumerate().map(move |(at, text)| (rule, link, at, text))
            })
            .filter_map(|(rule, link, at, effect)| match effect {
                Effect::Ctl(Ctl::RemoveRules(set) | Ctl::RemoveTarget(set, _), ..) => {
                    Some((rule, link, at, Arc::from(self.program.rules_in(set))))
                }
                _ => None,
            })
            .collect();
        for (rule, link, at, found) in sets {
            if let Effect::Ctl(_, _, rules) = &mut self.program.rules[rule].links[link].effects[at] {
                *rules = found;
            }
        }
    }

    /// Which rules look back at what was matched, and which therefore have to remember it.
    fn note_memory(&mut self) {
        let lists = &self.program.lists;
        for rule in &mut self.program.rules {
            rule.looks_back = rule.links[0].list.is_some_and(|list| lists[list as usize].looks_back());
            let says = |text: &Text| text.looks_back();
            let changes = |link: &Link| {
                link.changes.iter().any(|change| {
                    let named = matches!(&change.name, Name::Text(name) if says(name));
                    named
                        || match &change.change {
                            ChangeTo::Set(text) | ChangeTo::Add(text) | ChangeTo::Subtract(text) => {
                                says(text)
                            }
                            ChangeTo::Unset => false,
                        }
                })
            };
            let effects = |link: &Link| link.effects.iter().any(|effect| !matches!(effect, Effect::Ctl(..)));
            rule.remembers = rule.log
                || rule.audit
                || rule.links.len() > 1
                || rule.links.iter().any(|l| changes(l) || effects(l));
        }
        for phase in &self.program.phases {
            for pair in phase.windows(2) {
                if self.program.rules[pair[1] as usize].looks_back {
                    self.program.rules[pair[0] as usize].remembers = true;
                }
            }
        }
    }

    /// A rule goes on at the first marker of that name after it, or at the end of its phase.
    fn resolve_jumps(&mut self) {
        for (rule, position, marker) in std::mem::take(&mut self.jumps) {
            let rule = &mut self.program.rules[rule as usize];
            let phase = rule.phase as usize - 1;
            let found = self.markers.iter().find(|(name, at)| *name == marker && at[phase] >= position);
            rule.skip_to = Some(found.map_or(usize::MAX, |(_, at)| at[phase]));
        }
    }
}

fn is_disruptive(action: &Action) -> bool {
    matches!(action, Action::Pass | Action::Deny | Action::Drop | Action::Allow(_) | Action::Redirect(_))
}

/// The phase a rule names, or the second.
fn phase_of(text: &RuleText) -> Phase {
    let named = text.actions.iter().rev().find_map(|action| match action {
        Action::Phase(phase) => Some(*phase),
        _ => None,
    });
    named.unwrap_or(Phase::RequestBody)
}
