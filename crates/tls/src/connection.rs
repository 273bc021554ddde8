//! One TLS connection without I/O: bytes of the network in, plain bytes out, and the other way round.
//!
//! Between two calls it keeps the keys, and of the network's bytes only an unfinished record: an idle connection has
//! no buffers.

use std::fmt;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{
    AlertDescription, ClientConfig, CommonState, Error, HandshakeKind, ProtocolVersion, ServerConfig,
};
use rustls_pki_types::ServerName;

use crate::by_name::{Shown, take_shown};
use crate::fault::{Peer, Progress, TlsFault, sentence};
use crate::records::{ALERT, Seen, Sent, encipher, goodbye, step_all};
use crate::{Certificate, Identity};

/// Bytes held of unfinished records and handshake messages. A message has 64 KiB at most, a record less.
pub const HELD_BYTES_MAX: usize = 128 * 1024;

/// A TLS connection with a client or a server.
pub struct Connection {
    engine: Engine,
    /// Of what came, the part that is not finished.
    held: Vec<u8>,
    /// What `send` found to be sent before its own bytes and had no room for.
    owed: Vec<u8>,
    shown: Option<Shown>,
    seen: Seen,
    failed: bool,
}

/// Which implementation speaks: see `Acceptor` and `Connector`.
enum Engine {
    RustlsServer(Box<UnbufferedServerConnection>),
    RustlsClient(Box<UnbufferedClientConnection>),
}

/// How a connection failed. What was appended to `out` (an alert) is still worth sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose doing it was, and the word for it.
    pub fault: TlsFault,
    /// What was wrong, in words.
    pub what: String,
}

impl Connection {
    pub(crate) fn accept(config: Arc<ServerConfig>) -> Result<Self, Failure> {
        let connection = UnbufferedServerConnection::new(config);
        let connection =
            connection.map_err(|error| Failure::of(&error, Peer::Client, Progress::BeforeHello))?;
        Ok(Self::new(Engine::RustlsServer(Box::new(connection))))
    }

