//! Reads the server name out of the ClientHello and decrypts nothing.

use std::sync::Arc;

use transom_config::{NotTls, Passthrough};
use transom_state::{Fault, Pool};
use transom_wire::sniff::{self, Speaks};
use transom_wire::tls_hello::{self, Hello};

use crate::front::{client_stopped, plain};
use crate::log::Record;
use crate::runtime::{Stop, runtime};
use crate::socket::Socket;

/// Read at once: an ordinary ClientHello fits.
const READ_BYTES: usize = 2048;

/// A fatal alert, `unrecognized_name` (RFC 6066 section 3, RFC 8446 section 6): the client can say what is wrong.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What the first bytes turned out to be.
enum First {
    /// A ClientHello with this server name.
    Hello(Option<Box<str>>),
    /// Plain HTTP.
    Http,
    /// Neither, or too slow to tell, for this reason.
    NotTls(Fault),
}

/// Finds the pool for a client of a passthrough listener. `bytes` keeps what was read: all of it belongs to the server.
pub(super) async fn choose(
    passthrough: &Passthrough,
    client: &Socket,
    record: &mut Record,
    bytes: &mut Vec<u8>,
) -> Result<Arc<Pool>, Fault> {
    runtime().deadline(passthrough.inspect_timeout);
    match first(client, bytes).await? {
        First::Hello(server_name) => {
            record.server_name = server_name;
            if let Some(pool) = record.listener.route(record.server_name.as_deref()) {
                return Ok(Arc::clone(pool));
            }
            // The connection ends here in any case; a client that is gone needs no alert.
            let _ = client.write_all(&UNRECOGNIZED_NAME).await;
            client.linger(plain::LINGER).await;
            Err(Fault::NoSniMatch)
        }
        First::Http => Err(plain::answer(passthrough.plain_http, client, bytes).await),
        First::NotTls(fault) => match (passthrough.not_tls, record.listener.route(None)) {
            (NotTls::Pool, Some(pool)) => Ok(Arc::clone(pool)),
            _ => Err(fault),
        },
    }
}

async fn first(client: &Socket, bytes: &mut Vec<u8>) -> Result<First, Fault> {
    loop {
        if let Some(first) = judge(bytes) {
            return Ok(first);
        }
        match client.read_more(bytes, READ_BYTES).await {
            Ok(0) if bytes.is_empty() => return Err(Fault::ClientClosed),
            Ok(0) => return Ok(First::NotTls(Fault::ClientClosed)),
            Ok(_) => {}
            Err(Stop::Expired) => return Ok(First::NotTls(Fault::ClientTimeout)),
            Err(stop) => return Err(client_stopped(stop)),
        }
    }
}

/// `None`: more bytes are needed.
fn judge(bytes: &[u8]) -> Option<First> {
    match sniff::first_bytes(bytes) {
        Speaks::NeedMore => None,
        Speaks::Http => Some(First::Http),
        Speaks::Other => Some(First::NotTls(Fault::ClientBadRequest)),
        Speaks::Tls => match tls_hello::read(bytes) {
            Hello::NeedMore => None,
            Hello::Complete(hello) => Some(First::Hello(hello.server_name)),
            Hello::NotTls | Hello::Malformed(_) | Hello::TooLarge => {
                Some(First::NotTls(Fault::ClientBadRequest))
            }
        },
    }
}
