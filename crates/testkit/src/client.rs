//! Blocking clients: TCP from a chosen address, TLS with or without a server name, one HTTP request.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType, bind, connect as connect_socket, socket};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Bytes an HTTP head may have.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Connects. `within` is also the longest any later read or write may wait.
pub fn connect(address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    prepare(TcpStream::connect_timeout(&address, within)?, within)
}

/// Connects from an address of one's own.
pub fn connect_from(source: IpAddr, address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(source, 0))?;
    set_socket_timeout(&socket, Timeout::Send, Some(within))?; // holds for connect(2) too, see socket(7)
    connect_socket(&socket, &address)?;
    prepare(socket.into(), within)
}

fn prepare(stream: TcpStream, within: Duration) -> io::Result<TcpStream> {
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whom a TLS client believes.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Whoever answers.
    Anyone,
    /// Whoever has a certificate of this authority (PEM) for the name asked for.
    Authority(&'a str),
}

/// A TLS connection whose handshake is done.
pub struct Tls {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Tls {
    /// Does the handshake. Without a server name no SNI is sent (and the name is not checked either, so that only
    /// [`Trust::Anyone`] makes sense).
    pub fn handshake(stream: TcpStream, server_name: Option<&str>, trust: Trust<'_>) -> io::Result<Self> {
        let mut config = config(trust)?;
        config.enable_sni = server_name.is_some();
        let name = ServerName::try_from(server_name.unwrap_or("unnamed.invalid").to_owned());
        let name = name.map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    /// The server's certificate in DER form.
    pub fn certificate(&self) -> &[u8] {
        self.stream.conn.peer_certificates().and_then(|chain| chain.first()).map_or(&[], AsRef::as_ref)
    }

    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        &self.stream.sock
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn config(trust: Trust<'_>) -> io::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(match trust {
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone { provider }))
            .with_no_client_auth(),
        Trust::Authority(pem) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?)
                .map_err(io::Error::other)?;
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    })
}

/// Believes any certificate: which one it was is what tests want to know.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// An answer to an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Field names in lower case and values, in their order.
    pub headers: Vec<(String, String)>,
    /// As many bytes as `Content-Length` said, or all until the end.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first field of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks for a path and reads the answer; the connection can be used again afterwards.
pub fn get(stream: &mut (impl Read + Write), host: &str, path: &str) -> io::Result<Answer> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    stream.flush()?;
    read_answer(stream)
}

/// Reads one answer with a `Content-Length`, or one that ends with the connection.
pub fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let head = read_head(stream)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut lines = head.split("\r\n");
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {head:?}"));
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(invalid)?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    match answer.header("content-length").map(str::parse::<u64>) {
        Some(Ok(len)) => {
            stream.take(len).read_to_end(&mut answer.body)?;
            if answer.body.len() as u64 != len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Some(Err(_)) => return Err(invalid()),
        None => drop(stream.read_to_end(&mut answer.body)?),
    }
    Ok(answer)
}

/// Reads a head byte by byte, so that nothing behind it is taken, and returns it without the empty line. `None`: the
/// connection ended before its first byte.
pub(crate) fn read_head(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        head.push(byte[0]);
        if head.len() > HEAD_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an HTTP head over 64 KiB"));
        }
    }
    head.truncate(head.len() - 4);
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// Reads one line, byte by byte, and returns it without its end.
pub fn read_line(stream: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' && line.len() < HEAD_BYTES_MAX {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
}
