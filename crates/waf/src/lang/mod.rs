//! The language: from rule files to a [`Ruleset`], every fault with its file and line.

pub mod action;
mod error;
mod files;
mod lines;
pub mod operator;
pub mod settings;
pub mod target;
pub mod template;

pub use error::{LoadError, Place, Warning};
pub(crate) use files::beside;
pub use files::{Files, NoFiles};

use crate::xform::UnicodeMap;
use action::{Action, Phase, RuleSet, id_range, parse_actions};
use operator::{OperatorText, parse_operator};
use settings::Settings;
use std::collections::HashSet;
use std::sync::Arc;
use target::{Target, parse_targets};

/// Files that include files that include files: no further.
const INCLUDE_DEPTH_MAX: usize = 16;

/// A rule as written.
#[derive(Clone, Debug)]
pub struct RuleText {
    /// Where it begins.
    pub place: Place,
    /// What it looks at and how it tests that; an unconditional `SecAction` has neither.
    pub test: Option<(Vec<Target>, OperatorText)>,
    /// What it does.
    pub actions: Vec<Action>,
    /// The rule it is chained to, if that one ends in `chain`.
    pub next: Option<Box<RuleText>>,
}

impl RuleText {
    /// Its id, which the first rule of a chain always has.
    pub fn id(&self) -> u64 {
        self.actions
            .iter()
            .find_map(|action| if let Action::Id(id) = action { Some(*id) } else { None })
            .unwrap_or(0)
    }

    /// Wants a rule after it.
    pub(crate) fn is_chained(&self) -> bool {
        self.actions.contains(&Action::Chain)
    }

    fn last_mut(&mut self) -> &mut RuleText {
        match self.next {
            Some(ref mut next) => next.last_mut(),
            None => self,
        }
    }

    /// Whether an exclusion means this rule.
    pub(crate) fn is_in(&self, set: &RuleSet) -> bool {
        match set {
            RuleSet::Ids(first, last) => (*first..=*last).contains(&self.id()),
            RuleSet::Tag(tag) => self
                .actions
                .iter()
                .any(|a| matches!(a, Action::Tag(t) if t.literal() == Some(tag.as_bytes()))),
            RuleSet::Msg(msg) => self
                .actions
                .iter()
                .any(|a| matches!(a, Action::Msg(t) if t.literal() == Some(msg.as_bytes()))),
        }
    }
}

/// What runs in order: rules, and the places that `skipAfter` leads to.
#[derive(Clone, Debug)]
pub enum Item {
    /// `SecRule` or `SecAction` with what is chained to it.
    Rule(RuleText),
    /// `SecMarker`.
    Marker(String),
}

/// Everything the files say.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    /// In the order of the files.
    pub items: Vec<Item>,
    /// `SecDefaultAction`, a phase each.
    pub defaults: Vec<(Phase, Vec<Action>)>,
    /// The rest.
    pub settings: Settings,
    /// What loads but does less than it says.
    pub warnings: Vec<Warning>,
}

/// A change to rules by the rule they name, done when every file is read.
enum Update {
    Remove(RuleSet),
    Targets(RuleSet, Vec<Target>),
    Actions(u64, Vec<Action>),
}

/// Reads rule files one after the other; [`Loader::finish`] answers with everything, or every fault.
pub struct Loader<'f> {
    files: &'f dyn Files,
    set: Ruleset,
    updates: Vec<Update>,
    errors: Vec<LoadError>,
    ids: HashSet<u64>,
}

impl<'f> Loader<'f> {
    /// Nothing read yet.
    pub fn new(files: &'f dyn Files) -> Self {
        Self { files, set: Ruleset::default(), updates: Vec::new(), errors: Vec::new(), ids: HashSet::new() }
    }

    /// Reads a file, or all that a pattern such as `rules/*.conf` means.
    pub fn file(&mut self, path: &str) {
        let place = Place::new(&Arc::from(path), 1);
        self.include(path, &place, 0);
    }

    /// Reads `text` as though it were the file `name`.
    pub fn text(&mut self, name: &str, text: &str) {
        self.read(&Arc::from(name), text, 0);
    }

