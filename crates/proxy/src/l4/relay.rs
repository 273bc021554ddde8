//! Moves bytes both ways between a client and its server until both directions have ended.
//!
//! A direction copies through one scratch buffer of the thread and keeps only what the other side did not take; after two
//! full reads in a row it moves on to `splice`. It reads nothing while bytes wait to be written: that is the back-pressure.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use std::sync::Arc;

use transom_config::OnDown;
use transom_state::{DownWatch, Fault, Lease, Listener};

use super::pipe::Pipe;
use crate::end::{End, Failed, READ_BYTES, Read, Scratch, with_scratch};
use crate::runtime::{Stop, Tick, runtime, ticks};
use crate::socket::Socket;
use crate::worker::Worker;

/// Full reads in a row after which a direction is worth a pipe.
const FULL_READS: u8 = 2;
/// Bytes of a direction after which the counters are brought up to date while a connection lives, so that graphs of long
/// transfers are smooth.
const COUNT_BYTES: u64 = 1 << 20;

/// The two directions of one relayed connection. An idle one is little more than this.
pub(crate) struct Relay<C, S> {
    worker: &'static Worker,
    listener: Arc<Listener>,
    lease: Lease,
    client: C,
    server: S,
    up: Direction,
    down: Direction,
    /// Ends it when no byte has moved for so many ticks.
    idle: Tick,
    /// Where the pool says that connections end with their server.
    down_watch: Option<Box<DownWatch>>,
}

/// Bytes passed on before the relay began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// The client's, to the server.
    pub(crate) up: u64,
    /// The server's, to the client.
    pub(crate) down: u64,
}

/// What a finished relay leaves.
pub(crate) struct Relayed {
    /// Bytes from the client to the server.
    pub(crate) bytes_up: u64,
    /// Bytes from the server to the client.
    pub(crate) bytes_down: u64,
    /// Connections of the server when it ended.
    pub(crate) server_connections: u32,
    /// Why it ended before both directions did.
    pub(crate) fault: Option<Fault>,
}

impl Relayed {
    /// It never came to relaying, for this reason.
    pub(crate) fn nothing(fault: Fault) -> Self {
        Self { bytes_up: 0, bytes_down: 0, server_connections: 0, fault: Some(fault) }
    }
}

impl<C: End, S: End> Relay<C, S> {
    /// Begins to relay between the two; the server was sent `sent` bytes of the client's already.
    pub(crate) fn new(
        worker: &'static Worker,
        listener: Arc<Listener>,
        lease: Lease,
        (client, server): (C, S),
        sent: Sent,
    ) -> Self {
        let config = &lease.pool().config;
        let idle = ticks(config.timeouts.idle);
        let down_watch = (config.on_down == OnDown::Close).then(|| Box::new(lease.server().down_watch()));
        let up = Direction { bytes: sent.up, ..Direction::new() };
        let down = Direction { bytes: sent.down, ..Direction::new() };
        Self { worker, listener, lease, client, server, up, down, idle, down_watch }
    }

    fn poll_both(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let up = self
            .up
            .poll_move(&mut self.client, &mut self.server, self.down.has_ended())
            .map_err(|broken| broken.fault(Side::Client));
        if let Poll::Ready(Err(fault)) = up {
            return Poll::Ready(Err(fault));
        }
        let down = self
            .down
            .poll_move(&mut self.server, &mut self.client, self.up.has_ended())
            .map_err(|broken| broken.fault(Side::Server));
        if let Poll::Ready(Err(fault)) = down {
            return Poll::Ready(Err(fault));
        }
        if let Some(watch) = &mut self.down_watch
            && watch.poll_down(context).is_ready()
        {
            return Poll::Ready(Err(Fault::ServerWentDown));
        }
        if up.is_pending() { Poll::Pending } else { down }
    }

    /// Brings the counters up to date.
    fn count(&mut self) {
        let (up, down) = (self.up.uncounted(), self.down.uncounted());
        let index = self.worker.index;
        let (listener, server) = (self.listener.counters(), self.lease.server().counters());
        listener.bytes_in.add(index, up);
        listener.bytes_out.add(index, down);
        server.bytes_in.add(index, up);
        server.bytes_out.add(index, down);
    }

    /// The end, orderly or not.
    fn finish(&mut self, fault: Option<Fault>) -> Relayed {
        self.count();
        if matches!(fault, Some(Fault::ClientClosed | Fault::ServerReset | Fault::ServerWentDown)) {
            // The other side must not take a broken connection for an orderly end.
            self.client.socket().reset_on_close();
            self.server.socket().reset_on_close();
        }
        Relayed {
            bytes_up: self.up.bytes,
            bytes_down: self.down.bytes,
            server_connections: self.lease.server().connections(),
            fault,
        }
    }

    /// Who kept the other waiting when nothing moved any more.
    fn idle_fault(&self) -> Fault {
        if self.down.last_byte < self.up.last_byte {
            Fault::ServerResponseTimeout
        } else {
            Fault::ClientTimeout
        }
    }
}

impl<C: End + Unpin, S: End + Unpin> Future for Relay<C, S> {
    type Output = Relayed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Relayed> {
        let relay = &mut *self;
        let fault = match runtime().poll_fate() {
            Poll::Ready(Stop::Cut) => Some(Fault::AdminDrained),
            Poll::Ready(_) => Some(relay.idle_fault()),
            Poll::Pending => match relay.poll_both(context) {
                Poll::Ready(outcome) => outcome.err(),
                Poll::Pending => {
                    runtime().deadline_in(relay.idle);
                    if relay.up.bytes + relay.down.bytes - relay.up.counted - relay.down.counted
                        >= COUNT_BYTES
                    {
                        relay.count();
                    }
                    return Poll::Pending;
                }
            },
        };
        Poll::Ready(relay.finish(fault))
    }
}

