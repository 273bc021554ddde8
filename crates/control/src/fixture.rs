//! What the tests of this crate share: worlds from configurations in a few lines.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::time::Instant;
use transom_config::Config;
use transom_state::{Current, Server, World};

use crate::Command;
use crate::resolve::Failing;
use crate::shared::Shared;

fn config(text: &str) -> Arc<Config> {
    let loaded = transom_config::load_text("test.toml", text);
    Arc::new(loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false))))
}

/// The world of that configuration.
pub(crate) fn current(text: &str) -> Arc<Current> {
    Arc::new(Current::from_pointee(World::first(config(text), 2, 1, Instant::now().into_std())))
}

/// Swaps in the next one.
pub(crate) fn reload(current: &Current, text: &str) {
    let next = current.load().next(config(text), Instant::now().into_std());
    current.store(Arc::new(next));
}

/// A server of it.
pub(crate) fn server(current: &Current, pool: &str, server: &str) -> Arc<Server> {
    Arc::clone(current.load().pool(pool).unwrap().server(server).unwrap())
}

/// What the parts share, with nobody listening for commands.
pub(crate) fn shared(current: &Arc<Current>) -> Shared {
    let (commands, _) = mpsc::channel::<Command>(1);
    Shared::new(Arc::clone(current), commands, SystemTime::UNIX_EPOCH, Arc::new(Failing::default()))
}
