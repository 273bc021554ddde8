//! One request and its response, on the client's side: what forwarding needs of it, whatever the client speaks.

use std::task::Poll;

use transom_state::{Fault, Lease};
use transom_wire::auth::AfterLoss;
use transom_wire::http1::{Body, Field, Known, Response};

use crate::end::{Failed, Scratch};
use crate::socket::Socket;

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
    /// The socket below.
    fn socket(&self) -> &Socket;

    /// Whether bodies go to the client as data alone, without the framing of HTTP/1 chunks.
    fn wants_data(&self) -> bool;

    /// Whether nothing more comes of the request's body.
    fn body_is_done(&self) -> bool;

    /// The next piece of the request's body.
    fn poll_body<'s>(&'s mut self, scratch: &'s mut Scratch) -> Poll<Result<Piece<'s>, Fault>>;

    /// Passes on a response that says only that another will follow (100 to 199).
    fn interim(&mut self, reply: &Reply<'_>);

    /// Passes on the head of the response.
    fn head(&mut self, reply: &Reply<'_>);

    /// Passes on a piece of the response's body.
    fn body(&mut self, bytes: &[u8]) -> Result<(), Failed>;

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
}
