//! Ready-made settings: what `[application.NAME]` may say. `check --expanded` prints what it stands for.

use super::Kind::{Bind, Bool, Choice, Integer, List, Machine, Name, Network, RoutePath, ServerName};
use super::{Key, Kind, Table, Word, certificate, pool};

/// `[application.NAME]`
pub(crate) static APPLICATION: Table = Table {
    doc: "A whole application in a few lines: it stands for listeners, routes and pools named after it, which \
          `check --expanded` prints.",
    keys: &[
        Key::required("kind", Choice(KINDS), "\"exchange\"", "What it is."),
        Key::default(
            "version",
            Choice(VERSIONS),
            "\"2019\"",
            "The oldest version among the servers; only for `exchange`.",
        ),
        Key::required(
            "names",
            List(&ServerName),
            "[\"mail.example.com\", \"autodiscover.example.com\"]",
            "The names that clients ask for. The first is the one that the servers' certificates must be for.",
        )
        .filled(),
        Key::required(
            "servers",
            Kind::Tables(&SERVER),
            "[{ name = \"ex1\", address = \"10.0.0.13\" }]",
            "The servers. They are connected to over TLS, unless `connect` says otherwise.",
        )
        .filled(),
        Key::optional(
            "certificate",
            Kind::Table(&certificate::CERTIFICATE),
            "{ chain = \"/etc/transom/tls/mail.pem\", key = \"/etc/transom/tls/mail.key\" }",
            "`certificates` names some",
            "The certificate shown to clients. For Exchange the same one as on its servers: Extended Protection binds \
             logins to it. The servers are believed by the authorities in its `chain`.",
        ),
        Key::optional(
            "certificates",
            List(&Name),
            "[\"mail\"]",
            "`certificate` has one",
            "Certificates by name, as of a listener's `tls`.",
        )
        .filled(),
        Key::optional(
            "listener",
            Name,
            "\"https\"",
            "it has listeners of its own",
            "An `http` listener of the file that serves other sites too: the application's routes go before its own. It \
             has the certificates then.",
        ),
        Key::optional("bind", List(&Bind), "[\"[::]:443\"]", "`[::]:443`", "Addresses to accept on, over TLS.").filled(),
        Key::optional(
            "http-bind",
            List(&Bind),
            "[\"[::]:80\"]",
            "`[::]:80`",
            "Addresses that clients are sent to `https` from. An empty list is none.",
        ),
        Key::optional(
            "connect",
            Kind::Table(&pool::CONNECT),
            "{ tls = { ca = \"/etc/transom/tls/internal-ca.pem\", name = \"mail.example.com\" } }",
            "TLS for the first of `names`, believed by the `chain` of `certificate`, else as the system believes",
            "How servers are connected to, as in a pool.",
        ),
        Key::optional(
            "block",
            List(&RoutePath),
            "[\"/ecp\", \"/powershell\"]",
            "`/ecp` and `/powershell` for `exchange`, none for others",
            "Paths, with all below them, that are refused with 403 to clients that are not `inside`. An empty list is \
             none.",
        ),
        Key::optional(
            "inside",
            List(&Network),
            "[\"10.0.0.0/8\"]",
            "nobody is",
            "Networks whose clients may reach what `block` lists.",
        ),
        Key::optional("waf", Name, "\"default\"", "none", "The firewall that looks at its requests."),
        Key::default(
            "smtp",
            Bool,
            "false",
            "Whether ports 25 and 587 are relayed as well, from the clients' own addresses (`source = { client = true }`); \
             only for `exchange`.",
        ),
    ],
};

/// `kind`
pub(crate) const KINDS: &[Word] = &[
    Word::new(
        "exchange",
        "Exchange: one pool and one health check for each virtual directory, so that a server whose MAPI is out keeps \
         serving OWA; long polls; known attacks refused.",
    ),
    Word::new(
        "rdgateway",
        "Remote Desktop Gateway: both channels of a client on one server, times of an hour.",
    ),
    Word::new("sharepoint", "SharePoint: large bodies, long times, logins of the connection."),
    Word::new("web", "Any other site."),
];

/// `version`
pub(crate) const VERSIONS: &[Word] = &[
    Word::new("2010", "A client stays with one server; there are no health pages."),
    Word::new("2013", "Any server serves any client."),
    Word::new("2016", "As 2013."),
    Word::new("2019", "As 2013."),
    Word::new("se", "As 2013."),
];

/// `application` of a pool
pub(crate) const OF_POOL: &[Word] = &[Word::new(
    "exchange",
    "Routes that lead here are parted by Exchange's virtual directories, each with a copy of this pool and a health check \
     of its own. A pool with a `health-check` is not parted.",
)];

/// An entry of `servers` of an application
pub(crate) static SERVER: Table = Table {
    doc: "One server of an application.",
    keys: &[
        Key::required("name", Name, "\"ex1\"", "Its name in logs, metrics and `transom ctl`."),
        Key::required(
            "address",
            Machine,
            "\"10.0.0.13\"",
            "Address or name; with a port where it is not 443. SMTP takes its own ports.",
        ),
        Key::optional("zone", Name, "\"a\"", "it stands in no zone", "Where it stands."),
        Key::default(
            "weight",
            Integer { min: 0, max: 256 },
            "1",
            "Its share of new connections beside the others' weights.",
        ),
        Key::default("backup", Bool, "false", "Used only while no other server is up."),
    ],
};
