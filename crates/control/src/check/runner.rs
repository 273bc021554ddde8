//! Which servers are probed when: one task a server, for as long as its check stays the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use transom_config::{Address, HealthCheck, Name, ProxyProtocol, ServerTls, Source};
use transom_state::{Current, Fault, ProbeResult, Server, World};

use super::{Failure, Target, Trusted, probe};
use crate::chance::Chance;
use crate::transition;

/// The first probes of all servers spread over this, or over `every` where that is shorter.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// The tasks that probe. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Runner {
    current: Arc<Current>,
    chance: Chance,
    /// By pool and server.
    tasks: HashMap<(Name, Name), Running>,
}

#[derive(Debug)]
struct Running {
    asks: Arc<Asks>,
    task: JoinHandle<()>,
}

/// What a task asks: while this stays the same over reloads, the contents of authority files included, it keeps its
/// rhythm.
#[derive(Debug, PartialEq)]
struct Asks {
    check: HealthCheck,
    address: Address,
    proxy_protocol: Option<ProxyProtocol>,
    source: Source,
    tls: Option<ServerTls>,
}

impl Runner {
    /// Probes nothing yet.
    pub(crate) fn new(current: Arc<Current>, chance: Chance) -> Self {
        Self { current, chance, tasks: HashMap::new() }
    }

    /// Starts, keeps and ends tasks, so that they are what the world in force asks for.
    pub(crate) fn follow(&mut self) {
        let world = self.current.load_full();
        let mut tasks = HashMap::new();
        for pool in world.pools() {
            let Some(check) = &pool.config.health_check else { continue };
            let trusted = Trusted::of(&check.probe, pool.config.tls.as_ref());
            if let Trusted::Unusable(why) = &trusted {
                log::error!("pool {}: health checks will fail: {why}", pool.config.name);
            }
            let trusted = Arc::new(trusted);
            for server in pool.servers() {
                let key = (Arc::clone(&pool.config.name), Arc::clone(server.name()));
                let asks = Asks {
                    check: check.clone(),
                    address: server.config().address.clone(),
                    proxy_protocol: pool.config.proxy_protocol,
                    source: pool.config.source.clone(),
                    tls: pool.config.tls.clone(),
                };
                let running = match self.tasks.remove(&key) {
                    // A task that once looked for its server in vain has ended.
                    Some(running) if *running.asks == asks && !running.task.is_finished() => running,
                    _ => self.begin(key.clone(), asks, &trusted),
                };
                tasks.insert(key, running);
            }
        }
        // What is left of the old ones ends by being dropped.
        self.tasks = tasks;
    }

    fn begin(&self, (pool, server): (Name, Name), asks: Asks, trusted: &Arc<Trusted>) -> Running {
        let asks = Arc::new(asks);
        let watch = Watch {
            pool,
            server,
            asks: Arc::clone(&asks),
            trusted: Arc::clone(trusted),
            current: Arc::clone(&self.current),
            chance: self.chance,
        };
        Running { asks, task: tokio::spawn(watch.run()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One server's task.
struct Watch {
    pool: Name,
    server: Name,
    asks: Arc<Asks>,
    trusted: Arc<Trusted>,
    current: Arc<Current>,
    chance: Chance,
}

impl Watch {
    async fn run(self) {
        let every = self.asks.check.every;
        tokio::time::sleep(first_after(every, self.chance.draw())).await;
        loop {
            let begun = Instant::now();
            let result = self.probe(begun).await;
            // The world may have changed meanwhile: the result belongs to the server as it is now.
            let world = self.current.load_full();
            let Some(server) = self.find(&world) else { return };
            if let Some(transition) = server.observe(result, Instant::now().into_std()) {
                transition::log(&transition);
            }
            tokio::time::sleep_until(begun + jittered(every, self.chance.draw())).await;
        }
    }

    fn find<'a>(&self, world: &'a World) -> Option<&'a Arc<Server>> {
        world.pool(&self.pool)?.servers().iter().find(|server| *server.name() == self.server)
    }

    async fn probe(&self, begun: Instant) -> ProbeResult {
        let outcome = self.ask().await;
        let took = begun.elapsed();
        match outcome {
            Ok(()) => ProbeResult { outcome: Ok(()), detail: "".into(), took },
            Err(failure) => {
                log::debug!("probe of {}/{} failed: {failure}", self.pool, self.server);
                ProbeResult { outcome: Err(failure.fault), detail: failure.why.into(), took }
            }
        }
    }

    async fn ask(&self) -> Result<(), Failure> {
        let address = self.find(&self.current.load()).and_then(|server| server.address());
        let Some(mut address) = address else {
            return Err(Failure::new(Fault::ServerDns, format!("{} does not resolve", self.asks.address)));
        };
        let check = &self.asks.check;
        if let Some(port) = check.port {
            address.set_port(port);
        }
        let authority = match &self.asks.address {
            Address::Ip(_) => address.to_string(),
            Address::Name { host, .. } => format!("{host}:{}", address.port()),
        };
        let target = Target {
            address,
            authority: &authority,
            probe: &check.probe,
            proxy_protocol: self.asks.proxy_protocol,
            source: &self.asks.source,
            trusted: &self.trusted,
            timeout: check.timeout,
        };
        probe(&target).await
    }
}

/// When the first probe goes out: at once, but not all in one instant.
fn first_after(every: Duration, random: u64) -> Duration {
    every.min(FIRST_WITHIN).mul_f64(fraction(random))
}

/// `every`, up to a tenth less or more.
fn jittered(every: Duration, random: u64) -> Duration {
    every.mul_f64(0.9 + 0.2 * fraction(random))
}

/// From 0 to 1.
fn fraction(random: u64) -> f64 {
    random as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests;
