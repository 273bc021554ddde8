//! What is done with a request that is sound: an answer of our own, or a server's.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use transom_config::{Action, Content, Http, PoolCookie};
use transom_state::{Fault, Pool, Route, Said};
use transom_wire::auth::{AfterLoss, Asked, Login, Protocol};
use transom_wire::channel::LONG;
use transom_wire::http1::{Body, Known, Version};
use transom_wire::proxy_protocol::Addresses;

use super::body::Progress;
use super::client::Own;
use super::compose::{self, Answer, Head, Says, ToServer};
use super::entry::Entry;
use super::exchange::Terms;
use super::firewall::{self, Guard, Guarded};
use super::forward::{After, Job};
use super::refused::Refused;
use super::request::Request;
use super::stream::{Asker, ClientStream, Passed, Task};
use crate::buffer::Buffer;
use crate::front;
use crate::log::Record;
use crate::runtime::{runtime, ticks};
use crate::worker::Worker;

/// Asked for by whoever stands in front of us; answered where the listener says `ready = true`.
const READY: &[u8] = b"/.transom/ready";

/// What does not change while a request is served.
pub(super) struct Context<'a> {
    pub(super) worker: &'static Worker,
    pub(super) head: Head<'a>,
    pub(super) told: compose::Told<'a>,
    pub(super) http: &'a Http,
    pub(super) route: &'a Route,
    /// The cookie of the pool it goes to, and what the request says to that pool.
    pub(super) cookie: Option<&'a PoolCookie>,
    pub(super) said: Said,
}

/// A request that is being served.
pub(super) struct Serving<'a> {
    pub(super) record: &'a Record,
    pub(super) request: &'a Request,
    pub(super) context: Context<'a>,
    /// Whether another request may follow, as far as we are concerned.
    pub(super) keep: bool,
}

/// What a client connection keeps of its servers from request to request.
pub(super) struct Kept<'a> {
    pub(super) own: &'a mut Option<Box<Own>>,
    pub(super) login: &'a mut Option<Box<Login>>,
    pub(super) received: Option<&'a Addresses>,
}

/// How a request was served.
pub(super) struct Served {
    /// Whether the connection goes on.
    pub(super) keep: bool,
    /// Bytes of the request's buffer that were its own.
    pub(super) used: usize,
    /// What came behind it afterwards.
    pub(super) spill: Option<Buffer>,
    /// The server has agreed to another protocol, and said this in it.
    pub(super) upgraded: Option<(Box<Own>, Option<Buffer>)>,
}

impl Served {
    fn closing(used: usize) -> Self {
        Self { keep: false, used, spill: None, upgraded: None }
    }
}

/// What the login of a client connection means for one request.
struct Whose {
    asked: Option<Asked>,
    /// The client's own server connection.
    own: Option<Box<Own>>,
    /// The server connection is this client's alone from now on.
    pins: bool,
    /// Whether the response says anything of the login: one from another pool does not.
    concerned: bool,
}

