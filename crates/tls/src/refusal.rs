//! Why a handshake failed, in one word an operator can act on.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// What was wrong, seen from our side of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The certificate is for another name.
    Name,
    /// The certificate's time is over, or has not come.
    Expired,
    /// The certificate is not signed by anybody we believe, is revoked or broken.
    Untrusted,
    /// The other side ended the handshake with an alert (RFC 8446 section 6).
    Alert(AlertDescription),
    /// What came back is not TLS at all.
    NotTls,
    /// It is TLS, but cannot be agreed on with us: versions, suites, broken messages.
    Incompatible,
}

impl Refusal {
    /// Sorts an error of rustls.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(why) => Self::of_certificate(why),
            Error::NoCertificatesPresented | Error::InvalidCertRevocationList(_) => Self::Untrusted,
            Error::AlertReceived(alert) => Self::Alert(*alert),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            ) => Self::NotTls,
            _ => Self::Incompatible,
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::Name,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            _ => Self::Untrusted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_errors_by_what_to_do_about_them() {
        let table = [
            (Error::InvalidCertificate(CertificateError::NotValidForName), Refusal::Name),
            (Error::InvalidCertificate(CertificateError::Expired), Refusal::Expired),
            (Error::InvalidCertificate(CertificateError::NotValidYet), Refusal::Expired),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), Refusal::Untrusted),
            (Error::InvalidCertificate(CertificateError::BadSignature), Refusal::Untrusted),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), Refusal::NotTls),
            (
                Error::AlertReceived(AlertDescription::HandshakeFailure),
                Refusal::Alert(AlertDescription::HandshakeFailure),
            ),
            (Error::DecryptError, Refusal::Incompatible),
        ];
        for (error, want) in table {
            assert_eq!(Refusal::of(&error), want, "{error}");
        }
    }
}
