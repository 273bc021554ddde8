//! `mode = "http"`: routes, edits, and what clients may ask of a listener.

use super::Kind::{
    Authority, Bool, Bytes, Choice, Duration, Headers, Integer, List, Name, Network, Path, Regex, RoutePath,
    Template, Text, Token, Url,
};
use super::rewriting::{REPLACE_HEADER, REPLACE_HOST, REPLACE_URI, SERVERS_UP};
use super::{Key, Kind, Table, Word, milliseconds, root, seconds};

/// `redirect` of a listener
pub(crate) const LISTENER_REDIRECT: &[Word] =
    &[Word::new("https", "308 to the same host and path with `https`, without a port.")];

/// `redirect` of a route
pub(crate) static REDIRECT: Table = Table {
    doc: "The client is sent elsewhere. What is not given stays as the client asked for it; where `scheme` changes and \
          no `host` is given, the port goes.",
    keys: &[
        Key::default(
            "status",
            Integer { min: 301, max: 308 },
            "308",
            "The status of the answer: 301, 302, 303, 307 or 308. With 307 and 308 the method stays (RFC 9110 section \
             15.4).",
        ),
        Key::optional("scheme", Choice(SCHEMES), "\"https\"", "the same", "The scheme to come back with."),
        Key::optional(
            "host",
            Authority,
            "\"mail.example.com\"",
            "the same",
            "The host to go to, with a port where one is meant.",
        ),
        Key::optional(
            "replace-host",
            Kind::Table(&REPLACE_HOST),
            "{ regex = '^blog\\.', with = \"www.\" }",
            "the same",
            REPLACE_HOST.doc,
        ),
        Key::optional(
            "path",
            Kind::PathTemplate,
            "\"/owa/\"",
            "the same, with its query",
            "Path, and query, to ask for. It may have places to fill in, as headers have: `/new{uri}`.",
        ),
        Key::optional(
            "to",
            Kind::UrlTemplate,
            "\"https://mail.example.com/owa/\"",
            "as the other keys say",
            "A whole URL, in place of `scheme`, `host` and `path`. It may have places to fill in.",
        ),
    ],
};

/// `scheme` of `redirect`
pub(crate) const SCHEMES: &[Word] = &[Word::new("http", "In clear."), Word::new("https", "Over TLS.")];

/// `fixed`
pub(crate) static FIXED: Table = Table {
    doc: "An answer of our own, with a `body` or what a `file` holds.",
    keys: &[
        Key::default("status", Integer { min: 200, max: 599 }, "200", "Its status."),
        Key::optional(
            "content-type",
            Text,
            "\"text/plain; charset=utf-8\"",
            "`text/plain; charset=utf-8` for a `body`, by the ending of its name for a `file`",
            "What the body is.",
        ),
        Key::optional(
            "body",
            Kind::Payload,
            "\"User-agent: *\\nDisallow: /\\n\"",
            "no body",
            "The body as it is; it may have several lines.",
        ),
        Key::optional(
            "file",
            Path,
            "\"/etc/transom/closed.html\"",
            "the body is in `body`",
            "File of the body, read with the configuration.",
        ),
        Key::optional(
            "headers",
            Headers(&Template),
            "{ Retry-After = \"120\" }",
            "none but ours",
            "Further headers of the answer.",
        ),
    ],
};

/// An entry of `headers`, `query` or `cookies`
pub(crate) static FIELD_MATCH: Table = Table {
    doc: "A field to look at and what its value must be: exactly one of `present`, `value`, `prefix`, `suffix`, \
          `contains`, `regex`. Where a field comes several times, one of them is enough.",
    keys: &[
        Key::required(
            "name",
            Text,
            "\"User-Agent\"",
            "Its name: of a header in any letter case, of others exactly.",
        ),
        Key::optional("present", Bool, "true", "another form", "It is there, with any value."),
        Key::optional("value", Text, "\"on\"", "another form", "It is this, in any letter case."),
        Key::optional(
            "prefix",
            Text,
            "\"Microsoft Office/\"",
            "another form",
            "It begins so, in any letter case.",
        ),
        Key::optional("suffix", Text, "\".example.com\"", "another form", "It ends so, in any letter case."),
        Key::optional(
            "contains",
            Text,
            "\"outlook\"",
            "another form",
            "It has this in it, in any letter case.",
        ),
        Key::optional(
            "regex",
            Regex,
            "\"(?i)^apple-\"",
            "another form",
            "This is found in it, anywhere; letter case counts unless it says `(?i)`.",
        ),
        Key::default(
            "not",
            Bool,
            "false",
            "Whether the route takes the request when the rest does not hold, instead.",
        ),
    ],
};

