//! Which certificate a client is shown: by the server name it asks for (RFC 6066 section 3) and by what it can verify.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::Certificate;

/// Bytes of a host name at most, in its dotted form (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 255;

/// The certificates of a listener by name. Immutable; looking up allocates nothing.
#[derive(Debug)]
pub(crate) struct ByName {
    exact: HashMap<Box<str>, Shelf>,
    /// `*.example.com` under `example.com`: it stands for exactly one label (RFC 9525 section 6.3).
    wildcard: HashMap<Box<str>, Shelf>,
    /// For clients that name none, or an unknown one. Empty: they are refused.
    default: Shelf,
}

/// Certificates for the same name: those that sign fast first, then in the order of the configuration.
type Shelf = Vec<Arc<Certificate>>;

impl ByName {
    /// The first certificate, and those for its first name, are the default; with `strict` there is none.
    pub(crate) fn new(certificates: &[Arc<Certificate>], strict: bool) -> Self {
        let mut this = Self { exact: HashMap::new(), wildcard: HashMap::new(), default: Vec::new() };
        for certificate in certificates {
            for name in certificate.facts().host_names() {
                this.put(name, certificate);
            }
        }
        for shelf in this.exact.values_mut().chain(this.wildcard.values_mut()) {
            shelf.sort_by_key(|certificate| !certificate.is_fast());
        }
        if let (false, Some(first)) = (strict, certificates.first()) {
            let shelf = first.facts().host_names().next().and_then(|name| this.shelf_of(name));
            this.default = shelf.cloned().unwrap_or_else(|| vec![Arc::clone(first)]);
        }
        this
    }

    fn put(&mut self, name: &str, certificate: &Arc<Certificate>) {
        let name = name.to_ascii_lowercase();
        let (map, name) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent),
            None => (&mut self.exact, name.as_str()),
        };
        if !name.contains('*') {
            let shelf = map.entry(name.into()).or_default();
            if !shelf.iter().any(|other| Arc::ptr_eq(other, certificate)) {
                shelf.push(Arc::clone(certificate));
            }
        }
    }

    /// The shelf that a certificate's own `name` was put on.
    fn shelf_of(&self, name: &str) -> Option<&Shelf> {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(parent) => self.wildcard.get(parent),
            None => self.exact.get(name.as_str()),
        }
    }

    /// The certificate for a client that asks for `name` and can verify `offered`: for the exact name before a wildcard
    /// one; if it can verify none of them, the first all the same, so that the handshake fails for that reason.
    /// `None`: refused by name.
    pub(crate) fn choose(
        &self,
        name: Option<&str>,
        offered: &[SignatureScheme],
    ) -> Option<&Arc<Certificate>> {
        let mut buffer = [0; NAME_BYTES_MAX];
        let name = name.and_then(|name| lower(name, &mut buffer));
        let exact = name.and_then(|name| self.exact.get(name));
        let wildcard =
            name.and_then(|name| name.split_once('.')).and_then(|(_, parent)| self.wildcard.get(parent));
        let named = || exact.into_iter().chain(wildcard).flatten();
        named()
            .find(|certificate| certificate.suits(offered))
            .or_else(|| named().next())
            .or_else(|| self.default.iter().find(|certificate| certificate.suits(offered)))
            .or_else(|| self.default.first())
    }
}

/// `name` in lower case and without a final dot, in `buffer`. `None`: it is no host name.
fn lower<'a>(name: &str, buffer: &'a mut [u8; NAME_BYTES_MAX]) -> Option<&'a str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let buffer = buffer.get_mut(..name.len())?;
    buffer.copy_from_slice(name.as_bytes());
    buffer.make_ascii_lowercase();
    str::from_utf8(buffer).ok()
}

/// What a client asked for and what it was shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// The server name it asked for, lower case.
    pub(crate) name: Option<Box<str>>,
    /// `None`: refused by name.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

thread_local! {
    /// rustls asks for a certificate inside of the call that reads a ClientHello and keeps no word on which it got: this
    /// carries it from the one to the caller of the other, on the same thread.
    static SHOWN: Cell<Option<Shown>> = const { Cell::new(None) };
}

/// What was chosen on this thread since the last call.
pub(crate) fn take_shown() -> Option<Shown> {
    SHOWN.take()
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificate = self.choose(hello.server_name(), hello.signature_schemes());
        let certified = certificate.map(|certificate| Arc::clone(certificate.certified()));
        SHOWN.set(Some(Shown {
            name: hello.server_name().map(Into::into),
            certificate: certificate.cloned(),
        }));
        certified
    }
}
