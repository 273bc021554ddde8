//! A rule set as one listener or route uses it.

use crate::engine::Engine;
use crate::lang::action::EngineMode;
use crate::store::Store;
use std::sync::Arc;

/// What may come of a match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Attacks are refused.
    #[default]
    Block,
    /// Everything passes; logs say what would have been refused. Rules cannot make it block.
    Detect,
    /// Nothing is looked at.
    Off,
}

impl Mode {
    /// As the configuration and logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Detect => "detect",
            Self::Off => "off",
        }
    }

    pub(crate) fn engine(self) -> EngineMode {
        match self {
            Self::Block => EngineMode::On,
            Self::Detect => EngineMode::DetectionOnly,
            Self::Off => EngineMode::Off,
        }
    }
}

/// What to do with a request that the engine could not look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenBroken {
    /// Refuse it with 503.
    #[default]
    Closed,
    /// Let it through; its [`Decision`](crate::Decision) says so.
    Open,
}

/// A rule set, and what its word counts for. The mode of the configuration stands above `SecRuleEngine` in the
/// rule files.
#[derive(Clone)]
pub struct Policy {
    /// The rules.
    pub engine: Arc<Engine>,
    /// Collections that outlive a request: the same for all policies of an address, and across reloads.
    pub store: Arc<Store>,
    /// Block, detect or off.
    pub mode: Mode,
    /// Closed or open.
    pub when_broken: WhenBroken,
}
