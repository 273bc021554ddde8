//! SPNEGO (RFC 4178), the wrapping that `Negotiate` has (RFC 4559), and what it wraps.

use super::Refusal;
use super::der::{ENUMERATED, Elements, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, application, context};
use super::kerberos::ApReq;
use super::ntlm;

/// 1.3.6.1.5.5.2
const SPNEGO: &[u8] = b"\x2b\x06\x01\x05\x05\x02";
/// 1.2.840.113554.1.2.2
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// 1.2.840.48018.1.2.2, as Windows 2000 misspelled it and all do since (MS-SPNG).
const MS_KERBEROS: &[u8] = b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02";
/// 1.3.6.1.4.1.311.2.2.10
const NTLM: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a";
/// 1.3.6.1.4.1.311.2.2.30
const NEGOEX: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e";

/// Mechanisms of one offer that are looked at.
const MECHANISMS_MAX: usize = 16;

/// How a login is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// NTLMSSP.
    Ntlm,
    /// Kerberos 5, under either of its two names.
    Kerberos,
    /// NegoEx (MS-NEGOEX).
    NegoEx,
    /// Any other.
    Other,
}

impl Mechanism {
    fn of(identifier: &[u8]) -> Self {
        match identifier {
            NTLM => Self::Ntlm,
            KERBEROS | MS_KERBEROS => Self::Kerberos,
            NEGOEX => Self::NegoEx,
            _ => Self::Other,
        }
    }
}

/// negState of a NegTokenResp (RFC 4178 section 4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NegState {
    /// The login is done.
    AcceptCompleted,
    /// Another leg follows.
    AcceptIncomplete,
    /// Refused.
    Reject,
    /// Another leg follows, and the choice of mechanisms must be signed.
    RequestMic,
}

/// A token of the header field `Authorization` or `WWW-Authenticate`, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiation {
    /// The mechanism the token is of, or the first one it offers.
    pub mechanism: Option<Mechanism>,
    /// How far a server says the login is; `None` outside SPNEGO or where it does not say.
    pub state: Option<NegState>,
    /// What is wrapped.
    pub inner: Inner,
}

/// What a token wraps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inner {
    /// Nothing.
    Absent,
    /// An NTLMSSP message.
    Ntlm(ntlm::Message),
    /// A Kerberos request.
    Kerberos(ApReq),
    /// Anything else: a Kerberos reply, NegoEx.
    Opaque,
}

/// Reads a token: SPNEGO, Kerberos as GSS-API wraps it (RFC 4121) or bare, or bare NTLMSSP. Windows sends them all under
/// `Negotiate`.
pub fn parse(bytes: &[u8]) -> Result<Negotiation, Refusal> {
    match bytes.first() {
        Some(0x60) => initial(bytes),
        Some(0xa0) => init(bytes),
        Some(0xa1) => reply(bytes),
        _ => Ok(plain(inner(bytes)?)),
    }
}

/// InitialContextToken (RFC 2743 section 3.1): the mechanism's name, then what only the mechanism understands.
fn initial(bytes: &[u8]) -> Result<Negotiation, Refusal> {
    let mut token = Elements::new(bytes).open(application(0)).ok_or(Refusal::Der)?;
    let identifier = token.next(OBJECT_IDENTIFIER).ok_or(Refusal::Der)?;
    if identifier == SPNEGO {
        return init(token.rest());
    }
    let mechanism = Mechanism::of(identifier);
    let request = (mechanism == Mechanism::Kerberos).then(|| ApReq::from_gss(token.rest())).flatten();
    let inner = request.map_or(Inner::Opaque, Inner::Kerberos);
    Ok(Negotiation { mechanism: Some(mechanism), state: None, inner })
}

/// NegTokenInit (RFC 4178 section 4.2.1) or NegTokenInit2 (MS-SPNG section 2.2.1).
fn init(bytes: &[u8]) -> Result<Negotiation, Refusal> {
    let mut fields = sequence(bytes, context(0))?;
    let mut offered = fields.open(context(0)).and_then(|mut list| list.open(SEQUENCE)).ok_or(Refusal::Der)?;
    let mut first = None;
    for _ in 0..MECHANISMS_MAX {
        let Some(identifier) = offered.next(OBJECT_IDENTIFIER) else { break };
        first = first.or(Some(Mechanism::of(identifier)));
    }
    let token = octets(fields.find(context(2)))?;
    let inner = token.map_or(Ok(Inner::Absent), inner)?;
    Ok(Negotiation { mechanism: mechanism_of(&inner).or(first), state: None, inner })
}

