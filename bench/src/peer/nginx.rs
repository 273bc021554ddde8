//! nginx's configuration.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::bail;

use super::{ACCESS_LOG, SERVER_NAME, Task, joined};
use crate::certificates::{self, sites};
use crate::message::host;
use crate::row::{Mode, Web};

/// Where Debian puts the module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
/// Idle connections that it keeps to servers, of each pool.
const IDLE: usize = 1024;
/// Requests of one connection: as many as there may be, as the others have it.
const ENDLESS: usize = 1_000_000_000;

/// A sentence when the stream module is not there.
pub(super) fn check_module() -> anyhow::Result<()> {
    if !Path::new(STREAM_MODULE).exists() {
        bail!("nginx has no stream module ({STREAM_MODULE}): apt-get install nginx libnginx-mod-stream");
    }
    Ok(())
}

/// nginx has no splice.
pub(super) fn config(task: &Task<'_>) -> String {
    let dir = task.dir.display();
    // Two for each connection relayed, and some of its own.
    let connections = 2 * task.connections + 100 + if matches!(task.mode, Mode::Http(_)) { IDLE } else { 0 };
    let workers = task.workers;
    let (load, block) = match task.mode {
        Mode::Http(web) => (String::new(), requests(task, &web)),
        Mode::Tcp(_) | Mode::Passthrough => (format!("load_module {STREAM_MODULE};\n"), relayed(task)),
    };
    format!(
        "{load}daemon off;\nworker_processes {workers};\npid {dir}/nginx.pid;\n\
         error_log stderr crit;\nevents {{ worker_connections {connections}; }}\n{block}"
    )
}

fn log(task: &Task<'_>) -> String {
    let dir = task.dir.display();
    if task.log { format!("access_log {dir}/{ACCESS_LOG} line") } else { "access_log off".into() }
}

fn relayed(task: &Task<'_>) -> String {
    let log = log(task);
    let listen = joined(task.addresses, "", |_, address| format!("    listen {address} backlog=4096;\n"));
    let servers = joined(task.servers, " ", |_, address| format!("server {address};"));
    let (names, to) = match task.mode {
        Mode::Passthrough => (
            format!("  map $ssl_preread_server_name $pool {{ {SERVER_NAME} exchange; default rest; }}\n"),
            "    ssl_preread on;\n    preread_timeout 5s;\n    proxy_pass $pool;\n",
        ),
        _ => (String::new(), "    proxy_pass rest;\n"),
    };
    format!(
        "stream {{\n  log_format line \
         '$remote_addr:$remote_port [$time_local] $protocol $status $bytes_sent $bytes_received $session_time \
         \"$upstream_addr\" $upstream_connect_time $upstream_session_time';\n  {log};\n{names}  upstream exchange \
         {{ {servers} }}\n  upstream rest {{ {servers} }}\n  server {{\n{listen}{to}    proxy_timeout 1m;\n  }}\n}}\n"
    )
}

/// Connections to servers are kept, and each request is told whose it is; nothing is written to temporary files.
fn requests(task: &Task<'_>, web: &Web) -> String {
    let (log, dir) = (log(task), task.dir.display());
    let servers = joined(task.servers, " ", |_, address| format!("server {address};"));
    let mut text = format!(
        "http {{\n  log_format line '$remote_addr:$remote_port [$time_local] \"$request\" $status $bytes_sent \
         $request_length $request_time \"$upstream_addr\" $upstream_connect_time $upstream_header_time \
         $upstream_response_time \"$host\"';\n  {log};\n  keepalive_requests {ENDLESS};\n  keepalive_timeout 1m;\n  \
         client_body_temp_path {dir}/t1;\n  proxy_temp_path {dir}/t2;\n  fastcgi_temp_path {dir}/t3;\n  \
         uwsgi_temp_path {dir}/t4;\n  scgi_temp_path {dir}/t5;\n  server_names_hash_max_size 8192;\n  \
         proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  proxy_set_header Host $host;\n  \
         proxy_set_header X-Forwarded-For $remote_addr;\n  proxy_max_temp_file_size 0;\n  \
         ssl_protocols TLSv1.2 TLSv1.3;\n"
    );
    for site in sites(web) {
        let spoken = match (web.tls, web.streams) {
            (Some(_), 0) => " ssl",
            (Some(_), _) => " ssl http2",
            (None, 0) => "",
            (None, _) => " http2",
        };
        // What belongs to the socket may be said once.
        let backlog = if site <= 1 { " backlog=4096" } else { "" };
        let listen = joined(task.addresses, " ", |_, address| format!("listen {address}{spoken}{backlog};"));
        let name = host(site);
        let certificate = certificates::path(task.dir, site);
        let certificate = match web.tls {
            Some(_) => format!(" ssl_certificate {0}; ssl_certificate_key {0};", certificate.display()),
            None => String::new(),
        };
        let _infallible = write!(
            text,
            "  upstream pool{site} {{ {servers} keepalive {IDLE}; keepalive_requests {ENDLESS}; }}\n  server {{ {listen} \
             server_name {name};{certificate} location / {{ proxy_pass http://pool{site}; }} }}\n"
        );
    }
    text + "}\n"
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WEB, config_of};
    use super::super::{Mode, Peer};
    use crate::row::{Key, Splice, Web};

    #[test]
    fn tcp_without_a_log() {
        let text = config_of(&Peer::Nginx, Mode::Tcp(Splice::Auto), false);
        for part in [
            "worker_processes 1;",
            "worker_connections 700;",
            "  access_log off;\n",
            "    listen 127.0.1.1:8000 backlog=4096;\n    listen 127.0.1.2:8000 backlog=4096;\n    proxy_pass rest;",
            "upstream rest { server 127.0.2.1:7000; server 127.0.2.2:7000; }",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("ssl_preread"));
    }

    #[test]
    fn http_keeps_connections_to_servers() {
        let text = config_of(&Peer::Nginx, Mode::Http(WEB), true);
        for part in [
            "access_log /tmp/cell/access.log line;",
            "proxy_http_version 1.1;\n  proxy_set_header Connection \"\";",
            "upstream pool0 { server 127.0.2.1:7000; server 127.0.2.2:7000; keepalive 1024; keepalive_requests 1000000000; }",
            "server { listen 127.0.1.1:8000 backlog=4096; listen 127.0.1.2:8000 backlog=4096; server_name \
             exchange.example.com; location / { proxy_pass http://pool0; } }",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("load_module"));
    }

    #[test]
    fn each_site_has_a_server_with_its_certificate() {
        let web = Web { tls: Some(Key::Ecdsa), streams: 1, sites: 2, ..WEB };
        let text = config_of(&Peer::Nginx, Mode::Http(web), false);
        for part in [
            "listen 127.0.1.1:8000 ssl http2 backlog=4096;",
            "listen 127.0.1.1:8000 ssl http2; listen 127.0.1.2:8000 ssl http2; server_name site2.example.com; \
             ssl_certificate /tmp/cell/certificates/site2.example.com.pem; ssl_certificate_key \
             /tmp/cell/certificates/site2.example.com.pem;",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn passthrough_with_a_log() {
        let text = config_of(&Peer::Nginx, Mode::Passthrough, true);
        for part in [
            "access_log /tmp/cell/access.log line;",
            "map $ssl_preread_server_name $pool { exchange.example.com exchange; default rest; }",
            "    ssl_preread on;\n",
            "    proxy_pass $pool;\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
