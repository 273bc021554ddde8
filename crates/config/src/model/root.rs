//! The top level, and the tables about the program itself.

use super::Kind::{Bind, Choice, Duration, Glob, Integer, List, Name, Named, PasswordHash, Path, Sink, Text};
use super::{Key, Kind, Table, Word, application, certificate, later, listener, packet, pool, seconds, waf};

/// The whole file.
pub(crate) static ROOT: Table = Table {
    doc: "The top level of the file. These keys stand before the first `[table]`.",
    keys: &[
        Key::optional(
            "zone",
            Name,
            "\"a\"",
            "zones do not matter",
            "Where this node stands: a rack, a room, a site. Pools with `zones` prefer servers of the same zone. \
             `transom run --zone` overrides it.",
        ),
        Key::optional(
            "workers",
            Integer { min: 1, max: 1024 },
            "4",
            "one for each CPU the process may run on",
            "How many threads relay connections.",
        ),
        Key::optional(
            "include",
            List(&Glob),
            "[\"conf.d/*.toml\"]",
            "no further file is read",
            "Further files that are read as if they stood here: paths, relative to the file the key stands in, where \
             `*` stands for any part of a file name. What matches a pattern is read in the order of its name; a path \
             without `*` must exist. A table such as `[log]` may stand in one of the files only, and a name may be \
             given once in all of them.",
        ),
        Key::optional("process", Kind::Table(&PROCESS), "{ drain = \"1m\" }", "as its keys say", PROCESS.doc),
        Key::optional(
            "limits",
            Kind::Table(&LIMITS),
            "{ connections = 50_000 }",
            "as its keys say",
            LIMITS.doc,
        ),
        Key::optional("log", Kind::Table(&LOG), "{ format = \"haproxy\" }", "as its keys say", LOG.doc),
        Key::optional(
            "admin",
            Kind::Table(&ADMIN),
            "{ bind = \"127.0.0.1:8404\" }",
            "as its keys say",
            ADMIN.doc,
        ),
        Key::optional(
            "certificate",
            Named(&certificate::CERTIFICATE),
            "",
            "no certificate",
            certificate::CERTIFICATE.doc,
        ),
        Key::optional(
            "listener",
            Named(&listener::LISTENER),
            "",
            "nothing to serve: an error",
            listener::LISTENER.doc,
        ),
        Key::optional(
            "packet",
            Kind::Table(&packet::PACKET),
            "{ interfaces = [\"eth0\"] }",
            "as its keys say",
            packet::PACKET.doc,
        ),
        Key::optional(
            "application",
            Named(&application::APPLICATION),
            "",
            "listeners and pools are written out",
            application::APPLICATION.doc,
        ),
        Key::optional("pool", Named(&pool::POOL), "", "no pool", pool::POOL.doc),
        Key::optional("stick-table", Named(&pool::STICK_TABLE), "", "no table", pool::STICK_TABLE.doc),
        Key::optional("waf", Named(&waf::WAF), "", "no firewall", waf::WAF.doc),
        Key::optional(
            "abuse",
            Kind::Table(&waf::ABUSE),
            "{ failures-per-source = { count = 30, per = \"10m\", ban = \"15m\" } }",
            "nothing is counted",
            waf::ABUSE.doc,
        ),
        Key::later("acme", later::ACME),
        Key::later("shield", later::SHIELD),
        Key::later("cluster", later::CLUSTER),
        Key::later("node", later::NODE),
    ],
};

/// `[process]`
pub(crate) static PROCESS: Table = Table {
    doc: "The process itself.",
    keys: &[
        Key::optional(
            "user",
            Name,
            "\"transom\"",
            "`transom` if there is such a user, else `nobody`",
            "The user that the worker becomes when it is started as root.",
        ),
        Key::default(
            "drain",
            Duration { min: seconds(0), max: seconds(86_400) },
            "\"30s\"",
            "How long a stop waits for open connections before it cuts them (`admin-drained`). Nothing is accepted \
             meanwhile.",
        ),
    ],
};

