//! TLS that ends here: the handshake with the client.

use std::time::Duration;

use transom_config::PlainHttp;
use transom_state::Fault;
use transom_wire::sniff::{self, Speaks};

use super::{client_stopped, plain};
use crate::log::{Record, Secured};
use crate::runtime::runtime;
use crate::socket::Socket;
use crate::tls::{self, TlsEnd};
use crate::worker::Worker;

/// Read at once: an ordinary ClientHello fits.
const READ_BYTES: usize = 2048;

/// What the listener says about handshakes.
pub(super) struct Terms {
    /// How long a client may take.
    pub(super) time: Duration,
    /// The answer to a client that speaks plain HTTP.
    pub(super) plain_http: PlainHttp,
}

/// Shakes hands with a client that has sent `bytes` already, or answers one that speaks plain HTTP. Gives the plain bytes
/// that came with its last flight.
pub(super) async fn shake_hands(
    worker: &Worker,
    terms: &Terms,
    record: &mut Record,
    client: Socket,
    mut bytes: Vec<u8>,
) -> Result<(TlsEnd, Vec<u8>), Fault> {
    let begun = runtime().now();
    runtime().deadline(terms.time);
    while sniff::first_bytes(&bytes) == Speaks::NeedMore {
        if client.read_more(&mut bytes, READ_BYTES).await.map_err(client_stopped)? == 0 {
            return Err(Fault::ClientClosed);
        }
    }
    if sniff::first_bytes(&bytes) == Speaks::Http {
        return Err(plain::answer(terms.plain_http, &client, &mut bytes).await);
    }
    let world = worker.tls();
    // A reload in between may have taken the listener away.
    let acceptor = world.acceptors.get(&record.listener.config.name).ok_or(Fault::ReloadCut)?;
    let client = tls::accept(client, acceptor, &mut bytes).await?;
    record.server_name = client.server_name().map(Into::into);
    record.secured = Some(Box::new(Secured {
        version: client.version().unwrap_or("TLS"),
        identity: client.identity().map(Box::new),
        handshake: runtime().now().duration_since(begun).into(),
    }));
    Ok((client, bytes))
}