    pub(crate) fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        out: &mut Vec<u8>,
    ) -> Result<Self, Failure> {
        let connection = UnbufferedClientConnection::new(config, name);
        let connection =
            connection.map_err(|error| Failure::of(&error, Peer::Server, Progress::BeforeHello))?;
        let mut this = Self::new(Engine::RustlsClient(Box::new(connection)));
        this.receive(&mut [], &mut Vec::new(), out)?;
        Ok(this)
    }

    fn new(engine: Engine) -> Self {
        Self { engine, held: Vec::new(), owed: Vec::new(), shown: None, seen: Seen::default(), failed: false }
    }

    /// Takes all of `fresh`, which came from the network (and is deciphered in place). Plain bytes are appended to
    /// `plain`; what is to be sent (handshake, alerts) to `out`.
    ///
    /// # Errors
    /// [`Failure`]: send `out`, then close. What was appended to `plain` before is good. Every later call does nothing.
    pub fn receive(
        &mut self,
        fresh: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if self.failed {
            return Ok(());
        }
        out.append(&mut self.owed);
        let before = out.len();
        let choosing = self.shown.is_none() && matches!(self.engine, Engine::RustlsServer(_));
        if choosing {
            // What others left on this thread is not ours.
            drop(take_shown());
        }
        let result = self.take(fresh, plain, out);
        if choosing {
            self.shown = take_shown();
        }
        result.map_err(|error| self.fail(&error, before, out))
    }

    fn take(&mut self, mut fresh: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Error> {
        while !self.held.is_empty() && !fresh.is_empty() {
            let rest = if self.is_handshaking() { fresh.len() } else { missing(&self.held).min(fresh.len()) };
            if self.held.len() + rest > HELD_BYTES_MAX {
                return Err(Error::General("a message of TLS is too large".into()));
            }
            let (completing, others) = fresh.split_at_mut(rest);
            self.held.extend_from_slice(completing);
            fresh = others;
            let mut held = std::mem::take(&mut self.held);
            let taken = self.step_all(&mut held, plain, out);
            match taken {
                Ok(taken) if taken == held.len() => {}
                Ok(taken) => {
                    held.drain(..taken);
                    self.held = held;
                }
                Err(error) => return Err(error),
            }
        }
        if self.held.is_empty() {
            let taken = self.step_all(fresh, plain, out)?;
            self.held.extend_from_slice(&fresh[taken..]);
        }
        if self.seen.goodbye {
            // Nothing counts that comes after a goodbye (RFC 8446 section 6.1).
            self.held = Vec::new();
        }
        Ok(())
    }

    fn step_all(
        &mut self,
        incoming: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        match &mut self.engine {
            Engine::RustlsServer(connection) => {
                step_all(&mut **connection, incoming, plain, out, &mut self.seen)
            }
            Engine::RustlsClient(connection) => {
                step_all(&mut **connection, incoming, plain, out, &mut self.seen)
            }
        }
    }

    /// Enciphers as much of `plain` as there is room for in `out`; both may be of any size. Nothing is taken before the
    /// handshake is done. `out` should have room for a whole record, [`RECORD_PLAIN_BYTES_MAX`](crate::RECORD_PLAIN_BYTES_MAX) and
    /// [`RECORD_OVERHEAD_BYTES_MAX`](crate::RECORD_OVERHEAD_BYTES_MAX).
    ///
    /// # Errors
    /// [`Failure`] if the connection has failed before, or the keys of TLS 1.2 have been used up.
    pub fn send(&mut self, plain: &[u8], out: &mut [u8]) -> Result<Sent, Failure> {
        if self.failed {
            return Err(self.failure(&Error::General("the connection has failed before".into())));
        }
        let result = match &mut self.engine {
            Engine::RustlsServer(connection) => {
                encipher(&mut **connection, &mut self.held, &mut self.owed, plain, out)
            }
            Engine::RustlsClient(connection) => {
                encipher(&mut **connection, &mut self.held, &mut self.owed, plain, out)
            }
        };
        result.map_err(|error| self.failure(&error))
    }

    /// Says goodbye (RFC 8446 section 6.1): nothing can be sent after it. Before the handshake is done nothing is said.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.owed);
        if self.failed {
            return;
        }
        match &mut self.engine {
            Engine::RustlsServer(connection) => goodbye(&mut **connection, &mut self.held, out),
            Engine::RustlsClient(connection) => goodbye(&mut **connection, &mut self.held, out),
        }
    }

    /// What it means that the network connection ended now. `None`: it is no failure of TLS; whether the exchange was
    /// complete is told by [`Self::has_goodbye`] and the protocol above.
    pub fn ended(&self) -> Option<Failure> {
        let peer = self.peer();
        let what = match peer {
            Peer::Client => "the client hung up during the TLS handshake",
            Peer::Server => "the server hung up during the TLS handshake",
        };
        if self.was_asked_to_renegotiate() {
            let what = "the server wanted another handshake, was refused, and hung up".into();
            return Some(Failure { fault: TlsFault::ServerRenegotiation, what });
        }
        (self.is_handshaking() && !self.failed)
            .then(|| Failure { fault: TlsFault::cut(peer), what: what.into() })
    }

    fn fail(&mut self, error: &Error, before: usize, out: &mut Vec<u8>) -> Failure {
        self.failed = true;
        let refused_by_name = self.shown.as_ref().is_some_and(|shown| shown.certificate.is_none());
        if refused_by_name && self.is_handshaking() {
            // rustls says `access_denied` for want of a certificate; there are better words for it.
            out.truncate(before);
            let asked = self.server_name().map(str::to_owned);
            out.extend_from_slice(&plain_alert(match asked {
                Some(_) => AlertDescription::UnrecognisedName,
                None => AlertDescription::MissingExtension,
            }));
            let what = match asked {
                Some(name) => format!("no certificate is for the server name {name:?}"),
                None => "the client asks for no server name".into(),
            };
            return Failure { fault: TlsFault::ClientNoName, what };
        }
        self.failure(error)
    }

    fn failure(&self, error: &Error) -> Failure {
        let progress = match self.common().protocol_version() {
            None => Progress::BeforeHello,
            Some(_) => Progress::AfterHello,
        };
        Failure::of(error, self.peer(), progress)
    }

    fn peer(&self) -> Peer {
        match self.engine {
            Engine::RustlsServer(_) => Peer::Client,
            Engine::RustlsClient(_) => Peer::Server,
        }
    }

    fn common(&self) -> &CommonState {
        match &self.engine {
            Engine::RustlsServer(connection) => connection,
            Engine::RustlsClient(connection) => connection,
        }
    }

    /// The handshake is not done: nothing can be sent, nothing is known of the other side.
    pub fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// The other side has said goodbye: there will be no more from it, and what came is all that it sent.
    pub fn has_goodbye(&self) -> bool {
        self.seen.goodbye
    }

    /// The server has asked for another handshake in the middle, and was refused: if it now hangs up or answers with an
    /// error, this is why (`server-tls-renegotiation`).
    pub fn was_asked_to_renegotiate(&self) -> bool {
        self.seen.renegotiation && self.peer() == Peer::Server
    }

    /// The version agreed on, as logs have it: `TLSv1.3`.
    pub fn version(&self) -> Option<&'static str> {
        match self.common().protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => None,
        }
    }

    /// The cipher suite agreed on, by its registered name.
    pub fn suite(&self) -> Option<&'static str> {
        self.common().negotiated_cipher_suite()?.suite().as_str()
    }

    /// The application protocol agreed on (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// An earlier handshake was resumed.
    pub fn is_resumed(&self) -> bool {
        self.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The server name that the client asked for, lower case. `None` towards servers.
    pub fn server_name(&self) -> Option<&str> {
        self.shown.as_ref()?.name.as_deref()
    }

    /// The certificate that the client was shown, or once was if it resumed. `None` towards servers.
    pub fn certificate_shown(&self) -> Option<&Arc<Certificate>> {
        self.shown.as_ref()?.certificate.as_ref()
    }

    /// Who the other side has proven to be: a client that showed a certificate; a server, though with
    /// [`Trust::AnyCertificate`](crate::Trust::AnyCertificate) it has proven only to own its key. `None` before the
    /// handshake is done.
    pub fn identity(&self) -> Option<Identity> {
        if self.is_handshaking() {
            return None;
        }
        Identity::of(self.common().peer_certificates()?.first()?)
    }
}

/// How many bytes are missing to complete the record that `held` begins with: at least one.
fn missing(held: &[u8]) -> usize {
    let whole = match held {
        [_, _, _, high, low, ..] => 5 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 5,
    };
    whole.saturating_sub(held.len()).max(1)
}

/// A fatal alert before there are keys (RFC 5246 section 7.2).
fn plain_alert(alert: AlertDescription) -> [u8; 7] {
    [ALERT, 3, 3, 0, 2, 2, u8::from(alert)]
}

impl Failure {
    fn of(error: &Error, peer: Peer, progress: Progress) -> Self {
        Self { fault: TlsFault::of(error, peer, progress), what: sentence(error) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.code(), self.what)
    }
}

impl std::error::Error for Failure {}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer())
            .field("version", &self.version())
            .field("handshaking", &self.is_handshaking())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
