//! Every path of the admin API: one table, from which requests are dispatched and the reference is written.

use std::fmt::Write as _;

use http::Method;
use transom_config::Role;

use super::view::role_word;

/// What a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Root,
    Metrics,
    Status,
    Ready,
    Listeners,
    Pools,
    Servers,
    StickTables,
    StickEntries,
    Packet,
    Flows,
    Faults,
    Config,
    ChangeServer,
    DeleteStickEntry,
    DeleteStickEntries,
    Reload,
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    method: Method,
    /// Segments in braces hold a value.
    path: &'static str,
    /// The least role that may ask.
    pub(super) role: Role,
    about: &'static str,
    /// What it is answered, or sent and answered, for the reference.
    example: &'static str,
}

/// What was found for a request.
#[derive(Debug)]
pub(super) enum Match {
    /// The route, and the values of the segments in braces, decoded.
    Found(&'static Route, Vec<String>),
    /// The path is known with these methods only.
    OtherMethods(String),
    /// No such path.
    Nothing,
}

/// Finds the route for a method and a path; HEAD is asked of what answers GET.
pub(super) fn find(method: &Method, path: &str) -> Match {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(values) = values(route.path, path) else { continue };
        if route.method == *method {
            return Match::Found(route, values);
        }
        others.push(route.method.as_str());
    }
    if others.is_empty() { Match::Nothing } else { Match::OtherMethods(others.join(", ")) }
}

fn values(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let (mut wants, mut has) = (pattern.split('/'), path.split('/'));
    loop {
        match (wants.next(), has.next()) {
            (None, None) => return Some(values),
            (Some(want), Some(has)) if want.starts_with('{') => values.push(decoded(has)?),
            (Some(want), Some(has)) if want == has => {}
            _ => return None,
        }
    }
}

/// Percent-decoding (RFC 3986 section 2.1); `None`: it is empty, broken, or not UTF-8.
pub(super) fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        let hex = hex.iter().all(u8::is_ascii_hexdigit).then_some(hex)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

const ROUTES: &[Route] = &[
    Route {
        endpoint: Endpoint::Root,
        method: Method::GET,
        path: "/",
        role: Role::Viewer,
        about: "Leads to `/status`.",
        example: "",
    },
    Route {
        endpoint: Endpoint::Metrics,
        method: Method::GET,
        path: "/metrics",
        role: Role::Viewer,
        about: "Metrics in the Prometheus text format; see metrics.md.",
        example: "",
    },
    Route {
        endpoint: Endpoint::Status,
        method: Method::GET,
        path: "/status",
        role: Role::Viewer,
        about: "A page for people: what is wrong in sentences, then listeners, pools, servers, faults. No scripts.",
        example: "",
    },
    Route {
        endpoint: Endpoint::Ready,
        method: Method::GET,
        path: "/ready",
        role: Role::Viewer,
        about: "Text. 200 `ready`, or 503 with the reasons: while the program drains before it stops, and while a \
                pool that a listener uses has no server that may be used.",
        example: "not ready: pool exchange has no usable server",
    },
    Route {
        endpoint: Endpoint::Listeners,
        method: Method::GET,
        path: "/api/v1/listeners",
        role: Role::Viewer,
        about: "Listeners with their real addresses (`bind` as configured, `addresses` as bound) and counters.",
        example: include_str!("examples/listeners.json"),
    },
    Route {
        endpoint: Endpoint::Pools,
        method: Method::GET,
        path: "/api/v1/pools",
        role: Role::Viewer,
        about: "Pools: whether one can be used, how many servers may be, who waits in the queue.",
        example: include_str!("examples/pools.json"),
    },
    Route {
        endpoint: Endpoint::Servers,
        method: Method::GET,
        path: "/api/v1/servers",
        role: Role::Viewer,
        about: "Servers of all pools. `condition` (unknown, up, down) is what was seen, `admin` (ready, drain, maint) \
                what was ordered. `probe` is the last health check, `null` before the first.",
        example: include_str!("examples/servers.json"),
    },
    Route {
        endpoint: Endpoint::StickTables,
        method: Method::GET,
        path: "/api/v1/stick-tables",
        role: Role::Viewer,
        about: "Stick tables and how full they are.",
        example: include_str!("examples/stick-tables.json"),
    },
    Route {
        endpoint: Endpoint::StickEntries,
        method: Method::GET,
        path: "/api/v1/stick-tables/{name}",
        role: Role::Viewer,
        about: "Entries of a table in no order, a page at a time: `?limit=` (100 unless told, 1000 at most) and \
                `?after=`, which is `next` of the page before. `next` is `null` on the last page.",
        example: include_str!("examples/stick-entries.json"),
    },
    Route {
        endpoint: Endpoint::DeleteStickEntry,
        method: Method::DELETE,
        path: "/api/v1/stick-tables/{name}/{key}",
        role: Role::Operator,
        about: "Forgets one entry; 404 if there is none.",
        example: include_str!("examples/delete-entry.json"),
    },
    Route {
        endpoint: Endpoint::DeleteStickEntries,
        method: Method::DELETE,
        path: "/api/v1/stick-tables/{name}",
        role: Role::Operator,
        about: "Forgets all entries of a table. `deleted` says how many they were.",
        example: include_str!("examples/delete-entries.json"),
    },
    Route {
        endpoint: Endpoint::Packet,
        method: Method::GET,
        path: "/api/v1/packet",
        role: Role::Viewer,
        about: "The packet plane: listeners of the modes nat, dsr and tunnel by address, servers by mode, packets by the \
                reason of their verdict, failures. Nodes that send a client to the same server have the same \
                `ring_hash`. Replies are counted under nat only: others do not come by.",
        example: include_str!("examples/packet.json"),
    },
    Route {
        endpoint: Endpoint::Flows,
        method: Method::GET,
        path: "/api/v1/flows",
        role: Role::Viewer,
        about: "Flows in the packet plane's tables, in no order: all of nat, and those of dsr and tunnel that began \
                after their slot of the ring changed its server. `?limit=` (100 unless told, 100,000 at most).",
        example: include_str!("examples/flows.json"),
    },
    Route {
        endpoint: Endpoint::Faults,
        method: Method::GET,
        path: "/api/v1/faults",
        role: Role::Viewer,
        about: "Every fault code with what it means, what to do about it, and how often it was counted.",
        example: include_str!("examples/faults.json"),
    },
    Route {
        endpoint: Endpoint::Config,
        method: Method::GET,
        path: "/api/v1/config",
        role: Role::Viewer,
        about: "The configuration in force with every default, as TOML in `toml`, without password hashes.",
        example: include_str!("examples/config.json"),
    },
    Route {
        endpoint: Endpoint::ChangeServer,
        method: Method::POST,
        path: "/api/v1/pools/{pool}/servers/{server}",
        role: Role::Operator,
        about: "Sets a server's admin state (`ready`, `drain`, `maint`) or weight (0 to 256; `null`: as configured \
                again), or both. Survives reloads and the death of the worker, not a restart. The \
                answer is the server.",
        example: include_str!("examples/change-server.json"),
    },
    Route {
        endpoint: Endpoint::Reload,
        method: Method::POST,
        path: "/api/v1/reload",
        role: Role::Admin,
        about: "Reads the configuration again. 200 when it came into force; 422 with code `reload-failed` when it has \
                errors and the old one stays. `report` is what `transom check` prints.",
        example: include_str!("examples/reload.json"),
    },
];

