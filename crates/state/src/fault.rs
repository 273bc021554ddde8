//! Faults: what went wrong, whose doing it was, and what to do about it.
//!
//! The words are a contract: they stand in the access log, in `transom_faults_total{code}`, in the admin API and in
//! docs/faults.md, which [`reference()`] writes. A code never changes its meaning; new ones may be added.

use std::fmt;

/// Why a connection or a request did not do what its client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// Plain HTTP arrived where TLS is expected.
    ClientSentPlainHttp,
    /// The client hung up before it was served.
    ClientClosed,
    /// The client said nothing for too long.
    ClientTimeout,
    /// What the client sent is not what this listener understands.
    ClientBadRequest,
    /// The client's body is larger than allowed.
    ClientBodyTooLarge,
    /// The client ended TLS with an alert.
    ClientTlsAlert,
    /// The client and we have no TLS version or suite in common.
    ClientTlsNoCommonSuite,
    /// The client and we have no application protocol in common.
    ClientTlsNoCommonProtocol,
    /// The client showed no certificate where it must, or one that is not accepted.
    ClientTlsCertificate,
    /// The client's address may not connect here.
    SourceRefused,
    /// No route matches the request.
    NoRoute,
    /// The route that takes the request refuses it.
    RouteRefused,
    /// No route lists the TLS server name, and there is no default pool.
    NoSniMatch,
    /// The method is not allowed.
    MethodRefused,
    /// The web application firewall refused the request.
    WafBlocked,
    /// The shield's limit for this source was reached.
    ShieldLimited,
    /// No server of the pool may be used.
    PoolEmpty,
    /// Every server is at its limit and the queue is full.
    PoolFull,
    /// The client waited in the queue for too long.
    QueueTimeout,
    /// The server's name does not resolve.
    ServerDns,
    /// The server refused the connection.
    ServerRefused,
    /// No way to the server.
    ServerUnreachable,
    /// The server did not answer the connect in time.
    ServerConnectTimeout,
    /// The server speaks TLS where plain text was expected.
    ServerSpeaksTls,
    /// The server speaks plain text where TLS was expected.
    ServerSpeaksPlain,
    /// The server's certificate is for another name.
    ServerTlsName,
    /// The server's certificate is signed by nobody we trust.
    ServerTlsUntrusted,
    /// The server's certificate is out of its dates.
    ServerTlsExpired,
    /// The server ended TLS with an alert.
    ServerTlsAlert,
    /// The server and we have no TLS version or suite in common.
    ServerTlsNoCommonSuite,
    /// The server asked for another handshake in the middle of a connection.
    ServerTlsRenegotiation,
    /// The server hung up before it answered.
    ServerClosedBeforeResponse,
    /// The server reset the connection.
    ServerReset,
    /// The server went down, and its pool ends connections with it.
    ServerWentDown,
    /// The server did not answer in time.
    ServerResponseTimeout,
    /// What the server answered is not what was expected.
    ServerBadResponse,
    /// The server hung up in the middle of its answer.
    ServerClosedMidBody,
    /// The server connection that was pinned to this client is gone.
    PinnedServerGone,
    /// No source port is left towards a server.
    OutOfPorts,
    /// A connection cannot come from the client's address.
    SourceUnusable,
    /// There is no socket for a connection from the client's address.
    SourceUnavailable,
    /// No file descriptor is left.
    OutOfFiles,
    /// We were stopping and the drain time was over.
    AdminDrained,
    /// A reload took away what this connection stood on.
    ReloadCut,
}

/// Whose doing a fault was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The client's, or somebody's between it and us.
    Client,
    /// The server's, or of the network between it and us.
    Server,
    /// Ours, or of how we are configured.
    Us,
}

impl Blame {
    /// The word in logs: `client`, `server`, `us`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Us => "us",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything said about one fault.
struct Entry {
    fault: Fault,
    code: &'static str,
    blame: Blame,
    meaning: &'static str,
    remedy: &'static str,
}

impl Fault {
    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// Every fault, in the order of a connection's life.
    pub const ALL: &[Self] = &{
        let mut all = [Self::ClientClosed; TABLE.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = TABLE[i].fault;
            i += 1;
        }
        all
    };

    /// The stable word, kebab-case: `server-refused`.
    pub const fn code(self) -> &'static str {
        self.entry().code
    }

