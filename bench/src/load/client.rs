//! One place of the generator: at most one connection at a time and what it is doing.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;

use super::h2::H2;
use crate::link::{Link, TlsLink};
use crate::speech::{Ear, Progress, Speech, Wrong};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: it may or may not have a connection.
    Resting,
    /// Waiting for its connection.
    Connecting,
    /// In the TLS handshake.
    Shaking,
    /// Sending the request.
    Asking,
    /// Receiving the answer.
    Listening,
    /// Many requests at a time, by HTTP/2.
    Streaming,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its connection.
    pub(crate) link: Option<Link>,
    /// What it does.
    pub(crate) doing: Doing,
    /// Bytes of the present request that went by.
    said: u64,
    /// What came of the present answer.
    ear: Ear,
    h2: Option<Box<H2>>,
    /// When the present request was due.
    pub(crate) due: Instant,
    /// When it last came any further.
    pub(crate) moved: Instant,
    /// Moves with each connection, so that an event cannot be taken for a later one's.
    pub(crate) generation: u32,
}

/// What all clients of one site share.
#[derive(Debug)]
pub(crate) struct Site {
    /// What is asked.
    pub(crate) request: Speech,
    /// The host name.
    pub(crate) host: String,
    /// How TLS is spoken, if it is, and with which name.
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whether connections may be resumed by a ticket.
    pub(crate) resume: bool,
    /// Streams of HTTP/2 at a time; 0: not HTTP/2.
    pub(crate) streams: usize,
}

/// What went by while a client went on.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// Connections established.
    pub(crate) connections: u64,
    /// Those of them that a ticket resumed.
    pub(crate) resumed: u64,
    /// Bytes sent.
    pub(crate) sent: u64,
    /// Bytes received.
    pub(crate) received: u64,
    /// Exchanges done while there is work left.
    pub(crate) exchanges: u64,
}

/// What a client needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// An event.
    Event,
    /// To go on after the others had their turn.
    Turn,
    /// Something new to do: all that it asked was answered.
    Work,
}

impl Client {
    /// A client that rests.
    pub(crate) fn new(now: Instant) -> Client {
        Client {
            link: None,
            doing: Doing::Resting,
            said: 0,
            ear: Ear::default(),
            h2: None,
            due: now,
            moved: now,
            generation: 0,
        }
    }

    /// Begins to connect; returns the connection, to be watched.
    pub(crate) fn connect(&mut self, target: SocketAddr, site: &Site) -> Result<&Link, Wrong> {
        let fd = connecting(target).map_err(Wrong::Failed)?;
        let link = match &site.tls {
            None => Link::Bare(fd),
            Some((config, name)) => Link::Tls(Box::new(TlsLink::new(fd, config, name.clone())?)),
        };
        self.generation = self.generation.wrapping_add(1);
        self.doing = Doing::Connecting;
        Ok(self.link.insert(link))
    }

    /// Begins a request on the connection it has.
    pub(crate) fn ask(&mut self) {
        (self.doing, self.said) = (if self.h2.is_some() { Doing::Streaming } else { Doing::Asking }, 0);
    }

    /// Drops its connection and rests.
    pub(crate) fn close(&mut self) {
        (self.link, self.h2) = (None, None);
        self.doing = Doing::Resting;
    }

    /// Goes on as far as the socket lets. With `more`, HTTP/2 begins further requests by itself.
    pub(crate) fn go_on(
        &mut self,
        site: &Site,
        response: &Speech,
        scratch: &mut [u8],
        more: bool,
        moved: &mut Moved,
    ) -> Result<Needs, Wrong> {
        let Some(link) = &mut self.link else { return Ok(Needs::Event) };
        loop {
            match self.doing {
                // What a door says of its own accord under HTTP/2 is no answer.
                Doing::Resting if self.h2.is_some() => return Ok(Needs::Event),
                Doing::Resting => return unasked(link),
                Doing::Connecting if connected(link)? => self.doing = Doing::Shaking,
                Doing::Connecting => return Ok(Needs::Event),
                Doing::Shaking if link.shake()? => {
                    moved.resumed += u64::from(check_handshake(link, site)?);
                    moved.connections += 1;
                    (self.doing, self.said) = (Doing::Asking, 0);
                    if site.streams > 0 {
                        let h2 = H2::new(site.streams, &site.host, site.tls.is_some());
                        self.h2 = Some(Box::new(h2));
                        self.doing = Doing::Streaming;
                    }
                }
                Doing::Shaking => return Ok(Needs::Event),
                Doing::Asking => {
                    let before = self.said;
                    let progress = site.request.say(link, &mut self.said);
                    moved.sent += self.said - before;
                    match progress? {
                        Progress::Done => self.doing = Doing::Listening,
                        Progress::More => return Ok(Needs::Turn),
                        Progress::Blocked | Progress::End => return Ok(Needs::Event),
                    }
                    self.ear.clear();
                    // The answer cannot be there yet; its coming is an event.
                    return Ok(Needs::Event);
                }
                Doing::Listening => {
                    let needs = match response.hear(link, &mut self.ear, scratch, &mut moved.received)? {
                        Progress::Blocked => Needs::Event,
                        Progress::More => Needs::Turn,
                        Progress::End => return Err(Wrong::Short { heard: 0, expected: 1 }),
                        Progress::Done => {
                            self.doing = Doing::Resting;
                            Needs::Work
                        }
                    };
                    return Ok(needs);
                }
                Doing::Streaming => {
                    let h2 = self.h2.as_mut().expect("only HTTP/2 streams");
                    let needs = h2.go_on(link, response.body(), scratch, more, moved)?;
                    if needs == Needs::Work {
                        self.doing = Doing::Resting;
                    }
                    return Ok(needs);
                }
            }
        }
    }
}

fn connecting(target: SocketAddr) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    match connect(&fd, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(errno) => Err(errno),
    }
}

/// Whether the connection is established; the error if it failed.
fn connected(link: &Link) -> Result<bool, Wrong> {
    match sockopt::socket_error(link.fd()) {
        Ok(Ok(())) => {}
        Ok(Err(errno)) | Err(errno) => return Err(Wrong::Failed(errno)),
    }
    match rustix::net::getpeername(link.fd()) {
        Ok(_) => Ok(true),
        Err(Errno::NOTCONN) => Ok(false),
        Err(errno) => Err(Wrong::Failed(errno)),
    }
}

/// Whether the handshake was resumed; an error when it was not of the kind that is measured.
fn check_handshake(link: &Link, site: &Site) -> Result<bool, Wrong> {
    let Link::Tls(tls) = link else { return Ok(false) };
    if site.streams > 0 && tls.alpn() != Some(b"h2") {
        return Err(Wrong::Tls("HTTP/2 was not agreed on".into()));
    }
    if tls.is_resumed() && !site.resume {
        return Err(Wrong::Tls("resumed where a full handshake was meant".into()));
    }
    Ok(tls.is_resumed())
}

/// An event on a connection that rests: only a close or bytes that nobody asked for could be meant, and under TLS
/// tickets.
fn unasked(link: &mut Link) -> Result<Needs, Wrong> {
    match link.recv(&mut [0; 1], false) {
        Err(Wrong::Failed(Errno::AGAIN | Errno::INTR)) => Ok(Needs::Event),
        Ok(0) => Err(Wrong::Short { heard: 0, expected: 1 }),
        Ok(_) => Err(Wrong::Different),
        Err(wrong) => Err(wrong),
    }
}
