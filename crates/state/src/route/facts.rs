//! What routes and pools ask of a request. The engine answers from the bytes of the head, so that nothing is copied.

use std::borrow::Cow;
use std::net::IpAddr;

/// A request, as far as choosing looks at it.
pub trait Facts {
    /// The client's address.
    fn source(&self) -> IpAddr;
    /// Whether the client has shown a certificate that was verified.
    fn certified(&self) -> bool {
        false
    }
    /// The method as it came.
    fn method(&self) -> &[u8];
    /// The host it asks for, as it came: Host field or authority of the target.
    fn host(&self) -> Option<&[u8]>;
    /// The path in its normal form: decoded once, resolved, lower case (`/` where nobody looks at paths).
    fn path(&self) -> &str;
    /// Path and query as they came.
    fn uri(&self) -> &[u8];
    /// What stands behind the first `?`.
    fn query(&self) -> Option<&[u8]>;
    /// The values of all fields of that name, in any letter case, in the order they came.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;
}

/// The values of a query parameter, percent-decoded.
pub fn query<'a>(request: &'a impl Facts, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    let pairs = form_urlencoded::parse(request.query().unwrap_or_default());
    pairs.filter(move |(own, _)| own == name).map(|(_, value)| value)
}

/// The values of a cookie as they came, without quotes (RFC 6265 section 5.4).
pub fn cookie<'a>(request: &'a impl Facts, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = request.values("cookie").flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (own, value) = pair.split_at_checked(at)?;
        let value = value.get(1..)?.trim_ascii();
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        (own.trim_ascii() == name.as_bytes()).then_some(bare)
    })
}
