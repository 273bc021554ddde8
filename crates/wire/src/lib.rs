//! Bytes to values and back: no I/O, no clock, no state kept between calls.
//!
//! Every parser takes all bytes that came so far and says either that it needs more of them or what they are. That
//! answer never changes when more bytes come: however a network cuts a message into pieces, the result is the same.
//! Foreign bytes cannot panic here (`indexing_slicing` is denied) and every length has a named limit.
#![deny(clippy::indexing_slicing)]

pub mod auth;
mod bytes;
pub mod channel;
pub mod http1;
pub mod proxy_protocol;
pub mod sniff;
pub mod tls_hello;
