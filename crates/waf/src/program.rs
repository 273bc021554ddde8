//! Rules as they run: everything looked up, shared and numbered once, at load.
//!
//! Rules that look at the same targets through the same transformations share a *column*: the values are
//! selected and transformed once a phase, however many rules ask. Transformation chains are a tree of
//! steps, so two chains that begin alike share their beginning.

use crate::Var;
use crate::body::xml::Path;
use crate::lang::action::{AllowScope, Change, Ctl, Phase, RuleSet};
use crate::lang::settings::Settings;
use crate::lang::{Place, Warning};
use crate::ops::{Pattern, Test};
use crate::xform::{UnicodeMap, Xform};
use std::collections::{BTreeMap, HashMap};

/// Phases are numbered from one in the language and from zero in arrays.
pub(crate) const PHASES: usize = 5;

/// A compiled rule set.
pub(crate) struct Program {
    pub(crate) rules: Vec<Rule>,
    /// What runs in each phase, in order.
    pub(crate) phases: [Vec<u32>; PHASES],
    pub(crate) lists: Vec<TargetList>,
    /// Steps of transformation chains: the chain before it, and what is done to its result. The first
    /// is the chain without a step.
    pub(crate) chains: Vec<(ChainId, Xform)>,
    pub(crate) columns: Vec<ColumnPlace>,
    pub(crate) tx: TxNames,
    /// The XML paths that rules ask for, with the namespaces they may use.
    pub(crate) paths: Vec<(Path, Vec<(String, String)>)>,
    /// How the rules write them.
    pub(crate) path_names: Vec<String>,
    pub(crate) by_id: BTreeMap<u64, u32>,
    pub(crate) unicode: Option<UnicodeMap>,
    pub(crate) relevant_status: Option<Pattern>,
    pub(crate) settings: Settings,
    pub(crate) warnings: Vec<Warning>,
    /// What the configuration takes away from rules.
    pub(crate) excluded: Vec<crate::exclude::Excluded>,
    /// Some rule looks at a TIME variable.
    pub(crate) uses_time: bool,
    /// Some rule looks at FULL_REQUEST or its length.
    pub(crate) uses_full_request: bool,
    /// Some rule looks into uploaded files.
    pub(crate) uses_file_content: bool,
}

/// What a column holds, and the column of the chain without its last step.
#[derive(Clone, Copy)]
pub(crate) struct ColumnPlace {
    pub(crate) list: ListId,
    pub(crate) chain: ChainId,
    pub(crate) parent: ColumnId,
}

pub(crate) type ListId = u32;
pub(crate) type ChainId = u32;
pub(crate) type ColumnId = u32;

/// The names of TX members that rules write literally, each with a slot of its own.
#[derive(Default)]
pub(crate) struct TxNames {
    slots: HashMap<String, u32>,
    spelled: Vec<String>,
}

/// Names of members up to this length are looked up without asking for memory.
const NAME_BYTES: usize = 128;

impl TxNames {
    /// The captures TX:0 to TX:9 have the first slots.
    pub(crate) fn new() -> Self {
        let mut names = Self::default();
        for digit in 0..10 {
            names.add(&digit.to_string());
        }
        names
    }

    pub(crate) fn add(&mut self, name: &str) -> u32 {
        let next = self.spelled.len() as u32;
        let slot = *self.slots.entry(name.to_lowercase()).or_insert(next);
        if slot == next {
            self.spelled.push(name.to_owned());
        }
        slot
    }

    /// The slot of `name`, in any case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        let name = std::str::from_utf8(name).ok()?;
        if let Some(slot) = self.slots.get(name) {
            return Some(*slot);
        }
        let mut lower = [0; NAME_BYTES];
        match lower.get_mut(..name.len()).filter(|_| name.is_ascii()) {
            Some(lower) => {
                lower.copy_from_slice(name.as_bytes());
                lower.make_ascii_lowercase();
                self.slots.get(std::str::from_utf8(lower).ok()?).copied()
            }
            None => self.slots.get(&name.to_lowercase()).copied(),
        }
    }

    pub(crate) fn name(&self, slot: u32) -> &str {
        self.spelled.get(slot as usize).map_or("", String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.spelled.len()
    }
}