    /// Applies the updates, and hands out the result if there is no fault.
    pub fn finish(mut self) -> Result<Ruleset, Vec<LoadError>> {
        for update in std::mem::take(&mut self.updates) {
            apply(update, &mut self.set.items);
        }
        if self.errors.is_empty() { Ok(self.set) } else { Err(self.errors) }
    }

    fn fault(&mut self, place: &Place, message: impl Into<String>) {
        self.errors.push(LoadError { place: place.clone(), message: message.into() });
    }

    fn include(&mut self, path: &str, place: &Place, depth: usize) {
        if depth > INCLUDE_DEPTH_MAX {
            return self.fault(place, format!("includes are nested deeper than {INCLUDE_DEPTH_MAX}"));
        }
        let paths = match files::expand(path, self.files) {
            Ok(paths) => paths,
            Err(message) => return self.fault(place, message),
        };
        for path in paths {
            match self.files.read(&path) {
                Ok(bytes) => self.read(&Arc::from(path), &String::from_utf8_lossy(&bytes), depth),
                Err(message) => self.fault(place, message),
            }
        }
    }

    fn read(&mut self, file: &Arc<str>, text: &str, depth: usize) {
        let statements = match lines::statements(text) {
            Ok(statements) => statements,
            Err((line, message)) => return self.fault(&Place::new(file, line), message),
        };
        let mut chain_open = false;
        for statement in statements {
            let place = Place::new(file, statement.line);
            let (name, arguments) = (&statement.words[0], &statement.words[1..]);
            match self.directive(name, arguments, &place, depth, chain_open) {
                Ok(open) => chain_open = open,
                Err(message) => self.fault(&place, message),
            }
        }
        if chain_open {
            let last = self.set.items.iter().rev().find_map(|item| match item {
                Item::Rule(rule) => Some(rule.place.clone()),
                Item::Marker(_) => None,
            });
            self.set.warnings.push(Warning {
                code: "waf-chain-never-ends",
                place: last.unwrap_or_else(|| Place::new(file, 1)),
                message: "the file ends before the rule this one is chained to: it never matches".to_owned(),
            });
        }
    }

    /// Takes in one directive; answers whether a chain waits for its next rule.
    fn directive(
        &mut self,
        name: &str,
        arguments: &[String],
        place: &Place,
        depth: usize,
        chain_open: bool,
    ) -> Result<bool, String> {
        let lower = name.to_lowercase();
        if chain_open && lower != "secrule" && lower != "secaction" {
            return Err(format!("a chain waits for its next rule, not for {name}"));
        }
        let wants = |count: usize| -> Result<(), String> {
            let enough = arguments.len() >= count;
            if enough { Ok(()) } else { Err(format!("{name} wants {count} arguments")) }
        };
        match lower.as_str() {
            "secrule" => {
                wants(2)?;
                let test = (parse_targets(&arguments[0])?, parse_operator(&arguments[1]));
                let actions = parse_actions(arguments.get(2).map_or("", String::as_str))?;
                return self.rule(place, Some(test), actions, chain_open);
            }
            "secaction" => {
                wants(1)?;
                return self.rule(place, None, parse_actions(&arguments[0])?, chain_open);
            }
            "secmarker" => {
                wants(1)?;
                self.set.items.push(Item::Marker(arguments[0].clone()));
            }
            "secdefaultaction" => {
                wants(1)?;
                self.default_action(parse_actions(&arguments[0])?)?;
            }
            "include" => {
                wants(1)?;
                self.include(&beside(&place.file, &arguments[0]), place, depth + 1);
            }
            // A missing file is no fault here; one that is there is read like any other.
            "includeoptional" => {
                wants(1)?;
                let path = beside(&place.file, &arguments[0]);
                let found = files::expand(&path, self.files).unwrap_or_default();
                for path in found.into_iter().filter(|path| self.files.read(path).is_ok()) {
                    self.include(&path, place, depth + 1);
                }
            }
            "secruleremovebyid" => {
                for range in arguments.iter().flat_map(|a| a.split([' ', ','])).filter(|a| !a.is_empty()) {
                    self.updates.push(Update::Remove(id_range(range)?));
                }
            }
            "secruleremovebytag" | "secruleremovebymsg" => {
                wants(1)?;
                self.updates.push(Update::Remove(by(&lower, &arguments[0])?));
            }
            "secruleupdatetargetbyid" | "secruleupdatetargetbytag" | "secruleupdatetargetbymsg" => {
                wants(2)?;
                let targets = parse_targets(&arguments[1])?;
                self.updates.push(Update::Targets(by(&lower, &arguments[0])?, targets));
            }
            "secruleupdateactionbyid" => {
                wants(2)?;
                let id =
                    arguments[0].trim().parse().map_err(|_| format!("`{}` is no rule id", arguments[0]))?;
                self.updates.push(Update::Actions(id, parse_actions(&arguments[1])?));
            }
            _ => match self.set.settings.apply(name, arguments) {
                Some(result) => {
                    result?;
                    if lower == "secunicodemapfile" {
                        self.find_unicode_map(place)?;
                    }
                }
                None => return Err(format!("{name} is no directive we know")),
            },
        }
        Ok(false)
    }