/// The keys of a match that say what a value must be.
pub(crate) const VALUE_FORMS: &[&str] = &["present", "value", "prefix", "suffix", "contains", "regex"];

/// `replace-path`
pub(crate) static REPLACE_PATH: Table = Table {
    doc: "The path is searched, as it came, and what is found is replaced.",
    keys: &[
        Key::required(
            "regex",
            Regex,
            "\"^/mail/(.*)\"",
            "What is looked for, in this very letter case unless it says `(?i)`.",
        ),
        Key::required(
            "with",
            Text,
            "\"/owa/$1\"",
            "What comes in its place; `$1` and `${name}` are groups of the expression.",
        ),
    ],
};

/// `timeouts` of a route
pub(crate) static ROUTE_TIMEOUTS: Table = Table {
    doc: "Time limits of one route, in place of the pool's.",
    keys: &[Key::optional(
        "response",
        Duration { min: milliseconds(100), max: seconds(86_400) },
        "\"10m\"",
        "the pool's",
        "Until the head of a response has come, and between any two pieces of its body (`server-response-timeout`).",
    )],
};

/// `limits` of a route
pub(crate) static ROUTE_LIMITS: Table = Table {
    doc: "Limits of one route, in place of the listener's.",
    keys: &[Key::optional(
        "body",
        Bytes { min: 0, max: BODY_BYTES_MAX },
        "\"150MiB\"",
        "the listener's",
        "Bytes of a request's body (413 `client-body-too-large`). Long-lived channels are exempt.",
    )],
};

/// Bytes of a body that a limit may allow.
pub(crate) const BODY_BYTES_MAX: u64 = 1 << 50;

/// `timeouts` of a listener
pub(crate) static LISTENER_TIMEOUTS: Table = Table {
    doc: "How long clients may take.",
    keys: &[
        Key::default(
            "head",
            Duration { min: milliseconds(100), max: seconds(3600) },
            "\"10s\"",
            "From a request's first byte to the end of its head, and until the first byte of the first one \
             (`client-timeout`).",
        ),
        Key::default(
            "body",
            Duration { min: milliseconds(100), max: seconds(86_400) },
            "\"1m\"",
            "Without a byte of a request's body. Long-lived channels are exempt.",
        ),
        Key::default(
            "keep-alive",
            Duration { min: seconds(0), max: seconds(86_400) },
            "\"2m\"",
            "An idle connection waits so long for its next request.",
        ),
        Key::default(
            "send",
            Duration { min: milliseconds(100), max: seconds(86_400) },
            "\"1m\"",
            "Without the client taking a byte of a response.",
        ),
    ],
};

/// `forwarded`
pub(crate) static FORWARDED: Table = Table {
    doc: "What servers are told of the client. What a client says of itself is replaced, unless it is in `trust`.",
    keys: &[
        Key::optional(
            "trust",
            List(&Network),
            "[\"10.0.10.0/24\"]",
            "nobody's are believed",
            "Clients (proxies, mostly) whose own X-Forwarded headers are believed and continued.",
        ),
        Key::default("client", Bool, "true", "Whether X-Forwarded-For is sent: the client's address."),
        Key::default("proto", Bool, "true", "Whether X-Forwarded-Proto is sent: `http` or `https`."),
        Key::default("host", Bool, "true", "Whether X-Forwarded-Host is sent: the Host header as it came."),
    ],
};