impl Serving<'_> {
    /// Whether it asks whether we are ready, where that is answered.
    pub(super) fn asks_ready(&self) -> bool {
        self.context.http.ready && self.context.head.target.path == READY
    }

    /// Sends the request to a server of `pool`, and the response back.
    pub(super) async fn forward<A: Asker>(
        &self,
        pool: &Arc<Pool>,
        client: &mut A,
        mut kept: Kept<'_>,
        entry: &mut Entry,
    ) -> Served {
        entry.pool = Some(Arc::clone(pool));
        let (mut message, progress, used, allowed) = match self.message() {
            Ok(message) => message,
            Err(refused) => return self.refuse(client, entry, refused).await,
        };
        let mut guard = match self.guard(client, &kept, used) {
            Ok(guard) => guard,
            Err(guard) => return self.stopped(client, entry, guard, Fault::WafBlocked).await,
        };
        let Whose { asked, own, pins, concerned } = self.whose(&mut kept, pool, A::PROTOCOL);
        if asked.as_ref().is_some_and(Asked::needs_http1) {
            return self.refuse(client, entry, Refused::by(Fault::LoginNeedsHttp1)).await;
        }
        let header =
            front::to_server(pool.config.proxy_protocol, kept.received.copied(), self.record.client, || {
                client.local_address()
            });
        let terms = self.terms(pool);
        let task = Task {
            request: self.request,
            context: &self.context,
            progress,
            allowed,
            keep: self.keep,
            login: kept.login.as_deref_mut().zip(asked.as_ref()).filter(|_| concerned),
        };
        let mut stream = Guarded::new(client.stream(task), guard.as_deref_mut());
        let held = stream.hold(&mut message, terms.body, terms.expects).await;
        let job = Job {
            worker: self.context.worker,
            listener: &self.record.listener,
            pool,
            source: self.record.client.ip(),
            said: self.context.said,
            message: &message,
            whole: stream.body_is_done(),
            header: &header,
            pins,
            idempotent: self.request.is_idempotent(),
            terms,
        };
        let outcome = match held {
            Ok(()) => job.forward(&mut stream, own, &mut entry.way, &mut entry.told).await,
            Err(fault) => Err(fault),
        };
        let Passed { begun, keep, spill, sent } = stream.outcome();
        entry.bytes_out = sent;
        entry.status = entry.told.status.filter(|_| begun);
        entry.pinned = pins;
        entry.user = user(kept.login.as_deref(), asked.as_ref()).filter(|_| concerned);
        let served = match outcome {
            Ok(after) => self.settled(client, kept, entry, after, (pins, keep, used), spill).await,
            Err(fault) if begun => {
                // The client must not take a part for the whole.
                entry.fault = Some(fault);
                client.reset();
                Served::closing(used)
            }
            Err(fault) => return self.stopped(client, entry, guard, fault).await,
        };
        self.inspected(entry, guard);
        served
    }

    /// What becomes of both connections once a response is whole. `pins`: the server's was the client's own; `keep`: the
    /// client's may go on; `used` bytes of its buffer were this request's, `spill` came behind it.
    async fn settled<A: Asker>(
        &self,
        client: &mut A,
        kept: Kept<'_>,
        entry: &Entry,
        after: After,
        (pins, keep, used): (bool, bool, usize),
        spill: Option<Buffer>,
    ) -> Served {
        let lost = pins && matches!(after, After::Released);
        match after {
            After::Upgraded(own, rest) => {
                return Served { keep: true, used, spill, upgraded: Some((own, rest)) };
            }
            After::Own(own) => *kept.own = Some(own),
            After::Released => {}
        }
        let login_lost =
            lost && kept.login.as_mut().is_some_and(|login| login.server_lost() == AfterLoss::Close);
        if keep && entry.told.complete && !login_lost {
            return Served { keep: true, used, spill, upgraded: None };
        }
        client.finish().await;
        Served::closing(used)
    }

    /// What goes to the server at first: the head, and what has come of the body. With what is still to come, how many
    /// bytes of the buffer were the request's, and how many its body may still have.
    fn message(&self) -> Result<(Buffer, Progress, usize, u64), Refused> {
        let Context { head, told, http, route, cookie, .. } = &self.context;
        let exempt = self.request.kind.body_is_stream();
        let limit = route.config.as_ref().and_then(|route| route.body_max).or(http.limits.body);
        let limit = limit.filter(|_| !exempt).unwrap_or(u64::MAX);
        if matches!(self.request.body, Body::Length(length) if length > limit) {
            return Err(Refused::TOO_LARGE);
        }
        let connection = if self.request.upgrade { Says::Upgrade } else { Says::Nothing };
        let mut message = Buffer::take();
        ToServer { head: *head, told: *told, http, route, cookie: *cookie, connection }.write(&mut message);
        let mut progress = Progress::from(self.request.body);
        let early = &self.request.bytes[self.request.head.len..];
        let taken = progress.take(early).map_err(Refused::from)?;
        message.extend_from_slice(&early[..taken]);
        let allowed = limit.checked_sub(taken as u64).ok_or(Refused::TOO_LARGE)?;
        Ok((message, progress, self.request.head.len + taken, allowed))
    }

    /// Whose the server connection is that this request will go over.
    fn whose(&self, kept: &mut Kept<'_>, pool: &Pool, protocol: Protocol) -> Whose {
        let asked = self.follow_login(kept.login, protocol);
        let own = kept.own.take_if(|own| own.lease.pool().name() == pool.name());
        let begins = asked.as_ref().is_some_and(Asked::pins);
        let pinned = kept.login.as_ref().is_some_and(|login| login.pinned());
        let pins = begins || (pinned && own.is_some());
        if begins {
            // A login with another pool, if there was one, is this connection's no more.
            *kept.own = None;
        }
        Whose { asked, own, pins, concerned: pins || !pinned }
    }

    /// Shows the request's credentials to the connection's login, where there is one or one begins.
    fn follow_login(&self, login: &mut Option<Box<Login>>, protocol: Protocol) -> Option<Asked> {
        let bytes = self.context.head.bytes;
        let credentials = self
            .request
            .fields
            .iter()
            .filter(|field| matches!(field.known, Known::Authorization | Known::ProxyAuthorization))
            .map(|field| field.value.of(bytes));
        if login.is_none() && credentials.clone().next().is_none() {
            return None;
        }
        Some(login.get_or_insert_default().request(protocol, credentials))
    }

    fn terms(&self, pool: &Pool) -> Terms {
        let kind = self.request.kind;
        let configured = self.context.route.response_timeout().unwrap_or(pool.config.timeouts.response);
        let times = self.context.http.timeouts;
        let body = if kind.body_is_stream() { LONG } else { times.body };
        Terms {
            to_head: self.request.is_head(),
            upgrade: self.request.upgrade,
            expects: self.request.first(Known::Expect).is_some(),
            end_is_gone: kind.long().is_some(),
            response: ticks(kind.long().map_or(configured, |long| long.max(configured))),
            body: ticks(body),
            send: ticks(times.send),
        }
    }

    /// An answer of our own.
    pub(super) async fn answer<A: Asker>(&self, client: &mut A, entry: &mut Entry) -> Served {
        if self.asks_ready() {
            let status = if self.context.worker.is_draining() || !self.is_ready() { 503 } else { 200 };
            let body: &[u8] = if status == 200 { b"ready\n" } else { b"not ready\n" };
            let answer = Answer { status, body: Some(("text/plain", body)), ..self.plain(entry) };
            return self.say(client, entry, answer).await;
        }
        match self.context.route.action() {
            None => self.refuse(client, entry, Refused::by(Fault::NoRoute)).await,
            // A pool that is not there was taken away by a reload.
            Some(Action::Pool(_)) => self.refuse(client, entry, Refused::by(Fault::PoolEmpty)).await,
            Some(Action::Refuse(status)) => {
                self.refuse(client, entry, Refused::with(self.context.route.refusal(), *status)).await
            }
            Some(Action::Reset) => {
                entry.fault = Some(self.context.route.refusal());
                client.reset();
                Served::closing(self.request.head.len)
            }
            Some(Action::Redirect(redirect)) => {
                let location =
                    compose::location(redirect, &self.context.head, &self.context.told, self.context.route);
                let Some(location) = location else { return self.refuse(client, entry, Refused::BAD).await };
                let answer =
                    Answer { status: redirect.status, location: Some(&location), ..self.plain(entry) };
                self.say(client, entry, answer).await
            }
            Some(Action::Fixed(fixed)) => {
                let body = match &fixed.body {
                    Content::Text(text) => text.as_bytes(),
                    Content::File(file) => &file.contents,
                };
                let kind = fixed.content_type.as_deref().unwrap_or("");
                let answer = Answer {
                    status: fixed.status,
                    headers: &fixed.headers,
                    body: Some((kind, body)),
                    ..self.plain(entry)
                };
                self.say(client, entry, answer).await
            }
        }
    }

    /// The guard of this request, where a firewall looks at it, once it has seen the head and what came of the body up to
    /// `used`. The error is a guard that refuses it; without one the firewall is not there.
    fn guard<A: Asker>(
        &self,
        asker: &A,
        kept: &Kept<'_>,
        used: usize,
    ) -> Result<Option<Box<Guard>>, Option<Box<Guard>>> {
        let client = self.record.client;
        let local = || match kept.received {
            Some(addresses) => addresses.destination,
            None => asker.local_address().unwrap_or(client),
        };
        let Some(mut guard) = Guard::of(&self.context, self.request, local).map_err(|()| None)? else {
            return Ok(None);
        };
        let early = &self.request.bytes[self.request.head.len..used];
        let shown = guard.request_head(self.request).and_then(|()| guard.request_piece(early));
        if shown.is_ok() { Ok(Some(guard)) } else { Err(Some(guard)) }
    }

    /// The answer to a request that met `fault`, which may be that rules refused it.
    async fn stopped<A: Asker>(
        &self,
        client: &mut A,
        entry: &mut Entry,
        guard: Option<Box<Guard>>,
        fault: Fault,
    ) -> Served {
        let refused = match &guard {
            Some(guard) => guard.refused().cloned(),
            // Named, and not there: nothing passes.
            None => (fault == Fault::WafBlocked).then_some(firewall::Refused::With(503)),
        };
        self.inspected(entry, guard);
        match refused {
            Some(refused) => self.refuse_by_rules(client, entry, &refused).await,
            None => self.refuse(client, entry, Refused::by(fault)).await,
        }
    }

    /// The answer of rules.
    async fn refuse_by_rules<A: Asker>(
        &self,
        client: &mut A,
        entry: &mut Entry,
        refused: &firewall::Refused,
    ) -> Served {
        entry.fault = Some(Fault::WafBlocked);
        match refused {
            firewall::Refused::With(status) => {
                self.refuse(client, entry, Refused::with(Fault::WafBlocked, *status)).await
            }
            firewall::Refused::Dropped => {
                client.reset();
                Served::closing(self.request.head.len)
            }
            firewall::Refused::Elsewhere(status, to) => {
                let fault = Some(Fault::WafBlocked);
                let answer =
                    Answer { status: *status, fault, location: Some(to.as_bytes()), ..self.plain(entry) };
                self.say(client, entry, answer).await
            }
        }
    }

    /// Ends the inspection, where there is one.
    fn inspected(&self, entry: &mut Entry, guard: Option<Box<Guard>>) {
        entry.inspected = guard.map(|guard| guard.finish(&self.context, self.request));
    }

    /// An error answer, where somebody is there to read it.
    async fn refuse<A: Asker>(&self, client: &mut A, entry: &mut Entry, refused: Refused) -> Served {
        entry.fault = Some(refused.fault);
        let Some(status) = refused.status else { return Served::closing(self.request.head.len) };
        let answer = Answer { status, fault: Some(refused.fault), ..self.plain(entry) };
        self.say(client, entry, answer).await
    }

    async fn say<A: Asker>(&self, client: &mut A, entry: &mut Entry, answer: Answer<'_>) -> Served {
        let date = http_date();
        let mut progress = Progress::from(self.request.body);
        let early = &self.request.bytes[self.request.head.len..];
        let used = self.request.head.len + progress.take(early).unwrap_or(0);
        let keep = self.keep && self.request.keep && progress.is_done();
        let connection = match (keep, self.request.head.version) {
            (false, _) => Says::Close,
            (true, Version::Http10) => Says::KeepAlive,
            (true, Version::Http11) => Says::Nothing,
        };
        let Context { head, told, http, route, .. } = &self.context;
        let mut out = Buffer::take();
        Answer { connection, date: &date, ..answer }.write(&mut out, http, Some((head, told, route)));
        entry.status = Some(answer.status);
        entry.answered(out.len());
        if client.say(&out).await && keep {
            return Served { keep, used, spill: None, upgraded: None };
        }
        client.finish().await;
        Served::closing(used)
    }

    fn plain<'e>(&self, entry: &Entry) -> Answer<'e> {
        Answer { bodyless: self.request.is_head(), ..bare(entry.id) }
    }

    /// Whether every pool that this listener leads to has a server that may be used.
    fn is_ready(&self) -> bool {
        let Some(routes) = self.record.listener.http() else { return false };
        let mut all = routes.routes().iter().chain([routes.otherwise()]);
        all.all(|route| route.pool.as_ref().is_none_or(|pool| pool.is_usable()))
    }
}

