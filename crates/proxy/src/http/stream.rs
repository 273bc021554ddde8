//! One request and its response, on the client's side: what forwarding needs of it, whatever the client speaks.

use std::net::SocketAddr;
use std::task::Poll;

use transom_state::{Fault, Lease};
use transom_wire::auth::{AfterLoss, Asked, Login, Protocol};
use transom_wire::http1::{Body, Field, Known, Response};

use super::act::Context;
use super::body::Progress;
use super::request::Request;
use crate::buffer::Buffer;
use crate::end::{Failed, Scratch};
use crate::link::Waiting;

/// A response head as it came from the server.
pub(super) struct Reply<'a> {
    /// The bytes that the places are in.
    pub(super) bytes: &'a [u8],
    /// Status and version.
    pub(super) head: &'a Response,
    /// Its fields.
    pub(super) fields: &'a [Field],
    /// How the end of its body is known.
    pub(super) body: Body,
}

impl<'a> Reply<'a> {
    /// The values of all fields of that name.
    pub(super) fn values(&self, known: Known) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.fields.iter().filter(move |field| field.known == known).map(|field| field.value.of(bytes))
    }

    /// The value of the first field of that name, in any letter case.
    pub(super) fn named(&self, name: &[u8]) -> Option<&'a [u8]> {
        let same = |field: &&Field| field.name.of(self.bytes).eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|field| field.value.of(self.bytes))
    }
}

/// A piece of a request's body, framed as the head that went to the server says.
pub(super) struct Piece<'a> {
    /// The bytes; may be empty.
    pub(super) bytes: &'a [u8],
    /// Whether the body ends with it.
    pub(super) last: bool,
}

/// Where a request's body comes from and its response goes.
pub(super) trait ClientStream {
    /// The client, as one who waits.
    fn waiting(&self) -> &dyn Waiting;

    /// Waits until the client will not take an answer any more; with `end_is_gone` its end is enough for that.
    fn poll_left(&self, end_is_gone: bool) -> Poll<()>;

    /// Whether bodies go to the client as data alone, without the framing of HTTP/1 chunks.
    fn wants_data(&self) -> bool;

    /// Whether nothing more comes of the request's body.
    fn body_is_done(&self) -> bool;

    /// The next piece of the request's body.
    fn poll_body<'s>(&'s mut self, scratch: &'s mut Scratch) -> Poll<Result<Piece<'s>, Fault>>;

    /// Passes on a response that says only that another will follow (100 to 199).
    fn interim(&mut self, reply: &Reply<'_>);

    /// Passes on the head of the response. Errors: why this client must not have it.
    fn head(&mut self, reply: &Reply<'_>) -> Result<(), Fault>;

    /// Passes on a piece of the response's body.
    fn body(&mut self, bytes: &[u8]) -> Result<(), Failed>;

    /// Passes on lines of trailer fields, where bodies go as data alone.
    fn trailers(&mut self, lines: &[u8]);

    /// The response is complete.
    fn end(&mut self);

    /// This server was chosen, and may still be changed for another until its response begins.
    fn chosen(&mut self, lease: &Lease);

    /// The client's own server connection is gone: what follows for its login?
    fn server_lost(&mut self) -> AfterLoss;

    /// Whether the client has not taken yet what was passed on.
    fn is_held_back(&self) -> bool;

    /// Waits until all that was passed on has been handed to the network.
    fn poll_flush(&mut self) -> Poll<Result<(), Failed>>;

    /// What came of it.
    fn outcome(self) -> Passed;
}

/// What came of a response on the client's side.
pub(super) struct Passed {
    /// Whether it has begun to go out.
    pub(super) begun: bool,
    /// Whether the connection goes on after it.
    pub(super) keep: bool,
    /// What came behind the request: the beginning of the next one.
    pub(super) spill: Option<Buffer>,
    /// Bytes to the client.
    pub(super) sent: u64,
}

/// What a stream is made for.
pub(super) struct Task<'s> {
    pub(super) request: &'s Request,
    pub(super) context: &'s Context<'s>,
    /// What is still to come of the request's body.
    pub(super) progress: Progress,
    /// Bytes that may have.
    pub(super) allowed: u64,
    /// Whether the connection may go on after the response, as far as we are concerned.
    pub(super) keep: bool,
    /// The login that the response may say something of.
    pub(super) login: Option<(&'s mut Login, &'s Asked)>,
}

/// Whoever asks, over whatever version of HTTP: what serving a request needs of the client.
pub(super) trait Asker {
    /// How the client is served by a server.
    type Stream<'s>: ClientStream
    where
        Self: 's;

    /// The version, for judging logins.
    const PROTOCOL: Protocol;

    /// The client's side of one exchange.
    fn stream<'s>(&'s mut self, task: Task<'s>) -> Self::Stream<'s>;

    /// Our own address of the client's connection.
    fn local_address(&self) -> Option<SocketAddr>;

    /// Sends an answer of our own, an HTTP/1.1 message, as long as the client takes it in time; tells whether it did.
    async fn say(&mut self, answer: &[u8]) -> bool;

    /// The last response of a connection that ends with it is on its way: lets the client take it.
    async fn finish(&mut self);

    /// The client must not take what it has for the whole.
    fn reset(&mut self);
}
