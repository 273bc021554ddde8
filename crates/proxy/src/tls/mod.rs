//! TLS on the worker's sockets. Keys and certificates are built elsewhere and come in whole, one world a generation.

mod end;
mod handshake;

use std::collections::HashMap;
use std::sync::Arc;

use transom_config::Name;
use transom_state::Fault;
use transom_tls::rustls::pki_types::ServerName;
use transom_tls::{Acceptor, Connector, TlsFault};

pub(crate) use end::TlsEnd;
pub(crate) use handshake::{accept, connect};

/// How TLS is spoken in one generation.
#[derive(Default)]
pub struct TlsWorld {
    /// By listener, for those that terminate TLS.
    pub acceptors: HashMap<Name, Arc<Acceptor>>,
    /// By pool, for those whose servers are spoken to in TLS.
    pub pools: HashMap<Name, PoolTls>,
}

/// How TLS is spoken to the servers of a pool, by server.
pub struct PoolTls {
    /// By server.
    pub servers: HashMap<Name, ServerTls>,
}

/// How TLS is spoken to one server.
pub struct ServerTls {
    /// With a memory of its own for handshakes to resume.
    pub connector: Connector,
    /// What the server is asked for and verified by.
    pub name: ServerName<'static>,
}

/// The word for a failed handshake.
pub(crate) fn fault(fault: TlsFault) -> Fault {
    match fault {
        TlsFault::ClientBad => Fault::ClientBadRequest,
        TlsFault::ClientCut => Fault::ClientClosed,
        TlsFault::ClientNoCommonSuite => Fault::ClientTlsNoCommonSuite,
        TlsFault::ClientNoCommonProtocol => Fault::ClientTlsNoCommonProtocol,
        TlsFault::ClientNoName => Fault::NoSniMatch,
        TlsFault::ClientCertificate => Fault::ClientTlsCertificate,
        TlsFault::ClientAlert => Fault::ClientTlsAlert,
        TlsFault::ServerSpeaksPlain => Fault::ServerSpeaksPlain,
        TlsFault::ServerCut => Fault::ServerClosedBeforeResponse,
        TlsFault::ServerNoCommonSuite => Fault::ServerTlsNoCommonSuite,
        TlsFault::ServerRenegotiation => Fault::ServerTlsRenegotiation,
        TlsFault::ServerName => Fault::ServerTlsName,
        TlsFault::ServerUntrusted => Fault::ServerTlsUntrusted,
        TlsFault::ServerExpired => Fault::ServerTlsExpired,
        TlsFault::ServerAlert => Fault::ServerTlsAlert,
        TlsFault::ServerBad => Fault::ServerBadResponse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_crates_use_the_same_words() {
        for tls in TlsFault::ALL {
            assert_eq!(fault(tls).code(), tls.code());
        }
    }
}
