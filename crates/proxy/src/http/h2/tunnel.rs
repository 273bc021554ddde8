//! A WebSocket over a stream (RFC 8441): data as it comes, both ways.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use transom_state::Fault;

use super::side::Side;
use crate::buffer::Buffer;
use crate::end::{End, Failed, Outgoing, Read, with_scratch};
use crate::http::client::Own;
use crate::http::entry::Entry;
use crate::link::ServerEnd;
use crate::log::Record;
use crate::runtime::{Stop, Tick, runtime, ticks};
use crate::worker::Worker;

/// Both directions, and how far they are.
struct Tunnel<'t> {
    side: &'t mut Side,
    server: ServerEnd,
    /// What the server did not take yet.
    held: Outgoing,
    up: Half,
    down: Half,
    bytes: (u64, u64),
    idle: Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Flowing,
    Ending,
    Ended,
}

/// Relays until both directions have ended. `early` is what the server has said already.
pub(super) async fn relay(
    side: &mut Side,
    own: Own,
    early: Option<Buffer>,
    entry: &mut Entry,
    worker: &Worker,
    record: &Record,
) {
    let Own { lease, link, .. } = own;
    let mut tunnel = Tunnel {
        side,
        server: link.end,
        held: Outgoing::default(),
        up: Half::Flowing,
        down: Half::Flowing,
        bytes: (0, 0),
        idle: ticks(lease.pool().config.timeouts.idle),
    };
    if let Some(early) = early {
        tunnel.pass_down(&early);
    }
    runtime().deadline_in(tunnel.idle);
    entry.fault = poll_fn(|context| tunnel.poll(context)).await.err();
    let (up, down) = tunnel.bytes;
    entry.relayed(up, down);
    let (server, listener) = (lease.server().counters(), record.listener.counters());
    for (bytes_in, bytes_out) in
        [(&server.bytes_in, &server.bytes_out), (&listener.bytes_in, &listener.bytes_out)]
    {
        bytes_in.add(worker.index, up);
        bytes_out.add(worker.index, down);
    }
}

impl Tunnel<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match runtime().poll_fate() {
            Poll::Ready(Stop::Expired) => return Poll::Ready(Err(Fault::ClientTimeout)),
            Poll::Ready(_) => return Poll::Ready(Err(Fault::AdminDrained)),
            Poll::Pending => {}
        }
        let before = self.bytes;
        let up = self.poll_up(context)?;
        let down = self.poll_down()?;
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if self.bytes != before {
            runtime().deadline_in(self.idle);
        }
        Poll::Pending
    }

    fn poll_up(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            if self.up == Half::Ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.held.poll_flush(&mut self.server)).map_err(server_failed)?;
            self.side.release();
            if self.up == Half::Ending {
                ready!(self.server.poll_end(false)).map_err(server_failed)?;
                self.up = Half::Ended;
                continue;
            }
            match ready!(self.side.body.poll_data(context)) {
                Some(Ok(data)) => {
                    self.side.owed = data.len();
                    self.bytes.0 += data.len() as u64;
                    self.held.send(&mut self.server, &data).map_err(server_failed)?;
                }
                Some(Err(_)) => return Poll::Ready(Err(Fault::ClientClosed)),
                None => self.up = Half::Ending,
            }
        }
    }

    fn poll_down(&mut self) -> Poll<Result<(), Fault>> {
        loop {
            let Some(out) = self.side.outflow() else { return Poll::Ready(Err(Fault::ClientClosed)) };
            ready!(out.poll_flush()).map_err(|_| Fault::ClientClosed)?;
            if self.down == Half::Ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.server.poll_readable()).map_err(server_failed)?;
            let ended = with_scratch(|scratch| match self.server.try_read(scratch) {
                Ok(Read::Nothing) => Ok(false),
                Ok(Read::Bytes(bytes)) => {
                    self.bytes.1 += bytes.len() as u64;
                    out.push(bytes);
                    Ok(false)
                }
                Ok(Read::End) => Ok(true),
                Err(failed) => Err(server_failed(failed)),
            })?;
            if ended {
                self.down = Half::Ended;
                out.end(None);
            }
        }
    }

    fn pass_down(&mut self, bytes: &[u8]) {
        self.bytes.1 += bytes.len() as u64;
        if let Some(out) = self.side.outflow() {
            out.push(bytes);
        }
    }
}

fn server_failed(failed: Failed) -> Fault {
    match failed {
        Failed::Network => Fault::ServerReset,
        Failed::Tls(fault) => fault,
    }
}
