//! A rule set, compiled and ready.

use crate::compile::compile;
use crate::lang::action::EngineMode;
use crate::lang::settings::Settings;
use crate::lang::{Files, LoadError, Loader, Warning};
use crate::program::Program;
use std::sync::Arc;

/// Where rules come from.
#[derive(Clone, Copy, Debug)]
pub enum RuleSource<'s> {
    /// A file, or several by a pattern such as `rules/*.conf`.
    File(&'s str),
    /// Text, and the name to report its faults under.
    Text {
        /// Stands for a file's name.
        name: &'s str,
        /// SecLang.
        text: &'s str,
    },
}

/// A compiled rule set. It never changes: a reload makes a new one, off the threads that serve.
pub struct Engine {
    pub(crate) program: Program,
}

impl Engine {
    /// Reads and compiles rules. On failure reports every fault, each with its file and line.
    pub fn load(sources: &[RuleSource<'_>], files: &dyn Files) -> Result<Arc<Self>, Vec<LoadError>> {
        let mut loader = Loader::new(files);
        for source in sources {
            match source {
                RuleSource::File(path) => loader.file(path),
                RuleSource::Text { name, text } => loader.text(name, text),
            }
        }
        let program = compile(loader.finish()?, files)?;
        Ok(Arc::new(Self { program }))
    }

    /// What loads but does less than it says.
    pub fn warnings(&self) -> &[Warning] {
        &self.program.warnings
    }

    /// How many rules there are, chains counted once.
    pub fn rule_count(&self) -> usize {
        self.program.rules.len()
    }

    /// Whether the rule files want rules to refuse.
    pub fn mode(&self) -> EngineMode {
        self.program.settings.engine
    }

    /// What the rule files set.
    pub fn settings(&self) -> &Settings {
        &self.program.settings
    }
}
