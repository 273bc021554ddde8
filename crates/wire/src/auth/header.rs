//! The values of `Authorization`, `Proxy-Authorization` and `WWW-Authenticate` (RFC 9110 section 11).

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Refusal;
use super::spnego::{self, Negotiation};
use super::text::SafeText;

/// Characters of a token at most: as many as a whole head may have ([`crate::http1::Limits`]).
pub const TOKEN_MAX: usize = 96 * 1024;

/// Challenges of one field value that are looked at.
const CHALLENGES_MAX: usize = 32;

/// Clients pad or do not; bits left over in the last character are theirs to choose.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How a client logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `NTLM` (MS-NTHT)
    Ntlm,
    /// `Negotiate` (RFC 4559)
    Negotiate,
    /// `Nego2` (MS-N2HT)
    Nego2,
    /// `Kerberos`
    Kerberos,
    /// `Basic` (RFC 7617)
    Basic,
    /// `Bearer` (RFC 6750)
    Bearer,
    /// `Digest` (RFC 7616)
    Digest,
    /// Any other.
    Other,
}

impl Scheme {
    const ALL: [(&'static str, Self); 7] = [
        ("NTLM", Self::Ntlm),
        ("Negotiate", Self::Negotiate),
        ("Nego2", Self::Nego2),
        ("Kerberos", Self::Kerberos),
        ("Basic", Self::Basic),
        ("Bearer", Self::Bearer),
        ("Digest", Self::Digest),
    ];

    /// The scheme of that name, in any letter case.
    pub fn of(name: &[u8]) -> Self {
        let found = Self::ALL.iter().find(|(text, _)| name.eq_ignore_ascii_case(text.as_bytes()));
        found.map_or(Self::Other, |(_, scheme)| *scheme)
    }

    /// Its name as the standards write it; `other` for any other.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, scheme)| *scheme == self).map_or("other", |(name, _)| name)
    }

    /// Whether it authenticates the *connection*, not the request alone: NTLM (MS-NTHT section 2.1), and what may
    /// carry NTLM. Kerberos is a login of the request to some servers and of the connection to others (IIS's
    /// `Persistent-Auth`); it counts as one of the connection.
    pub fn authenticates_connection(self) -> bool {
        matches!(self, Self::Ntlm | Self::Negotiate | Self::Nego2 | Self::Kerberos)
    }
}

/// The value of `Authorization` or `Proxy-Authorization`: a scheme and what belongs to it. Costs nothing until
/// [`token`](Self::token) is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// The value, or something behind a comma in it, begins with the name of a scheme of connections, whatever follows.
    /// Servers may read `NTLM,TlRM…` or `x, NTLM TlRM…` in their own ways; this counts all of them.
    connection: bool,
    rest: &'a [u8],
}

/// What a client said, secrets left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A scheme alone.
    Absent,
    /// NTLM, Kerberos, or one of them in SPNEGO.
    Negotiation(Negotiation),
    /// Basic or Digest: the user, as the client wrote it.
    User(SafeText),
    /// Nothing that may be read: Bearer and what is not known.
    Opaque,
}

impl<'a> Authorization<'a> {
    /// Takes a value apart. Every value has a scheme, be it [`Scheme::Other`].
    pub fn parse(value: &'a [u8]) -> Self {
        let value = value.trim_ascii();
        let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
        let (name, rest) = value.split_at_checked(end).unwrap_or((value, &[]));
        Self {
            scheme: Scheme::of(name),
            connection: value.split(|byte| *byte == b',').any(begins_with_connection),
            rest: rest.trim_ascii_start(),
        }
    }

    /// Whether this may authenticate the connection it goes over, which from here on belongs to one client.
    pub fn authenticates_connection(&self) -> bool {
        self.connection
    }

    /// Decodes what the scheme carries.
    pub fn token(&self) -> Result<Token, Refusal> {
        match self.scheme {
            Scheme::Ntlm | Scheme::Negotiate | Scheme::Nego2 | Scheme::Kerberos => negotiation(self.rest),
            Scheme::Basic => basic(self.rest),
            Scheme::Digest => digest(self.rest),
            Scheme::Bearer | Scheme::Other => Ok(Token::Opaque),
        }
    }
}

fn begins_with_connection(element: &[u8]) -> bool {
    let element = element.trim_ascii_start();
    Scheme::ALL.iter().any(|(name, scheme)| {
        let begin = element.get(..name.len());
        scheme.authenticates_connection()
            && begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// The scheme alone: what follows may be a password.
impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("scheme", &self.scheme)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

fn negotiation(rest: &[u8]) -> Result<Token, Refusal> {
    if rest.is_empty() {
        return Ok(Token::Absent);
    }
    spnego::parse(&decode(rest)?).map(Token::Negotiation)
}

/// user-id ":" password (RFC 7617 section 2); the password is dropped here.
fn basic(rest: &[u8]) -> Result<Token, Refusal> {
    let decoded = decode(rest)?;
    let user = decoded.split(|byte| *byte == b':').next().unwrap_or_default();
    if user.len() == decoded.len() {
        return Err(Refusal::Basic);
    }
    Ok(Token::User(SafeText::from_utf8(user)))
}

/// `username="…"` (RFC 7616 section 3.4).
fn digest(rest: &[u8]) -> Result<Token, Refusal> {
    for parameter in elements(rest).take(CHALLENGES_MAX) {
        let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = parameter.split_at_checked(at).unwrap_or_default();
        if name.trim_ascii().eq_ignore_ascii_case(b"username") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            return Ok(Token::User(SafeText::from_utf8(bare.unwrap_or(value))));
        }
    }
    Err(Refusal::Digest)
}

fn decode(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    if text.len() > TOKEN_MAX {
        return Err(Refusal::TokenTooLong);
    }
    BASE64.decode(text).map_err(|_| Refusal::Base64)
}

/// One challenge of a `WWW-Authenticate` or `Proxy-Authenticate` value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// Its token or its first parameter, undecoded; empty for a scheme alone.
    pub rest: &'a [u8],
}

impl Challenge<'_> {
    /// Decodes the token of a scheme of connections.
    pub fn token(&self) -> Result<Token, Refusal> {
        if self.scheme.authenticates_connection() { negotiation(self.rest) } else { Ok(Token::Opaque) }
    }
}

