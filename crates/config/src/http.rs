//! `mode = "http"`: requests are read, matched with routes, and go to pools or are answered here.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::{ListenerTls, Name, NamedFile, Pattern, Place, PlainHttp, ServerName};

/// What a listener of `mode = "http"` does with connections and requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// TLS to clients; `None`: plain HTTP.
    pub tls: Option<HttpTls>,
    /// First match wins.
    pub routes: Vec<HttpRoute>,
    /// For requests that no route takes; `None` answers 404 (`no-route`).
    pub otherwise: Option<Action>,
    /// Edits for every request and response of this listener, made before those of the route.
    pub edits: Edits,
    /// What is told to servers of the client, and which clients are believed what they tell.
    pub forwarded: Forwarded,
    /// How long clients may take.
    pub timeouts: ClientTimeouts,
    /// What requests may measure.
    pub limits: RequestLimits,
    /// Bodies for the error answers that we make ourselves.
    pub error_pages: Vec<ErrorPage>,
    /// `h2c`: whether clients may speak HTTP/2 in clear, where they know that beforehand.
    pub h2c: bool,
    /// Whether `/.transom/ready` is answered here: 200, or 503 while draining or while a pool of this listener is empty.
    pub ready: bool,
    /// `waf`: the firewall that looks at requests of routes without one of their own.
    pub waf: Option<Name>,
}

impl Http {
    /// What may be done with a request: of each route, then for those that no route takes.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.routes.iter().map(|route| &route.action).chain(&self.otherwise)
    }
}

/// TLS of an `http` listener.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpTls {
    /// How TLS is spoken to clients.
    pub tls: ListenerTls,
    /// How long a client may take for its handshake (`inspect-timeout`).
    pub handshake_timeout: Duration,
    /// The answer to a client that speaks plain HTTP here.
    pub plain_http: PlainHttp,
}

/// One entry of `routes` of an `http` listener.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRoute {
    /// Its name in logs and metrics: `name`, or `route-N` with its number in the file, from 1.
    pub name: Name,
    /// Which requests it takes.
    pub matches: Matches,
    /// What is done with them.
    pub action: Action,
    /// Edits for its requests and responses.
    pub edits: Edits,
    /// What becomes of the path on its way to the server.
    pub rewrite: Option<Rewrite>,
    /// `set-method`: what the server is asked to do instead.
    pub method: Option<Box<str>>,
    /// `timeouts = { response = … }`: in place of the pool's.
    pub response_timeout: Option<Duration>,
    /// `limits = { body = … }`: bytes of a request's body, in place of the listener's.
    pub body_max: Option<u64>,
    /// `waf`: the firewall that looks at its requests, in place of the listener's.
    pub waf: Option<Name>,
    /// `attack`: what it takes is an attack, and is called so in logs and metrics.
    pub attack: bool,
    /// Where it was written.
    pub place: Place,
}

/// What a request must be for a route to take it: everything that is given must hold, of each list one entry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matches {
    /// `hosts`: the Host field without its port, in any letter case. Empty: any.
    pub hosts: Vec<ServerName>,
    /// `paths`, `path-exact`, `path-suffix`, `path-regex`, in this order. Empty: any.
    pub paths: Vec<PathMatch>,
    /// `uri-regex`: found in path and query, decoded once (`%XX`, and `+` as it is), in any letter case. Compile (crate
    /// `regex`). Unlike paths, dot segments stay: rules against attacks look at what was sent. Empty: any.
    pub uri: Vec<Box<str>>,
    /// `methods`, in this very letter case. Empty: any.
    pub methods: Vec<Box<str>>,
    /// `sources`: networks of clients. Empty: any.
    pub sources: Vec<IpNet>,
    /// `not-sources`: networks whose clients are not meant.
    pub not_sources: Vec<IpNet>,
    /// `headers`: all of them must hold.
    pub headers: Vec<FieldMatch>,
    /// `query`: parameters of the query, percent-decoded; all of them must hold.
    pub query: Vec<FieldMatch>,
    /// `cookies`: all of them must hold.
    pub cookies: Vec<FieldMatch>,
    /// `client-certificate`: whether the client has shown a certificate that was verified. `None`: either.
    pub client_certificate: Option<bool>,
    /// `servers-up`: all of them must hold.
    pub servers_up: Vec<ServersUp>,
}

