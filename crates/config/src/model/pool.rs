//! Pools, their servers, and stick tables.

use super::Kind::{Bool, Choice, Duration, Host, Integer, Ip, List, Name, Server, Token};
use super::http::HTTP;
use super::{Key, Kind, Table, Word, application, certificate, health, later, milliseconds, root, seconds};

/// `[pool.NAME]`
pub(crate) static POOL: Table = Table {
    doc: "Servers that can stand in for each other, how one is chosen, and how it is reached.",
    keys: &[
        Key::required(
            "servers",
            Kind::Tables(&SERVER),
            "[{ name = \"web1\", address = \"192.0.2.10:443\" }]",
            "The servers. Names are unique in the pool; runtime state (drained, weight) belongs to the name.",
        )
        .filled(),
        Key::default(
            "balance",
            Choice(BALANCES),
            "\"round-robin\"",
            "How a server is chosen for a new connection.",
        ),
        Key::default("hash-on", Kind::RequestKey, "\"source\"", HASH_ON).only(&["hash"]),
        Key::default(
            "zones",
            Choice(ZONES),
            "\"even\"",
            "How much the zones of servers weigh. A server without a zone stands in none.",
        ),
        Key::optional(
            "stick",
            Kind::Table(&STICK),
            "{ on = \"source\", table = \"clients\" }",
            "each connection is balanced anew",
            STICK.doc,
        ),
        Key::optional(
            "cookie",
            Kind::Table(&COOKIE),
            "{ name = \"SRV\" }",
            "the client remembers nothing",
            COOKIE.doc,
        )
        .only(HTTP),
        Key::optional(
            "reuse",
            Kind::Table(&REUSE),
            "{ idle = 64, idle-for = \"1m\" }",
            "as its keys say",
            REUSE.doc,
        )
        .only(HTTP),
        Key::optional(
            "health-check",
            Kind::Table(&health::HEALTH_CHECK),
            "{ tcp = true }",
            "`passive` alone finds out",
            health::HEALTH_CHECK.doc,
        ),
        Key::optional(
            "passive",
            Kind::Table(&PASSIVE),
            "{ fall = 5, hold = \"10s\" }",
            "as its keys say",
            PASSIVE.doc,
        ),
        Key::optional(
            "timeouts",
            Kind::Table(&TIMEOUTS),
            "{ connect = \"5s\", idle = \"65m\" }",
            "as its keys say",
            TIMEOUTS.doc,
        ),
        Key::optional(
            "retry",
            Kind::Table(&RETRY),
            "{ times = 3, other-server = true }",
            "as its keys say",
            RETRY.doc,
        ),
        Key::optional(
            "queue",
            Kind::Table(&QUEUE),
            "{ size = 1024, timeout = \"5s\" }",
            "as its keys say",
            QUEUE.doc,
        ),
        Key::default(
            "slow-start",
            Duration { min: seconds(0), max: seconds(3600) },
            "\"0s\"",
            "How long a server that came up takes to reach its full weight. `0s` is at once.",
        ),
        Key::default(
            "on-down",
            Choice(ON_DOWN),
            "\"keep\"",
            "What happens to the connections of a server that goes down.",
        ),
        Key::optional(
            "connect",
            Kind::Table(&CONNECT),
            "{ proxy-protocol = \"v2\" }",
            "plain connections",
            CONNECT.doc,
        ),
        Key::optional(
            "source",
            Kind::Table(&SOURCE),
            "{ addresses = [\"10.0.0.9\", \"10.0.0.19\"] }",
            "the kernel's choice",
            SOURCE.doc,
        ),
        Key::optional(
            "application",
            Choice(application::OF_POOL),
            "\"exchange\"",
            "it serves whatever is asked",
            "Whose servers these are.",
        ),
    ],
};

/// An entry of `servers`
pub(crate) static SERVER: Table = Table {
    doc: "One server of a pool. Also written `[[pool.NAME.servers]]`.",
    keys: &[
        Key::required("name", Name, "\"web1\"", "Its name in logs, metrics and `transom ctl`."),
        Key::required(
            "address",
            Server,
            "\"192.0.2.10:443\"",
            "Where it is reached: address or name, and port. A name is resolved again when its time to live has passed.",
        ),
        Key::default(
            "weight",
            Integer { min: 0, max: 256 },
            "1",
            "Its share of new connections beside the others' weights. 0 gets none but those that stick to it.",
        ),
        Key::optional("zone", Name, "\"a\"", "it stands in no zone", "Where it stands; see `zones`."),
        Key::optional("cookie", Token, "\"s1\"", "its name", "What the pool's `cookie` says for it."),
        Key::default("backup", Bool, "false", "Used only while no other server of the pool is up."),
        Key::optional(
            "connections",
            Integer { min: 1, max: root::CONNECTIONS_MAX },
            "500",
            "no limit",
            "Connections it gets at a time; further clients take another server or wait in the pool's queue.",
        ),
        Key::default(
            "admin",
            Choice(ADMIN_STATES),
            "\"ready\"",
            "The admin state in which the program starts it. What `transom ctl` sets later outlives reloads.",
        ),
    ],
};

