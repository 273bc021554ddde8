//! HTTP/2 to clients (RFC 9113): the `h2` crate frames, and everything above frames is what HTTP/1 does.
//!
//! One task for the connection, one for each stream, all on one thread. A request becomes an HTTP/1.1 head in bytes, and
//! from there on takes the way of all requests; its response's head is turned back.
//!
//! | where | what |
//! |---|---|
//! | `connection` | the task of the connection: requests, floods, idle time, goodbye |
//! | `request` | the task of a stream, from its request to its log line |
//! | `shared` | what both know |
//! | `pipe`, `watch` | the bytes of the connection; frames that ask for nothing |
//! | `head` | heads between the versions |
//! | `side`, `exchange` | the client's side of a stream |
//! | `tunnel` | a WebSocket over a stream |

mod connection;
mod exchange;
mod head;
mod pipe;
mod request;
mod shared;
mod side;
mod tunnel;
mod watch;

pub(super) use connection::live;

/// Streams that a client may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS).
const STREAMS_MAX: u32 = 128;
/// Bytes of a request's body that a client may send ahead, for each stream and all of them.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of a response that wait for the network, for each stream.
const SEND_BYTES: usize = 32 * 1024;
/// Streams that were reset, of which late frames are still understood.
const RESETS_KEPT: usize = 32;
/// Errors of a client's that cost a stream each before they cost the connection.
const ERRORS_MAX: usize = 100;
/// What a field of a header list counts beside its bytes (RFC 9113 section 6.5.2).
const FIELD_BYTES: u32 = 32;