/// An entry of `servers-up`: how many servers of a pool take clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServersUp {
    /// The pool.
    pub pool: Name,
    /// Of it, this server alone.
    pub server: Option<Name>,
    /// How many they must be.
    pub bound: UpBound,
}

/// How many servers must take clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpBound {
    /// `below = N`: fewer than so many.
    Below(u32),
    /// `at-least = N`: so many or more.
    AtLeast(u32),
}

/// A path to compare with. Paths are compared decoded once, with dot segments resolved, `\` as `/`, in any letter case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// This one and all below it, on a segment boundary. Lower case (`char::to_lowercase`, letter by letter), begins with `/`, has no `/` at its end unless it is
    /// `/` itself.
    Below(Box<str>),
    /// This one alone. Lower case.
    Exact(Box<str>),
    /// Paths that end so. Lower case.
    Suffix(Box<str>),
    /// Paths in which this is found; not anchored, in any letter case. Compiles (crate `regex`).
    Regex(Box<str>),
}

/// A header, query parameter or cookie to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMatch {
    /// Its name: of a header in any letter case, of others exactly.
    pub name: Box<str>,
    /// What its value must be. Where it comes several times one of them is enough.
    pub value: ValueMatch,
    /// `not = true`: holds when the rest does not.
    pub not: bool,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// `present = true`
    Present,
    /// `value = "…"`, in any letter case.
    Exact(Box<str>),
    /// `prefix = "…"`, in any letter case.
    Prefix(Box<str>),
    /// `suffix = "…"`, in any letter case.
    Suffix(Box<str>),
    /// `contains = "…"`, in any letter case.
    Contains(Box<str>),
    /// `regex = "…"`: found anywhere; letter case counts unless it says `(?i)`. Compiles (crate `regex`).
    Regex(Box<str>),
}

/// What is done with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It goes to a server of this pool.
    Pool(Name),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// `refuse = 403`: an error answer with this status (400 to 599).
    Refuse(u16),
    /// `reset = true`: the connection is reset.
    Reset,
    /// It is answered here.
    Fixed(Fixed),
}

impl Action {
    /// The pool it leads to.
    pub fn pool(&self) -> Option<&Name> {
        match self {
            Self::Pool(pool) => Some(pool),
            _ => None,
        }
    }
}

/// `redirect`: what is not given stays as the client asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `scheme`: `http` or `https`.
    pub scheme: Option<Box<str>>,
    /// `host`, with a port where one is meant. Where the scheme changes and no host is given, the port goes.
    pub host: Option<Box<str>>,
    /// `replace-host`: what becomes of the host that was asked for; excludes `host`.
    pub replace_host: Option<ReplaceHost>,
    /// `path`: in place of path and query.
    pub path: Option<Template>,
    /// `to`: a whole URL in place of all; excludes the others. Where it ends in `/` nothing is added to it.
    pub to: Option<Template>,
}

/// `replace-host`: what is found in the host is replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplaceHost {
    /// Looked for in the host as it came.
    pub regex: Pattern,
    /// What comes in its place; `$1` and `${name}` are groups.
    pub with: Box<str>,
}

/// `fixed`: an answer of our own.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// 200 to 599.
    pub status: u16,
    /// Its content type; `None` where there is no body.
    pub content_type: Option<Box<str>>,
    /// Its body.
    pub body: Content,
    /// `headers`: further ones.
    pub headers: Vec<(Box<str>, Template)>,
}

/// Bytes of an answer that we make ourselves.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Written in the configuration; may be empty.
    Text(Box<str>),
    /// `file = "…"`, read with the configuration.
    File(NamedFile),
}

/// `error-pages`: the body of error answers of ours with this status.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorPage {
    /// 400 to 599.
    pub status: u16,
    /// What is answered.
    pub body: ErrorBody,
}