/// An answer with nothing in it yet.
fn bare<'e>(id: u64) -> Answer<'e> {
    Answer {
        status: 200,
        id,
        fault: None,
        location: None,
        headers: &[],
        body: None,
        bodyless: false,
        connection: Says::Close,
        date: "",
    }
}

/// The answer to what is no request.
pub(super) async fn refuse_unread<A: Asker>(
    client: &mut A,
    http: &Http,
    entry: &mut Entry,
    refused: Refused,
) {
    entry.fault = Some(refused.fault);
    let Some(status) = refused.status else { return };
    let mut out = Buffer::take();
    let date = http_date();
    let answer = Answer { status, fault: Some(refused.fault), date: &date, ..bare(entry.id) };
    answer.write(&mut out, http, None);
    entry.status = Some(status);
    entry.answered(out.len());
    client.say(&out).await;
    client.finish().await;
}

/// Who asks, for the log.
fn user(login: Option<&Login>, asked: Option<&Asked>) -> Option<String> {
    Some(login?.identity(asked?)?.to_string())
}

/// Now, as an HTTP date (RFC 9110 section 5.6.7).
fn http_date() -> String {
    let wall = runtime().clock().wall(runtime().now());
    let now = Timestamp::try_from(wall).unwrap_or_default().to_zoned(TimeZone::UTC);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
