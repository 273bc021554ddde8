//! A connection that goes on in another protocol, WebSocket most often: from here on it is relayed byte by byte.

use std::sync::Arc;

use transom_state::Fault;

use super::client::{Client, Own};
use super::entry::Entry;
use super::request::Request;
use crate::buffer::Buffer;
use crate::end::{self, End};
use crate::l4::{Relay, Relayed, Sent};
use crate::runtime::runtime;

/// Both sides have agreed to another protocol.
pub(super) struct Upgraded {
    pub(super) own: Own,
    /// What both sides have said in it already.
    pub(super) from_server: Option<Buffer>,
    pub(super) from_client: Vec<u8>,
    /// The request that asked for it, and what is to be told of it.
    pub(super) request: Request,
    pub(super) entry: Entry,
}

impl Upgraded {
    /// Relays until both directions have ended, and writes the request's line then.
    pub(super) async fn run<C: End + Unpin>(self, client: Client<C>) {
        let Self { own, from_server, from_client, request, mut entry } = self;
        let Client { worker, record, end, .. } = client;
        let (mut client, mut server) = (end, own.link.end);
        let early = from_server.as_deref().map_or(&[][..], Vec::as_slice);
        runtime().deadline(own.lease.pool().config.timeouts.connect);
        let relayed = if end::write_all(&mut server, &from_client).await.is_err() {
            Relayed::nothing(Fault::ServerReset)
        } else if end::write_all(&mut client, early).await.is_err() {
            Relayed::nothing(Fault::ClientClosed)
        } else {
            let sent = Sent { up: from_client.len() as u64, down: early.len() as u64 };
            drop((from_server, from_client));
            Relay::new(worker, Arc::clone(&record.listener), own.lease, (client, server), sent).await
        };
        entry.fault = relayed.fault;
        entry.relayed(relayed.bytes_up, relayed.bytes_down);
        let facts = request.facts(record.client.ip());
        let route = record.listener.http().map(|routes| routes.find(&facts));
        entry.finish(worker, &record, route.map(|route| (&request, route)));
    }
}