/// NegTokenResp (RFC 4178 section 4.2.2).
fn reply(bytes: &[u8]) -> Result<Negotiation, Refusal> {
    let mut fields = sequence(bytes, context(1))?;
    let state =
        fields.open(context(0)).and_then(|mut state| state.next(ENUMERATED)).map(|state| match state {
            [0] => Ok(NegState::AcceptCompleted),
            [1] => Ok(NegState::AcceptIncomplete),
            [2] => Ok(NegState::Reject),
            [3] => Ok(NegState::RequestMic),
            _ => Err(Refusal::Der),
        });
    let chosen = fields.open(context(1)).and_then(|mut chosen| chosen.next(OBJECT_IDENTIFIER));
    let token = octets(fields.find(context(2)))?;
    let inner = token.map_or(Ok(Inner::Absent), inner)?;
    let mechanism = chosen.map(Mechanism::of).or(mechanism_of(&inner));
    Ok(Negotiation { mechanism, state: state.transpose()?, inner })
}

fn sequence(bytes: &[u8], tag: u8) -> Result<Elements<'_>, Refusal> {
    Elements::new(bytes).open(tag).and_then(|mut token| token.open(SEQUENCE)).ok_or(Refusal::Der)
}

fn octets(field: Option<&[u8]>) -> Result<Option<&[u8]>, Refusal> {
    field.map(|field| Elements::new(field).next(OCTET_STRING).ok_or(Refusal::Der)).transpose()
}

/// What a mechanism's own token is.
fn inner(bytes: &[u8]) -> Result<Inner, Refusal> {
    if bytes.starts_with(&ntlm::SIGNATURE) {
        return ntlm::Message::parse(bytes).map(Inner::Ntlm);
    }
    let wrapped = || {
        let mut token = Elements::new(bytes).open(application(0))?;
        let identifier = token.next(OBJECT_IDENTIFIER)?;
        (Mechanism::of(identifier) == Mechanism::Kerberos).then(|| ApReq::from_gss(token.rest())).flatten()
    };
    let request = ApReq::parse(bytes).or_else(wrapped);
    Ok(request.map_or(if bytes.is_empty() { Inner::Absent } else { Inner::Opaque }, Inner::Kerberos))
}

fn plain(inner: Inner) -> Negotiation {
    Negotiation { mechanism: mechanism_of(&inner), state: None, inner }
}

fn mechanism_of(inner: &Inner) -> Option<Mechanism> {
    match inner {
        Inner::Ntlm(_) => Some(Mechanism::Ntlm),
        Inner::Kerberos(_) => Some(Mechanism::Kerberos),
        Inner::Absent | Inner::Opaque => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixture::{Chance, hex};

    /// RFC 4178's structures around an NTLMSSP type 1, with Kerberos offered first, as a Windows client without a
    /// ticket sends it.
    const INIT: &str =
        "604406062b0601050502 a03a 3038 a01a3018 06092a864882f712010202 060b2b06010401823702020a00
        a21a 0418 4e544c4d5353500001000000060200000000000000000000";

    #[test]
    fn the_wrapping_is_taken_off() {
        // The second identifier is not quite NTLM's: only the first and the token count.
        let read = parse(&hex(INIT)).unwrap();
        assert_eq!((read.mechanism, read.state), (Some(Mechanism::Ntlm), None));
        assert!(matches!(read.inner, Inner::Ntlm(ntlm::Message::Negotiate(_))));
    }

    #[test]
    fn replies_say_how_far_a_login_is() {
        for (bytes, mechanism, state) in [
            ("a1073005a0030a0100", None, Some(NegState::AcceptCompleted)),
            ("a1073005a0030a0101", None, Some(NegState::AcceptIncomplete)),
            ("a1073005a0030a0102", None, Some(NegState::Reject)),
            (
                "a1153013a0030a0103a10c060a2b06010401823702020a",
                Some(Mechanism::Ntlm),
                Some(NegState::RequestMic),
            ),
            ("a1023000", None, None),
        ] {
            let expected = Negotiation { mechanism, state, inner: Inner::Absent };
            assert_eq!(parse(&hex(bytes)), Ok(expected), "{bytes}");
        }
        assert_eq!(parse(&hex("a1073005a0030a0109")), Err(Refusal::Der));
    }

    #[test]
    fn what_is_cut_or_not_a_token_is_refused_or_opaque() {
        let whole = hex(INIT);
        for end in 1..whole.len() {
            assert_eq!(parse(&whole[..end]), Err(Refusal::Der), "{end} bytes");
        }
        assert_eq!(parse(b"").unwrap().inner, Inner::Absent);
        assert_eq!(parse(b"NEGOEXTS").unwrap().inner, Inner::Opaque);
        assert_eq!(parse(b"NTLMSSP\0\x09\0\0\0"), Err(Refusal::NtlmType));
    }

    #[test]
    fn no_token_with_other_bytes_panics() {
        let mut chance = Chance(11);
        let original = hex(INIT);
        for _ in 0..50_000 {
            let mut bytes = original.clone();
            for _ in 0..=chance.below(4) {
                let at = chance.below(bytes.len());
                bytes[at] = chance.below(256) as u8;
            }
            let _ = parse(&bytes);
        }
    }
}
