//! The task of a stream: one request, from its head to its log line.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Request as Message;
use http::request::Parts;
use transom_state::{Fault, HttpListener};
use transom_wire::http1::{self, Limits};

use super::head;
use super::shared::{Shared, Stream};
use super::side::Side;
use super::tunnel;
use crate::buffer::Buffer;
use crate::http::act::{Kept, refuse_unread};
use crate::http::client::settings;
use crate::http::entry::Entry;
use crate::http::fields::Fields;
use crate::http::refused::Refused;
use crate::http::request::Request;
use crate::http::serve::Asking;
use crate::log::Record;
use crate::runtime::runtime;

/// Serves one request.
pub(super) async fn serve(stream: Stream, request: Message<RecvStream>, respond: SendResponse<Bytes>) {
    let shared = &*stream.0;
    let (worker, record) = (shared.worker, shared.record());
    let mut entry = Entry::new(worker.id());
    entry.http2 = true;
    let (parts, body) = request.into_parts();
    let kind = (head::asks_for_web_socket(&parts), parts.method == http::Method::HEAD);
    let ended = body.is_end_stream();
    let mut side = Side::new(respond, body, kind, shared.local);
    match read(shared, &record, &parts, ended) {
        Ok(request) => {
            drop(parts);
            entry.read = Some(runtime().now());
            Box::pin(sound(shared, &record, request, &mut side, entry)).await;
        }
        Err(refused) => {
            refuse_unread(&mut side, settings(&record.listener), &mut entry, refused).await;
            side.give_up(reason(entry.fault));
            entry.finish(worker, &record, None);
        }
    }
}

/// The request as one of HTTP/1.1, judged.
fn read(shared: &Shared, record: &Record, parts: &Parts, ended: bool) -> Result<Request, Refused> {
    let mut bytes = Buffer::take();
    head::write_request(&mut bytes, parts, ended, || shared.worker.random())?;
    let limits = settings(&record.listener).limits;
    let limits = Limits { head_bytes: limits.head_bytes as usize, fields: limits.fields.into() };
    let mut fields = Fields::take();
    let head = http1::request(&bytes, limits, &mut fields)?.ok_or(Refused::BAD)?;
    let looks = record.listener.http().is_some_and(HttpListener::looks_at_path);
    Request::judge(bytes, head, fields, looks).map_err(|(refused, _)| refused)
}

/// Serves a request that is sound.
async fn sound(shared: &Shared, record: &Record, request: Request, side: &mut Side, mut entry: Entry) {
    let worker = shared.worker;
    let asking = Asking {
        worker,
        record,
        secure: shared.secure.as_deref(),
        requests: shared.requests(),
        last: shared.is_last(),
    };
    let mut own = None;
    if let Some(routes) = record.listener.http().filter(|_| shared.has_own()) {
        let route = routes.find(&request.facts(record.client.ip()));
        own = route.pool.as_ref().and_then(|pool| shared.take_own(pool.name()));
    }
    let mut login = None;
    let kept = Kept { own: &mut own, login: &mut login, received: shared.received.as_deref() };
    let (served, route) = asking.serve(&request, side, kept, &mut entry).await;
    if let Some((link, rest)) = served.upgraded {
        tunnel::relay(side, *link, rest, &mut entry, worker, record).await;
    }
    side.give_up(reason(entry.fault));
    shared.keep_own(own);
    entry.finish(worker, record, Some((&request, route)));
}

/// The word of HTTP/2 for a stream that ends without a whole response.
fn reason(fault: Option<Fault>) -> Reason {
    match fault {
        Some(Fault::LoginNeedsHttp1) => Reason::HTTP_1_1_REQUIRED,
        Some(Fault::ClientClosed | Fault::ClientTimeout | Fault::RouteRefused) => Reason::CANCEL,
        _ => Reason::INTERNAL_ERROR,
    }
}
