//! A rule set, compiled and ready.

use crate::compile::compile;
use crate::exclude::{self, Exclude};
use crate::facts::Facts;
use crate::lang::action::EngineMode;
use crate::lang::settings::Settings;
use crate::lang::{Files, LoadError, Loader, Warning};
use crate::packages::Package;
use crate::program::Program;
use crate::select::{Column, Hit};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Rules that come with this program.
    Package(Package),
}

/// A compiled rule set. It never changes: a reload makes a new one, off the threads that serve.
pub struct Engine {
    pub(crate) program: Program,
    /// The room of transactions that are over, for those to come.
    spare: Mutex<Vec<Room>>,
}

/// How many transactions' room is kept.
const ROOMS_MAX: usize = 256;
/// A transaction that needed more than this gives its room back to the system.
const ROOM_BYTES_MAX: usize = 1 << 20;

/// What a transaction works in: large, and costly to build for each one.
pub(crate) struct Room {
    pub(crate) facts: Facts,
    pub(crate) columns: Vec<Column>,
    pub(crate) matched: Vec<Hit>,
    pub(crate) buffers: Vec<Vec<u8>>,
}

impl Engine {
    /// Reads and compiles rules. On failure reports every fault, each with its file and line.
    pub fn load(sources: &[RuleSource<'_>], files: &dyn Files) -> Result<Arc<Self>, Vec<LoadError>> {
        Self::load_excluding(sources, &[], files)
    }

    /// As [`Engine::load`], with exclusions; a fault in one stands in the file `exclude`, at its number.
    pub fn load_excluding(
        sources: &[RuleSource<'_>],
        exclude: &[Exclude],
        files: &dyn Files,
    ) -> Result<Arc<Self>, Vec<LoadError>> {
        let mut loader = Loader::new(files);
        for source in sources {
            match source {
                RuleSource::File(path) => loader.file(path),
                RuleSource::Text { name, text } => loader.text(name, text),
                RuleSource::Package(package) => loader.text(package.file(), package.text()),
            }
        }
        let mut program = compile(loader.finish()?, files)?;
        exclude::compile(exclude, &mut program)?;
        Ok(Arc::new(Self { program, spare: Mutex::default() }))
    }

    pub(crate) fn room(&self) -> Room {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| {
            let mut columns = Vec::new();
            columns.resize_with(self.program.columns.len(), Column::default);
            let facts = Facts::new(self.program.tx.len(), self.program.paths.len());
            Room { facts, columns, matched: Vec::new(), buffers: Vec::new() }
        })
    }

    pub(crate) fn take_back(&self, mut room: Room) {
        if room.facts.values.room() > ROOM_BYTES_MAX {
            return;
        }
        room.facts.reset();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < ROOMS_MAX {
            spare.push(room);
        }
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
