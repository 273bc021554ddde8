//! The rules of one firewall: ours, the packages', the files', and what the configuration says in place of them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use transom_config::{Files, Waf, WafRules};
use transom_waf::lang::action::RuleSet;
use transom_waf::{Engine, Exclude, Package, RuleSource};

/// What rule files may count on. The Core Rule Set brings none of it: elsewhere it is in ModSecurity's recommended
/// configuration. Whatever the files say of the same stands in its place.
const BASE: &str = include_str!("base.conf");
/// The file of the Core Rule Set that fills in what was not set before it.
const INITIALIZATION: &str = "REQUEST-901-INITIALIZATION.conf";

/// Reads and compiles the rules of `waf`. Errors begin with their file and line.
pub(crate) fn compile(waf: &Waf, files: &dyn Files) -> Result<Arc<Engine>, Vec<String>> {
    let (scores, limits) = (scores(waf), limits(waf));
    let mut sources = vec![RuleSource::Text { name: "transom:base.conf", text: BASE }];
    let packages = waf.packages.iter().filter_map(|name| Package::named(name));
    sources.extend(packages.map(RuleSource::Package));
    sources.extend(waf.rules.iter().map(|path| RuleSource::File(path)));
    sources.push(RuleSource::Text { name: "transom:limits", text: &limits });
    let exclude: Vec<Exclude> = waf.exclude.iter().map(exclude).collect();
    let reader = Reader { files, scores: &scores };
    Engine::load_excluding(&sources, &exclude, &reader).map_err(|errors| {
        let of = |file: &str| {
            if file == "exclude" {
                format!("{} (`exclude` of waf `{}`) entry ", waf.place, waf.name)
            } else {
                String::new()
            }
        };
        errors
            .iter()
            .map(|error| match of(&error.place.file) {
                none if none.is_empty() => error.to_string(),
                exclude => format!("{exclude}{}: {}", error.place.line, error.message),
            })
            .collect()
    })
}

/// Rules that set what the configuration says of levels and scores, on one line; empty where it says nothing.
fn scores(waf: &Waf) -> String {
    let mut set = String::new();
    let mut put = |name: &str, value: u64| {
        let _ = write!(set, ",setvar:tx.{name}={value}");
    };
    if let Some(level) = waf.paranoia {
        // The names of version 4, and of those before it.
        put("blocking_paranoia_level", level.into());
        put("paranoia_level", level.into());
    }
    if let Some(score) = waf.thresholds.inbound {
        put("inbound_anomaly_score_threshold", score.into());
    }
    if let Some(score) = waf.thresholds.outbound {
        put("outbound_anomaly_score_threshold", score.into());
    }
    if set.is_empty() { set } else { format!("SecAction \"id:33002001,phase:1,pass,nolog,t:none{set}\"") }
}

fn limits(waf: &Waf) -> String {
    let mut text = String::new();
    if let Some(bytes) = waf.limits.request_body {
        let _ = writeln!(text, "SecRequestBodyLimit {bytes}");
    }
    if let Some(bytes) = waf.limits.response_body {
        let _ = writeln!(text, "SecResponseBodyAccess On\nSecResponseBodyLimit {bytes}");
    }
    text
}

fn exclude(entry: &transom_config::WafExclude) -> Exclude {
    Exclude {
        rules: match &entry.rules {
            WafRules::Rule(id) => RuleSet::Ids(*id, *id),
            WafRules::Tag(tag) => RuleSet::Tag(tag.to_string()),
        },
        paths: entry.paths.iter().map(ToString::to_string).collect(),
        argument: entry.argument.as_ref().map(ToString::to_string),
        why: entry.why.to_string(),
    }
}

/// The files of the configuration, as the engine asks for them.
struct Reader<'a> {
    files: &'a dyn Files,
    scores: &'a str,
}

impl transom_waf::lang::Files for Reader<'_> {
    /// Levels and scores stand above what a setup file says, and so go in front of the file that fills in what nobody
    /// set: in place of the first line of its comment, so that the others keep their numbers.
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let contents = self.files.read(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
        if self.scores.is_empty() || !path.ends_with(INITIALIZATION) {
            return Ok(contents);
        }
        let comment = contents.iter().position(|byte| *byte == b'\n').filter(|_| contents.starts_with(b"#"));
        let rest = comment.map_or_else(|| [b"\n", &contents[..]].concat(), |end| contents[end..].to_vec());
        Ok([self.scores.as_bytes(), &rest].concat())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        let paths = self.files.glob(&Path::new(directory).join("*"));
        let paths = paths.map_err(|error| format!("{directory}: {error}"))?;
        Ok(paths.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests;