/// An entry of `error-pages`
pub(crate) static ERROR_PAGE: Table = Table {
    doc: "The body of error answers that we make ourselves, those of one status. `{id}`, `{fault}` and `{status}` in it \
          are filled in.",
    keys: &[
        Key::required("status", Integer { min: 400, max: 599 }, "503", "Their status."),
        Key::optional(
            "file",
            Path,
            "\"/etc/transom/503.html\"",
            "`redirect` is given",
            "File of the body, read with the configuration. Its ending says what it is; HTML unless it is `.txt`, \
             `.json` or `.xml`. Of a file that begins with a whole head, as HAProxy's do, its type and its body count.",
        ),
        Key::optional(
            "redirect",
            Url,
            "\"https://status.example.com/\"",
            "`file` is given",
            "The client is sent there with 302 instead.",
        ),
    ],
};

const SET: &str = "One header of this name with this value, in place of all others. Values may have places to fill in: \
                   `{client-ip}`, `{client-port}`, `{destination}`, `{port}`, `{method}`, `{scheme}`, `{host}`, \
                   `{uri}`, `{path}`, `{query}`, `{header:NAME}`, `{cookie:NAME}`, `{query:NAME}`, `{id}`, `{listener}`, \
                   `{pool}`, `{server}`, `{server-name}`, `{tls-version}`, `{client-certificate}`, \
                   `{client-certificate-subject}`, `{client-certificate-name}`, `{client-certificate-issuer}`, \
                   `{client-certificate-serial}`, `{client-certificate-sha256}`, `{client-certificate-pem}`; `{{` is `{`.";
const ADD: &str = "One more header of this name; values as those of `set-…`. Values are replaced, then headers removed, set, and added.";
const REMOVE: &str = "All headers of these names go, in any letter case.";

/// Edits of requests and responses: the same keys on listeners and routes.
pub(crate) const EDITS: [Key; 8] = [
    Key::optional(
        "set-request-headers",
        Headers(&Template),
        "{ Front-End-Https = \"On\" }",
        "none is set",
        SET,
    ),
    Key::optional(
        "add-request-headers",
        Headers(&Template),
        "{ X-Client = \"{client-ip}\" }",
        "none is added",
        ADD,
    ),
    Key::optional("remove-request-headers", List(&Kind::Header), "[\"X-Debug\"]", "none goes", REMOVE),
    Key::optional(
        "set-response-headers",
        Headers(&Template),
        "{ Strict-Transport-Security = \"max-age=31536000\" }",
        "none is set",
        SET,
    ),
    Key::optional(
        "add-response-headers",
        Headers(&Template),
        "{ X-Request-Id = \"{id}\" }",
        "none is added",
        ADD,
    ),
    Key::optional("remove-response-headers", List(&Kind::Header), "[\"X-Powered-By\"]", "none goes", REMOVE),
    Key::optional(
        "replace-request-headers",
        Kind::Tables(&REPLACE_HEADER),
        "[{ name = \"Destination\", regex = \"^https:\", with = \"http:\" }]",
        "none is changed",
        REPLACE_HEADER.doc,
    ),
    Key::optional(
        "replace-response-headers",
        Kind::Tables(&REPLACE_HEADER),
        "[{ name = \"Location\", regex = \"^http:\", with = \"https:\" }]",
        "none is changed",
        REPLACE_HEADER.doc,
    ),
];

/// An edit as a key of a table whose mode matters.
const fn edit(at: usize) -> Key {
    EDITS[at].only(HTTP)
}

/// The modes that read requests.
pub(crate) const HTTP: &[&str] = &["http"];

/// The keys of `http` listeners for edits.
pub(crate) const LISTENER_EDITS: [Key; 8] =
    [edit(0), edit(1), edit(2), edit(3), edit(4), edit(5), edit(6), edit(7)];