/// Whose socket failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// A direction that cannot go on.
enum Broken {
    /// The side it reads from failed.
    Source(Failed),
    /// The side it writes to failed.
    Sink(Failed),
}

impl Broken {
    /// The fault's word, when the direction reads from `source`.
    fn fault(self, source: Side) -> Fault {
        let (failed, of_client) = match self {
            Self::Source(failed) => (failed, source == Side::Client),
            Self::Sink(failed) => (failed, source == Side::Server),
        };
        match failed {
            Failed::Tls(fault) => fault,
            Failed::Network if of_client => Fault::ClientClosed,
            Failed::Network => Fault::ServerReset,
        }
    }
}

/// Bytes that were read and are not written yet.
enum Held {
    Nothing,
    /// What a copy left over: the bytes and how many of them are written.
    Bytes(Box<[u8]>, u32),
    Piped(Pipe),
}

/// One direction.
struct Direction {
    held: Held,
    bytes: u64,
    /// Of these, the ones the counters know of.
    counted: u64,
    /// Tick-grained moment of the last byte, to tell who was silent first.
    last_byte: u32,
    full_reads: u8,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The source has ended; what is held must still go out.
    Ending,
    /// The end was passed on.
    Ended,
}

impl Direction {
    fn new() -> Self {
        Self { held: Held::Nothing, bytes: 0, counted: 0, last_byte: 0, full_reads: 0, stage: Stage::Open }
    }

    fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Moves what can be moved. `Ready(Ok)`: the end has been passed on, or, where this is the `last` direction to end,
    /// is left to the close that follows.
    fn poll_move(
        &mut self,
        source: &mut impl End,
        sink: &mut impl End,
        last: bool,
    ) -> Poll<Result<(), Broken>> {
        loop {
            match (&mut self.held, self.stage) {
                (_, Stage::Ended) => return Poll::Ready(Ok(())),
                (Held::Nothing, Stage::Ending) => {
                    ready!(sink.poll_end(last)).map_err(Broken::Sink)?;
                    self.stage = Stage::Ended;
                }
                (Held::Nothing, Stage::Open) => {
                    ready!(sink.poll_drained()).map_err(Broken::Sink)?;
                    ready!(source.poll_readable()).map_err(Broken::Source)?;
                    self.read(source, sink)?;
                }
                (Held::Bytes(bytes, written), _) => {
                    ready!(sink.poll_writable()).map_err(Broken::Sink)?;
                    let more = sink.try_write(&bytes[*written as usize..]).map_err(Broken::Sink)?;
                    *written += u32::try_from(more).expect("a direction holds less than 4 GiB");
                    if *written as usize == bytes.len() {
                        self.held = Held::Nothing;
                    }
                }
                (Held::Piped(pipe), _) => {
                    ready!(sink.poll_writable()).map_err(Broken::Sink)?;
                    pipe.drain(sink.socket()).map_err(|_| Broken::Sink(Failed::Network))?;
                    if pipe.filled() == 0 {
                        self.free_pipe();
                    }
                }
            }
        }
    }

    fn read(&mut self, source: &mut impl End, sink: &mut impl End) -> Result<(), Broken> {
        if self.full_reads >= FULL_READS
            && let (Some(bare), Some(_)) = (source.bare(), sink.bare())
            && let Ok(pipe) = Pipe::take()
        {
            return self.splice(pipe, bare);
        }
        with_scratch(|scratch| self.copy(scratch, source, sink))
    }

    fn copy(
        &mut self,
        scratch: &mut Scratch,
        source: &mut impl End,
        sink: &mut impl End,
    ) -> Result<(), Broken> {
        let bytes = match source.try_read(scratch).map_err(Broken::Source)? {
            Read::Nothing => return Ok(()),
            Read::Bytes(bytes) => bytes,
            Read::End => {
                self.stage = Stage::Ending;
                return Ok(());
            }
        };
        self.moved(bytes.len());
        self.full_reads = if bytes.len() >= READ_BYTES { self.full_reads.saturating_add(1) } else { 0 };
        let written = sink.try_write(bytes).map_err(Broken::Sink)?;
        if written < bytes.len() {
            self.held = Held::Bytes(bytes[written..].into(), 0);
        }
        Ok(())
    }

    fn splice(&mut self, mut pipe: Pipe, source: &Socket) -> Result<(), Broken> {
        let moved = pipe.fill(source).map_err(|_| Broken::Source(Failed::Network))?;
        match moved {
            Some(0) => self.stage = Stage::Ending,
            Some(moved) => self.moved(moved),
            None => {}
        }
        self.held = Held::Piped(pipe);
        if !matches!(moved, Some(1..)) {
            self.free_pipe();
        }
        Ok(())
    }

    fn free_pipe(&mut self) {
        if let Held::Piped(pipe) = std::mem::replace(&mut self.held, Held::Nothing) {
            pipe.put_back();
        }
    }

    fn uncounted(&mut self) -> u64 {
        self.bytes - std::mem::replace(&mut self.counted, self.bytes)
    }

    fn moved(&mut self, moved: usize) {
        self.bytes += moved as u64;
        self.last_byte = runtime().tick();
    }
}
