//! nginx's configuration.

use std::path::Path;

use anyhow::bail;

use super::{ACCESS_LOG, SERVER_NAME, Task, joined};
use crate::row::Mode;

/// Where Debian puts the module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A sentence when the stream module is not there.
pub(super) fn check_module() -> anyhow::Result<()> {
    if !Path::new(STREAM_MODULE).exists() {
        bail!("nginx has no stream module ({STREAM_MODULE}): apt-get install nginx libnginx-mod-stream");
    }
    Ok(())
}

/// One worker; nginx has no splice.
pub(super) fn config(task: &Task<'_>) -> String {
    let dir = task.dir.display();
    let log = if task.log { format!("access_log {dir}/{ACCESS_LOG} line") } else { "access_log off".into() };
    let listen = joined(task.addresses, "", |_, address| format!("    listen {address} backlog=4096;\n"));
    let servers = joined(task.servers, " ", |_, address| format!("server {address};"));
    let (names, to) = match task.mode {
        Mode::Tcp(_) => (String::new(), "    proxy_pass rest;\n"),
        Mode::Passthrough => (
            format!("  map $ssl_preread_server_name $pool {{ {SERVER_NAME} exchange; default rest; }}\n"),
            "    ssl_preread on;\n    preread_timeout 5s;\n    proxy_pass $pool;\n",
        ),
    };
    // Two for each connection relayed, and some of its own.
    let connections = 2 * task.connections + 100;
    format!(
        "load_module {STREAM_MODULE};\ndaemon off;\nworker_processes 1;\npid {dir}/nginx.pid;\n\
         error_log stderr crit;\nevents {{ worker_connections {connections}; }}\nstream {{\n  log_format line \
         '$remote_addr:$remote_port [$time_local] $protocol $status $bytes_sent $bytes_received $session_time \
         \"$upstream_addr\" $upstream_connect_time $upstream_session_time';\n  {log};\n{names}  upstream exchange \
         {{ {servers} }}\n  upstream rest {{ {servers} }}\n  server {{\n{listen}{to}    proxy_timeout 1m;\n  }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of;
    use super::super::{Mode, Peer};
    use crate::row::Splice;

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
