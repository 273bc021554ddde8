//! Routes of an `http` listener, live: which of them takes a request, and what is to be done with it.
//!
//! The first route in the file whose every condition holds wins. Routes are found by host and path, so that a thousand of
//! them cost little more than ten; see [`index`].

mod facts;
mod host;
mod index;
mod matches;

use std::sync::Arc;
use std::time::Duration;

use transom_config::{self as config, Action, Http, Name};

pub use facts::{Facts, cookie, query};
use host::HostBuffer;
pub use host::host_name;
use index::Index;
use matches::Compiled;

use crate::requests::{Requests, RouteCounters};
use crate::{Fault, Pool};

/// The name that requests of no route have in metrics and logs.
pub const OTHERWISE: &str = "-";

/// One generation of the routes of an `http` listener.
#[derive(Debug)]
pub struct HttpListener {
    routes: Vec<Route>,
    index: Index,
    /// For requests that no route takes.
    otherwise: Route,
    /// Whether any route or pool looks at the path: then it must have a normal form.
    looks_at_path: bool,
}

/// One route, or what is done with requests that none takes.
#[derive(Debug)]
pub struct Route {
    /// Its name in logs and metrics.
    pub name: Name,
    /// As it was asked for; `None` of what is done with requests that no route takes.
    pub config: Option<config::HttpRoute>,
    /// The listener it stands in.
    pub listener: Name,
    /// The pool it leads to, where it leads to one.
    pub pool: Option<Arc<Pool>>,
    /// `replace-path`, compiled.
    pub replace: Option<regex::bytes::Regex>,
    /// What its requests came to.
    pub counters: Arc<RouteCounters>,
    otherwise: Option<Action>,
    matches: Compiled,
}

impl Route {
    fn new(
        route: &config::HttpRoute,
        requests: &Requests,
        pool: &impl Fn(&Name) -> Option<Arc<Pool>>,
        listener: &Name,
    ) -> Self {
        let replace = match &route.rewrite {
            Some(config::Rewrite::Replace { regex, .. }) => regex::bytes::Regex::new(regex).ok(),
            _ => None,
        };
        Self {
            name: Arc::clone(&route.name),
            config: Some(route.clone()),
            pool: route.action.pool().and_then(pool),
            replace,
            counters: requests.of(&route.name, route.action.pool()),
            otherwise: None,
            listener: Arc::clone(listener),
            matches: Compiled::new(&route.matches, pool),
        }
    }

    /// What is done with its requests; `None`: nothing was asked for (404, `no-route`).
    pub fn action(&self) -> Option<&Action> {
        self.config.as_ref().map(|route| &route.action).or(self.otherwise.as_ref())
    }

    /// The word for a request that it refuses.
    pub fn refusal(&self) -> Fault {
        let attack = self.config.as_ref().is_some_and(|route| route.attack);
        if attack { Fault::AttackRefused } else { Fault::RouteRefused }
    }

    /// In place of its pool's time for responses.
    pub fn response_timeout(&self) -> Option<Duration> {
        self.config.as_ref().and_then(|route| route.response_timeout)
    }
}

impl HttpListener {
    pub(crate) fn new(
        http: &Http,
        listener: &Name,
        requests: &Requests,
        pool: impl Fn(&Name) -> Option<Arc<Pool>>,
    ) -> Self {
        let live = |route| Route::new(route, requests, &pool, listener);
        let routes: Vec<_> = http.routes.iter().map(live).collect();
        let led_to = http.otherwise.as_ref().and_then(Action::pool);
        let otherwise = Route {
            name: Name::from(OTHERWISE),
            config: None,
            pool: led_to.and_then(&pool),
            listener: Arc::clone(listener),
            replace: None,
            counters: requests.of(OTHERWISE, led_to),
            otherwise: http.otherwise.clone(),
            matches: Compiled::default(),
        };
        let looks_at_path = routes.iter().chain([&otherwise]).any(Route::looks_at_path);
        Self { index: Index::new(&http.routes), routes, otherwise, looks_at_path }
    }

    /// In the order of the file.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What is done with requests that no route takes.
    pub fn otherwise(&self) -> &Route {
        &self.otherwise
    }

    /// Whether a request's path must have a normal form here: else what routes or pools say of paths could be slipped
    /// past.
    pub fn looks_at_path(&self) -> bool {
        self.looks_at_path
    }

    /// The route that takes a request. Allocates nothing, unless a route looks at query parameters.
    pub fn find(&self, request: &impl Facts) -> &Route {
        let mut buffer = HostBuffer::new();
        let host = request.host().and_then(|host| buffer.name(host));
        let takes = |place: usize| self.routes.get(place).is_some_and(|route| route.matches.holds(request));
        match self.index.first(host, request.path(), takes) {
            Some(place) => self.routes.get(place).unwrap_or(&self.otherwise),
            None => &self.otherwise,
        }
    }
}

impl Route {
    fn looks_at_path(&self) -> bool {
        let own = self.config.as_ref().is_some_and(|route| !route.matches.paths.is_empty());
        let hashed = |pool: &Arc<Pool>| pool.config.hash_on == config::RequestKey::Path;
        own || self.pool.as_ref().is_some_and(hashed)
    }
}

#[cfg(test)]
mod tests;