/// An entry of `routes`
pub(crate) static ROUTE: Table = Table {
    doc: "One route. Also written `[[listener.NAME.routes]]`. Under `passthrough` it is `sni` and `pool`. Under `http` \
          it takes a request for which everything holds that is given, of each list one entry; then exactly one of \
          `pool`, `redirect`, `refuse`, `reset`, `fixed` says what is done with it.",
    keys: &[
        Key::optional("name", Name, "\"exchange\"", "`route-N`, with its number from 1", "Its name in logs and metrics.")
            .only(HTTP),
        Key::optional(
            "sni",
            List(&Kind::ServerName),
            "[\"mail.example.com\", \"*.example.net\"]",
            "`passthrough` needs it",
            "Server names, in any letter case. `*.example.net` takes every name below `example.net`, of one label or \
             more, but not `example.net` itself.",
        )
        .filled()
        .only(&["passthrough"]),
        Key::optional(
            "hosts",
            List(&Kind::RequestHost),
            "[\"mail.example.com\"]",
            "any",
            "Names in the Host header, without its port, in any letter case; `*.` as under `sni`.",
        )
        .filled()
        .only(HTTP),
        Key::optional(
            "paths",
            List(&RoutePath),
            "[\"/owa\", \"/ecp\"]",
            "any",
            "These paths and all below them. Paths are compared decoded once, with dot segments resolved, `\\` as `/`, \
             in any letter case; `/owa` takes `/OWA/x` and not `/owa2`. They go on as they came.",
        )
        .filled()
        .only(HTTP),
        Key::optional("path-exact", List(&RoutePath), "[\"/\"]", "any", "These paths alone. One entry of any of the four lists is enough.")
            .filled()
            .only(HTTP),
        Key::optional("path-suffix", List(&Text), "[\".asmx\"]", "any", "Paths that end so, in any letter case.")
            .filled()
            .only(HTTP),
        Key::optional(
            "path-regex",
            List(&Regex),
            "[\"^/sites/[0-9]+/\"]",
            "any",
            "Paths in which this is found, anywhere unless it says `^`, in any letter case.",
        )
        .filled()
        .only(HTTP),
        Key::optional(
            "uri-regex",
            List(&Regex),
            "[\"autodiscover.*powershell\"]",
            "any",
            "Path and query, decoded once, in which this is found, anywhere, in any letter case.",
        )
        .filled()
        .only(HTTP),
        Key::optional("methods", List(&Token), "[\"GET\", \"HEAD\"]", "any", "Methods, in this very letter case.")
            .filled()
            .only(HTTP),
        Key::optional("sources", List(&Network), "[\"10.0.0.0/8\"]", "any", "Networks of clients.").filled().only(HTTP),
        Key::optional("not-sources", List(&Network), "[\"10.0.0.0/8\"]", "none", "Networks whose clients are not meant.")
            .only(HTTP),
        Key::optional("headers", Kind::Tables(&FIELD_MATCH), "[{ name = \"User-Agent\", contains = \"outlook\" }]", "any", "Headers; all of them must hold.").only(HTTP),
        Key::optional("query", Kind::Tables(&FIELD_MATCH), "[{ name = \"layout\", value = \"light\" }]", "any", "Parameters of the query, decoded; all of them must hold.").only(HTTP),
        Key::optional("cookies", Kind::Tables(&FIELD_MATCH), "[{ name = \"beta\", present = true }]", "any", "Cookies; all of them must hold.").only(HTTP),
        Key::optional("client-certificate", Bool, "true", "either", "Whether the client has shown a certificate that was verified.").only(HTTP),
        Key::optional("servers-up", Kind::Tables(&SERVERS_UP), "[{ pool = \"exchange\", below = 1 }]", "any", SERVERS_UP.doc).only(HTTP),
        Key::optional("pool", Name, "\"exchange\"", "something else is done", "It goes to a server of this pool."),
        Key::optional("redirect", Kind::Table(&REDIRECT), "{ path = \"/owa/\", status = 302 }", "something else is done", REDIRECT.doc)
            .only(HTTP),
        Key::optional("refuse", Integer { min: 400, max: 599 }, "403", "something else is done", "An error answer with this status.")
            .only(HTTP),
        Key::optional("reset", Bool, "true", "something else is done", "The connection is reset.").only(HTTP),
        Key::optional(
            "attack",
            Bool,
            "true",
            "its requests are refused like any other",
            "What it takes is an attack: logs and metrics say `attack-refused` in place of `route-refused`. With `refuse` or \
             `reset`.",
        )
        .only(HTTP),
        Key::optional("fixed", Kind::Table(&FIXED), "{ status = 200, body = \"here\" }", "something else is done", FIXED.doc).only(HTTP),
        edit(0),
        edit(1),
        edit(2),
        edit(3),
        edit(4),
        edit(5),
        edit(6),
        edit(7),
        Key::optional("set-path", Kind::PathTemplate, "\"/owa/\"", "the path stays", "The path that the server is asked for; the query stays. It may have places to fill in, as headers have: `/mail{path}`.")
            .only(HTTP),
        Key::optional("set-uri", Kind::PathTemplate, "\"/owa/?ae=Folder\"", "path and query stay", "Path and query that the server is asked for, with places to fill in.")
            .only(HTTP),
        Key::optional("set-query", Kind::QueryTemplate, "\"from={client-ip}\"", "the query stays", "The query that the server is asked, with places to fill in; the path stays.")
            .only(HTTP),
        Key::optional("replace-uri", Kind::Table(&REPLACE_URI), "{ regex = \"^/r/(.*)\", with = \"/s/$1\" }", "path and query stay", REPLACE_URI.doc)
            .only(HTTP),
        Key::optional("set-method", Token, "\"GET\"", "the method stays", "The method that the server is asked, in place of the client's.")
            .only(HTTP),
        Key::optional(
            "strip-prefix",
            RoutePath,
            "\"/mail\"",
            "the path stays",
            "Taken off the path where it begins so, on a segment boundary, in any letter case.",
        )
        .only(HTTP),
        Key::optional("replace-path", Kind::Table(&REPLACE_PATH), "{ regex = \"^/mail/(.*)\", with = \"/owa/$1\" }", "the path stays", REPLACE_PATH.doc)
            .only(HTTP),
        Key::optional("timeouts", Kind::Table(&ROUTE_TIMEOUTS), "{ response = \"10m\" }", "the pool's", ROUTE_TIMEOUTS.doc).only(HTTP),
        Key::optional("limits", Kind::Table(&ROUTE_LIMITS), "{ body = \"150MiB\" }", "the listener's", ROUTE_LIMITS.doc).only(HTTP),
        Key::optional(
            "waf",
            Name,
            "\"default\"",
            "the listener's",
            "The firewall that looks at its requests; one with `mode = \"off\"` looks at none.",
        )
        .only(HTTP),
    ],
};

