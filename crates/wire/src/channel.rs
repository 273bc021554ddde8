//! What kind of request it is: ordinary, or one of those that Exchange and Remote Desktop Gateway hold open for long.
//!
//! Told by method, path and query alone, on every listener and with no setting. Nothing is allocated. Paths are compared
//! as they came, in any letter case and up to the end of a segment: real clients do not encode these, and whoever does
//! only loses the longer times. Nothing that protects hangs on it but the limits named here.

use std::time::Duration;

use base64::Engine;

use crate::auth::BASE64;
use crate::http1::list;

/// How long a held request may stay silent: more than the 59 minutes that ActiveSync asks for at most.
pub const LONG: Duration = Duration::from_secs(65 * 60);

/// An EWS response that lasts so long is a stream: GetStreamingEvents is held for 1 to 30 minutes.
pub const EWS_STREAM_AFTER: Duration = Duration::from_secs(59);

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// None of the others.
    Ordinary,
    /// RPC over HTTP, from the client (MS-RPCH section 2.1.2.1.1): a body of up to 2 GiB that is a stream.
    RpcIn,
    /// RPC over HTTP, to the client (MS-RPCH section 2.1.2.1.2).
    RpcOut,
    /// Remote Desktop Gateway over HTTP, from the client (MS-TSGU).
    RdgIn,
    /// Remote Desktop Gateway, to the client; may be upgraded to a WebSocket.
    RdgOut,
    /// MAPI over HTTP (MS-OXCMAPIHTTP section 2.2.2).
    Mapi,
    /// ActiveSync (MS-ASHTTP section 2.2.1).
    ActiveSync(Command),
    /// Exchange Web Services. Whether it is a stream shows in how long it lasts.
    Ews,
    /// The browser's wait for news in Outlook on the web.
    OwaNotification,
    /// A WebSocket's opening (RFC 6455 section 4.1, RFC 8441 section 4).
    WebSocket,
}

/// The command of an ActiveSync request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Held until there is news, for 1 to 59 minutes (MS-ASCMD section 2.2.1.13).
    Ping,
    /// May be held in the same way.
    Sync,
    /// Any other, or none.
    Other,
}

/// Kinds of requests as metrics keep them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Answered as fast as the server can.
    Short,
    /// Answered when there is news.
    LongPoll,
    /// Open for as long as both sides like.
    Channel,
}

/// By what the two channels of one client find the same server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// It has one channel.
    Alone,
    /// By who the client is: its address, and the query, which names the mailbox or server it wants (MS-RPCH section
    /// 2.2.2) and is the same on both channels. The cookie that RPC over HTTP itself pairs them with stands inside of
    /// their bodies (section 2.2.3), and the user in a login: both come after the server was chosen.
    Client,
    /// By its `RDG-Connection-Id` field ([`connection_id`]).
    ConnectionId,
}

impl Kind {
    /// The kind of a request. `path` and `query` are those of [`Target`](crate::http1::Target); `web_socket` is what
    /// [`upgrades_to_web_socket`] says of its `Upgrade` field, or the `:protocol` of an extended CONNECT.
    pub fn of(method: &[u8], path: &[u8], query: Option<&[u8]>, web_socket: bool) -> Self {
        match method {
            b"RPC_IN_DATA" => return Self::RpcIn,
            b"RPC_OUT_DATA" => return Self::RpcOut,
            b"RDG_IN_DATA" => return Self::RdgIn,
            b"RDG_OUT_DATA" => return Self::RdgOut,
            _ if web_socket => return Self::WebSocket,
            _ => {}
        }
        let query = query.unwrap_or_default();
        // The first letter behind the slash sorts out nearly everything else.
        match path.get(1).map(u8::to_ascii_lowercase) {
            Some(b'm')
                if method == b"POST" && (below(path, b"/mapi/emsmdb") || below(path, b"/mapi/nspi")) =>
            {
                Self::Mapi
            }
            Some(b'm') if below(path, b"/microsoft-server-activesync") => Self::ActiveSync(command(query)),
            Some(b'e') if below(path, b"/ews") => Self::Ews,
            Some(b'o') if below(path, b"/owa") && is_notification(path, query) => Self::OwaNotification,
            _ => Self::Ordinary,
        }
    }

    /// The class of a request before it is answered.
    pub fn class(self) -> Class {
        match self {
            Self::RpcIn | Self::RpcOut | Self::RdgIn | Self::RdgOut | Self::WebSocket => Class::Channel,
            Self::Mapi | Self::ActiveSync(Command::Ping | Command::Sync) | Self::OwaNotification => {
                Class::LongPoll
            }
            Self::ActiveSync(Command::Other) | Self::Ews | Self::Ordinary => Class::Short,
        }
    }

    /// The class of a request that took so long.
    pub fn class_after(self, took: Duration) -> Class {
        if self == Self::Ews && took >= EWS_STREAM_AFTER { Class::LongPoll } else { self.class() }
    }