/// `admin` of a server
pub(crate) const ADMIN_STATES: &[Word] = &[
    Word::new("ready", "In service."),
    Word::new("drain", "No new clients; those that stick to it still come."),
    Word::new("maint", "Out of service."),
];

/// `balance`
pub(crate) const BALANCES: &[Word] = &[
    Word::new("round-robin", "In turn, by weight, spread smoothly."),
    Word::new("least-connections", "The one with the fewest connections for its weight."),
    Word::new("random", "The less loaded of two taken at random."),
    Word::new(
        "hash",
        "By the client's address, consistently: a server that comes or goes moves few clients.",
    ),
    Word::new("first", "The first in the file that is not at its limit of connections."),
];

/// `hash-on`
const HASH_ON: &str = "What `balance = \"hash\"` hashes: `source`, the client's address; under `http` also `path`, `uri` \
                       (path and query as they came), `header:NAME`, `cookie:NAME` or `query:NAME`. Where a request has \
                       no such header, cookie or parameter, it is the client's address.";

/// `zones`
pub(crate) const ZONES: &[Word] = &[
    Word::new("even", "Zones do not matter."),
    Word::new("local-first", "Servers of this node's zone while one is up, then the others."),
    Word::new("strict", "Servers of this node's zone only."),
];

/// `on-down`
pub(crate) const ON_DOWN: &[Word] = &[
    Word::new("keep", "They go on until one side ends them."),
    Word::new("close", "They are closed, so that clients come back and get another server."),
];

/// `stick`
pub(crate) static STICK: Table = Table {
    doc: "Gives a client the server it had before, while that is up and the entry has not expired.",
    keys: &[
        Key::default(
            "on",
            Kind::RequestKey,
            "\"source\"",
            "What a client is known by, in the words of `hash-on`. All but `source` need a table with `key = \"text\"`.",
        ),
        Key::required(
            "table",
            Name,
            "\"clients\"",
            "The stick table. Pools may share one: a client then gets the server of the same name in each.",
        ),
    ],
};

/// `passive`
pub(crate) static PASSIVE: Table = Table {
    doc: "What real connections say about a server: so many that fail in a row mark it down before a probe does.",
    keys: &[
        Key::default(
            "fall",
            Integer { min: 0, max: 1000 },
            "5",
            "Failed connections in a row that mark a server down. 0 does not count them.",
        ),
        Key::default(
            "hold",
            Duration { min: seconds(1), max: seconds(3600) },
            "\"10s\"",
            "How long it stays down where no health check can bring it back.",
        ),
    ],
};

/// `timeouts` of a pool
pub(crate) static TIMEOUTS: Table = Table {
    doc: "Time limits towards servers.",
    keys: &[
        Key::default(
            "connect",
            Duration { min: milliseconds(10), max: seconds(300) },
            "\"5s\"",
            "To establish a connection, each try (`server-connect-timeout`).",
        ),
        Key::default(
            "idle",
            Duration { min: seconds(1), max: seconds(604_800) },
            "\"65m\"",
            "Without a byte in either direction, a connection is closed. ActiveSync holds one for up to 59 minutes.",
        ),
        Key::default(
            "response",
            Duration { min: milliseconds(100), max: seconds(86_400) },
            "\"2m\"",
            "Until the head of a response has come, and between any two pieces of its body (`server-response-timeout`). \
             Requests that servers hold on purpose (ActiveSync, MAPI, RPC, EWS notifications) have 65 minutes.",
        )
        .only(HTTP),
    ],
};

/// `retry`
pub(crate) static RETRY: Table = Table {
    doc: "What is tried after a connection to a server failed. The client notices nothing but the time.",
    keys: &[
        Key::default("times", Integer { min: 0, max: 10 }, "3", "Further tries after the first."),
        Key::default(
            "other-server",
            Bool,
            "true",
            "Whether they go to another server where there is one, even against the stick table.",
        ),
    ],
};

/// `queue`
pub(crate) static QUEUE: Table = Table {
    doc: "Where clients wait while every server is at its limit of `connections`.",
    keys: &[
        Key::default(
            "size",
            Integer { min: 0, max: 1_000_000 },
            "1024",
            "Clients that may wait. 0 refuses at once (`pool-full`).",
        ),
        Key::default(
            "timeout",
            Duration { min: milliseconds(10), max: seconds(3600) },
            "\"5s\"",
            "How long one waits (`queue-timeout`).",
        ),
    ],
};

/// `connect`
pub(crate) static CONNECT: Table = Table {
    doc: "What a connection to a server begins with.",
    keys: &[
        Key::optional(
            "proxy-protocol",
            Choice(PROXY_PROTOCOLS),
            "\"v2\"",
            "no header",
            "The PROXY protocol header that tells the server the client's address. Health checks send it too, as \
             LOCAL.",
        ),
        Key::optional(
            "tls",
            Kind::Table(&certificate::SERVER_TLS),
            "{ ca = \"/etc/transom/tls/internal-ca.pem\", name = \"mail.example.com\" }",
            "bytes go to servers as they are",
            certificate::SERVER_TLS.doc,
        ),
    ],
};