/// What stands in for an error answer of ours.
#[derive(Debug, Clone, PartialEq)]
pub enum ErrorBody {
    /// A page in place of our own.
    Page {
        /// By its file name's ending, `text/html; charset=utf-8` unless that says otherwise; or what the head says that
        /// the file begins with.
        content_type: Box<str>,
        /// The file.
        file: NamedFile,
        /// Where in the file the body begins: one that HAProxy would take begins with a whole head, which is not sent.
        from: usize,
    },
    /// `redirect`: the client is sent to this URL with 302.
    Redirect(Box<str>),
}

impl ErrorBody {
    /// The bytes of a page. `{id}`, `{fault}` and `{status}` in it are filled in.
    pub fn page(&self) -> Option<(&str, &[u8])> {
        match self {
            Self::Page { content_type, file, from } => {
                Some((content_type, file.contents.get(*from..).unwrap_or_default()))
            }
            Self::Redirect(_) => None,
        }
    }
}

/// Edits of header fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Edits {
    /// Of requests on their way to servers.
    pub request: FieldEdits,
    /// Of responses on their way to clients; our own answers too.
    pub response: FieldEdits,
}

/// Edits of one head: values are replaced, then fields are removed, set, and added.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldEdits {
    /// `replace-…-headers`: what is found in values is replaced.
    pub replace: Vec<FieldReplace>,
    /// `remove-…-headers`: all of this name go, in any letter case.
    pub remove: Vec<Box<str>>,
    /// `set-…-headers`: one of this name with this value, in place of all others.
    pub set: Vec<(Box<str>, Template)>,
    /// `add-…-headers`: one more of this name.
    pub add: Vec<(Box<str>, Template)>,
}

impl FieldEdits {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.replace.is_empty() && self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// An entry of `replace-…-headers`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldReplace {
    /// Of which fields, in any letter case.
    pub name: Box<str>,
    /// Looked for in the value of each; the first that is found is replaced.
    pub regex: Pattern,
    /// What comes in its place; `$1` and `${name}` in its text are groups of the expression.
    pub with: Template,
}

/// A value with places to fill in: `{client-ip}` and others; `{{` is `{`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePart>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// As it is.
    Text(Box<str>),
    /// `{client-ip}`: the client's address, as logged.
    ClientIp,
    /// `{client-port}`
    ClientPort,
    /// `{host}`: the Host field as it came.
    Host,
    /// `{port}`: the port that the client connected to.
    Port,
    /// `{destination}`: the address that the client connected to.
    Destination,
    /// `{uri}`: path and query as they came.
    Uri,
    /// `{query}`: the query as it came, without `?`.
    Query,
    /// `{method}`
    Method,
    /// `{header:NAME}`: the first field of that name; empty without.
    Header(Box<str>),
    /// `{cookie:NAME}`: the first cookie of that name; empty without.
    Cookie(Box<str>),
    /// `{query:NAME}`: the first parameter of that name as it came; empty without.
    Parameter(Box<str>),
    /// `{listener}`: the listener's name.
    Listener,
    /// `{pool}`: the name of the pool; empty without.
    Pool,
    /// `{server}`: in responses the server that gave it; empty elsewhere.
    Server,
    /// `{scheme}`: `http` or `https`, as the client speaks to us.
    Scheme,
    /// `{path}`: the path as it came, without query.
    Path,
    /// `{id}`: the request's identity in logs.
    RequestId,
    /// `{server-name}`: the TLS server name; empty without.
    ServerName,
    /// `{tls-version}`: `TLSv1.3`; empty without TLS.
    TlsVersion,
    /// `{client-certificate-subject}`: empty without a verified one. Control and non-ASCII characters are escaped.
    ClientCertificateSubject,
    /// `{client-certificate}`: whole, as base64 of its DER form; empty without a verified one.
    ClientCertificate,
    /// `{client-certificate-name}`: its common name.
    ClientCertificateName,
    /// `{client-certificate-issuer}`
    ClientCertificateIssuer,
    /// `{client-certificate-serial}`: hexadecimal.
    ClientCertificateSerial,
    /// `{client-certificate-sha256}`: hexadecimal; empty without a verified one.
    ClientCertificateSha256,
    /// `{client-certificate-pem}`: percent-encoded; empty without a verified one.
    ClientCertificatePem,
}