/// `[limits]`
pub(crate) static LIMITS: Table = Table {
    doc: "Limits over all listeners together.",
    keys: &[Key::optional(
        "connections",
        Integer { min: 1, max: CONNECTIONS_MAX },
        "50_000",
        "as many as the open files of the process allow",
        "Client connections at a time. Further ones wait in the backlog until one ends. Each takes two open files; the \
         limit of open files is raised as far as the system lets, and `run` does not start when it is too low for \
         this.",
    )],
};

/// Connections one process could ever have.
pub(crate) const CONNECTIONS_MAX: u64 = 16_777_216;

/// `[log]`
pub(crate) static LOG: Table = Table {
    doc: "Two logs: the access log has a line for each connection, the program log has what the program says of \
          itself. Files are opened again at each reload, so that they can be rotated.",
    keys: &[
        Key::default("access", Sink, "\"stdout\"", "Where lines of the access log go."),
        Key::default("format", Choice(FORMATS), "\"json\"", "How a line of the access log looks."),
        Key::default("program", Sink, "\"stderr\"", "Where lines of the program log go."),
        Key::default("level", Choice(LEVELS), "\"info\"", "The least severe lines that the program log has."),
    ],
};

/// `format`
pub(crate) const FORMATS: &[Word] = &[
    Word::new("json", "One JSON object a line."),
    Word::new("haproxy", "HAProxy's tcplog, for the parsers that exist for it."),
];

/// `level`
pub(crate) const LEVELS: &[Word] = &[
    Word::new("error", "What needs a person now."),
    Word::new("warn", "And what will need one."),
    Word::new("info", "And what is worth knowing: servers that go down and come up, reloads."),
    Word::new("debug", "And what is worth knowing while searching for a fault."),
];

/// `[admin]`
pub(crate) static ADMIN: Table = Table {
    doc: "How the program is asked and steered: `transom ctl`, `/metrics`, `/status`, `/ready`, `/api/v1/`.",
    keys: &[
        Key::optional(
            "socket",
            Path,
            "\"/run/transom/admin.sock\"",
            "`/run/transom/admin.sock` as root, else `transom/admin.sock` in the user's runtime directory",
            "The unix socket. Whoever may open it may do everything: its permissions decide.",
        ),
        Key::optional(
            "bind",
            Bind,
            "\"127.0.0.1:8404\"",
            "the unix socket only",
            "An address to ask over HTTP as well. One that other machines can reach needs `users`.",
        ),
        Key::optional(
            "users",
            Kind::Tables(&USER),
            "[{ name = \"watch\", password-hash = \
             \"$argon2id$v=19$m=19456,t=2,p=1$8riclmvrXIbrsnYrEjziWQ$AS/zq7hXI/G5hur6ZWgb+oH7IyTu4RUCVFOgXzO0FP8\" }]",
            "whoever asks from this machine may look",
            USER.doc,
        ),
    ],
};

/// An entry of `users`
pub(crate) static USER: Table = Table {
    doc: "Who may ask over the admin address, by HTTP Basic authentication.",
    keys: &[
        Key::required("name", Name, "\"alice\"", "The name typed at the prompt."),
        Key::required(
            "password-hash",
            PasswordHash,
            "\"$argon2id$v=19$m=19456,t=2,p=1$8riclmvrXIbrsnYrEjziWQ$AS/zq7hXI/G5hur6ZWgb+oH7IyTu4RUCVFOgXzO0FP8\"",
            "An argon2id hash in PHC form. Debian's `argon2` makes one: \
             `printf %s PASSWORD | argon2 \"$(openssl rand -hex 8)\" -id -t 2 -k 19456 -p 1 -e`.",
        ),
        Key::default("role", Choice(ROLES), "\"viewer\"", "What the user may do."),
    ],
};

/// `role`
pub(crate) const ROLES: &[Word] = &[
    Word::new("viewer", "Look."),
    Word::new("operator", "And drain servers, change weights."),
    Word::new("admin", "And reload."),
];

/// Free text of a key that has no form of its own.
pub(crate) const TEXT: Kind = Text;
