//! The TLS part of a probe: the handshake, and what is believed in it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transom_config::{NamedFile, Probe, SYSTEM_AUTHORITIES, ServerTls, ServerVerify, Verify};
use transom_state::Fault;
use transom_tls::rustls::pki_types::ServerName;
use transom_tls::rustls::{self, ClientConfig};
use transom_tls::{Authorities, Refusal, Trust, client_config, server_name};

use super::{Deadline, Failure, Target, tcp};

/// What the probes of one health check believe: made when a configuration comes into force, used by every probe.
#[derive(Debug, Clone)]
pub enum Trusted {
    /// The probe speaks no TLS.
    Plain,
    /// This is how it speaks TLS.
    Tls {
        /// The client side.
        config: Arc<ClientConfig>,
        /// The name that is verified, if any is, and sent as SNI.
        name: Asked,
    },
    /// It should verify, but cannot: every probe fails and says this.
    Unusable(String),
}

/// Whom a probe asks for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// This name.
    Name(ServerName<'static>),
    /// The host of the server's address, as the pool's connections do.
    Server,
    /// The host of the request: nothing is verified.
    Host,
}

impl Trusted {
    /// What `probe` believes: its own authorities, or those of the connections of its pool, `connect`.
    pub fn of(probe: &Probe, connect: Option<&ServerTls>) -> Self {
        let verify = match probe {
            Probe::Tls { verify }
            | Probe::Sequence { tls: Some(verify), .. }
            | Probe::Http { tls: Some(verify), .. } => verify,
            Probe::Tcp
            | Probe::Sequence { tls: None, .. }
            | Probe::Http { tls: None, .. }
            | Probe::Smtp { .. } => return Self::Plain,
        };
        match (verify, connect) {
            (Verify::None, _) | (Verify::Pool, None) => Self::with(Trust::AnyCertificate, Asked::Host),
            (Verify::Full { ca, name }, _) => Self::full(ca, Some(name)),
            (Verify::Pool, Some(ServerTls { verify: ServerVerify::Full { ca }, name, .. })) => {
                Self::full(ca, name.as_deref())
            }
            (Verify::Pool, Some(ServerTls { verify: ServerVerify::Chain { ca }, name, .. })) => {
                match (authorities(ca), asked(name.as_deref())) {
                    (Ok(authorities), Ok(name)) => Self::with(Trust::SignedForAnyName(&authorities), name),
                    (Err(why), _) | (_, Err(why)) => Self::Unusable(why),
                }
            }
            (Verify::Pool, Some(ServerTls { verify: ServerVerify::None, name, .. })) => {
                match asked(name.as_deref()) {
                    Ok(name) => Self::with(Trust::AnyCertificate, name),
                    Err(why) => Self::Unusable(why),
                }
            }
        }
    }

    fn full(ca: &NamedFile, name: Option<&str>) -> Self {
        match (authorities(ca), asked(name)) {
            (Ok(authorities), Ok(name)) => Self::with(Trust::SignedBy(&authorities), name),
            (Err(why), _) | (_, Err(why)) => Self::Unusable(why),
        }
    }

    fn with(trust: Trust<'_>, name: Asked) -> Self {
        match client_config(trust) {
            Ok(config) => Self::Tls { config, name },
            Err(error) => Self::Unusable(error.to_string()),
        }
    }
}

fn authorities(file: &NamedFile) -> Result<Authorities, String> {
    let unusable = |why| format!("the file of authorities {} cannot be used: {why}", file.path.display());
    if *file.path == *Path::new(SYSTEM_AUTHORITIES) {
        return Authorities::from_system_bundle(&file.contents)
            .map(|(authorities, _)| authorities)
            .map_err(unusable);
    }
    Authorities::from_pem(&file.contents).map_err(unusable)
}

fn asked(name: Option<&str>) -> Result<Asked, String> {
    let Some(name) = name else { return Ok(Asked::Server) };
    server_name(name)
        .map(Asked::Name)
        .ok_or_else(|| format!("{name:?} is neither a host name nor an address"))
}

/// Shakes hands. `host` is the name asked for where none is verified.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    target: &Target<'_>,
    host: &str,
    deadline: Deadline,
) -> Result<TlsStream<S>, Failure> {
    let (config, name) = match target.trusted {
        Trusted::Tls { config, name: Asked::Name(name) } => (config, Some(name.clone())),
        Trusted::Tls { config, name: Asked::Server } => (config, name_of_host(target.authority)),
        Trusted::Tls { config, name: Asked::Host } => (config, name_of_host(host)),
        Trusted::Unusable(why) => return Err(Failure::new(Fault::ServerTlsUntrusted, why)),
        Trusted::Plain => {
            return Err(Failure::new(
                Fault::ServerTlsUntrusted,
                "nothing is known to verify the server with",
            ));
        }
    };
    let name = name.ok_or_else(|| {
        Failure::new(Fault::ServerTlsName, format!("{host:?} is not a name that TLS can ask for"))
    })?;
    let connector = TlsConnector::from(Arc::clone(config));
    deadline
        .wait(Fault::ServerResponseTimeout, "end of the TLS handshake", connector.connect(name, stream))
        .await?
        .map_err(|error| failure(&error))
}

/// The host of `host` or `host:port`, as a name TLS can ask for.
fn name_of_host(host: &str) -> Option<ServerName<'static>> {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return Some(ServerName::from(address.ip()));
    }
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => host.split(':').next()?,
    };
    server_name(bare)
}

fn failure(error: &io::Error) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return tcp::failure(error, "the TLS handshake");
    };
    let (fault, what) = match Refusal::of(tls) {
        Refusal::Name => (Fault::ServerTlsName, "the certificate is for another name"),
        Refusal::Expired => (Fault::ServerTlsExpired, "the certificate is not valid at this time"),
        Refusal::Untrusted => (Fault::ServerTlsUntrusted, "the certificate is not to be trusted"),
        Refusal::Alert(_) => (Fault::ServerTlsAlert, "the server ended the TLS handshake"),
        Refusal::NotTls => (Fault::ServerSpeaksPlain, "the server does not speak TLS on this port"),
        Refusal::Incompatible => (Fault::ServerTlsAlert, "the server speaks a TLS that we do not"),
    };
    Failure::new(fault, format!("{what}: {tls}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_names_whom_tls_asks_for() {
        let table = [
            ("mail.example.com", "mail.example.com"),
            ("mail.example.com:8443", "mail.example.com"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ];
        for (host, want) in table {
            assert_eq!(name_of_host(host).unwrap().to_str(), want, "{host}");
        }
        assert!(name_of_host("not a name").is_none());
    }
}
