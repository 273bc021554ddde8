//! One connection's bytes: a bare socket, or TLS on it as a client speaks it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, HandshakeKind, SignatureScheme};
use serde::{Deserialize, Serialize};

use crate::speech::Wrong;

/// How clients speak TLS: always 1.3 with AES-128-GCM and X25519, so that every door does the same work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TlsPlan {
    /// Whether tickets are used.
    pub(crate) resume: bool,
    /// Whether HTTP/2 is asked for by ALPN, and must be chosen.
    pub(crate) h2: bool,
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Link {
    /// Bytes as they are.
    Bare(OwnedFd),
    /// TLS on them.
    Tls(Box<TlsLink>),
}

/// A TLS connection to the door.
#[derive(Debug)]
pub(crate) struct TlsLink {
    socket: TcpStream,
    connection: ClientConnection,
}

impl Link {
    /// The socket.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Bare(fd) => fd.as_fd(),
            Self::Tls(tls) => tls.socket.as_fd(),
        }
    }

    /// Sends some of `bytes`; [`Errno::AGAIN`] when it would block.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<usize, Wrong> {
        match self {
            Self::Bare(fd) => send(fd, bytes, SendFlags::NOSIGNAL).map_err(Wrong::Failed),
            Self::Tls(tls) => tls.send(bytes),
        }
    }

    /// Receives into `room`, 0 at the end; [`Errno::AGAIN`] when it would block. On a bare socket `dropped` bytes are
    /// never copied (tcp(7), `MSG_TRUNC`).
    pub(crate) fn recv(&mut self, room: &mut [u8], dropped: bool) -> Result<usize, Wrong> {
        match self {
            Self::Bare(fd) => {
                let flags = if dropped { RecvFlags::TRUNC } else { RecvFlags::empty() };
                recv(fd, room, flags).map(|(_, count)| count).map_err(Wrong::Failed)
            }
            Self::Tls(tls) => tls.recv(room),
        }
    }

    /// Goes on with the handshake; true once it is done.
    pub(crate) fn shake(&mut self) -> Result<bool, Wrong> {
        match self {
            Self::Bare(_) => Ok(true),
            Self::Tls(tls) => tls.shake(),
        }
    }
}

impl TlsLink {
    /// A client that asks for `name`.
    pub(crate) fn new(
        fd: OwnedFd,
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<TlsLink, Wrong> {
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(wrong_tls)?;
        Ok(TlsLink { socket: fd.into(), connection })
    }

    /// Whether the handshake was a short one, by a ticket.
    pub(crate) fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The protocol that was agreed on.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Wrong> {
        if !self.flush()? {
            return Err(Wrong::Failed(Errno::AGAIN));
        }
        let count = self.connection.writer().write(bytes).map_err(wrong_io)?;
        // What the socket does not take now goes with the next call.
        self.flush()?;
        Ok(count)
    }

    fn recv(&mut self, room: &mut [u8]) -> Result<usize, Wrong> {
        self.flush()?;
        loop {
            match self.connection.reader().read(room) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(wrong_io(error)),
            }
            if self.connection.read_tls(&mut self.socket).map_err(wrong_io)? == 0 {
                return Ok(0);
            }
            self.connection.process_new_packets().map_err(wrong_tls)?;
        }
    }

    fn shake(&mut self) -> Result<bool, Wrong> {
        while self.connection.is_handshaking() {
            if !self.flush()? {
                return Ok(false);
            }
            match self.connection.read_tls(&mut self.socket) {
                Ok(0) => return Err(Wrong::Tls("closed during the handshake".into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(wrong_io(error)),
            }
            self.connection.process_new_packets().map_err(wrong_tls)?;
        }
        self.flush()
    }

    /// Sends what is ready; false when the socket takes no more.
    fn flush(&mut self) -> Result<bool, Wrong> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(wrong_io(error)),
            }
        }
        Ok(true)
    }
}

/// What all TLS clients of a plan share, tickets among it.
///
/// # Errors
/// A sentence when the provider lacks what is asked for.
pub(crate) fn client_config(plan: TlsPlan) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believer { schemes }))
        .with_no_client_auth();
    config.resumption =
        if plan.resume { Resumption::in_memory_sessions(4096) } else { Resumption::disabled() };
    if plan.h2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(Arc::new(config))
}

/// Believes any certificate: the time that checking takes is the generator's and would only slow it down.
#[derive(Debug)]
struct Believer {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

fn wrong_io(error: io::Error) -> Wrong {
    match Errno::from_io_error(&error) {
        Some(errno) => Wrong::Failed(errno),
        None => Wrong::Tls(error.to_string().into()),
    }
}

fn wrong_tls(error: rustls::Error) -> Wrong {
    Wrong::Tls(error.to_string().into())
}
