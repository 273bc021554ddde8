//! A TLS connection as one end of a relay.

use std::cell::RefCell;
use std::task::{Poll, ready};

use transom_tls::{Connection, Failure, RECORD_OVERHEAD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX};

use super::fault;
use crate::end::{End, Failed, Read, Scratch};
use crate::socket::Socket;

/// Records enciphered before the socket is asked to take them.
const RECORDS: usize = 4;
const CIPHER_BYTES: usize = RECORDS * (RECORD_PLAIN_BYTES_MAX + RECORD_OVERHEAD_BYTES_MAX);

thread_local! {
    static CIPHER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CIPHER_BYTES].into_boxed_slice());
}

/// A socket with TLS on it, the handshake done.
pub(crate) struct TlsEnd {
    socket: Socket,
    connection: Box<Connection>,
    /// Enciphered bytes that the socket did not take yet.
    out: Vec<u8>,
    said_goodbye: bool,
}

impl TlsEnd {
    pub(super) fn new(socket: Socket, connection: Connection) -> Self {
        Self { socket, connection: Box::new(connection), out: Vec::new(), said_goodbye: false }
    }

    /// The server name that the client asked for.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.connection.server_name()
    }

    /// The version agreed on: `TLSv1.3`.
    pub(crate) fn version(&self) -> Option<&'static str> {
        self.connection.version()
    }

    /// Who the client has proven to be.
    pub(crate) fn identity(&self) -> Option<transom_tls::Identity> {
        self.connection.identity()
    }

    /// Writes what the socket takes of what is held.
    fn push(&mut self) -> Result<(), Failed> {
        if !self.out.is_empty() {
            let written = self.socket.try_write(&self.out).map_err(|_| Failed::Network)?;
            if written == self.out.len() {
                self.out = Vec::new();
            } else {
                self.out.drain(..written);
            }
        }
        Ok(())
    }

    /// An alert may be waiting to be sent; a peer that is gone needs none.
    fn failed(&mut self, failure: &Failure) -> Failed {
        let _ = self.push();
        Failed::Tls(fault(failure.fault))
    }

    /// Enciphers the beginning of `plain` and writes what the socket takes; the rest of it is held.
    fn encipher(&mut self, cipher: &mut [u8], plain: &[u8]) -> Result<usize, Failed> {
        let (mut taken, mut filled) = (0, 0);
        while taken < plain.len() {
            let sent = self.connection.send(&plain[taken..], &mut cipher[filled..]);
            let sent = sent.map_err(|failure| self.failed(&failure))?;
            if sent.taken == 0 && sent.written == 0 {
                break;
            }
            taken += sent.taken;
            filled += sent.written;
        }
        let cipher = &cipher[..filled];
        let written = self.socket.try_write(cipher).map_err(|_| Failed::Network)?;
        self.out.extend_from_slice(&cipher[written..]);
        Ok(taken)
    }
}

impl End for TlsEnd {
    fn bare(&self) -> Option<&Socket> {
        None
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn poll_readable(&self) -> Poll<Result<(), Failed>> {
        if self.connection.has_goodbye() {
            return Poll::Ready(Ok(()));
        }
        self.socket.poll_readable().map_err(Failed::from)
    }

    fn try_read<'a>(&mut self, scratch: &'a mut Scratch) -> Result<Read<'a>, Failed> {
        if self.connection.has_goodbye() {
            return Ok(Read::End);
        }
        let read = match self.socket.try_read(&mut scratch.network).map_err(|_| Failed::Network)? {
            None => return Ok(Read::Nothing),
            Some(0) => {
                return self.connection.ended().map_or(Ok(Read::End), |failure| Err(self.failed(&failure)));
            }
            Some(read) => read,
        };
        scratch.plain.clear();
        let received =
            self.connection.receive(&mut scratch.network[..read], &mut scratch.plain, &mut self.out);
        received.map_err(|failure| self.failed(&failure))?;
        self.push()?;
        Ok(if scratch.plain.is_empty() { Read::Nothing } else { Read::Bytes(&scratch.plain) })
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Failed> {
        self.push()?;
        if !self.out.is_empty() {
            return Ok(0);
        }
        CIPHER.with_borrow_mut(|cipher| self.encipher(cipher, bytes))
    }

    fn poll_drained(&mut self) -> Poll<Result<(), Failed>> {
        while !self.out.is_empty() {
            ready!(self.socket.poll_writable())?;
            self.push()?;
        }
        Poll::Ready(Ok(()))
    }

    /// TLS says goodbye in any case: without it nobody can tell an end from a cut (RFC 8446 section 6.1).
    fn poll_end(&mut self, last: bool) -> Poll<Result<(), Failed>> {
        if !self.said_goodbye {
            self.said_goodbye = true;
            self.connection.close(&mut self.out);
        }
        ready!(self.poll_drained())?;
        if !last {
            self.socket.shut();
        }
        Poll::Ready(Ok(()))
    }
}
