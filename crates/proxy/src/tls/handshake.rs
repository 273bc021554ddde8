//! Handshakes, with clients and with servers, as long as the running task has time.

use std::time::Duration;

use transom_state::Fault;
use transom_tls::{Acceptor, Connection, Failure, TlsFault};

use super::{ServerTls, TlsEnd, fault};
use crate::runtime::Stop;
use crate::socket::Socket;

/// Read at once: an ordinary flight of a handshake fits.
const READ_BYTES: usize = 8 * 1024;
/// How long a client may take to take an alert.
const LINGER: Duration = Duration::from_secs(1);

/// Shakes hands with a client that has sent `first` already. Plain bytes that came with its last flight are left in
/// `first`.
pub(crate) async fn accept(
    socket: Socket,
    acceptor: &Acceptor,
    first: &mut Vec<u8>,
) -> Result<TlsEnd, Fault> {
    let mut connection = acceptor.accept().map_err(|failure| fault(failure.fault))?;
    let fresh = std::mem::take(first);
    shake(&socket, &mut connection, fresh, first).await.map_err(|failure| match failure {
        Stopped::At(Stop::Expired) => Fault::ClientTimeout,
        Stopped::At(Stop::Cut) => Fault::AdminDrained,
        Stopped::At(Stop::Io(_)) => Fault::ClientClosed,
        Stopped::Tls(failed) => fault(failed),
    })?;
    Ok(TlsEnd::new(socket, connection))
}

/// Shakes hands with a server. Plain bytes that came with its last flight are appended to `early`.
pub(crate) async fn connect(socket: Socket, tls: &ServerTls, early: &mut Vec<u8>) -> Result<TlsEnd, Fault> {
    let stopped = |failure| match failure {
        Stopped::At(Stop::Expired) => Fault::ServerConnectTimeout,
        Stopped::At(Stop::Cut) => Fault::AdminDrained,
        Stopped::At(Stop::Io(_)) => Fault::ServerReset,
        Stopped::Tls(failed) => fault(failed),
    };
    let mut hello = Vec::new();
    let mut connection =
        tls.connector.connect(tls.name.clone(), &mut hello).map_err(|failure| fault(failure.fault))?;
    socket.write_all(&hello).await.map_err(|stop| stopped(Stopped::At(stop)))?;
    shake(&socket, &mut connection, Vec::new(), early).await.map_err(stopped)?;
    Ok(TlsEnd::new(socket, connection))
}

/// Why a handshake came to nothing.
enum Stopped {
    At(Stop),
    Tls(TlsFault),
}

async fn shake(
    socket: &Socket,
    connection: &mut Connection,
    mut fresh: Vec<u8>,
    plain: &mut Vec<u8>,
) -> Result<(), Stopped> {
    let mut out = Vec::new();
    loop {
        if !fresh.is_empty() {
            let received = connection.receive(&mut fresh, plain, &mut out);
            if let Err(failure) = received {
                return Err(say_why(socket, &out, &failure).await);
            }
            socket.write_all(&out).await.map_err(Stopped::At)?;
            out.clear();
        }
        if !connection.is_handshaking() {
            return Ok(());
        }
        fresh.clear();
        if socket.read_more(&mut fresh, READ_BYTES).await.map_err(Stopped::At)? == 0 {
            let fault = connection.ended().map_or(TlsFault::ServerBad, |failure| failure.fault);
            return Err(Stopped::Tls(fault));
        }
    }
}

/// Sends the alert, and lets the peer take it before the close.
async fn say_why(socket: &Socket, alert: &[u8], failure: &Failure) -> Stopped {
    if !alert.is_empty() && socket.write_all(alert).await.is_ok() {
        socket.linger(LINGER).await;
    }
    Stopped::Tls(failure.fault)
}
