//! The client side: how we speak TLS to servers.

use std::sync::Arc;

use rustls::client::{Resumption, WantsClientCert};
use rustls::{ClientConfig, ConfigBuilder, Error};
use rustls_pki_types::ServerName;

use crate::any_name::AcceptsAnyName;
use crate::listener::{Oldest, versions};
use crate::unverified::AcceptsAnyCertificateWhatsoever;
use crate::{Authorities, provider};

/// Which certificates a client side accepts.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Any whatsoever: for probes, which carry no secret, and for `verify = "none"`, which is warned about.
    AnyCertificate,
    /// Those valid for the name asked for (RFC 9525) and signed by one of these.
    SignedBy(&'a Authorities),
    /// Those signed by one of these, for whatever name: `verify = "chain"`.
    SignedForAnyName(&'a Authorities),
}

/// A client side that accepts what `trust` says: TLS 1.3 and 1.2, no client certificate, no resumption (every handshake
/// is a whole one, so that each shows the server's certificate).
///
/// # Errors
/// Only if the provider offers no common protocol version or cipher suite; a program built with ours never sees it.
pub fn client_config(trust: Trust<'_>) -> Result<Arc<ClientConfig>, Error> {
    let mut config = trusting(trust, Oldest::V1_2)?.with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The beginning of every client side: versions, and what it accepts.
pub(crate) fn trusting(
    trust: Trust<'_>,
    oldest: Oldest,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(oldest))?;
    Ok(match trust {
        Trust::AnyCertificate => builder
            .dangerous()
            .with_custom_certificate_verifier(AcceptsAnyCertificateWhatsoever::new(&provider)),
        Trust::SignedForAnyName(authorities) => builder
            .dangerous()
            .with_custom_certificate_verifier(AcceptsAnyName::new(&provider, &authorities.0)),
        Trust::SignedBy(authorities) => builder.with_root_certificates(Arc::clone(&authorities.0)),
    })
}

/// The name a client asks for: a host name, sent as SNI (RFC 6066 section 3), or an address, which is not sent.
/// `None`: it is neither.
pub fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.strip_suffix('.').unwrap_or(name)).ok().map(|name| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        assert!(matches!(server_name("mail.example.com"), Some(ServerName::DnsName(_))));
        assert!(matches!(server_name("mail.example.com."), Some(ServerName::DnsName(_))));
        assert!(matches!(server_name("192.0.2.1"), Some(ServerName::IpAddress(_))));
        assert!(matches!(server_name("2001:db8::1"), Some(ServerName::IpAddress(_))));
        assert!(server_name("not a name").is_none());
        assert!(server_name("").is_none());
    }
}