    /// The map's file is beside the file that names it, and has to be there and to have the page.
    fn find_unicode_map(&mut self, place: &Place) -> Result<(), String> {
        let Some((name, page)) = &mut self.set.settings.unicode_map else { return Ok(()) };
        let path = beside(&place.file, name);
        let lost = |error| format!("Failed to locate the unicode map file from: {name} ({error})");
        let bytes = self.files.read(&path).map_err(lost)?;
        UnicodeMap::parse(&String::from_utf8_lossy(&bytes), *page)?;
        *name = path;
        Ok(())
    }

    fn rule(
        &mut self,
        place: &Place,
        test: Option<(Vec<Target>, OperatorText)>,
        actions: Vec<Action>,
        chain_open: bool,
    ) -> Result<bool, String> {
        let rule = RuleText { place: place.clone(), test, actions, next: None };
        let open = rule.is_chained();
        if chain_open {
            if let Some(Item::Rule(head)) = self.set.items.last_mut() {
                head.last_mut().next = Some(Box::new(rule));
            }
            return Ok(open);
        }
        let id = rule.id();
        let is_action = rule.test.is_none();
        if id == 0 && !is_action {
            return Err("a rule needs an id".to_owned());
        }
        if id != 0 && !self.ids.insert(id) {
            return Err(format!("Rule id: {id} is duplicated"));
        }
        self.set.items.push(Item::Rule(rule));
        Ok(open)
    }

    fn default_action(&mut self, actions: Vec<Action>) -> Result<(), String> {
        let mut phase = Phase::RequestBody;
        let mut disruptive = false;
        for action in &actions {
            match action {
                Action::Phase(given) => phase = *given,
                Action::Deny | Action::Drop | Action::Pass | Action::Redirect(_) | Action::Allow(_) => {
                    disruptive = true;
                }
                Action::Id(_) => {
                    return Err("the action 'id' is not suitable for SecDefaultAction".to_owned());
                }
                Action::TransformNone => return Err("t:none is not suitable for SecDefaultAction".to_owned()),
                Action::Chain | Action::Skip(_) | Action::SkipAfter(_) => {
                    return Err("flow actions are not suitable for SecDefaultAction".to_owned());
                }
                _ => {}
            }
        }
        if !disruptive {
            return Err("SecDefaultAction must specify a disruptive action".to_owned());
        }
        if self.set.defaults.iter().any(|(known, _)| *known == phase) {
            return Err(format!("SecDefaultAction is given twice for phase {}", phase as u8));
        }
        self.set.defaults.push((phase, actions));
        Ok(())
    }
}

/// The rules that `Sec…ById`, `…ByTag` and `…ByMsg` mean.
fn by(directive: &str, argument: &str) -> Result<RuleSet, String> {
    Ok(match &directive[directive.len() - 2..] {
        "id" => id_range(argument)?,
        "ag" => RuleSet::Tag(argument.to_owned()),
        _ => RuleSet::Msg(argument.to_owned()),
    })
}

