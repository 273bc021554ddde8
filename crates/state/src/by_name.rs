//! Maps by names from the configuration.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

/// Its hasher is the same in every run: only an administrator puts names in, so there is nobody to guard against, and
/// this crate draws no chance of its own.
pub(crate) type ByName<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