    /// How long both the answer and each next piece of it may take, where that is not what the listener says.
    pub fn long(self) -> Option<Duration> {
        (self != Self::Ordinary).then_some(LONG)
    }

    /// The request's body is a stream that lasts as long as the channel: it has no size, no pace and no pause that
    /// would be wrong, and the response may come before its end. Limits on bodies do not hold for it.
    pub fn body_is_stream(self) -> bool {
        matches!(self, Self::RpcIn | Self::RdgIn)
    }

    /// By what its other channel finds the same server.
    pub fn pairing(self) -> Pairing {
        match self {
            Self::RpcIn | Self::RpcOut => Pairing::Client,
            Self::RdgIn | Self::RdgOut => Pairing::ConnectionId,
            _ => Pairing::Alone,
        }
    }
}

impl Class {
    /// The word in metrics: `short`, `long-poll`, `channel`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::LongPoll => "long-poll",
            Self::Channel => "channel",
        }
    }
}

/// Whether the value of an `Upgrade` field names a WebSocket (RFC 6455 section 4.1).
pub fn upgrades_to_web_socket(value: &[u8]) -> bool {
    list(value).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// The GUID in the value of an `RDG-Connection-Id` field (MS-TSGU), with its braces or without.
pub fn connection_id(value: &[u8]) -> Option<[u8; 16]> {
    let value = value.trim_ascii();
    let bare = value.strip_prefix(b"{").and_then(|value| value.strip_suffix(b"}")).unwrap_or(value);
    let dashes = bare.len() == 36 && [8, 13, 18, 23].iter().all(|at| bare.get(*at) == Some(&b'-'));
    if !dashes {
        return None;
    }
    let mut id = [0; 16];
    let mut digits = bare.iter().enumerate().filter(|(at, _)| ![8, 13, 18, 23].contains(at));
    for byte in &mut id {
        let mut digit =
            || char::from(*digits.next()?.1).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit()? << 4 | digit()?;
    }
    Some(id)
}

/// Whether `path` is `prefix` (in lower case) or lies below it.
fn below(path: &[u8], prefix: &[u8]) -> bool {
    let begins = path.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    begins && matches!(path.get(prefix.len()), None | Some(b'/'))
}

/// `ev.owa2?ns=PendingRequest`, of 2010 `ev.owa?…`; the mailbox may stand between `/owa` and it.
fn is_notification(path: &[u8], query: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let page = last.eq_ignore_ascii_case(b"ev.owa2") || last.eq_ignore_ascii_case(b"ev.owa");
    page && parameter(query, b"ns").is_some_and(|value| value.eq_ignore_ascii_case(b"PendingRequest"))
}

/// The command in a query of either form (MS-ASHTTP sections 2.2.1.1.1.1 and 2.2.1.1.1.2).
fn command(query: &[u8]) -> Command {
    if let Some(name) = parameter(query, b"cmd") {
        return match name {
            name if name.eq_ignore_ascii_case(b"Ping") => Command::Ping,
            name if name.eq_ignore_ascii_case(b"Sync") => Command::Sync,
            _ => Command::Other,
        };
    }
    // Three letters hold two bytes: the version, ten times 12.1 to 16.1, and the command's code.
    let mut bytes = [0; 3];
    let begin = query.get(..3).unwrap_or_default();
    match BASE64.decode_slice(begin, &mut bytes).map(|_| bytes) {
        Ok([120..=169, 0, _]) => Command::Sync,
        Ok([120..=169, 18, _]) => Command::Ping,
        _ => Command::Other,
    }
}

/// The value of a parameter whose name (in any letter case) is `name`.
fn parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let begins = pair.get(..name.len())?.eq_ignore_ascii_case(name);
        let value = pair.get(name.len()..)?.strip_prefix(b"=")?;
        begins.then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Target;

    fn kind(method: &str, target: &str) -> Kind {
        let target = Target::parse(method.as_bytes(), target.as_bytes()).unwrap();
        Kind::of(method.as_bytes(), target.path, target.query, false)
    }

    #[test]
    fn requests_of_real_clients() {
        use Command::{Other, Ping, Sync};
        for (method, target, expected) in [
            ("RPC_IN_DATA", "/rpc/rpcproxy.dll?ex1.lab.test:6001", Kind::RpcIn),
            ("RPC_OUT_DATA", "/RpcWithCert/RpcProxy.dll?localhost:3388", Kind::RpcOut),
            ("RDG_IN_DATA", "/remoteDesktopGateway/", Kind::RdgIn),
            ("RDG_OUT_DATA", "/remoteDesktopGateway/", Kind::RdgOut),
            ("POST", "/mapi/emsmdb/?MailboxId=6b2a@lab.test", Kind::Mapi),
            ("POST", "/MAPI/nspi?MailboxId=6b2a@lab.test", Kind::Mapi),
            ("GET", "/mapi/healthcheck.htm", Kind::Ordinary),
            ("POST", "/mapi/emsmdbx", Kind::Ordinary),
            (
                "POST",
                "/Microsoft-Server-ActiveSync?Cmd=Ping&User=a&DeviceId=x&DeviceType=y",
                Kind::ActiveSync(Ping),
            ),
            ("POST", "/microsoft-server-activesync/default.eas?User=a&cmd=sync", Kind::ActiveSync(Sync)),
            ("POST", "/Microsoft-Server-ActiveSync?Cmd=SendMail", Kind::ActiveSync(Other)),
            ("OPTIONS", "/Microsoft-Server-ActiveSync", Kind::ActiveSync(Other)),
            // MS-ASHTTP section 2.2.1.1.1.1's own example: 14.0, Sync.
            (
                "POST",
                "/Microsoft-Server-ActiveSync?jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l",
                Kind::ActiveSync(Sync),
            ),
            ("POST", "/Microsoft-Server-ActiveSync?jRIJBBDcBEEY", Kind::ActiveSync(Ping)),
            ("POST", "/Microsoft-Server-ActiveSync?oRIJBBDcBEEY", Kind::ActiveSync(Ping)),
            ("POST", "/Microsoft-Server-ActiveSync?jQEJBBDcBEEY", Kind::ActiveSync(Other)),
            ("POST", "/Microsoft-Server-ActiveSync?A", Kind::ActiveSync(Other)),
            ("POST", "/EWS/Exchange.asmx", Kind::Ews),
            ("POST", "/ewsx/Exchange.asmx", Kind::Ordinary),
            ("GET", "/owa/ev.owa2?ns=PendingRequest&ev=PendingNotificationRequest", Kind::OwaNotification),
            ("GET", "/owa/alice@lab.test/ev.owa2?UA=0&NS=PendingRequest", Kind::OwaNotification),
            ("GET", "/owa/ev.owa2?ns=Other", Kind::Ordinary),
            ("POST", "/owa/service.svc?action=FindItem", Kind::Ordinary),
            ("GET", "/", Kind::Ordinary),
            ("OPTIONS", "*", Kind::Ordinary),
        ] {
            assert_eq!(kind(method, target), expected, "{method} {target}");
        }
        assert_eq!(Kind::of(b"GET", b"/chat", None, true), Kind::WebSocket);
        assert_eq!(Kind::of(b"RDG_OUT_DATA", b"/remoteDesktopGateway/", None, true), Kind::RdgOut);
    }

    #[test]
    fn what_follows_from_a_kind() {
        use Class::{Channel, LongPoll, Short};
        for (kind, class, long, stream, pairing) in [
            (Kind::Ordinary, Short, false, false, Pairing::Alone),
            (Kind::RpcIn, Channel, true, true, Pairing::Client),
            (Kind::RpcOut, Channel, true, false, Pairing::Client),
            (Kind::RdgIn, Channel, true, true, Pairing::ConnectionId),
            (Kind::RdgOut, Channel, true, false, Pairing::ConnectionId),
            (Kind::Mapi, LongPoll, true, false, Pairing::Alone),
            (Kind::ActiveSync(Command::Ping), LongPoll, true, false, Pairing::Alone),
            (Kind::ActiveSync(Command::Sync), LongPoll, true, false, Pairing::Alone),
            (Kind::ActiveSync(Command::Other), Short, true, false, Pairing::Alone),
            (Kind::Ews, Short, true, false, Pairing::Alone),
            (Kind::OwaNotification, LongPoll, true, false, Pairing::Alone),
            (Kind::WebSocket, Channel, true, false, Pairing::Alone),
        ] {
            assert_eq!((kind.class(), kind.long().is_some()), (class, long), "{kind:?}");
            assert_eq!((kind.body_is_stream(), kind.pairing()), (stream, pairing), "{kind:?}");
        }
        assert_eq!(Kind::Ews.class_after(Duration::from_secs(2)), Short);
        assert_eq!(Kind::Ews.class_after(Duration::from_secs(60)), LongPoll);
        assert_eq!(Kind::Ordinary.class_after(LONG), Short);
    }

    #[test]
    fn connection_ids_are_guids() {
        let id = Some([0x6b, 0x2a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xfd]);
        for (value, expected) in [
            ("{6B2A0001-0203-0405-0607-08090a0b0cfd}", id),
            (" 6b2a0001-0203-0405-0607-08090A0B0CFD ", id),
            ("{6B2A0001-0203-0405-0607-08090a0b0cfd", None),
            ("6b2a00010203040506070809-a0b0cfd00000", None),
            ("6b2a0001-0203-0405-0607-08090a0b0cfg", None),
            ("6b2a0001-0203-0405-0607-08090a0b0-fd", None),
            ("", None),
        ] {
            assert_eq!(connection_id(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn upgrades_are_lists() {
        assert!(upgrades_to_web_socket(b"h2c, WebSocket"));
        assert!(!upgrades_to_web_socket(b"websockets"));
        assert!(!upgrades_to_web_socket(b""));
    }
}