fn apply(update: Update, items: &mut Vec<Item>) {
    if let Update::Remove(set) = &update {
        items.retain(|item| !matches!(item, Item::Rule(rule) if rule.is_in(set)));
        return;
    }
    for item in items {
        let Item::Rule(rule) = item else { continue };
        match &update {
            Update::Targets(set, targets) if rule.is_in(set) => add_targets(rule, targets),
            Update::Actions(id, actions) if rule.id() == *id => replace_actions(rule, actions),
            _ => {}
        }
    }
}

/// Exclusions go to every rule of a chain, as those of `ctl` do; additions to the first.
fn add_targets(rule: &mut RuleText, targets: &[Target]) {
    let (excluded, added): (Vec<_>, Vec<_>) =
        targets.iter().cloned().partition(|target| target.mode == target::Mode::Exclude);
    if let Some((own, _)) = &mut rule.test {
        own.extend(added);
    }
    let mut link = Some(rule);
    while let Some(rule) = link {
        if let Some((own, _)) = &mut rule.test {
            own.extend(excluded.iter().cloned());
        }
        link = rule.next.as_deref_mut();
    }
}

/// New actions take the place of those of their kind.
fn replace_actions(rule: &mut RuleText, actions: &[Action]) {
    let is_disruptive = |action: &Action| {
        matches!(
            action,
            Action::Allow(_)
                | Action::Block
                | Action::Deny
                | Action::Drop
                | Action::Pass
                | Action::Redirect(_)
        )
    };
    let many = |action: &Action| {
        matches!(action, Action::Tag(_) | Action::SetVar { .. } | Action::Ctl(_) | Action::Transform(_))
    };
    for action in actions {
        if matches!(action, Action::TransformNone) {
            rule.actions.retain(|own| !matches!(own, Action::Transform(_) | Action::TransformNone));
        } else if is_disruptive(action) {
            rule.actions.retain(|own| !is_disruptive(own));
        } else if !many(action) {
            rule.actions.retain(|own| std::mem::discriminant(own) != std::mem::discriminant(action));
        }
        rule.actions.push(action.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Ruleset, Vec<LoadError>> {
        let mut loader = Loader::new(&NoFiles);
        loader.text("t.conf", text);
        loader.finish()
    }

    fn messages(text: &str) -> Vec<String> {
        load(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn chains_hang_on_their_first_rule() {
        let set =
            load("SecRule ARGS a \"id:1,chain\"\nSecRule ARGS b \"chain\"\nSecRule ARGS c\nSecMarker M")
                .unwrap();
        assert_eq!(set.items.len(), 2);
        let Item::Rule(head) = &set.items[0] else { panic!() };
        assert!(head.next.as_ref().unwrap().next.as_ref().unwrap().next.is_none());
    }

    #[test]
    fn every_fault_is_reported_with_its_line() {
        let found =
            messages("SecNope 1\nSecRule ARGS\nSecRule NOPE a id:1\nSecRule ARGS a \"id:2,nope\"\nInclude x");
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found[0].starts_with("t.conf:1: ") && found[3].starts_with("t.conf:4: "), "{found:?}");
    }

    #[test]
    fn an_id_is_asked_for_and_may_occur_once() {
        assert_eq!(messages("SecRule ARGS a pass"), ["t.conf:1: a rule needs an id"]);
        assert_eq!(messages("SecAction id:1\nSecAction id:1"), ["t.conf:2: Rule id: 1 is duplicated"]);
    }

    #[test]
    fn exclusions_work_before_and_after_the_rule() {
        let set = load(
            "SecRuleRemoveById 1\nSecAction id:1\nSecAction id:2,tag:x\nSecRuleRemoveByTag x\n\
             SecRule ARGS a id:3\nSecRuleUpdateTargetById 3 !ARGS:b",
        )
        .unwrap();
        let [Item::Rule(rule)] = set.items.as_slice() else { panic!("{:?}", set.items) };
        assert_eq!(rule.test.as_ref().unwrap().0.len(), 2);
    }

    #[test]
    fn default_actions_once_a_phase_and_with_a_disruptive_one() {
        assert!(load("SecDefaultAction phase:1,log,deny\nSecDefaultAction phase:2,log,pass").is_ok());
        assert_eq!(messages("SecDefaultAction phase:1,deny\nSecDefaultAction phase:1,pass").len(), 1);
        assert_eq!(messages("SecDefaultAction phase:1,log").len(), 1);
    }
}
