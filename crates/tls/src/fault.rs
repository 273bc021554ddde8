//! Why a TLS connection failed: whose doing it was, in one stable word, with what to do about it.

use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible, PeerMisbehaved};

use crate::Refusal;

/// With whom we shook hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A client, at a listener.
    Client,
    /// A server of a pool.
    Server,
}

/// One way in which TLS fails. Each has one fault code; where codes are shared, the remedy still differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The client does not speak TLS, or a broken one.
    ClientBad,
    /// The client hung up before the handshake was done.
    ClientCut,
    /// No version, suite, group or signature that both know.
    ClientNoCommonSuite,
    /// No application protocol that both know (RFC 7301).
    ClientNoCommonProtocol,
    /// The client asked for a name that we have no certificate for, or for none.
    ClientNoName,
    /// The client showed no certificate though it must, or one that we do not accept.
    ClientCertificate,
    /// The client ended the handshake with an alert.
    ClientAlert,
    /// The server does not speak TLS.
    ServerSpeaksPlain,
    /// The server hung up before the handshake was done.
    ServerCut,
    /// No version, suite, group or signature that both know.
    ServerNoCommonSuite,
    /// The server asked for another handshake in the middle of TLS 1.2.
    ServerRenegotiation,
    /// The server's certificate is for another name.
    ServerName,
    /// The server's certificate is signed by nobody we believe, revoked or broken.
    ServerUntrusted,
    /// The server's certificate is not valid at this time.
    ServerExpired,
    /// The server ended the handshake with an alert.
    ServerAlert,
    /// The server's TLS is broken.
    ServerBad,
}

/// How far a handshake had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The other side's hello has not been understood.
    BeforeHello,
    /// Version and suite are agreed on.
    AfterHello,
}

impl TlsFault {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::ClientBad,
        Self::ClientCut,
        Self::ClientNoCommonSuite,
        Self::ClientNoCommonProtocol,
        Self::ClientNoName,
        Self::ClientCertificate,
        Self::ClientAlert,
        Self::ServerSpeaksPlain,
        Self::ServerCut,
        Self::ServerNoCommonSuite,
        Self::ServerRenegotiation,
        Self::ServerName,
        Self::ServerUntrusted,
        Self::ServerExpired,
        Self::ServerAlert,
        Self::ServerBad,
    ];

    /// Sorts an error of a connection with `peer`.
    pub fn of(error: &Error, peer: Peer, progress: Progress) -> Self {
        match peer {
            Peer::Client => of_client(error),
            Peer::Server => of_server(error, progress),
        }
    }

    /// What it is when `peer` ends the connection, with or without TLS's own goodbye, before the handshake is done.
    pub fn cut(peer: Peer) -> Self {
        match peer {
            Peer::Client => Self::ClientCut,
            Peer::Server => Self::ServerCut,
        }
    }

    /// The word in the log, the metrics and the documentation.
    pub fn code(self) -> &'static str {
        match self {
            Self::ClientBad => "client-bad-request",
            Self::ClientCut => "client-closed",
            Self::ClientNoCommonSuite => "client-tls-no-common-suite",
            Self::ClientNoCommonProtocol => "client-tls-no-common-protocol",
            Self::ClientNoName => "no-sni-match",
            Self::ClientCertificate => "client-tls-certificate",
            Self::ClientAlert => "client-tls-alert",
            Self::ServerSpeaksPlain => "server-speaks-plain",
            Self::ServerCut => "server-closed-before-response",
            Self::ServerNoCommonSuite => "server-tls-no-common-suite",
            Self::ServerRenegotiation => "server-tls-renegotiation",
            Self::ServerName => "server-tls-name",
            Self::ServerUntrusted => "server-tls-untrusted",
            Self::ServerExpired => "server-tls-expired",
            Self::ServerAlert => "server-tls-alert",
            Self::ServerBad => "server-bad-response",
        }
    }

    /// What to do about it, in sentences.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::ClientBad => "Check that the client uses this port for the right protocol.",
            Self::ClientCut => {
                "A few are normal: closed tabs, port probes. Many from one kind of client: it may dislike the \
                 certificate and hang up without saying so."
            }
            Self::ClientNoCommonSuite => {
                "The client is too old for TLS 1.2 with ECDHE and AES-GCM, or `min` is too high for it: update the \
                 client. A client that can verify only RSA needs an RSA certificate beside an ECDSA one."
            }
            Self::ClientNoCommonProtocol => {
                "The client offers only protocols that the listener's `alpn` does not list."
            }
            Self::ClientNoName => {
                "Add a certificate for the name to the listener, or allow a default certificate (`strict-sni = false`)."
            }
            Self::ClientCertificate => {
                "Give the client a certificate signed by an authority in the listener's client `ca` file that has \
                 not expired and is on no revocation list; renew the lists before their time is over."
            }
            Self::ClientAlert => {
                "Check that the certificate covers the name the client asked for, that its chain is complete and not \
                 expired, and that the client believes who signed it."
            }
            Self::ServerSpeaksPlain => {
                "Turn TLS off for this pool or health check, or correct the port (80 for 443, say)."
            }
            Self::ServerCut => {
                "Look into the server's own log. Windows 2012 R2 and older with an RSA certificate hang up like this \
                 when they have no cipher suite in common with us: enable TLS 1.2 with an ECDHE and AES-GCM suite \
                 there, or give it an ECDSA certificate."
            }
            Self::ServerNoCommonSuite => {
                "Enable TLS 1.2 with an ECDHE and AES-GCM suite on the server. Windows 2012 R2 and older have such \
                 suites only with an ECDSA certificate, or not at all: update it, or relay with `mode = \"passthrough\"`."
            }
            Self::ServerRenegotiation => {
                "The server asks for a client certificate for one directory only, in the middle of a connection. Have \
                 it ask at the start of the handshake (for the whole site), and give the pool that certificate."
            }
            Self::ServerName => {
                "Set the pool's `name` to one in the certificate, or give the server a certificate for this name."
            }
            Self::ServerUntrusted => {
                "Put the authority's certificate into the `ca` file; have the server send its intermediates."
            }
            Self::ServerExpired => "Renew the server's certificate; check the clocks of both machines.",
            Self::ServerAlert => {
                "Often the server knows no such name (SNI), or wants a client certificate: `openssl s_client` against \
                 it shows which."
            }
            Self::ServerBad => {
                "Look at what answers on that port: `openssl s_client` against it shows what it says."
            }
        }
    }
}

