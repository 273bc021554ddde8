//! The admin API: what is true, and the few things that may be changed while the program runs.
//!
//! Over the unix socket file permissions decide who may ask, and whoever may, may do everything. Over an address users
//! log in and have roles; where no users are configured, only this machine may ask there, and only look.

mod answer;
mod change;
mod guard;
mod logins;
mod packet;
mod query;
mod routes;
mod server;
mod status;
mod throttle;
mod view;

#[cfg(test)]
mod testing;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::header;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use transom_config::Role;

use self::answer::Answer;
use self::guard::Suspicious;
use self::logins::{Denied, Logins};
use self::routes::{Endpoint, Match};
use self::server::{Asked, single};
use crate::Command;
use crate::shared::Shared;

pub use routes::reference;
pub(crate) use server::Accepting;
pub use server::AdminSocket;

/// Answers requests. One for all sockets.
pub(crate) struct Admin {
    shared: Arc<Shared>,
    logins: Logins,
}

/// Where somebody came in.
#[derive(Debug, Clone, Copy)]
enum Door {
    /// The unix socket.
    Unix,
    /// An address.
    Tcp {
        /// Ours.
        local: SocketAddr,
        /// Whose it is.
        peer: IpAddr,
    },
}

impl Admin {
    /// With a random `key` for remembering logins.
    pub(crate) fn new(shared: Arc<Shared>, key: [u8; 16]) -> Self {
        Self { shared, logins: Logins::new(key) }
    }

    /// Who asks, and as what; or why they are not heard.
    async fn admit(&self, door: Door, head: &Parts) -> Result<Role, Answer> {
        let Door::Tcp { local, peer } = door else { return Ok(Role::Admin) };
        let changes = !matches!(head.method, Method::GET | Method::HEAD);
        let host = single(&head.headers, header::HOST);
        let origin = head.headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
        guard::check(host, origin, changes, local).map_err(suspicious)?;
        let config = Arc::clone(&self.shared.current.load().config);
        let users = &config.admin.users;
        if users.is_empty() {
            return if peer.to_canonical().is_loopback() { Ok(Role::Viewer) } else { Err(no_users()) };
        }
        let authorization = head.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        self.logins.role(users, authorization, peer.to_canonical(), Instant::now()).await.map_err(denied)
    }

    /// Answers a request that was let in.
    async fn answer(&self, asked: &Asked, role: Role) -> Answer {
        let (route, values) = match routes::find(&asked.method, &asked.path) {
            Match::Found(route, values) => (route, values),
            Match::OtherMethods(allow) => return wrong_method(&asked.method, &asked.path, &allow),
            Match::Nothing => return Answer::not_found(format!("there is no {}", asked.path)),
        };
        if role < route.role {
            let sentence = format!("this needs the role {}", view::role_word(route.role));
            return Answer::refusal(StatusCode::FORBIDDEN, "forbidden", sentence);
        }
        let value = |n: usize| values.get(n).map_or("", String::as_str);
        let world = self.shared.current.load_full();
        match route.endpoint {
            Endpoint::Root => Answer::text(StatusCode::SEE_OTHER, "see /status\n")
                .with(header::LOCATION, HeaderValue::from_static("/status")),
            Endpoint::Metrics => Answer::metrics(crate::metrics::text(&self.shared)),
            Endpoint::Status => Answer::page(status::page(&self.shared, &world, Instant::now())),
            Endpoint::Ready => self.ready(&world),
            Endpoint::Listeners => Answer::json(&view::listeners(&self.shared, &world)),
            Endpoint::Pools => Answer::json(&view::pools(&world)),
            Endpoint::Servers => Answer::json(&view::servers(&world, Instant::now())),
            Endpoint::StickTables => Answer::json(&view::stick_tables(&world)),
            Endpoint::StickEntries => query::entries(&world, value(0), &asked.query, Instant::now()),
            Endpoint::Packet => Answer::json(&packet::counts(&world)),
            Endpoint::Flows => packet::flows(&self.shared, &asked.query).await,
            Endpoint::Faults => Answer::json(&view::faults(&world)),
            Endpoint::Config => Answer::json(&view::config(&world)),
            Endpoint::ChangeServer => {
                let changed = change::server(&world, value(0), value(1), &asked.body, Instant::now());
                if changed.status == StatusCode::OK {
                    // Never waited for: who has a full channel looks at the servers after what is in it.
                    let _ = self.shared.commands.try_send(Command::ServersChanged);
                }
                changed
            }
            Endpoint::DeleteStickEntry => change::delete_entry(&world, value(0), value(1)),
            Endpoint::DeleteStickEntries => change::delete_entries(&world, value(0)),
            Endpoint::Reload => change::reload(&self.shared).await,
        }
    }

    fn ready(&self, world: &transom_state::World) -> Answer {
        let reasons = self.shared.not_ready(world);
        if reasons.is_empty() {
            return Answer::text(StatusCode::OK, "ready\n");
        }
        Answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join("; ")))
    }
}

fn suspicious(what: Suspicious) -> Answer {
    match what {
        Suspicious::Host => Answer::refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "host-refused",
            "the Host header must be the address connected to, or localhost",
        ),
        Suspicious::Origin => Answer::refusal(
            StatusCode::FORBIDDEN,
            "origin-refused",
            "a page of another origin may not change anything here",
        ),
    }
}

fn no_users() -> Answer {
    let sentence = "no users are configured, so only this machine may ask here";
    Answer::refusal(StatusCode::FORBIDDEN, "forbidden", sentence)
}

fn denied(denied: Denied) -> Answer {
    match denied {
        Denied::Unknown => {
            Answer::refusal(StatusCode::UNAUTHORIZED, "unauthorized", "name or password is wrong").with(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"transom\", charset=\"UTF-8\""),
            )
        }
        Denied::Held(left) => {
            let seconds = left.as_secs() + 1;
            let sentence = format!("too many failed logins from there; try again in {seconds} seconds");
            Answer::refusal(StatusCode::TOO_MANY_REQUESTS, "too-many-logins", sentence)
                .with(header::RETRY_AFTER, HeaderValue::from(seconds))
        }
    }
}

fn wrong_method(method: &Method, path: &str, allow: &str) -> Answer {
    let sentence = format!("{path} knows {allow}, not {method}");
    let answer = Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", sentence);
    match HeaderValue::from_str(allow) {
        Ok(allow) => answer.with(header::ALLOW, allow),
        Err(_) => answer,
    }
}
