//! The TLS part of a probe: the handshake, and what is believed in it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transom_config::{NamedFile, Probe, Verify};
use transom_state::Fault;
use transom_tls::rustls::pki_types::ServerName;
use transom_tls::rustls::{self, ClientConfig};
use transom_tls::{Authorities, Refusal, Trust, client_config, server_name};

use super::{Deadline, Failure, tcp};

/// What the probes of one health check believe: made when a configuration comes into force, used by every probe.
#[derive(Debug, Clone)]
pub enum Trusted {
    /// The probe speaks no TLS.
    Plain,
    /// This is how it speaks TLS.
    Tls {
        /// The client side.
        config: Arc<ClientConfig>,
        /// The name that is verified and sent as SNI; `None`: whatever host the probe asks for, unverified.
        name: Option<ServerName<'static>>,
    },
    /// It should verify, but cannot: every probe fails and says this.
    Unusable(String),
}

impl Trusted {
    /// What `probe` believes: its authorities, for `verify = "full"`.
    pub fn of(probe: &Probe) -> Self {
        let verify = match probe {
            Probe::Tls { verify } | Probe::Http { tls: Some(verify), .. } => verify,
            Probe::Tcp | Probe::Http { tls: None, .. } | Probe::Smtp { .. } => return Self::Plain,
        };
        match verify {
            Verify::None => Self::with(Trust::AnyCertificate, None),
            Verify::Full { ca, name } => match (authorities(ca), server_name(name)) {
                (Ok(authorities), Some(name)) => Self::with(Trust::SignedBy(&authorities), Some(name)),
                (Err(why), _) => Self::Unusable(why),
                (_, None) => Self::Unusable(format!("{name:?} is neither a host name nor an address")),
            },
        }
    }

    fn with(trust: Trust<'_>, name: Option<ServerName<'static>>) -> Self {
        match client_config(trust) {
            Ok(config) => Self::Tls { config, name },
            Err(error) => Self::Unusable(error.to_string()),
        }
    }
}

fn authorities(file: &NamedFile) -> Result<Authorities, String> {
    let unusable = |why| format!("the file of authorities {} cannot be used: {why}", file.path.display());
    Authorities::from_pem(&file.contents).map_err(unusable)
}

/// Shakes hands. `host` is the name asked for where none is verified.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    trusted: &Trusted,
    host: &str,
    deadline: Deadline,
) -> Result<TlsStream<S>, Failure> {
    let (config, name) = match trusted {
        Trusted::Tls { config, name } => (config, name.clone().or_else(|| name_of_host(host))),
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