fn of_client(error: &Error) -> TlsFault {
    match error {
        Error::NoApplicationProtocol => TlsFault::ClientNoCommonProtocol,
        Error::AlertReceived(_) => TlsFault::ClientAlert,
        Error::InvalidCertificate(_)
        | Error::NoCertificatesPresented
        | Error::InvalidCertRevocationList(_) => TlsFault::ClientCertificate,
        Error::PeerIncompatible(_) => TlsFault::ClientNoCommonSuite,
        _ => TlsFault::ClientBad,
    }
}

fn of_server(error: &Error, progress: Progress) -> TlsFault {
    match Refusal::of(error) {
        Refusal::Name => TlsFault::ServerName,
        Refusal::Expired => TlsFault::ServerExpired,
        Refusal::Untrusted => TlsFault::ServerUntrusted,
        Refusal::NotTls if progress == Progress::BeforeHello => TlsFault::ServerSpeaksPlain,
        Refusal::Alert(alert) => of_server_alert(alert, progress),
        Refusal::NotTls | Refusal::Incompatible => match error {
            Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
                TlsFault::ServerAlert
            }
            Error::PeerIncompatible(_) => TlsFault::ServerNoCommonSuite,
            Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests) => {
                TlsFault::ServerRenegotiation
            }
            _ => TlsFault::ServerBad,
        },
    }
}

/// `handshake_failure` in answer to our hello says that nothing of it will do; later it most often says that a client
/// certificate is wanted.
fn of_server_alert(alert: AlertDescription, progress: Progress) -> TlsFault {
    match (alert, progress) {
        (AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity, _)
        | (AlertDescription::HandshakeFailure, Progress::BeforeHello) => TlsFault::ServerNoCommonSuite,
        _ => TlsFault::ServerAlert,
    }
}

