//! The servers behind the door: one thread, several addresses, one kind of exchange.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::Context;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, bind, listen, socket_with, sockopt};
use serde::{Deserialize, Serialize};

use crate::control::Orders;
use crate::link::Link;
use crate::poll::Poll;
use crate::speech::{CHUNK_BYTES, Ear, Progress, Speech, Text, Wrong};

/// Connections accepted in a row before others have their turn.
const ACCEPTS: usize = 64;
/// Connections the kernel keeps while they wait to be accepted.
const BACKLOG: i32 = 4096;
/// The key of the standard input, where orders come from; listening sockets follow from 1.
const ORDERS_KEY: u64 = 0;

/// What the servers do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServePlan {
    /// Where they listen.
    pub(crate) addresses: Vec<SocketAddr>,
    /// What a client asks.
    pub(crate) request: Text,
    /// What it is answered, each time.
    pub(crate) response: Text,
}

/// A connection from the door.
struct Visitor {
    link: Link,
    speaking: bool,
    /// Bytes of the answer that were sent.
    said: u64,
    ear: Ear,
}

/// What a visitor needs next.
enum Next {
    Wait,
    Again,
    Close,
}

/// The servers' state.
struct Servers {
    poll: Poll,
    listeners: Vec<OwnedFd>,
    visitors: Vec<Option<Visitor>>,
    free: Vec<usize>,
    again: VecDeque<usize>,
    request: Speech,
    response: Speech,
    scratch: Vec<u8>,
}

/// Listens, says `ready` on the standard output, and serves until the standard input ends.
///
/// # Errors
/// A sentence when an address cannot be listened on.
pub(crate) fn serve(plan: &ServePlan) -> anyhow::Result<()> {
    let mut servers = Servers::listen(plan)?;
    let mut orders = Orders::stdin();
    servers.poll.add_level(io::stdin(), ORDERS_KEY).context("cannot watch the standard input")?;
    writeln!(io::stdout(), "ready").context("nobody reads the standard output")?;
    loop {
        let timeout = if servers.again.is_empty() { Duration::from_secs(60) } else { Duration::ZERO };
        for key in servers.poll.wait(timeout)? {
            if key == ORDERS_KEY {
                if orders.read()?.is_none() {
                    return Ok(());
                }
            } else {
                servers.happened(key);
            }
        }
        for _ in 0..servers.again.len() {
            if let Some(slot) = servers.again.pop_front() {
                servers.go_on(slot);
            }
        }
    }
}

impl Servers {
    fn listen(plan: &ServePlan) -> anyhow::Result<Servers> {
        let poll = Poll::new().context("cannot make an epoll")?;
        let mut listeners = Vec::new();
        for (index, address) in plan.addresses.iter().enumerate() {
            let listener = listening(*address).with_context(|| format!("cannot listen on {address}"))?;
            poll.add_level(&listener, 1 + index as u64)?;
            listeners.push(listener);
        }
        Ok(Servers {
            poll,
            listeners,
            visitors: Vec::new(),
            free: Vec::new(),
            again: VecDeque::new(),
            request: Speech::new(plan.request),
            response: Speech::new(plan.response),
            scratch: vec![0; CHUNK_BYTES],
        })
    }

    fn happened(&mut self, key: u64) {
        let index = usize::try_from(key).expect("keys are made from usize") - 1;
        match index.checked_sub(self.listeners.len()) {
            None => self.accept(index),
            Some(slot) => self.go_on(slot),
        }
    }

    fn accept(&mut self, listener: usize) {
        for _ in 0..ACCEPTS {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let Ok(fd) = accept_with(&self.listeners[listener], flags) else { return };
            let slot = self.free.pop().unwrap_or(self.visitors.len());
            let key = (1 + self.listeners.len() + slot) as u64;
            let watched = sockopt::set_tcp_nodelay(&fd, true).and_then(|()| self.poll.add_edge(&fd, key));
            if slot == self.visitors.len() {
                self.visitors.push(None);
            }
            // A failure drops the connection here, which the generator counts as an error.
            match watched {
                Ok(()) => self.visitors[slot] = Some(Visitor::new(fd)),
                Err(_) => self.free.push(slot),
            }
        }
    }

    fn go_on(&mut self, slot: usize) {
        let Some(visitor) = self.visitors.get_mut(slot).and_then(Option::as_mut) else { return };
        match visitor.go_on(&self.request, &self.response, &mut self.scratch) {
            Ok(Next::Wait) => {}
            Ok(Next::Again) => self.again.push_back(slot),
            Ok(Next::Close) | Err(_) => {
                self.visitors[slot] = None;
                self.free.push(slot);
            }
        }
    }
}

impl Visitor {
    fn new(fd: OwnedFd) -> Visitor {
        Visitor { link: Link::Bare(fd), speaking: false, said: 0, ear: Ear::default() }
    }

    fn go_on(&mut self, request: &Speech, response: &Speech, scratch: &mut [u8]) -> Result<Next, Wrong> {
        loop {
            let progress = if self.speaking {
                response.say(&mut self.link, &mut self.said)?
            } else {
                request.hear(&mut self.link, &mut self.ear, scratch, &mut 0)?
            };
            match progress {
                Progress::Blocked => return Ok(Next::Wait),
                Progress::More => return Ok(Next::Again),
                Progress::End => return Ok(Next::Close),
                Progress::Done => {
                    (self.speaking, self.said) = (!self.speaking, 0);
                    self.ear.clear();
                    if !self.speaking {
                        // The next request, or the end, comes after our answer and so with an event of its own.
                        return Ok(Next::Wait);
                    }
                }
            }
        }
    }
}

fn listening(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    bind(&fd, &address)?;
    listen(&fd, BACKLOG)?;
    Ok(fd)
}