/// What becomes of path and query. The query stays as it is, unless it is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Rewrite {
    /// `set-path = "/…"`
    Set(Template),
    /// `set-uri = "/…"`: path and query.
    SetUri(Template),
    /// `set-query = "…"`: the path stays.
    SetQuery(Template),
    /// `replace-uri = { regex = "…", with = "…" }` on path and query as they came.
    ReplaceUri {
        /// What is looked for.
        regex: Pattern,
        /// What comes in its place.
        with: Box<str>,
    },
    /// `strip-prefix = "/…"`: taken off where the path begins with it, on a segment boundary, in any letter case.
    StripPrefix(Box<str>),
    /// `replace-path = { regex = "…", with = "…" }` on the path as it came; `$1` and `${name}` are groups.
    Replace {
        /// Compiles (crate `regex`).
        regex: Box<str>,
        /// What comes in its place.
        with: Box<str>,
    },
}

/// `forwarded`: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host.
#[derive(Debug, Clone, PartialEq)]
pub struct Forwarded {
    /// `trust`: clients whose own X-Forwarded fields are believed and continued; from others they are replaced.
    pub trust: Vec<IpNet>,
    /// Whether X-Forwarded-For is sent.
    pub client: bool,
    /// Whether X-Forwarded-Proto is sent.
    pub proto: bool,
    /// Whether X-Forwarded-Host is sent.
    pub host: bool,
}

impl Forwarded {
    /// Whether this client's own fields are believed.
    pub fn trusts(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.trust.iter().any(|net| net.contains(&client))
    }
}

/// `timeouts` of an `http` listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// `head`: from a request's first byte to the end of its head; also until the first one's first byte.
    pub head: Duration,
    /// `body`: without a byte of a request's body. Long-lived channels are exempt.
    pub body: Duration,
    /// `keep-alive`: an idle connection waits so long for its next request.
    pub keep_alive: Duration,
    /// `send`: without the client taking a byte of a response.
    pub send: Duration,
}

/// `limits` of an `http` listener, beside those of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// `head`: bytes of a request's head (431 `client-bad-request`).
    pub head_bytes: u32,
    /// `header-fields`: their number.
    pub fields: u16,
    /// `body`: bytes of a request's body; `None`: no limit (413 `client-body-too-large`).
    pub body: Option<u64>,
    /// `requests`: of one connection; `None`: no limit. The last one's response says `Connection: close`.
    pub requests: Option<u32>,
}

/// `hash-on`, and `on` of `stick`: what is looked at to choose a server. Only `http` listeners see more than the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKey {
    /// The client's address.
    Source,
    /// The path, as routes see it.
    Path,
    /// Path and query as they came.
    Uri,
    /// A header's value; where it is missing, the client's address.
    Header(Box<str>),
    /// A cookie's value; where it is missing, the client's address.
    Cookie(Box<str>),
    /// A query parameter's value; where it is missing, the client's address.
    Query(Box<str>),
}

/// `cookie` of a pool: the server is remembered by the client itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolCookie {
    /// Its name.
    pub name: Box<str>,
    /// Whose cookie it is.
    pub mode: CookieMode,
    /// `key`: servers are named by a hash of this and their addresses, so that cookies tell nothing. `None`: by name.
    pub key: Option<Box<str>>,
    /// `preserve`: a cookie of this name that the server sets itself goes on, and ours is not set.
    pub preserve: bool,
    /// `Secure` (RFC 6265 section 5.2.5); `None`: where the client speaks TLS to us.
    pub secure: Option<bool>,
    /// `HttpOnly`
    pub http_only: bool,
    /// `SameSite`: `Strict`, `Lax` or `None`, as it is to be written.
    pub same_site: Option<Box<str>>,
    /// `Max-Age`; `None`: until the browser is closed.
    pub max_age: Option<Duration>,
    /// `Domain`
    pub domain: Option<Box<str>>,
}

/// Whose cookie it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieMode {
    /// Ours: set in responses, taken out of requests.
    Insert,
    /// The application's own: the server is put before its value in responses, and taken off in requests.
    Prefix,
    /// The application's own, with the server as its value: written over in responses.
    Rewrite,
}

/// `reuse` of a pool: whether a server connection serves several clients, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// Idle connections a worker keeps for each server; 0: none are kept.
    pub idle: u32,
    /// How long an idle one is kept.
    pub idle_for: Duration,
}
