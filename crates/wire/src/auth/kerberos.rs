//! Kerberos AP-REQ (RFC 4120 section 5.5.1), as far as it is readable without a key.
//!
//! Which user asks stands in the ticket's encrypted part, and what channel it is bound to in the encrypted
//! authenticator: neither can be known here. In clear stand the realm and the service that the ticket is for.

use super::der::{Elements, GENERAL_STRING, SEQUENCE, application, context};
use super::text::SafeText;

/// The two bytes that mark an AP-REQ in a GSS-API token (RFC 4121 section 4.1).
const TOKEN_AP_REQ: [u8; 2] = [1, 0];

/// Components of a service's name at most.
const COMPONENTS_MAX: usize = 8;

/// Who a ticket is for. The user is encrypted and not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApReq {
    /// The realm of the ticket: that of the service, mostly that of the user as well.
    pub realm: SafeText,
    /// The service that the ticket is for: `HTTP/mail.example.com`.
    pub service: SafeText,
}

impl ApReq {
    /// Reads what stands behind the mechanism's OID in a GSS-API token.
    pub(super) fn from_gss(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes.strip_prefix(&TOKEN_AP_REQ)?)
    }

    /// Reads an AP-REQ.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut request = Elements::new(bytes).open(application(14))?.open(SEQUENCE)?;
        let ticket = request.find(context(3))?;
        let mut ticket = Elements::new(ticket).open(application(1))?.open(SEQUENCE)?;
        let realm = Elements::new(ticket.find(context(1))?).next(GENERAL_STRING)?;
        let mut name = Elements::new(ticket.find(context(2))?).open(SEQUENCE)?;
        let mut components = Elements::new(name.find(context(1))?).open(SEQUENCE)?;
        let mut service = Vec::new();
        for _ in 0..COMPONENTS_MAX {
            let Some(component) = components.next(GENERAL_STRING) else { break };
            if !service.is_empty() {
                service.push(b'/');
            }
            service.extend(component);
        }
        Some(Self { realm: SafeText::from_utf8(realm), service: SafeText::from_utf8(&service) })
    }
}