/// What the sender of an alert says by it, as the end of a sentence that begins "it says that". `None`: nothing more
/// than the alert's name does.
pub fn said_by(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::UnknownCA => "it does not know who signed the certificate",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it does not accept the certificate"
        }
        AlertDescription::CertificateExpired => "the certificate's time is over",
        AlertDescription::CertificateRevoked => "the certificate has been revoked",
        AlertDescription::UnsupportedCertificate => "it cannot verify such a certificate",
        AlertDescription::CertificateRequired => "it wants a client certificate",
        AlertDescription::DecryptError => "a signature or the handshake's sum is wrong",
        AlertDescription::AccessDenied => "the certificate may not enter",
        AlertDescription::UnrecognisedName => "it knows no such server name",
        AlertDescription::ProtocolVersion => "it speaks none of the versions offered",
        AlertDescription::HandshakeFailure => "nothing that was offered will do",
        AlertDescription::InsufficientSecurity => "what was offered is too weak for it",
        AlertDescription::NoApplicationProtocol => "it speaks none of the protocols offered",
        _ => return None,
    })
}

/// What is wrong, in words.
pub(crate) fn sentence(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => match said_by(*alert) {
            Some(said) => format!("alert {alert:?}: it says that {said}"),
            None => format!("alert {alert:?}"),
        },
        Error::InvalidCertificate(CertificateError::Revoked) => "the certificate has been revoked".into(),
        Error::InvalidCertificate(CertificateError::Other(OtherError(why)))
            if why.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the certificate is that of an authority (`CA:TRUE`), which may sign certificates but not be shown as one".into()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::InvalidMessage;

    use super::*;

    #[test]
    fn errors_are_sorted_by_whose_doing_they_are() {
        use Peer::{Client, Server};
        use Progress::{AfterHello, BeforeHello};
        let alert = Error::AlertReceived;
        let bad = Error::InvalidCertificate;
        let no_suite = || Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon);
        let old = Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13);
        let text = || Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let again = Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests);
        let table = [
            (no_suite(), Client, BeforeHello, "client-tls-no-common-suite"),
            (alert(AlertDescription::UnknownCA), Client, AfterHello, "client-tls-alert"),
            (Error::NoCertificatesPresented, Client, AfterHello, "client-tls-certificate"),
            (bad(CertificateError::Revoked), Client, AfterHello, "client-tls-certificate"),
            (Error::NoApplicationProtocol, Client, BeforeHello, "client-tls-no-common-protocol"),
            (text(), Client, BeforeHello, "client-bad-request"),
            (no_suite(), Server, AfterHello, "server-tls-no-common-suite"),
            (old, Server, BeforeHello, "server-tls-no-common-suite"),
            (alert(AlertDescription::HandshakeFailure), Server, BeforeHello, "server-tls-no-common-suite"),
            (alert(AlertDescription::HandshakeFailure), Server, AfterHello, "server-tls-alert"),
            (alert(AlertDescription::ProtocolVersion), Server, BeforeHello, "server-tls-no-common-suite"),
            (alert(AlertDescription::UnrecognisedName), Server, BeforeHello, "server-tls-alert"),
            (alert(AlertDescription::CertificateRequired), Server, AfterHello, "server-tls-alert"),
            (bad(CertificateError::NotValidForName), Server, AfterHello, "server-tls-name"),
            (bad(CertificateError::Expired), Server, AfterHello, "server-tls-expired"),
            (bad(CertificateError::UnknownIssuer), Server, AfterHello, "server-tls-untrusted"),
            (again, Server, AfterHello, "server-tls-renegotiation"),
            (text(), Server, BeforeHello, "server-speaks-plain"),
            (text(), Server, AfterHello, "server-bad-response"),
            (Error::DecryptError, Server, AfterHello, "server-bad-response"),
        ];
        for (error, peer, progress, want) in table {
            assert_eq!(TlsFault::of(&error, peer, progress).code(), want, "{error} {peer:?} {progress:?}");
        }
    }

    #[test]
    fn every_fault_has_a_word_of_its_own_and_a_remedy_in_sentences() {
        for (index, fault) in TlsFault::ALL.iter().enumerate() {
            assert!(fault.remedy().ends_with('.'), "{fault:?}");
            assert!(TlsFault::ALL[..index].iter().all(|other| other.code() != fault.code()), "{fault:?}");
        }
    }
}
