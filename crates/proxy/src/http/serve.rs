//! One request of an HTTP/1 client, from its head to its log line.

use transom_config::Action;
use transom_state::{Route, Said};

use super::act::{Context, Kept, Served, Serving, refuse_unread};
use super::client::{Client, settings};
use super::compose::{self, Head, Secure};
use super::entry::Entry;
use super::request::Request;
use super::stream::Asker;
use super::upgrade::Upgraded;
use crate::end::End;
use crate::log::Record;
use crate::runtime::runtime;
use crate::worker::Worker;

/// What comes after a request.
pub(super) enum Next {
    /// Another one.
    Request,
    /// Nothing.
    Close,
    /// Another protocol.
    Upgraded(Box<Upgraded>),
}

/// Reads a request whose first bytes have come, and serves it.
pub(super) async fn request<C: End>(client: &mut Client<C>) -> Next {
    let mut entry = Entry::new(client.worker.id());
    let read = client.read_request().await;
    client.requests = client.requests.saturating_add(1);
    match read {
        Ok(request) => {
            entry.read = Some(runtime().now());
            client.renew();
            sound(client, request, entry).await
        }
        Err(refused) => {
            let http = settings(&client.record.listener);
            refuse_unread(&mut client.end, http, &mut entry, refused).await;
            entry.finish(client.worker, &client.record, None);
            Next::Close
        }
    }
}

/// Serves a request that is sound.
async fn sound<C: End>(client: &mut Client<C>, mut request: Request, mut entry: Entry) -> Next {
    let Client { worker, record, end, own, login, received, secure, requests, last, input, .. } = client;
    let (worker, record) = (*worker, &**record);
    let asking = Asking { worker, record, secure: secure.as_deref(), requests: *requests, last: *last };
    let kept = Kept { own, login, received: received.as_deref() };
    let (served, route) = asking.serve(&request, end, kept, &mut entry).await;
    if let Some((own, rest)) = served.upgraded {
        let behind = served.spill.as_deref().map_or(&request.bytes[served.used..], Vec::as_slice);
        let from_client = behind.to_vec();
        return Next::Upgraded(Box::new(Upgraded {
            own: *own,
            from_server: rest,
            from_client,
            request,
            entry,
        }));
    }
    entry.finish(worker, record, Some((&request, route)));
    if !served.keep {
        return Next::Close;
    }
    request.used = served.used;
    *input = served.spill.or_else(|| request.into_rest());
    Next::Request
}

/// The connection that a request came on, as far as serving it needs to know.
pub(super) struct Asking<'c> {
    pub(super) worker: &'static Worker,
    pub(super) record: &'c Record,
    pub(super) secure: Option<&'c Secure>,
    /// Requests on it, this one among them.
    pub(super) requests: u32,
    /// No further one is served.
    pub(super) last: bool,
}

impl<'c> Asking<'c> {
    /// Finds the request's route, and does what that says.
    pub(super) async fn serve<A: Asker>(
        &self,
        request: &Request,
        client: &mut A,
        kept: Kept<'_>,
        entry: &mut Entry,
    ) -> (Served, &'c Route) {
        let Self { worker, record, .. } = *self;
        let http = settings(&record.listener);
        let routes = record.listener.http().expect("requests are read on http listeners only");
        let shown = self.secure.is_some_and(|secure| secure.identity.is_some());
        let facts = request.facts(record.client.ip()).certified(shown);
        let route = routes.find(&facts);
        let pool = route.pool.as_ref().filter(|_| matches!(route.action(), Some(Action::Pool(_))));
        let destination = compose::destination(http, route, kept.received, || client.local_address());
        let context = Context {
            worker,
            head: Head {
                bytes: &request.bytes,
                request: request.head,
                fields: &request.fields,
                target: request.target(),
            },
            told: compose::Told {
                id: entry.id,
                client: record.client,
                secure: self.secure,
                destination,
                server: None,
            },
            http,
            route,
            cookie: pool.and_then(|pool| pool.config.cookie.as_ref()),
            said: pool.map_or_else(Said::default, |pool| pool.said(&facts)),
        };
        let last = self.last || http.limits.requests.is_some_and(|limit| self.requests >= limit);
        let serving = Serving { record, request, context, keep: !last && !worker.is_draining() };
        let served = match pool {
            Some(pool) if !serving.asks_ready() => serving.forward(pool, client, kept, entry).await,
            _ => serving.answer(client, entry).await,
        };
        (served, route)
    }
}