impl Program {
    /// The rules an exclusion means, by number.
    pub(crate) fn rules_in(&self, set: &RuleSet) -> Vec<u32> {
        let with = |is: &dyn Fn(&Rule) -> bool| -> Vec<u32> {
            (0u32..).zip(&self.rules).filter(|(_, rule)| is(rule)).map(|(index, _)| index).collect()
        };
        match set {
            RuleSet::Ids(first, last) => self.by_id.range(first..=last).map(|(_, index)| *index).collect(),
            RuleSet::Tag(tag) => {
                with(&|rule| rule.about.tags.iter().any(|own| own.literal() == Some(tag.as_bytes())))
            }
            RuleSet::Msg(msg) => with(&|rule| rule.about.msg.literal() == Some(msg.as_bytes())),
        }
    }

    /// The column with the same targets and no transformation.
    pub(crate) fn base_of(&self, column: ColumnId) -> ColumnId {
        let mut at = column;
        while self.columns[at as usize].chain != 0 {
            at = self.columns[at as usize].parent;
        }
        at
    }

    /// The targets of a list in words.
    pub(crate) fn describe(&self, list: ListId) -> String {
        let names = self.lists[list as usize].selects.iter().map(|select| self.describe_one(select));
        names.collect::<Vec<_>>().join("|")
    }

    fn describe_one(&self, select: &Select) -> String {
        match select {
            Select::Single(var) | Select::Members(var, Member::All | Member::Matching(_)) => {
                var.name().to_owned()
            }
            Select::Members(var, Member::Named(name)) => {
                format!("{}:{}", var.name(), String::from_utf8_lossy(name))
            }
            Select::TxSlot(slot) => format!("TX:{}", self.tx.name(*slot)),
            Select::Xml(_) => "XML".to_owned(),
            Select::Count(inner) => format!("&{}", self.describe_one(inner)),
        }
    }
}

/// A rule and what is chained to it.
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) place: Place,
    pub(crate) phase: Phase,
    /// The rule itself, then the chain.
    pub(crate) links: Vec<Link>,
    pub(crate) about: About,
    pub(crate) disruption: Disruption,
    /// The status to refuse with.
    pub(crate) status: u16,
    pub(crate) log: bool,
    pub(crate) audit: bool,
    /// Looks at MATCHED_VAR and its like: sees what the rule before it matched.
    pub(crate) looks_back: bool,
    /// Somebody asks what it matched: its chain, its texts, a log or the rule after it.
    pub(crate) remembers: bool,
    /// How many rules after it to pass over when it matches.
    pub(crate) skip: u32,
    /// Where to go on in its phase when it matches.
    pub(crate) skip_to: Option<usize>,
}

/// What is said about a match.
#[derive(Default)]
pub(crate) struct About {
    pub(crate) msg: Text,
    pub(crate) data: Text,
    pub(crate) severity: Option<u8>,
    pub(crate) tags: Vec<Text>,
    pub(crate) rev: String,
    pub(crate) ver: String,
    pub(crate) maturity: u8,
    pub(crate) accuracy: u8,
}

/// What a match does to the transaction when the engine acts.
#[derive(Clone, Debug)]
pub(crate) enum Disruption {
    Pass,
    Deny,
    Drop,
    Redirect(Text),
    Allow(AllowScope),
}

/// One rule of a chain.
pub(crate) struct Link {
    pub(crate) test: Test,
    pub(crate) argument: Text,
    /// What it looks at; an unconditional one looks at nothing.
    pub(crate) list: Option<ListId>,
    pub(crate) chain: ChainId,
    /// Where its values are kept, when they are the same all through a phase.
    pub(crate) column: Option<ColumnId>,
    /// Tests a value after each transformation, not only the last.
    pub(crate) multi_match: bool,
    pub(crate) capture: bool,
    /// Done for every value that matches.
    pub(crate) changes: Vec<SetVar>,
    /// Done once the whole chain has matched.
    pub(crate) effects: Vec<Effect>,
    /// A chained rule may speak in place of the first.
    pub(crate) msg: Option<Text>,
    pub(crate) data: Option<Text>,
}

impl Link {
    /// Stands for the rule that a chain was promised and never got.
    pub(crate) fn that_never_matches() -> Self {
        Self {
            test: Test::never(),
            argument: Text::default(),
            list: None,
            chain: 0,
            column: None,
            multi_match: false,
            capture: false,
            changes: Vec::new(),
            effects: Vec::new(),
            msg: None,
            data: None,
        }
    }
}

/// `setvar`
pub(crate) struct SetVar {
    pub(crate) var: Var,
    pub(crate) name: Name,
    pub(crate) change: ChangeTo,
}