/// The reference of the API in Markdown, part of docs/operate.md.
pub fn reference() -> String {
    let mut text = String::from(include_str!("reference.md"));
    for route in ROUTES {
        let Route { method, path, role, about, example, .. } = route;
        let _ = write!(text, "\n### `{method} {path}`\n\nRole: {}. {about}\n", role_word(*role));
        match example.trim() {
            "" => {}
            example if example.starts_with('{') => {
                let _ = write!(text, "\n```json\n{example}\n```\n");
            }
            example => {
                let _ = write!(text, "\n```\n{example}\n```\n");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, path: &str) -> String {
        match find(&method, path) {
            Match::Found(route, values) => {
                format!("{:?} {}", route.endpoint, values.join(" ")).trim().to_owned()
            }
            Match::OtherMethods(allow) => format!("only {allow}"),
            Match::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_lead_to_endpoints() {
        let table = [
            (Method::GET, "/", "Root"),
            (Method::GET, "/metrics", "Metrics"),
            (Method::HEAD, "/ready", "Ready"),
            (Method::GET, "/metrics/", "nothing"),
            (Method::POST, "/metrics", "only GET"),
            (Method::GET, "/api/v1/stick-tables/clients", "StickEntries clients"),
            (Method::GET, "/api/v1/stick-tables/", "nothing"),
            (
                Method::DELETE,
                "/api/v1/stick-tables/clients/2001:db8::1",
                "DeleteStickEntry clients 2001:db8::1",
            ),
            (
                Method::DELETE,
                "/api/v1/stick-tables/clients/2001%3Adb8%3a%3A1",
                "DeleteStickEntry clients 2001:db8::1",
            ),
            (Method::POST, "/api/v1/pools/a%2Fb/servers/x", "ChangeServer a/b x"),
            (Method::POST, "/api/v1/pools/a%2/servers/x", "nothing"),
            (Method::POST, "/api/v1/pools/%ff/servers/x", "nothing"),
            (Method::POST, "/api/v1/pools/%+1/servers/x", "nothing"),
            (Method::GET, "/api/v1/reload", "only POST"),
            (Method::GET, "//metrics", "nothing"),
            (Method::GET, "*", "nothing"),
        ];
        for (method, path, want) in table {
            assert_eq!(found(method.clone(), path), want, "{method} {path}");
        }
    }

    #[test]
    fn the_reference_names_every_route() {
        let text = reference();
        for route in ROUTES {
            assert!(text.contains(&format!("### `{} {}`", route.method, route.path)));
            assert!(
                route.example.is_empty() || route.example.ends_with('\n') || !route.example.starts_with('{')
            );
        }
    }
}
