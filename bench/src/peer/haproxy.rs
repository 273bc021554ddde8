//! haproxy's configuration.

use std::fmt::Write as _;

use super::{SERVER_NAME, Task, joined};
use crate::certificates::{self, sites};
use crate::message::host;
use crate::row::{Mode, Splice, Web};

/// Its access log goes to the standard output, which is the log file.
pub(super) fn config(task: &Task<'_>) -> String {
    let log = if task.log { "  log stdout format raw local0\n" } else { "" };
    let maxconn = maxconn(task);
    let threads = task.workers;
    let (mode, option) = match task.mode {
        Mode::Http(_) => ("http", "httplog"),
        Mode::Tcp(_) | Mode::Passthrough => ("tcp", "tcplog"),
    };
    let line = if task.log { format!("  log global\n  option {option}\n") } else { String::new() };
    let rest = match task.mode {
        Mode::Http(web) => requests(task, &web),
        Mode::Tcp(_) | Mode::Passthrough => relayed(task),
    };
    format!(
        "global\n  nbthread {threads}\n  maxconn {maxconn}\n{log}\
         defaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n{line}{rest}"
    )
}

/// Idle connections to servers are closed as soon as a quarter of the descriptors that `maxconn` asks for is in use
/// (`tune.pool-high-fd-ratio`): it must be far above what is needed, or haproxy connects anew for every request.
fn maxconn(task: &Task<'_>) -> usize {
    let needed = task.connections + 40;
    match task.mode {
        Mode::Http(_) => (needed * 8).min(DESCRIPTORS_MAX / 2 - 200).max(needed),
        Mode::Tcp(_) | Mode::Passthrough => needed,
    }
}

/// Open files that a process may have where these measurements are made; haproxy needs two for each of `maxconn`.
const DESCRIPTORS_MAX: usize = 20_000;

fn relayed(task: &Task<'_>) -> String {
    let splice = match task.mode {
        Mode::Tcp(Splice::Auto) => "  option splice-auto\n",
        Mode::Tcp(Splice::Always) => "  option splice-request\n  option splice-response\n",
        _ => "",
    };
    let bind = joined(task.addresses, ",", |_, address| address.to_string());
    let inspect = match task.mode {
        Mode::Passthrough => format!(
            "  tcp-request inspect-delay 5s\n  tcp-request content accept if {{ req_ssl_hello_type 1 }}\n  \
             use_backend exchange if {{ req_ssl_sni -i {SERVER_NAME} }}\n"
        ),
        _ => String::new(),
    };
    let servers = servers(task);
    format!(
        "{splice}frontend door\n  bind {bind} backlog 4096\n{inspect}  default_backend rest\n\
         backend exchange\n{servers}\nbackend rest\n{servers}\n"
    )
}

/// Connections to servers are shared by all clients, and each request is told whose it is. With several sites a map
/// chooses, as its documentation recommends.
fn requests(task: &Task<'_>, web: &Web) -> String {
    let bind = joined(task.addresses, ",", |_, address| address.to_string());
    let h2 = web.streams > 0;
    let spoken = match web.tls {
        Some(_) => {
            let alpn = if h2 { "h2,http/1.1" } else { "http/1.1" };
            format!(" ssl crt {} alpn {alpn}", certificates::folder(task.dir).display())
        }
        None if h2 => " proto h2".to_owned(),
        None => String::new(),
    };
    let chosen = if web.sites == 1 {
        "  default_backend rest\n".to_owned()
    } else {
        let map = task.dir.join(MAP);
        format!("  use_backend %[req.hdr(host),lower,map_str({})]\n", map.display())
    };
    let servers = servers(task);
    let mut text = format!(
        "  http-reuse always\n  option forwardfor\nfrontend door\n  bind {bind} backlog 4096{spoken}\n{chosen}"
    );
    let stick = if web.stick { "  stick-table type ip size 100k expire 30m\n  stick on src\n" } else { "" };
    for site in sites(web) {
        let _infallible = writeln!(text, "backend {}\n{stick}{servers}", pool(site));
    }
    text
}

/// Host names and their pools.
const MAP: &str = "sites.map";

/// The files that [`config`] names beside certificates.
pub(super) fn files(_task: &Task<'_>, web: &Web) -> Vec<(&'static str, String)> {
    if web.sites == 1 {
        return Vec::new();
    }
    let lines: Vec<_> = sites(web).map(|site| format!("{} {}\n", host(site), pool(site))).collect();
    vec![(MAP, lines.concat())]
}

fn pool(site: usize) -> String {
    if site == 0 { "rest".to_owned() } else { format!("site{site}") }
}

fn servers(task: &Task<'_>) -> String {
    joined(task.servers, "\n", |number, address| format!("  server s{number} {address}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WEB, config_of};
    use super::super::{Mode, Peer};
    use crate::row::{Key, Splice, Web};

    #[test]
    fn tcp_with_splice_and_without_a_log() {
        let text = config_of(&Peer::Haproxy, Mode::Tcp(Splice::Auto), false);
        assert_eq!(
            text,
            "global\n  nbthread 1\n  maxconn 340\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  \
             timeout server 1m\n  option splice-auto\nfrontend door\n  bind 127.0.1.1:8000,127.0.1.2:8000 backlog \
             4096\n  default_backend rest\nbackend exchange\n  server s1 127.0.2.1:7000\n  server s2 127.0.2.2:7000\n\
             backend rest\n  server s1 127.0.2.1:7000\n  server s2 127.0.2.2:7000\n"
        );
    }

    #[test]
    fn http_shares_connections_to_servers_and_logs_requests() {
        let text = config_of(&Peer::Haproxy, Mode::Http(WEB), true);
        for part in [
            "  mode http\n",
            "  option httplog\n",
            "  http-reuse always\n  option forwardfor\nfrontend door\n  bind 127.0.1.1:8000,127.0.1.2:8000 backlog 4096\n  \
             default_backend rest\nbackend rest\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn sites_are_chosen_by_a_map_and_h2_is_offered() {
        let web = Web { tls: Some(Key::Ecdsa), streams: 16, sites: 2, ..WEB };
        let text = config_of(&Peer::Haproxy, Mode::Http(web), false);
        for part in [
            "backlog 4096 ssl crt /tmp/cell/certificates alpn h2,http/1.1\n",
            "  use_backend %[req.hdr(host),lower,map_str(/tmp/cell/sites.map)]\nbackend site1\n",
            "backend site2\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let clear = config_of(&Peer::Haproxy, Mode::Http(Web { streams: 1, ..WEB }), false);
        assert!(clear.contains("backlog 4096 proto h2\n"), "{clear}");
    }

    #[test]
    fn passthrough_waits_for_the_hello_and_logs() {
        let text = config_of(&Peer::Haproxy, Mode::Passthrough, true);
        for line in [
            "  log stdout format raw local0\n",
            "  option tcplog\n",
            "  tcp-request inspect-delay 5s\n",
            "  use_backend exchange if { req_ssl_sni -i exchange.example.com }\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        assert!(!text.contains("splice"));
    }
}
