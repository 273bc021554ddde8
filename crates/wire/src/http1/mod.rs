//! HTTP/1.0 and 1.1 heads and bodies (RFC 9112), read strictly and changed as little as possible.
//!
//! What is ambiguous is refused: a proxy and a server that read the same bytes differently are how requests are smuggled.
//! Names, order and spelling of fields stay as they came; a parsed head is a list of places in the bytes it was read from.

mod body;
mod chunked;
mod field;
mod head;
mod path;

use std::fmt;

pub use body::{Body, request_body, response_body};
pub use chunked::{Chunked, Piece};
pub use field::{Field, Known, Span, connection_options, list};
pub use head::{Limits, Request, Response, Version, request, response};
pub use path::{NormalPath, PathRefusal, Target};

/// Why bytes are not an acceptable message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The head is longer than the limit allows.
    HeadTooLarge,
    /// It has more fields than the limit allows.
    TooManyFields,
    /// A line ends in LF alone, or a CR stands alone.
    BareLineEnd,
    /// A NUL or another control character.
    ControlCharacter,
    /// The request line is not `METHOD target HTTP/1.x`; HTTP/0.9 among others.
    RequestLine,
    /// The status line is not `HTTP/1.x NNN`.
    StatusLine,
    /// Not HTTP/1.0 or 1.1.
    Version,
    /// A field name that is empty or holds what no name may hold, a space before the colon among others.
    FieldName,
    /// A field is continued on a second line (obs-fold).
    FoldedField,
    /// A Content-Length that is not one plain number.
    ContentLength,
    /// More than one Content-Length.
    RepeatedContentLength,
    /// Content-Length and Transfer-Encoding together.
    TwoLengths,
    /// A Transfer-Encoding other than `chunked` alone, or in HTTP/1.0.
    TransferEncoding,
    /// More than one Host, or none in HTTP/1.1, or not a valid one.
    Host,
    /// A chunk size that is not a plain hexadecimal number of 64 bits.
    ChunkSize,
    /// A chunk extension, where none is accepted.
    ChunkExtension,
    /// A chunk that does not end where its size says.
    ChunkEnd,
    /// A trailer that is too long, or not fields, or a field that must not be one.
    Trailer,
}

impl Refusal {
    /// A short sentence for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::HeadTooLarge => "the head is too large",
            Self::TooManyFields => "too many header fields",
            Self::BareLineEnd => "a line end that is not CR LF",
            Self::ControlCharacter => "a control character in the head",
            Self::RequestLine => "the request line is malformed",
            Self::StatusLine => "the status line is malformed",
            Self::Version => "neither HTTP/1.0 nor HTTP/1.1",
            Self::FieldName => "a malformed header field name",
            Self::FoldedField => "a folded header field",
            Self::ContentLength => "a malformed Content-Length",
            Self::RepeatedContentLength => "more than one Content-Length",
            Self::TwoLengths => "both Content-Length and Transfer-Encoding",
            Self::TransferEncoding => "a Transfer-Encoding that is not chunked alone",
            Self::Host => "a Host field that is missing, repeated or malformed",
            Self::ChunkSize => "a malformed chunk size",
            Self::ChunkExtension => "a chunk extension",
            Self::ChunkEnd => "a chunk that does not end where its size says",
            Self::Trailer => "a malformed trailer",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
