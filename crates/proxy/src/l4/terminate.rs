//! `mode = "tls"`: the handshake with the client.

use transom_config::Terminate;
use transom_state::Fault;
use transom_wire::sniff::{self, Speaks};

use super::{Arrived, client_stopped, plain};
use crate::log::Record;
use crate::runtime::runtime;
use crate::socket::Socket;
use crate::tls::{self, TlsEnd};
use crate::worker::Worker;

/// Read at once: an ordinary ClientHello fits.
const READ_BYTES: usize = 2048;

/// Shakes hands with a client that has sent `bytes` already, or answers one that speaks plain HTTP.
pub(super) async fn shake_hands(
    worker: &Worker,
    terminate: &Terminate,
    record: &mut Record,
    client: Socket,
    mut bytes: Vec<u8>,
) -> Result<Arrived<TlsEnd>, Fault> {
    runtime().deadline(terminate.handshake_timeout);
    while sniff::first_bytes(&bytes) == Speaks::NeedMore {
        if client.read_more(&mut bytes, READ_BYTES).await.map_err(client_stopped)? == 0 {
            return Err(Fault::ClientClosed);
        }
    }
    if sniff::first_bytes(&bytes) == Speaks::Http {
        return Err(plain::answer(terminate.plain_http, &client, &mut bytes).await);
    }
    let world = worker.tls();
    // A reload in between may have taken the listener away.
    let acceptor = world.acceptors.get(&record.listener.config.name).ok_or(Fault::ReloadCut)?;
    let (client, server_name) = tls::accept(client, acceptor, &mut bytes).await?;
    record.server_name = server_name;
    Ok(Arrived { client, bytes })
}