/// The keys of a route that say what is done with a request.
pub(crate) const ACTIONS: &[&str] = &["pool", "redirect", "refuse", "reset", "fixed"];

/// The keys of a route that change the path.
pub(crate) const REWRITES: &[&str] =
    &["set-path", "strip-prefix", "replace-path", "set-uri", "set-query", "replace-uri"];

/// `limits` of a listener, of requests. Those of connections stand before them.
pub(crate) const REQUEST_LIMITS: [Key; 4] = [
    Key::default(
        "head",
        Bytes { min: 1024, max: 1 << 20 },
        "\"64KiB\"",
        "Bytes of a request's head (431 `client-bad-request`). Kerberos tickets of users in many groups are long.",
    )
    .only(HTTP),
    Key::default("header-fields", Integer { min: 8, max: 1000 }, "128", "Headers of a request.").only(HTTP),
    Key::optional(
        "body",
        Bytes { min: 0, max: BODY_BYTES_MAX },
        "\"150MiB\"",
        "no limit",
        "Bytes of a request's body (413 `client-body-too-large`). Long-lived channels are exempt.",
    )
    .only(HTTP),
    Key::optional(
        "requests",
        Integer { min: 1, max: root::CONNECTIONS_MAX },
        "10_000",
        "no limit",
        "Requests of one connection; the last one's answer says `Connection: close`.",
    )
    .only(HTTP),
];
