//! The listener's side: how we speak TLS to clients.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use crate::by_name::ByName;
use crate::connection::{Connection, Failure};
use crate::provider::{sha256_of_pieces, ticketer};
use crate::{Authorities, Certificate, RevocationList, provider};

/// Handshakes that a listener remembers for clients without tickets; the oldest is forgotten for a new one. Each takes
/// a few hundred bytes, and the client's certificate where it sent one.
pub const HANDSHAKES_REMEMBERED_MAX: usize = 4096;

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Oldest {
    /// TLS 1.2 (RFC 5246).
    #[default]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

/// What is asked of a listener's TLS.
#[derive(Debug, Clone, Default)]
pub struct ListenerPlan {
    /// At least one. The first is the default, for clients that ask for no name or an unknown one.
    pub certificates: Vec<Arc<Certificate>>,
    /// There is no default: such clients get the alert `unrecognized_name` and the fault `no-sni-match`.
    pub strict_sni: bool,
    /// The oldest version that is spoken.
    pub oldest: Oldest,
    /// The protocols offered (RFC 7301), the most wanted first. Empty: any client is taken at its word.
    pub alpn: Vec<Vec<u8>>,
    /// Whether clients may resume by tickets that we keep nothing of (RFC 5077). Without them up to
    /// [`HANDSHAKES_REMEMBERED_MAX`] handshakes are remembered here.
    pub tickets: bool,
    /// Which clients must, or may, prove who they are.
    pub clients: Option<ClientCertificates>,
}

/// Who must, or may, prove by a certificate who they are.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Who signs them.
    pub authorities: Authorities,
    /// Those taken back. If there is any list, each certificate of a chain must be covered by a list of its issuer that
    /// is not past its time.
    pub revoked: Vec<RevocationList>,
    /// Whether a client without one is refused. One that does not verify is always refused.
    pub required: bool,
}

/// Why no configuration can be made of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unbuildable {
    /// There is no certificate.
    NoCertificate,
    /// A revocation list cannot be used; the text says why.
    RevocationList(String),
    /// The cryptographic provider refuses; the text says why.
    Provider(String),
}

/// A listener's TLS: immutable, shared by all workers. A changed file makes a new one, which takes the old one's place.
#[derive(Debug, Clone)]
pub struct Acceptor {
    engine: Engine,
    by_name: Arc<ByName>,
    /// What a remembered handshake vouches for: who we were, and whom we let in.
    vouched: [u8; 32],
}

/// Which implementation speaks. There is one; another for clients or servers of old would be a variant here.
#[derive(Debug, Clone)]
enum Engine {
    Rustls(Arc<ServerConfig>),
}

impl Acceptor {
    /// Builds what `plan` asks for. Clients of `before`, the same listener's of the last configuration, may go on
    /// resuming if neither certificates nor what is asked of clients have changed; else everybody shakes hands anew.
    ///
    /// # Errors
    /// See [`Unbuildable`].
    pub fn new(plan: &ListenerPlan, before: Option<&Self>) -> Result<Self, Unbuildable> {
        if plan.certificates.is_empty() {
            return Err(Unbuildable::NoCertificate);
        }
        let by_name = Arc::new(ByName::new(&plan.certificates, plan.strict_sni));
        let mut config = server_config(plan, Arc::clone(&by_name))?;
        let vouched = vouched(plan);
        match before.filter(|before| before.vouched == vouched) {
            Some(Self { engine: Engine::Rustls(before), .. }) => {
                config.ticketer = Arc::clone(&before.ticketer);
                config.session_storage = Arc::clone(&before.session_storage); // session resumption without tickets
            }
            None => {
                let remembered = ServerSessionMemoryCache::new(HANDSHAKES_REMEMBERED_MAX);
                config.session_storage = remembered; // session resumption without tickets
                if plan.tickets {
                    config.ticketer = ticketer().map_err(provider_refuses)?;
                }
            }
        }
        Ok(Self { engine: Engine::Rustls(Arc::new(config)), by_name, vouched })
    }

    /// A new client.
    ///
    /// # Errors
    /// [`Failure`] if the provider has no randomness.
    pub fn accept(&self) -> Result<Connection, Failure> {
        match &self.engine {
            Engine::Rustls(config) => Connection::accept(Arc::clone(config)),
        }
    }

    /// The certificate for a client that asks for `name` and can verify any signature. `None`: refused by name.
    pub fn certificate_for(&self, name: Option<&str>) -> Option<&Arc<Certificate>> {
        self.by_name.choose(name, provider().signature_verification_algorithms.supported_schemes().as_slice())
    }
}

pub(crate) fn versions(oldest: Oldest) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_1_2: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match oldest {
        Oldest::V1_2 => &FROM_1_2,
        Oldest::V1_3 => &FROM_1_2[..1],
    }
}

fn server_config(plan: &ListenerPlan, by_name: Arc<ByName>) -> Result<ServerConfig, Unbuildable> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(plan.oldest))
        .map_err(provider_refuses)?;
    let builder = match &plan.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(verifier(clients)?),
    };
    let mut config = builder.with_cert_resolver(by_name);
    config.alpn_protocols.clone_from(&plan.alpn);
    config.ignore_client_order = true;
    // Early data may be replayed (RFC 8446 section 8), and no client is answered before it has proven that it is there.
    config.max_early_data_size = 0;
    config.send_half_rtt_data = false;
    Ok(config)
}

fn verifier(
    clients: &ClientCertificates,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Unbuildable> {
    let lists = clients.revoked.iter().map(|list| list.der.clone());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&clients.authorities.0), provider())
        .with_crls(lists)
        .enforce_revocation_expiration();
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| Unbuildable::RevocationList(error.to_string()))
}

fn provider_refuses(error: impl fmt::Display) -> Unbuildable {
    Unbuildable::Provider(error.to_string())
}

fn vouched(plan: &ListenerPlan) -> [u8; 32] {
    let ours = plan.certificates.iter().map(|certificate| certificate.facts().sha256.as_slice());
    let strict = [u8::from(plan.strict_sni), u8::from(plan.tickets), u8::from(plan.oldest == Oldest::V1_3)];
    let theirs = plan.clients.iter().flat_map(|clients| {
        let anchors = clients.authorities.0.roots.iter();
        let anchors = anchors.flat_map(|root| [root.subject.as_ref(), root.subject_public_key_info.as_ref()]);
        let lists = clients.revoked.iter().map(|list| list.der.as_ref());
        [if clients.required { b"required".as_slice() } else { b"optional" }]
            .into_iter()
            .chain(anchors)
            .chain(lists)
    });
    sha256_of_pieces([strict.as_slice()].into_iter().chain(ours).chain([b"clients".as_slice()]).chain(theirs))
}

impl fmt::Display for Unbuildable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no certificate"),
            Self::RevocationList(why) => write!(f, "a revocation list cannot be used: {why}"),
            Self::Provider(why) => write!(f, "the cryptographic provider refuses: {why}"),
        }
    }
}

impl std::error::Error for Unbuildable {}