/// `proxy-protocol`
pub(crate) const PROXY_PROTOCOLS: &[Word] =
    &[Word::new("v1", "The line of text."), Word::new("v2", "The binary form.")];

/// `source`
pub(crate) static SOURCE: Table = Table {
    doc: "Our own address on connections to servers.",
    keys: &[
        Key::optional(
            "addresses",
            List(&Ip),
            "[\"10.0.0.9\", \"10.0.0.19\"]",
            "the kernel's choice",
            "Addresses of this machine that are used in turn, each for servers of its own family. Each gives about 28 to 64 thousand connections to one \
             server.",
        ),
        Key::default(
            "client",
            Bool,
            "false",
            "Whether it is the client's own address, so that servers which read no PROXY header (Exchange's receive \
             connectors) see who connects. It needs routing, which `check` prints, and the rights to do it \
             (CAP_NET_ADMIN). A connection then never serves another client.",
        ),
    ],
};

/// `[stick-table.NAME]`
pub(crate) static STICK_TABLE: Table = Table {
    doc: "Remembers which server a client was given. It outlives reloads.",
    keys: &[
        Key::default("key", Choice(STICK_KEYS), "\"ip\"", "What an entry is found by."),
        Key::required(
            "size",
            Integer { min: 1, max: 100_000_000 },
            "50_000",
            "Entries at most, of 40 bytes each; the one unused for longest makes room. `check` prints the memory.",
        ),
        Key::required(
            "expire",
            Duration { min: seconds(1), max: seconds(2_592_000) },
            "\"30m\"",
            "How long an entry lives after its last use.",
        ),
        Key::later("share", later::CLUSTER),
    ],
};

/// `key` of a stick table
pub(crate) const STICK_KEYS: &[Word] = &[
    Word::new("ip", "The client's address."),
    Word::new(
        "text",
        "A header, a cookie, a part of the URI; kept as a hash, in as much room as an address.",
    ),
];

/// `cookie`
pub(crate) static COOKIE: Table = Table {
    doc: "The client itself remembers which server it was given, in a cookie.",
    keys: &[
        Key::required("name", Token, "\"SRV\"", "Its name."),
        Key::default("mode", Choice(COOKIE_MODES), "\"insert\"", "Whose cookie it is."),
        Key::optional(
            "key",
            Kind::Text,
            "\"a long secret\"",
            "it says what the server's `cookie` says, or its name",
            "A secret: the cookie then says a hash of it and of the server's address, so that it tells nothing, and is \
             the same on every node that has the key.",
        ),
        Key::default(
            "preserve",
            Bool,
            "false",
            "Whether a cookie of this name that a server sets itself goes on in place of ours.",
        ),
        Key::optional(
            "secure",
            Bool,
            "true",
            "where the client speaks TLS to us",
            "Whether it says `Secure`: only sent over TLS.",
        ),
        Key::default("http-only", Bool, "true", "Whether it says `HttpOnly`: scripts do not see it."),
        Key::optional(
            "same-site",
            Choice(SAME_SITE),
            "\"Lax\"",
            "it does not say",
            "`SameSite`: whether other sites' pages may send it.",
        ),
        Key::optional(
            "max-age",
            Duration { min: seconds(1), max: seconds(34_560_000) },
            "\"8h\"",
            "until the browser is closed",
            "How long the client remembers.",
        ),
        Key::optional(
            "domain",
            Host,
            "\"example.com\"",
            "the host alone",
            "A domain whose hosts all get it.",
        ),
    ],
};

/// `mode` of `cookie`
pub(crate) const COOKIE_MODES: &[Word] = &[
    Word::new("insert", "Ours: set in responses, taken out of requests."),
    Word::new(
        "prefix",
        "The application's own: the server is put before its value in responses, and taken off in requests.",
    ),
    Word::new("rewrite", "The application's own: written over in responses."),
];

/// `same-site`
pub(crate) const SAME_SITE: &[Word] = &[
    Word::new("Strict", "They may not."),
    Word::new("Lax", "Only links may."),
    Word::new("None", "They may; needs `secure`."),
];

/// `reuse`
pub(crate) static REUSE: Table = Table {
    doc: "Idle connections to servers that wait for further requests, of other clients too. One that carried a login of \
          the connection (NTLM, Negotiate) never does.",
    keys: &[
        Key::default(
            "idle",
            Integer { min: 0, max: 100_000 },
            "64",
            "How many each worker keeps for each server. 0 keeps none.",
        ),
        Key::default(
            "idle-for",
            Duration { min: seconds(1), max: seconds(3600) },
            "\"1m\"",
            "How long one is kept; below what the servers keep theirs (IIS: two minutes).",
        ),
    ],
};