/// The challenges of one value (RFC 9110 section 11.6.1): `Negotiate, NTLM, Basic realm="a, b"` has three.
pub fn challenges(value: &[u8]) -> impl Iterator<Item = Challenge<'_>> {
    elements(value).filter_map(challenge).take(CHALLENGES_MAX)
}

/// `None`: a further parameter of the challenge before.
fn challenge(element: &[u8]) -> Option<Challenge<'_>> {
    let end = element.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'=');
    let (name, rest) = element.split_at_checked(end.unwrap_or(element.len()))?;
    let rest = rest.trim_ascii();
    let parameter = rest.first() == Some(&b'=') || name.is_empty();
    (!parameter).then(|| Challenge { scheme: Scheme::of(name), rest })
}

/// Elements between commas, those inside quotation marks not counted; empty ones are left out.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let between = move |byte: &u8| {
        let this_escaped = std::mem::take(&mut escaped);
        match byte {
            b'"' if !this_escaped => quoted = !quoted,
            b'\\' if quoted && !this_escaped => escaped = true,
            _ => {}
        }
        *byte == b',' && !quoted
    };
    value.split(between).map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_known_in_any_letter_case() {
        for (value, scheme, connection) in [
            ("NTLM TlRM", Scheme::Ntlm, true),
            ("ntlm\tTlRM", Scheme::Ntlm, true),
            ("  Negotiate   YII", Scheme::Negotiate, true),
            ("nego2 x", Scheme::Nego2, true),
            ("KERBEROS YII", Scheme::Kerberos, true),
            ("Basic dTpw", Scheme::Basic, false),
            ("bearer eyJ", Scheme::Bearer, false),
            ("Digest username=\"u\"", Scheme::Digest, false),
            ("Hawk id=\"1\"", Scheme::Other, false),
            ("", Scheme::Other, false),
            ("NTLM", Scheme::Ntlm, true),
            ("NTLM,TlRM", Scheme::Other, true),
            ("NTLMTlRM", Scheme::Other, true),
            ("Negotiate=x", Scheme::Other, true),
            ("Basic dTpw, Negotiate YII", Scheme::Basic, true),
            ("x,ntlm", Scheme::Other, true),
            ("NTL M", Scheme::Other, false),
        ] {
            let parsed = Authorization::parse(value.as_bytes());
            assert_eq!((parsed.scheme, parsed.authenticates_connection()), (scheme, connection), "{value:?}");
        }
    }

    #[test]
    fn basic_and_digest_give_the_user_and_nothing_else() {
        let token = |value: &str| Authorization::parse(value.as_bytes()).token();
        let user = |name: &str| Ok(Token::User(SafeText::new(name.chars())));
        assert_eq!(token("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), user("Aladdin"));
        assert_eq!(token("Basic bGFiXGFsaWNlOnA6cQ"), user("lab\\alice"));
        assert_eq!(token("Basic OnA="), user(""));
        assert_eq!(token("Basic QWxhZGRpbg=="), Err(Refusal::Basic));
        assert_eq!(token("Basic ***"), Err(Refusal::Base64));
        assert_eq!(token("Digest realm=\"a, username=b\", UserName = \"Mufasa\", uri=/"), user("Mufasa"));
        assert_eq!(token("Digest realm=\"a\""), Err(Refusal::Digest));
        assert_eq!(token("Bearer eyJ"), Ok(Token::Opaque));
        assert_eq!(token("NTLM"), Ok(Token::Absent));
        let long = format!("NTLM {}", "A".repeat(TOKEN_MAX + 1));
        assert_eq!(token(&long), Err(Refusal::TokenTooLong));
        let secret = Authorization::parse(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{secret:?} {:?}", secret.token()).contains("sesame"));
        assert!(!format!("{secret:?}").contains("QWx"));
    }

    #[test]
    fn challenges_are_taken_apart() {
        let read = |value: &'static str| -> Vec<(Scheme, &str)> {
            let text = |rest| std::str::from_utf8(rest).unwrap();
            challenges(value.as_bytes()).map(|one| (one.scheme, text(one.rest))).collect()
        };
        assert_eq!(read("Negotiate"), [(Scheme::Negotiate, "")]);
        assert_eq!(read("NTLM TlRMTVNTUAAC=="), [(Scheme::Ntlm, "TlRMTVNTUAAC==")]);
        assert_eq!(
            read("Negotiate,NTLM , Basic realm=\"a, NTLM \\\", Negotiate\", charset=\"UTF-8\", Bearer"),
            [
                (Scheme::Negotiate, ""),
                (Scheme::Ntlm, ""),
                (Scheme::Basic, "realm=\"a, NTLM \\\", Negotiate\""),
                (Scheme::Bearer, ""),
            ]
        );
        assert_eq!(
            read("Bearer client_id=\"x\", trusted_issuers = \"y\""),
            [(Scheme::Bearer, "client_id=\"x\"")]
        );
        assert_eq!(read(" , ,"), []);
    }
}