    /// Whose doing it was.
    pub const fn blame(self) -> Blame {
        self.entry().blame
    }

    /// What happened, for an administrator.
    pub const fn meaning(self) -> &'static str {
        self.entry().meaning
    }

    /// What to look at or do first.
    pub const fn remedy(self) -> &'static str {
        self.entry().remedy
    }

    /// The fault of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        TABLE.iter().find(|entry| entry.code == code).map(|entry| entry.fault)
    }

    /// Its place in [`Fault::ALL`]; less than [`Fault::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    const fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The table of docs/faults.md, in Markdown.
pub fn reference() -> String {
    let mut out = String::from("| code | whose doing | what it means | what to do |\n|---|---|---|---|\n");
    for entry in &TABLE {
        out.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            entry.code, entry.blame, entry.meaning, entry.remedy
        ));
    }
    out
}

/// Every fault at the index of its number.
static TABLE: [Entry; 44] = [
    Entry {
        fault: Fault::ClientSentPlainHttp,
        code: "client-sent-plain-http",
        blame: Blame::Client,
        meaning: "The client spoke plain HTTP on a port where TLS is expected.",
        remedy: "Have clients use https://, or let `plain-http = \"redirect\"` send them there. A device in front \
                 that removes TLS must stop doing so.",
    },
    Entry {
        fault: Fault::ClientClosed,
        code: "client-closed",
        blame: Blame::Client,
        meaning: "The client hung up before it was served.",
        remedy: "A few are normal: closed tabs, port probes. Many at once: look for slow servers or long queues, \
                 or for a probe of another device that connects and says nothing.",
    },
    Entry {
        fault: Fault::ClientTimeout,
        code: "client-timeout",
        blame: Blame::Client,
        meaning: "The client connected but did not say in time what it wants, or said nothing for the idle timeout.",
        remedy: "Raise `inspect-timeout` for slow networks, or `timeouts.idle` for protocols that keep quiet \
                 (ActiveSync and MAPI need more than 15 minutes). Many from one source are an attack or a probe.",
    },
    Entry {
        fault: Fault::ClientBadRequest,
        code: "client-bad-request",
        blame: Blame::Client,
        meaning: "What the client sent is not valid for this listener: not TLS, not HTTP, a malformed message, or a \
                  PROXY protocol header that is missing or wrong.",
        remedy: "Check that the client uses this port for the right protocol. If a load balancer stands in front, \
                 check that it sends the PROXY protocol exactly when `accept-proxy` lists its address.",
    },
    Entry {
        fault: Fault::ClientBodyTooLarge,
        code: "client-body-too-large",
        blame: Blame::Client,
        meaning: "The client's request body is larger than the limit.",
        remedy: "Raise the body limit if such uploads are wanted (large mail attachments are); else nothing.",
    },
    Entry {
        fault: Fault::ClientTlsAlert,
        code: "client-tls-alert",
        blame: Blame::Client,
        meaning: "The client ended the TLS handshake with an alert: it did not like our certificate, versions or \
                  ciphers.",
        remedy: "Check that the certificate covers the name the client asked for, that its chain is complete and \
                 not expired, and that the client is not too old for TLS 1.2.",
    },
    Entry {
        fault: Fault::ClientTlsNoCommonSuite,
        code: "client-tls-no-common-suite",
        blame: Blame::Client,
        meaning: "The client and the listener have no TLS version, cipher suite or signature in common.",
        remedy: "The client is too old for TLS 1.2 with ECDHE and AES-GCM, or `min` is too high for it: update the \
                 client. A client that can verify only RSA needs an RSA certificate beside an ECDSA one.",
    },
    Entry {
        fault: Fault::ClientTlsNoCommonProtocol,
        code: "client-tls-no-common-protocol",
        blame: Blame::Client,
        meaning: "The client offers (ALPN) only protocols that the listener does not list.",
        remedy: "Add the protocol to the listener's `alpn`, or leave `alpn` out.",
    },
    Entry {
        fault: Fault::ClientTlsCertificate,
        code: "client-tls-certificate",
        blame: Blame::Client,
        meaning: "The client showed no certificate though the listener requires one, or one that is not accepted.",
        remedy: "Give the client a certificate of an authority in the listener's client `ca` that has not expired and \
                 is on no revocation list; renew the lists before their time is over.",
    },
    Entry {
        fault: Fault::SourceRefused,
        code: "source-refused",
        blame: Blame::Client,
        meaning: "The client's address is in `refuse`, or `allow` is given and it is not in it.",
        remedy: "Nothing, if it should stay out. Else correct the listener's `allow` and `refuse`; behind another \
                 load balancer the address seen is that one's unless it sends the PROXY protocol.",
    },
    Entry {
        fault: Fault::NoRoute,
        code: "no-route",
        blame: Blame::Client,
        meaning: "No route of the listener matches the request and there is no default.",
        remedy: "Compare host and path in the log with the listener's routes; add one, or a default pool.",
    },
    Entry {
        fault: Fault::RouteRefused,
        code: "route-refused",
        blame: Blame::Client,
        meaning: "The route that takes the request says `refuse` or `reset`.",
        remedy: "Nothing, if such requests should stay out: the line names the route. Else correct its conditions, or \
                 put a route that allows the request in front of it.",
    },
    Entry {
        fault: Fault::NoSniMatch,
        code: "no-sni-match",
        blame: Blame::Client,
        meaning: "No route lists the server name of the TLS ClientHello (or it has none), and the listener has no \
                  default pool.",
        remedy: "Add the name to a route, or give the listener a `pool` for everything else. Clients that connect \
                 by address send no name.",
    },
    Entry {
        fault: Fault::MethodRefused,
        code: "method-refused",
        blame: Blame::Client,
        meaning: "The request's method is not allowed here.",
        remedy: "Allow it if it is needed; Exchange uses unusual ones (RPC_IN_DATA, RPC_OUT_DATA, PROPFIND).",
    },
    Entry {
        fault: Fault::WafBlocked,
        code: "waf-blocked",
        blame: Blame::Client,
        meaning: "The web application firewall took the request for an attack.",
        remedy: "Read the rules named in the log. If the request was legitimate, exclude that rule for that path.",
    },
    Entry {
        fault: Fault::ShieldLimited,
        code: "shield-limited",
        blame: Blame::Client,
        meaning: "The source sent more than the shield lets one source send.",
        remedy: "Nothing during an attack. If it is a proxy or NAT with many people behind it, raise its limit.",
    },
    Entry {
        fault: Fault::PoolEmpty,
        code: "pool-empty",
        blame: Blame::Server,
        meaning: "No server of the pool can be used: every one is down, in maintenance, draining, or has weight 0.",
        remedy: "`transom ctl servers` says why each one is out. Repair the servers or the health check, or set one \
                 ready.",
    },
    Entry {
        fault: Fault::PoolFull,
        code: "pool-full",
        blame: Blame::Us,
        meaning: "Every server that could be used is at its connection limit, and the queue is full.",
        remedy: "Add servers, or raise the servers' `connections` or the pool's `queue.size` if they can bear it.",
    },
    Entry {
        fault: Fault::QueueTimeout,
        code: "queue-timeout",
        blame: Blame::Us,
        meaning: "The client waited in the queue for a server with room for longer than `queue.timeout`.",
        remedy: "Add servers, or raise the servers' `connections`; look for connections that never end.",
    },
    Entry {
        fault: Fault::ServerDns,
        code: "server-dns",
        blame: Blame::Server,
        meaning: "The server is configured by name and the name does not resolve.",
        remedy: "Look the name up on this machine; check its resolver, or configure the address instead.",
    },
    Entry {
        fault: Fault::ServerRefused,
        code: "server-refused",
        blame: Blame::Server,
        meaning: "The server's machine answered that nothing listens on that port.",
        remedy: "Start the service; check the port; check for a firewall that answers with a reset.",
    },
    Entry {
        fault: Fault::ServerUnreachable,
        code: "server-unreachable",
        blame: Blame::Server,
        meaning: "The network says there is no way to the server: no route, or its machine does not answer on its \
                  own network.",
        remedy: "Is the machine on? Check cable, VLAN, address, routes and firewalls between here and there.",
    },
    Entry {
        fault: Fault::ServerConnectTimeout,
        code: "server-connect-timeout",
        blame: Blame::Server,
        meaning: "The server did not answer the connect within `timeouts.connect`.",
        remedy: "Most often a firewall that drops silently, a wrong gateway on the server, or a machine so loaded \
                 that its accept queue is full.",
    },
    Entry {
        fault: Fault::ServerSpeaksTls,
        code: "server-speaks-tls",
        blame: Blame::Server,
        meaning: "The server speaks TLS on a port where plain text was expected.",
        remedy: "Turn TLS on for this pool or health check, or correct the port (443 for 80, say).",
    },
    Entry {
        fault: Fault::ServerSpeaksPlain,
        code: "server-speaks-plain",
        blame: Blame::Server,
        meaning: "The server speaks plain text on a port where TLS was expected.",
        remedy: "Turn TLS off for this pool or health check, or correct the port (80 for 443, say).",
    },
    Entry {
        fault: Fault::ServerTlsName,
        code: "server-tls-name",
        blame: Blame::Server,
        meaning: "The server's certificate is not for the name we verify.",
        remedy: "Set the name to one in the certificate, or give the server a certificate for this name.",
    },
    Entry {
        fault: Fault::ServerTlsUntrusted,
        code: "server-tls-untrusted",
        blame: Blame::Server,
        meaning: "The server's certificate is signed by no authority in the `ca` file, or its chain is incomplete.",
        remedy: "Put the authority's certificate into the `ca` file; have the server send its intermediates.",
    },
    Entry {
        fault: Fault::ServerTlsExpired,
        code: "server-tls-expired",
        blame: Blame::Server,
        meaning: "The server's certificate has expired or is not valid yet.",
        remedy: "Renew it; check the clocks of both machines.",
    },
    Entry {
        fault: Fault::ServerTlsAlert,
        code: "server-tls-alert",
        blame: Blame::Server,
        meaning: "The server ended the TLS handshake with an alert.",
        remedy: "Often the server knows no such name (SNI), wants a client certificate, or speaks only TLS 1.0: \
                 `openssl s_client` against it shows which.",
    },
    Entry {
        fault: Fault::ServerTlsNoCommonSuite,
        code: "server-tls-no-common-suite",
        blame: Blame::Server,
        meaning: "The server and we have no TLS version, cipher suite or signature in common.",
        remedy: "Enable TLS 1.2 with an ECDHE and AES-GCM suite on the server. Windows 2012 R2 and older have such \
                 suites only with an ECDSA certificate: update it, or relay with `mode = \"passthrough\"`.",
    },
    Entry {
        fault: Fault::ServerTlsRenegotiation,
        code: "server-tls-renegotiation",
        blame: Blame::Server,
        meaning: "The server asked for another TLS handshake in the middle of a connection, most often to ask for a \
                  client certificate for one directory only.",
        remedy: "Have the server ask at the start of the handshake, for the whole site, and give the pool that \
                 certificate.",
    },
    Entry {
        fault: Fault::ServerClosedBeforeResponse,
        code: "server-closed-before-response",
        blame: Blame::Server,
        meaning: "The server accepted and then closed without an answer.",
        remedy: "Look into the server's own log at that second: a crash, a restart, an idle timeout shorter than \
                 ours, or a PROXY protocol header it did not expect.",
    },
    Entry {
        fault: Fault::ServerReset,
        code: "server-reset",
        blame: Blame::Server,
        meaning: "The server reset the connection.",
        remedy: "Look into the server's own log: a crash, a full backlog, or a firewall that forgot the connection \
                 because it was idle.",
    },
    Entry {
        fault: Fault::ServerWentDown,
        code: "server-went-down",
        blame: Blame::Server,
        meaning: "The server went down while the connection was open, and its pool says `on-down = \"close\"`.",
        remedy: "`transom ctl servers` says why it is down. The client comes back to another server; to let \
                 connections go on instead, set `on-down = \"keep\"`.",
    },
    Entry {
        fault: Fault::ServerResponseTimeout,
        code: "server-response-timeout",
        blame: Blame::Server,
        meaning: "The server accepted but did not answer, or went silent, for longer than the timeout.",
        remedy: "Is the server overloaded, or does it hold the answer back on purpose (ActiveSync and MAPI do, for \
                 15 minutes and more)? In that case raise the timeout.",
    },
    Entry {
        fault: Fault::ServerBadResponse,
        code: "server-bad-response",
        blame: Blame::Server,
        meaning: "What the server answered is malformed, or not what the health check expects.",
        remedy: "Ask the server the same directly. For a health check compare path, host, status and body: a 302 \
                 from /owa/ instead of the 200 from /owa/healthcheck.htm, say.",
    },
    Entry {
        fault: Fault::ServerClosedMidBody,
        code: "server-closed-mid-body",
        blame: Blame::Server,
        meaning: "The server closed in the middle of its answer.",
        remedy: "Look into the server's own log: a crash, a recycled application pool, a limit that was hit.",
    },
    Entry {
        fault: Fault::PinnedServerGone,
        code: "pinned-server-gone",
        blame: Blame::Server,
        meaning: "The server connection this client had authenticated (NTLM, Negotiate) is gone, and no other may \
                  take its place.",
        remedy: "The client signs in again by itself. If it happens often, the server's idle timeout is shorter \
                 than the client's.",
    },
    Entry {
        fault: Fault::OutOfPorts,
        code: "out-of-ports",
        blame: Blame::Us,
        meaning: "Every local port towards this server is in use.",
        remedy: "Give the pool more than one `source` address, or widen net.ipv4.ip_local_port_range.",
    },
    Entry {
        fault: Fault::SourceUnusable,
        code: "source-unusable",
        blame: Blame::Us,
        meaning: "The pool connects from the client's address, and this one cannot reach the server: another IP version, \
                  or not the address of one host.",
        remedy: "Give the pool servers of both IP versions, or let the listener listen on the servers' alone.",
    },
    Entry {
        fault: Fault::SourceUnavailable,
        code: "source-unavailable",
        blame: Blame::Us,
        meaning: "The pool connects from the client's address, and the keeper gave no socket that may.",
        remedy: "Start the program as root or with CAP_NET_ADMIN; the program log names the cause.",
    },
    Entry {
        fault: Fault::OutOfFiles,
        code: "out-of-files",
        blame: Blame::Us,
        meaning: "The process or the machine has no file descriptor left.",
        remedy: "Raise RLIMIT_NOFILE (LimitNOFILE= of the unit), or lower `limits.connections`.",
    },
    Entry {
        fault: Fault::AdminDrained,
        code: "admin-drained",
        blame: Blame::Us,
        meaning: "We were asked to stop, or the server was taken out of service, and the connection outlived the \
                  time it was given.",
        remedy: "Expected during maintenance. Raise `process.drain` if connections need longer to end.",
    },
    Entry {
        fault: Fault::ReloadCut,
        code: "reload-cut",
        blame: Blame::Us,
        meaning: "A reload took away the listener, pool or server this connection stood on.",
        remedy: "Expected when something is removed from the configuration.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_fault_stands_at_its_own_number() {
        for (index, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.fault.index(), index, "{}", entry.code);
            assert_eq!(Fault::ALL[index], entry.fault);
        }
    }

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let mut seen = HashSet::new();
        for fault in Fault::ALL {
            let code = fault.code();
            assert!(seen.insert(code), "{code} twice");
            let kebab = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            assert!(code.split('-').all(kebab), "{code}");
            assert_eq!(Fault::from_code(code), Some(*fault));
        }
        assert_eq!(Fault::from_code("server-on-fire"), None);
    }

    #[test]
    fn codes_that_name_a_side_blame_that_side() {
        for fault in Fault::ALL {
            match fault.code().split('-').next() {
                Some("client") => assert_eq!(fault.blame(), Blame::Client, "{fault}"),
                Some("server") => assert_eq!(fault.blame(), Blame::Server, "{fault}"),
                _ => {}
            }
        }
    }

    #[test]
    fn every_fault_has_sentences_for_its_administrator() {
        for fault in Fault::ALL {
            for text in [fault.meaning(), fault.remedy()] {
                assert!(text.len() > 20 && text.ends_with('.'), "{fault}: {text}");
                assert!(
                    !text.contains("  ") && !text.contains('|') && !text.contains('\n'),
                    "{fault}: {text}"
                );
            }
        }
    }

    #[test]
    fn the_reference_has_one_row_a_fault() {
        let text = reference();
        assert_eq!(text.lines().count(), Fault::COUNT + 2);
        assert!(text.contains("| `pool-full` | us | "));
        assert!(text.lines().all(|line| line.starts_with('|') && line.ends_with('|')));
    }
}
