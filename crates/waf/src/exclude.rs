//! Exclusions an administrator writes beside the rules: this rule does not apply to that argument on these paths.
//!
//! They are compiled into the program and cost one look at the path of each request. A path is compared the way
//! access rules compare it: decoded once, dot segments resolved, `\` as `/`, in any letter case, on segment
//! boundaries. Where a path could be read in two ways (an encoded slash, an encoding within an encoding) no
//! exclusion applies: an attacker must not be able to choose one.

use crate::Var;
use crate::lang::action::RuleSet;
use crate::lang::{LoadError, Place, Warning};
use crate::program::{Exclusion, Member, Program};
use crate::transaction::Transaction;
use std::sync::Arc;

/// One exclusion as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclude {
    /// The rules it is about.
    pub rules: RuleSet,
    /// Path prefixes it holds under, whole segments; none is every path.
    pub paths: Vec<String>,
    /// The argument that the rules are not to look at; without one they do not run at all.
    pub argument: Option<String>,
    /// The reason, for whoever reads the configuration next; must not be empty.
    pub why: String,
}

/// An exclusion with its rules looked up.
pub(crate) struct Excluded {
    rules: Arc<[u32]>,
    paths: Vec<String>,
    targets: Vec<Exclusion>,
}

/// Where an argument's name or value may be looked at.
const ARGUMENTS: [Var; 6] =
    [Var::Args, Var::ArgsNames, Var::ArgsGet, Var::ArgsGetNames, Var::ArgsPost, Var::ArgsPostNames];

/// The rules of the Core Rule Set that add everything up and refuse: without them nothing is refused at all.
const DECIDING: [u64; 4] = [949_110, 949_111, 959_100, 959_101];

/// Looks up what `entries` name. An entry that names no rule is a fault: a typing error must not pass for care.
pub(crate) fn compile(entries: &[Exclude], program: &mut Program) -> Result<(), Vec<LoadError>> {
    let mut errors = Vec::new();
    let file: Arc<str> = Arc::from("exclude");
    for (entry, number) in entries.iter().zip(1..) {
        let place = Place::new(&file, number);
        let rules = program.rules_in(&entry.rules);
        let mut fault = |message: &str| {
            errors.push(LoadError { place: place.clone(), message: message.to_owned() });
        };
        if rules.is_empty() {
            fault(&format!("no rule is {}", describe(&entry.rules)));
        }
        if entry.why.trim().is_empty() {
            fault("an exclusion needs a reason in `why`");
        }
        if let Some(path) = entry.paths.iter().find(|path| !path.starts_with('/')) {
            fault(&format!("the path {path:?} does not begin with a slash"));
        }
        let decides = |rule: &u32| DECIDING.contains(&program.rules[*rule as usize].id);
        if entry.argument.is_none() && rules.iter().any(decides) {
            program.warnings.push(Warning {
                code: "waf-exclude-lets-all-through",
                place,
                message: "this takes away the rule that refuses: nothing is refused on these paths any more"
                    .to_owned(),
            });
        }
        let targets = entry.argument.iter().flat_map(|name| {
            ARGUMENTS.map(|var| Exclusion { var, member: Member::Named(name.clone().into_bytes()) })
        });
        let paths = entry.paths.iter().map(|path| resolve(path.as_bytes()));
        let excluded =
            Excluded { rules: Arc::from(rules), paths: paths.collect(), targets: targets.collect() };
        program.excluded.push(excluded);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn describe(rules: &RuleSet) -> String {
    match rules {
        RuleSet::Ids(first, last) if first == last => format!("{first}"),
        RuleSet::Ids(first, last) => format!("between {first} and {last}"),
        RuleSet::Tag(tag) => format!("tagged {tag:?}"),
        RuleSet::Msg(msg) => format!("called {msg:?}"),
    }
}

impl Transaction {
    /// Takes away what the exclusions of this path take away. The request line must be known.
    pub(crate) fn exclude(&mut self, program: &Program) {
        if program.excluded.is_empty() {
            return;
        }
        let path = self.plain_path();
        for excluded in &program.excluded {
            let under = |prefix: &String| path.as_deref().is_some_and(|path| is_under(path, prefix));
            if !excluded.paths.is_empty() && !excluded.paths.iter().any(under) {
                continue;
            }
            if excluded.targets.is_empty() {
                self.remove(program, &excluded.rules);
            }
            for target in &excluded.targets {
                self.exempt.push((Arc::clone(&excluded.rules), target.clone()));
            }
        }
    }

    /// The path if there is only one way to read it.
    fn plain_path(&self) -> Option<String> {
        let raw = self.facts.bytes(Var::RequestUri);
        let path = raw.split(|byte| *byte == b'?').next().unwrap_or(b"");
        let two_ways = path.windows(3).any(|code| {
            let code = [code[0], code[1].to_ascii_lowercase(), code[2].to_ascii_lowercase()];
            matches!(&code, b"%2f" | b"%5c" | b"%00" | b"%25")
        });
        (!two_ways).then(|| resolve(self.facts.bytes(Var::RequestFilename)))
    }
}

/// Lower case, `/` for `\`, without empty and dot segments; no slash at the end.
fn resolve(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path).to_lowercase().replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    segments.iter().flat_map(|segment| ["/", segment]).collect()
}

fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{is_under, resolve};

    #[test]
    fn a_path_is_under_a_prefix_by_segments() {
        for (path, prefix, is) in [
            ("/search", "/search", true),
            ("/Search/a", "/search/", true),
            ("/searching", "/search", false),
            ("/a/../search/x", "/search", true),
            ("/search/../admin", "/search", false),
            ("/a//.\\search", "/a/search", true),
            ("/", "/", true),
            ("/x", "/", true),
        ] {
            assert_eq!(
                is_under(&resolve(path.as_bytes()), &resolve(prefix.as_bytes())),
                is,
                "{path} {prefix}"
            );
        }
    }
}
