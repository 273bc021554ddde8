//! What administrators made of servers while the program ran: kept by the keeper, so that the worker that replaces one
//! that died goes on with it.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use transom_config::StartState;
use transom_state::{AdminState, Server, World};

/// One server that is not as its configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Override {
    pool: String,
    server: String,
    /// As configured: at another address it is another server.
    address: String,
    /// The word of its admin state, where that is not the configured one.
    admin: Option<String>,
    /// Its weight, where that is not the configured one.
    weight: Option<u16>,
}

/// Every server that is not as its configuration says.
pub(crate) fn all(world: &World) -> Vec<Override> {
    let of_pool = |pool: &transom_state::Pool| -> Vec<Override> {
        pool.servers().iter().filter_map(|server| of(pool.name(), server)).collect()
    };
    world.pools().iter().flat_map(|pool| of_pool(pool)).collect()
}

fn of(pool: &str, server: &Server) -> Option<Override> {
    let (config, admin, weight) = (server.config(), server.admin(), server.weight());
    let admin = (admin != configured(config.start)).then(|| admin.as_str().to_owned());
    let weight = (weight != config.weight).then_some(weight);
    (admin.is_some() || weight.is_some()).then(|| Override {
        pool: pool.to_owned(),
        server: server.name().to_string(),
        address: config.address.to_string(),
        admin,
        weight,
    })
}

fn configured(start: StartState) -> AdminState {
    match start {
        StartState::Ready => AdminState::Ready,
        StartState::Drain => AdminState::Drain,
        StartState::Maint => AdminState::Maint,
    }
}

/// Puts servers back as they were; those that are no longer there are passed over.
pub(crate) fn put_back(overrides: &[Override], world: &World, now: Instant) {
    for one in overrides {
        let server = world.pool(&one.pool).and_then(|pool| pool.server(&one.server));
        let Some(server) = server.filter(|server| server.config().address.to_string() == one.address) else {
            continue;
        };
        if one.weight.is_some() {
            server.set_weight(one.weight, now);
        }
        if let Some(admin) = one.admin.as_deref().and_then(AdminState::from_word) {
            server.set_admin(admin, now);
        }
        let (admin, weight) = (server.admin(), server.weight());
        log::info!("server {}/{} is as it was left: {admin}, weight {weight}", one.pool, one.server);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use transom_config::Options;

    use super::*;
    use crate::files::Remembered;

    fn world(now: Instant, servers: &str) -> World {
        let text = format!(
            "[listener.l]\nbind = [\"127.0.0.1:0\"]\nmode = \"tcp\"\npool = \"p\"\n[pool.p]\nservers = [{servers}]\n"
        );
        let files = Remembered { files: vec![("t.toml".into(), text.into())], patterns: Vec::new() };
        let loaded = transom_config::load("t.toml".as_ref(), &files, &Options::default());
        let report = loaded.report.render(false);
        World::first(Arc::new(loaded.config.expect(&report)), 1, 7, now)
    }

    const SERVERS: &str = "{ name = \"a\", address = \"127.0.0.1:1\" }, { name = \"b\", address = \"127.0.0.1:2\", \
                           admin = \"drain\" }, { name = \"c\", address = \"127.0.0.1:3\", weight = 9 }";

    fn states(world: &World) -> Vec<(AdminState, u16)> {
        world.pools()[0].servers().iter().map(|server| (server.admin(), server.weight())).collect()
    }

    #[test]
    fn what_an_administrator_did_is_found_and_put_back() {
        let now = Instant::now();
        let before = world(now, SERVERS);
        assert_eq!(all(&before), [], "as configured");
        let servers = before.pools()[0].servers();
        servers[0].set_admin(AdminState::Maint, now);
        servers[1].set_admin(AdminState::Ready, now);
        servers[2].set_weight(Some(0), now);
        let overrides = all(&before);
        assert_eq!(overrides.len(), 3);
        let after = world(now, SERVERS);
        put_back(&overrides, &after, now);
        assert_eq!(states(&after), states(&before));
        assert_eq!(all(&after), overrides);
    }

    #[test]
    fn another_server_of_the_same_name_is_left_alone() {
        let now = Instant::now();
        let before = world(now, SERVERS);
        before.pools()[0].servers()[0].set_admin(AdminState::Maint, now);
        let after = world(now, "{ name = \"a\", address = \"127.0.0.1:9\" }");
        put_back(&all(&before), &after, now);
        assert_eq!(states(&after)[0].0, AdminState::Ready);
        let empty = world(now, "{ name = \"z\", address = \"127.0.0.1:1\" }");
        put_back(&all(&before), &empty, now);
        assert_eq!(all(&empty), []);
    }
}
