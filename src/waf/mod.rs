//! Firewalls as a configuration wants them: rules read and compiled, off the workers, before anything is served by them.

mod rules;

use std::sync::Arc;

use transom_config::{Config, Files, Name, Waf, WafMode, WafWhenBroken};
use transom_waf::{Engine, Mode, WhenBroken};

use crate::supply::Note;

pub(crate) use rules::compile;

/// What a configuration comes to.
#[derive(Default)]
pub(crate) struct Built {
    /// In the order of the file.
    pub(crate) engines: Vec<(Name, Arc<Engine>)>,
    /// What is worth saying about it.
    pub(crate) notes: Vec<Note>,
}

/// Compiles the rules of every firewall. The error is all that is wrong, a sentence each.
pub(crate) fn build(config: &Config, files: &dyn Files) -> Result<Built, Vec<String>> {
    let (mut built, mut faults) = (Built::default(), Vec::new());
    for waf in &config.wafs {
        match compile(waf, files) {
            Ok(engine) => {
                let warnings = engine.warnings().iter();
                built
                    .notes
                    .extend(warnings.map(|warning| Note::Warning(format!("waf `{}`: {warning}", waf.name))));
                built.engines.push((Name::clone(&waf.name), engine));
            }
            Err(errors) => faults.extend(errors),
        }
    }
    if faults.is_empty() { Ok(built) } else { Err(faults) }
}

/// The mode in the engine's words.
pub(crate) fn mode(waf: &Waf) -> Mode {
    match waf.mode {
        WafMode::Block => Mode::Block,
        WafMode::Detect => Mode::Detect,
        WafMode::Off => Mode::Off,
    }
}

/// What becomes of what could not be looked at, in the engine's words.
pub(crate) fn when_broken(waf: &Waf) -> WhenBroken {
    match waf.when_broken {
        WafWhenBroken::Closed => WhenBroken::Closed,
        WafWhenBroken::Open => WhenBroken::Open,
    }
}
