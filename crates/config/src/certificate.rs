//! Certificates, and how TLS is spoken to clients and to servers.

use crate::{Name, NamedFile, Place};

/// The authorities that the system believes, as Debian keeps them: `ca` where none is given.
pub const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `[certificate.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// Its name.
    pub name: Name,
    /// The files it is in.
    pub source: CertificateSource,
    /// `staple`: an OCSP response (RFC 6066 section 8) shown with it.
    pub staple: Option<NamedFile>,
    /// Where it was written.
    pub place: Place,
}

/// The files of a certificate and its key.
#[derive(Debug, Clone, PartialEq)]
pub enum CertificateSource {
    /// PEM, separate or in one file.
    Pem {
        /// `chain`: the certificate and those that signed it.
        chain: NamedFile,
        /// `key`; `None`: the key is in `chain` as well.
        key: Option<NamedFile>,
    },
    /// PKCS #12 (RFC 7292), as Windows exports it.
    Pfx {
        /// `pfx`
        file: NamedFile,
        /// `password-file`: its first line; `None` is an empty password.
        password: Option<NamedFile>,
    },
}

/// `tls` of a listener.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerTls {
    /// Certificates by name; the first is shown to clients whose name fits none.
    pub certificates: Vec<Name>,
    /// Whether clients whose name fits no certificate are refused instead.
    pub strict_sni: bool,
    /// The oldest version spoken.
    pub min: TlsVersion,
    /// Protocols offered by ALPN (RFC 7301), preferred first; empty offers none.
    pub alpn: Vec<Box<str>>,
    /// Whether clients may resume with tickets (RFC 8446 section 4.6.1).
    pub tickets: bool,
    /// Whether and which certificates are asked of clients.
    pub clients: Option<ClientCertificates>,
}

/// `client-certificates` of a listener's `tls`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientCertificates {
    /// Whether clients without one are refused.
    pub required: bool,
    /// Authorities that are believed.
    pub ca: NamedFile,
    /// Certificates that were taken back.
    pub crl: Option<NamedFile>,
}

/// `connect = { tls = … }` of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerTls {
    /// Whether and how the server's certificate is verified.
    pub verify: ServerVerify,
    /// `name`: sent as SNI and verified; `None`: the host name of the server's address, none for an IP address.
    pub name: Option<Box<str>>,
    /// Our own certificate, shown to servers that ask for one.
    pub certificate: Option<Name>,
    /// The oldest version spoken.
    pub min: TlsVersion,
}

/// Whether the certificates of a pool's servers are verified.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerVerify {
    /// Not at all: whoever stands between us and the server can read and change everything.
    None,
    /// They must be signed by these authorities, whatever names they are for.
    Chain {
        /// `ca`, or the system's own authorities.
        ca: NamedFile,
    },
    /// They must be for the name and signed by these authorities.
    Full {
        /// `ca`, or the system's own authorities.
        ca: NamedFile,
    },
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246)
    V12,
    /// TLS 1.3 (RFC 8446)
    V13,
}
