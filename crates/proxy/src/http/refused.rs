//! Requests that are answered with an error here: which status, and why.

use transom_state::Fault;
use transom_wire::http1::Refusal;

/// An error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    /// For the log and the answer.
    pub(super) fault: Fault,
    /// `None`: nobody is there to read an answer.
    pub(super) status: Option<u16>,
}

impl Refused {
    /// The bytes are not an acceptable request.
    pub(super) const BAD: Self = Self::with(Fault::ClientBadRequest, 400);
    /// CONNECT: we are nobody's way out.
    pub(super) const METHOD: Self = Self::with(Fault::MethodRefused, 405);
    /// The body is longer than allowed.
    pub(super) const TOO_LARGE: Self = Self::with(Fault::ClientBodyTooLarge, 413);
    /// The request line has no end.
    pub(super) const TARGET: Self = Self::with(Fault::ClientBadRequest, 414);

    pub(super) const fn with(fault: Fault, status: u16) -> Self {
        Self { fault, status: Some(status) }
    }

    /// The answer to a request that met this fault on its way (RFC 9110 section 15).
    pub(super) fn by(fault: Fault) -> Self {
        let status = match fault {
            Fault::ClientClosed | Fault::ReloadCut => None,
            Fault::ClientTimeout => Some(408),
            Fault::ClientBadRequest => Some(400),
            Fault::ClientBodyTooLarge => Some(413),
            Fault::NoRoute => Some(404),
            Fault::MethodRefused => Some(405),
            Fault::SourceRefused | Fault::RouteRefused | Fault::WafBlocked => Some(403),
            Fault::ShieldLimited => Some(429),
            Fault::PoolEmpty
            | Fault::PoolFull
            | Fault::QueueTimeout
            | Fault::OutOfPorts
            | Fault::SourceUnusable
            | Fault::SourceUnavailable
            | Fault::OutOfFiles
            | Fault::AdminDrained => Some(503),
            Fault::ServerConnectTimeout | Fault::ServerResponseTimeout => Some(504),
            // The client signs in again by itself on a new connection; an answer would be taken for the server's.
            Fault::PinnedServerGone => None,
            _ => Some(502),
        };
        Self { fault, status }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::HeadTooLarge | Refusal::TooManyFields => 431,
            Refusal::Version => 505,
            // RFC 9112 section 6.1: a coding that is not understood.
            Refusal::TransferEncoding => 501,
            _ => 400,
        };
        Self::with(Fault::ClientBadRequest, status)
    }
}