/// Which member of a collection: known at load, or filled in.
pub(crate) enum Name {
    Slot(u32),
    Text(Text),
}

/// What a member becomes.
pub(crate) enum ChangeTo {
    Set(Text),
    Add(Text),
    Subtract(Text),
    Unset,
}

impl ChangeTo {
    pub(crate) fn compile(change: &Change, tx: &mut TxNames) -> Self {
        match change {
            Change::Set(template) => Self::Set(Text::compile(template, tx)),
            Change::Add(template) => Self::Add(Text::compile(template, tx)),
            Change::Subtract(template) => Self::Subtract(Text::compile(template, tx)),
            Change::Unset => Self::Unset,
        }
    }
}

/// What a matched chain does besides refusing.
pub(crate) enum Effect {
    ExpireVar {
        var: Var,
        name: Text,
        seconds: Text,
    },
    InitCol {
        var: Var,
        key: Text,
    },
    SetEnv {
        name: Text,
        value: Text,
    },
    /// With the rules it takes away, or takes a target from.
    Ctl(Ctl, Option<Exclusion>, std::sync::Arc<[u32]>),
}

/// A target that `ctl` takes away from some rules, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Exclusion {
    pub(crate) var: Var,
    pub(crate) member: Member,
}

/// Which members of a collection.
#[derive(Clone, Debug)]
pub(crate) enum Member {
    All,
    Named(Vec<u8>),
    Matching(std::sync::Arc<Pattern>),
}

impl Member {
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Named(wanted) => wanted.eq_ignore_ascii_case(name),
            Self::Matching(pattern) => pattern.is_match(name).unwrap_or(false),
        }
    }
}

/// What a rule looks at.
pub(crate) struct TargetList {
    pub(crate) selects: Vec<Select>,
    pub(crate) excludes: Vec<Exclusion>,
    /// May differ from one rule to the next.
    pub(crate) volatile: bool,
}

impl TargetList {
    /// Looks at what matched before.
    pub(crate) fn looks_back(&self) -> bool {
        let is_past = |var| {
            matches!(var, Var::MatchedVar | Var::MatchedVarName | Var::MatchedVars | Var::MatchedVarsNames)
        };
        self.volatile
            && self.selects.iter().any(|select| match select {
                Select::Single(var) | Select::Members(var, _) => is_past(*var),
                Select::Count(inner) => matches!(**inner, Select::Members(var, _) if is_past(var)),
                _ => false,
            })
    }
}

/// One target.
pub(crate) enum Select {
    Single(Var),
    Members(Var, Member),
    TxSlot(u32),
    Xml(u32),
    Count(Box<Select>),
}

/// Steps for a pattern over member names that needs the backtracking engine.
const MEMBER_STEPS_MAX: usize = 10_000;

/// A piece of a text.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    TxSlot(u32),
    Value(Var, Option<String>),
    /// The first member whose name matches.
    Matching(Var, std::sync::Arc<Pattern>),
}

/// A template with its TX members looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(pub(crate) Vec<Piece>);

impl Text {
    /// Says what was matched.
    pub(crate) fn looks_back(&self) -> bool {
        let is_past = |var| {
            matches!(var, Var::MatchedVar | Var::MatchedVarName | Var::MatchedVars | Var::MatchedVarsNames)
        };
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Value(var, _) | Piece::Matching(var, _) if is_past(*var)))
    }

    pub(crate) fn compile(template: &crate::lang::template::Template, tx: &mut TxNames) -> Self {
        use crate::lang::template::Part;
        let piece = |part: &Part| match part {
            Part::Text(text) => Piece::Text(text.clone()),
            Part::Value(var, Some(name))
                if name.len() > 2 && name.starts_with('/') && name.ends_with('/') =>
            {
                match Pattern::compile(&format!("(?i){}", &name[1..name.len() - 1]), false, MEMBER_STEPS_MAX)
                {
                    Ok(pattern) => Piece::Matching(*var, std::sync::Arc::new(pattern)),
                    Err(_) => Piece::Value(*var, Some(name.clone())),
                }
            }
            Part::Value(Var::Tx, Some(name)) => Piece::TxSlot(tx.add(name)),
            Part::Value(var, name) => Piece::Value(*var, name.clone()),
        };
        Self(template.parts.iter().map(piece).collect())
    }

    /// The text when there is nothing to fill in.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}
