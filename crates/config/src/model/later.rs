//! What later releases own. Each is an error that says so: a key that is read and then ignored would be worse than one
//! that is refused.

use super::Later;

pub(crate) const HTTP: Later = Later {
    what: "routing of HTTP requests by host and path comes with the release that terminates HTTP",
    instead: "relay the connections: `mode = \"tls\"` decrypts TLS, `mode = \"passthrough\"` chooses by TLS server name, \
              `mode = \"tcp\"` reads nothing",
};

pub(crate) const PACKET: Later = Later {
    what: "balancing of packets (nat, dsr, tunnel) comes with the packet data plane",
    instead: "relay the connections: `mode = \"tcp\"`",
};

pub(crate) const ACME: Later = Later {
    what: "ordering certificates comes with a release after the one that terminates HTTP",
    instead: "let the client that you order them with go on, and name its files: `chain` and `key`",
};

pub(crate) const APPLICATION: Later = Later {
    what: "ready-made settings for Exchange come with the release that terminates HTTP",
    instead: "write listeners and pools; the how-to for Exchange by TLS server name has them to copy",
};

pub(crate) const WAF: Later = Later {
    what: "the web application firewall comes with a release after the one that terminates HTTP",
    instead: "take it out, and keep filtering where you filter now",
};

pub(crate) const CLUSTER: Later = Later {
    what: "sharing state between nodes comes with the release that forms clusters",
    instead: "take it out; each node keeps its own stick tables, and `balance = \"hash\"` chooses alike on all of them",
};

pub(crate) const NODE: Later = Later {
    what: "several nodes in one file come with the release that forms clusters",
    instead: "give each node a file of its own; `include` holds what they share, `zone` says where each stands",
};

pub(crate) const CLIENT_SOURCE: Later = Later {
    what: "connecting to servers from the client's own address comes with the packet data plane",
    instead: "send the client's address instead: `connect = { proxy-protocol = \"v2\" }`, if the servers read it",
};

pub(crate) const PACKET_BALANCE: Later = Later {
    what: "only packet modes choose a balance of their own, and they come with the packet data plane",
    instead: "write it in the pool",
};
