//! Rules of our own that come with the program.

/// Rules that come with the program. They go **before** the rule set they make exceptions from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// For Microsoft Exchange: lets its clients through the Core Rule Set at paranoia level 1, and refuses the
    /// attacks that Exchange itself could not (`exchange.conf`).
    Exchange,
}

impl Package {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Exchange];

    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
        }
    }

    /// The package of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|package| package.name() == name)
    }

    /// What stands for the file's name in faults and logs.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Exchange => "package:exchange.conf",
        }
    }

    /// The rules.
    pub fn text(self) -> &'static str {
        match self {
            Self::Exchange => include_str!("exchange.conf"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Package;
    use crate::lang::NoFiles;
    use crate::{Engine, RuleSource};

    #[test]
    fn every_package_loads_on_its_own() {
        for package in Package::ALL {
            assert_eq!(Package::named(package.name()), Some(*package));
            let loaded = Engine::load(&[RuleSource::Package(*package)], &NoFiles);
            assert!(loaded.is_ok(), "{:?}", loaded.err());
        }
    }
}
