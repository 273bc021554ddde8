//! The PROXY protocol header: read where it is expected, written where it is asked for.

use std::net::{IpAddr, SocketAddr};

use transom_config::{Listener, ProxyProtocol};
use transom_state::Fault;
use transom_wire::proxy_protocol::{self, Addresses, Parsed};

use super::client_stopped;
use crate::runtime::runtime;
use crate::socket::Socket;

/// How long a balancer in front of us may take for its header.
const HEADER_TIME: std::time::Duration = std::time::Duration::from_secs(5);
/// Read at once: any header without rare extensions fits.
const READ_BYTES: usize = 1024;

/// Whether this client must send a header: it stands in the listener's `accept-proxy`.
pub(super) fn expected(listener: &Listener, source: IpAddr) -> bool {
    let source = source.to_canonical();
    listener.accept_proxy.iter().any(|net| net.contains(&source))
}

/// Reads the header and gives what it says; `bytes` keeps what came behind it.
pub(super) async fn read(client: &Socket, bytes: &mut Vec<u8>) -> Result<Option<Addresses>, Fault> {
    runtime().deadline(HEADER_TIME);
    loop {
        match proxy_protocol::parse(bytes) {
            Parsed::Header(header) => {
                bytes.drain(..header.len);
                return Ok(header.addresses);
            }
            Parsed::NeedMore => {
                if client.read_more(bytes, READ_BYTES).await.map_err(client_stopped)? == 0 {
                    return Err(Fault::ClientClosed);
                }
            }
            Parsed::Absent | Parsed::Malformed(_) => {
                client.reset_on_close();
                return Err(Fault::ClientBadRequest);
            }
        }
    }
}

/// The header to send first, empty where the pool asks for none. `received` is what a balancer in front of us said.
pub(crate) fn to_server(
    version: Option<ProxyProtocol>,
    received: Option<Addresses>,
    source: SocketAddr,
    client: &Socket,
) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(version) = version else { return out };
    let own = || Addresses { source, destination: client.local_address().unwrap_or(source) };
    let addresses = received.unwrap_or_else(own);
    match version {
        ProxyProtocol::V1 => proxy_protocol::write_v1(&mut out, &addresses),
        ProxyProtocol::V2 => proxy_protocol::write_v2(&mut out, &addresses),
    }
    out
}
