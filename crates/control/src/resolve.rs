//! Servers by name: asked again when the answer's time to live has passed (RFC 1035 section 3.2.1).
//!
//! A name that stops resolving keeps its last addresses: losing DNS must not lose servers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use transom_config::Address;
use transom_state::{Current, Fault, World};

/// A shorter time to live counts as this.
const TTL_MIN: Duration = Duration::from_secs(1);
/// A longer one as this.
const TTL_MAX: Duration = Duration::from_secs(3600);
/// How soon a name that failed is asked again; each further failure doubles it.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest pause between two tries of a name that fails.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a name means, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// At least one.
    pub addresses: Vec<IpAddr>,
    /// How long that holds.
    pub ttl: Duration,
}

/// What [`Resolve::resolve`] returns.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>>;

/// Somebody who knows names: the system, or a test.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host` now. The error is a sentence.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// The system's names: `/etc/hosts`, then the servers of `/etc/resolv.conf`. Both files are read anew for every
/// question, so that editing them needs no reload; nothing is cached besides.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let builder = TokioResolver::builder_tokio()
                .map_err(|error| format!("/etc/resolv.conf cannot be used: {error}"))?;
            ask(builder, host).await
        })
    }
}

async fn ask(mut builder: ResolverBuilder<TokioRuntimeProvider>, host: &str) -> Result<Answer, String> {
    let options = builder.options_mut();
    options.cache_size = 0;
    // IPv4 first: machines without a way to IPv6 are common, those without one to IPv4 are not.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    let resolver = builder.build().map_err(|error| error.to_string())?;
    let asked = std::time::Instant::now();
    let found = resolver.lookup_ip(host).await.map_err(|error| sentence(&error))?;
    let addresses: Vec<_> = found.iter().collect();
    if addresses.is_empty() {
        return Err("the name has no address".to_owned());
    }
    Ok(Answer { addresses, ttl: found.valid_until().saturating_duration_since(asked) })
}

/// Why a name did not resolve.
fn sentence(error: &NetError) -> String {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(answer)) => match answer.response_code {
            ResponseCode::NXDomain => "there is no such name".to_owned(),
            ResponseCode::NoError => "the name has no address".to_owned(),
            code => format!("the name server answers: {code}"),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server answers: {code}"),
        NetError::Timeout => "no name server answers".to_owned(),
        NetError::NoConnections => "no name server can be reached".to_owned(),
        other => other.to_string(),
    }
}

/// The names of the world in force, each kept fresh by a task. Dropping it ends them.
pub(crate) struct Names {
    current: Arc<Current>,
    resolver: Arc<dyn Resolve>,
    tasks: HashMap<Box<str>, Task>,
    failing: Arc<Failing>,
}

/// Names that do not resolve now, and why.
#[derive(Debug, Default)]
pub(crate) struct Failing(Mutex<BTreeMap<Box<str>, String>>);

impl Failing {
    /// All of them, sorted by name.
    pub(crate) fn list(&self) -> Vec<(Box<str>, String)> {
        self.0.lock().iter().map(|(host, why)| (host.clone(), why.clone())).collect()
    }
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Names {
    /// Asks for nothing yet.
    pub(crate) fn new(current: Arc<Current>, resolver: Arc<dyn Resolve>) -> Self {
        Self { current, resolver, tasks: HashMap::new(), failing: Arc::default() }
    }

    /// Names that do not resolve now.
    pub(crate) fn failing(&self) -> Arc<Failing> {
        Arc::clone(&self.failing)
    }

    /// Asks for every name of the world in force, at once: a reload is also how an administrator says "look again".
    pub(crate) fn follow(&mut self) {
        let hosts = hosts(&self.current.load());
        self.failing.0.lock().retain(|host, _| hosts.contains(host));
        self.tasks = hosts.into_iter().map(|host| (host.clone(), self.begin(host))).collect();
    }

    fn begin(&self, host: Box<str>) -> Task {
        let (current, resolver) = (Arc::clone(&self.current), Arc::clone(&self.resolver));
        let failing = Arc::clone(&self.failing);
        Task(tokio::spawn(async move { keep_fresh(&host, &*resolver, &current, &failing).await }))
    }
}

fn hosts(world: &World) -> BTreeSet<Box<str>> {
    let servers = world.pools().iter().flat_map(|pool| pool.servers());
    servers
        .filter_map(|server| match &server.config().address {
            Address::Name { host, .. } => Some(host.clone()),
            Address::Ip(_) => None,
        })
        .collect()
}

async fn keep_fresh(host: &str, resolver: &dyn Resolve, current: &Current, failing: &Failing) {
    let mut retry = RETRY_MIN;
    loop {
        let answer = tokio::time::timeout(ANSWER_WITHIN, resolver.resolve(host));
        let answer = answer.await.unwrap_or_else(|_| Err(format!("no answer within {ANSWER_WITHIN:?}")));
        let pause = match answer {
            Ok(Answer { addresses, ttl }) => {
                if failing.0.lock().remove(host).is_some() {
                    log::info!("the name {host} resolves again");
                }
                apply(host, addresses, &current.load());
                retry = RETRY_MIN;
                ttl.clamp(TTL_MIN, TTL_MAX)
            }
            Err(why) => {
                current.load().totals.faults.count_shared(Fault::ServerDns);
                let code = Fault::ServerDns.code();
                if failing.0.lock().insert(host.into(), why.clone()).is_none() {
                    log::warn!("the name {host} does not resolve; its last addresses stay: {why} ({code})");
                }
                let pause = retry;
                retry = (retry * 2).min(RETRY_MAX);
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Tells every server of that name its addresses.
fn apply(host: &str, addresses: Vec<IpAddr>, world: &World) {
    let now = Instant::now().into_std();
    for server in world.pools().iter().flat_map(|pool| pool.servers()) {
        if matches!(&server.config().address, Address::Name { host: own, .. } if **own == *host) {
            server.set_addresses(addresses.clone(), now);
        }
    }
}

#[cfg(test)]
mod tests;
