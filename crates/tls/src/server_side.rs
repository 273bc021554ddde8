//! The side towards servers: how we speak TLS to a pool.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{Resumption, Tls12Resumption};
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::ServerName;

use crate::Certificate;
use crate::client::{Trust, trusting};
use crate::connection::{Connection, Failure};
use crate::listener::{Oldest, Unbuildable};

/// Handshakes remembered for one server: as many new connections may be opened at once without a whole handshake.
pub const TICKETS_PER_SERVER_MAX: usize = 8;

/// What is asked of the TLS towards the servers of a pool.
#[derive(Debug, Clone)]
pub struct ServerSidePlan<'a> {
    /// Which certificates of servers are accepted.
    pub trust: Trust<'a>,
    /// The certificate shown to servers that ask for one.
    pub certificate: Option<&'a Certificate>,
    /// The protocols offered (RFC 7301), the most wanted first.
    pub alpn: Vec<Vec<u8>>,
    /// The oldest version that is spoken.
    pub oldest: Oldest,
}

/// A pool's TLS towards its servers: immutable, shared by all workers.
#[derive(Debug, Clone)]
pub struct Connector {
    engine: Engine,
}

/// Which implementation speaks. There is one; another for servers of old would be a variant here.
#[derive(Debug, Clone)]
enum Engine {
    Rustls(Arc<ClientConfig>),
}

impl Connector {
    /// Builds what `plan` asks for; it resumes nothing yet: see [`Self::for_one_server`].
    ///
    /// # Errors
    /// [`Unbuildable::Provider`] only; a program built with our provider never sees it.
    pub fn new(plan: &ServerSidePlan<'_>) -> Result<Self, Unbuildable> {
        let builder =
            trusting(plan.trust, plan.oldest).map_err(|error| Unbuildable::Provider(error.to_string()))?;
        let mut config = match plan.certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let shown = SingleCertAndKey::from(Arc::clone(certificate.certified()));
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.alpn_protocols.clone_from(&plan.alpn);
        config.enable_early_data = false;
        config.resumption = Resumption::disabled();
        Ok(Self { engine: Engine::Rustls(Arc::new(config)) })
    }

    /// The same for one server of the pool, with a memory of its own of up to [`TICKETS_PER_SERVER_MAX`] handshakes: a
    /// ticket is of use to nobody but who gave it, though all servers of a pool have the same name.
    #[must_use]
    pub fn for_one_server(&self) -> Self {
        let Engine::Rustls(config) = &self.engine;
        let mut config = ClientConfig::clone(config);
        let resumption = Resumption::in_memory_sessions(TICKETS_PER_SERVER_MAX); // for session resumption
        config.resumption = resumption.tls12_resumption(Tls12Resumption::SessionIdOrTickets);
        Self { engine: Engine::Rustls(Arc::new(config)) }
    }

    /// A new connection to a server that is asked for by `name`: sent as server name if it is a host name, and verified
    /// where [`Trust`] verifies. What is to be sent first is appended to `out`.
    ///
    /// # Errors
    /// [`Failure`] if the provider has no randomness.
    pub fn connect(&self, name: ServerName<'static>, out: &mut Vec<u8>) -> Result<Connection, Failure> {
        match &self.engine {
            Engine::Rustls(config) => Connection::connect(Arc::clone(config), name, out),
        }
    }
}
