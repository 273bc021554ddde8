//! Certificates, and TLS towards clients and servers.

use super::Kind::{Bool, Choice, Host, List, Name, Path};
use super::{Key, Kind, Table, Word, later, root};

/// `[certificate.NAME]`
pub(crate) static CERTIFICATE: Table = Table {
    doc: "A certificate with its chain and its private key: in PEM files (`chain`, `key`) or in a PFX file (`pfx`). The \
          files are read as the user that starts the program, and again at each reload.",
    keys: &[
        Key::optional(
            "chain",
            Path,
            "\"/etc/transom/tls/mail.pem\"",
            "needed where there is no `pfx`",
            "PEM file of the certificate and of those that signed it, in any order. It may hold the key as well.",
        ),
        Key::optional(
            "key",
            Path,
            "\"/etc/transom/tls/mail.key\"",
            "the key is in `chain`",
            "PEM file of the private key (PKCS #8, PKCS #1 or SEC 1), not encrypted.",
        ),
        Key::optional(
            "pfx",
            Path,
            "\"/etc/transom/tls/mail.pfx\"",
            "`chain` has the certificate",
            "PFX file (PKCS #12) of certificate, chain and key, as Windows exports it.",
        ),
        Key::optional(
            "password-file",
            Path,
            "\"/etc/transom/tls/mail.password\"",
            "the PFX file has an empty password",
            "File whose first line is the password of the PFX file.",
        ),
        Key::optional(
            "staple",
            Path,
            "\"/etc/transom/tls/mail.ocsp\"",
            "no OCSP response is sent",
            "File of an OCSP response in DER, shown to clients that ask for one.",
        ),
        Key::later("acme", later::ACME),
    ],
};

/// `tls` of a listener
pub(crate) static LISTENER_TLS: Table = Table {
    doc: "How TLS is spoken to clients. There is no renegotiation and no early data.",
    keys: &[
        Key::required(
            "certificates",
            List(&Name),
            "[\"mail\"]",
            "Certificates by name. A client is shown the one for the server name it asks for; where there are several, \
             one that it can verify. The first is for clients that send no name or one that no certificate has.",
        )
        .filled(),
        Key::default(
            "strict-sni",
            Bool,
            "false",
            "Whether clients that send no name or one that no certificate has are refused instead (`no-sni-match`).",
        ),
        Key::default("min", Choice(VERSIONS), "\"1.2\"", "The oldest version that is spoken."),
        Key::optional(
            "alpn",
            List(&root::TEXT),
            "[\"h2\", \"http/1.1\"]",
            "under `http` it is `h2` and `http/1.1`; under `tls`, whatever a client offers, none is chosen",
            "Protocols to choose from by ALPN, preferred first. A client that offers others only is refused. An `http` \
             listener speaks `h2` and `http/1.1`.",
        ),
        Key::default(
            "tickets",
            Bool,
            "true",
            "Whether clients may resume with tickets, which cost no memory here. They outlive reloads that change no \
             certificate.",
        ),
        Key::optional(
            "client-certificates",
            Kind::Table(&CLIENT_CERTIFICATES),
            "{ ca = \"/etc/transom/tls/clients-ca.pem\" }",
            "none is asked for",
            CLIENT_CERTIFICATES.doc,
        ),
    ],
};

/// `client-certificates`
pub(crate) static CLIENT_CERTIFICATES: Table = Table {
    doc: "Clients prove by a certificate of their own who they are.",
    keys: &[
        Key::default(
            "required",
            Bool,
            "true",
            "Whether clients without one are refused. One that does not verify is always refused.",
        ),
        Key::required(
            "ca",
            Path,
            "\"/etc/transom/tls/clients-ca.pem\"",
            "PEM file of the authorities that may have signed them.",
        ),
        Key::optional(
            "crl",
            Path,
            "\"/etc/transom/tls/clients.crl\"",
            "none was taken back",
            "File of revocation lists, PEM or DER. With it, every authority of a chain needs a list that is not past its \
             time.",
        ),
    ],
};

/// `tls` of `connect`
pub(crate) static SERVER_TLS: Table = Table {
    doc: "Connections to servers are encrypted.",
    keys: &[
        Key::default("verify", Choice(VERIFY), "\"full\"", "Whether the servers' certificates are verified."),
        Key::default(
            "ca",
            Path,
            "\"/etc/ssl/certs/ca-certificates.crt\"",
            "PEM file of the authorities that may have signed them; the default is what the system believes.",
        ),
        Key::optional(
            "name",
            Host,
            "\"mail.example.com\"",
            "the host name of each server's address; `verify = \"full\"` needs it for servers given by IP address",
            "The name that is asked for by SNI, and that their certificates must be for.",
        ),
        Key::optional(
            "certificate",
            Name,
            "\"client\"",
            "none is shown",
            "Our own certificate, shown to servers that ask for one.",
        ),
        Key::default("min", Choice(VERSIONS), "\"1.2\"", "The oldest version that is spoken."),
    ],
};

/// `verify` of `connect.tls`
pub(crate) const VERIFY: &[Word] = &[
    Word::new("full", "They must be for the name and signed by an authority in `ca`."),
    Word::new(
        "chain",
        "They must be signed by an authority in `ca`, whatever names they are for: with the system's authorities that is \
         anybody's, so name your own.",
    ),
    Word::new("none", "Not at all: whoever stands in between can read and change everything. A warning."),
];

/// `min`
pub(crate) const VERSIONS: &[Word] =
    &[Word::new("1.2", "TLS 1.2 (RFC 5246) and 1.3."), Word::new("1.3", "TLS 1.3 (RFC 8446) alone.")];
