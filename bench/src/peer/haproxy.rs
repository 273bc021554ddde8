//! haproxy's configuration.

use super::{SERVER_NAME, Task, joined};
use crate::row::{Mode, Splice};

/// One thread; its access log goes to the standard output, which is the log file.
pub(super) fn config(task: &Task<'_>) -> String {
    let log = if task.log { "  log stdout format raw local0\n" } else { "" };
    let tcplog = if task.log { "  log global\n  option tcplog\n" } else { "" };
    let splice = match task.mode {
        Mode::Tcp(Splice::Auto) => "  option splice-auto\n",
        Mode::Tcp(Splice::Always) => "  option splice-request\n  option splice-response\n",
        Mode::Tcp(Splice::Off) | Mode::Passthrough => "",
    };
    let bind = joined(task.addresses, ",", |_, address| address.to_string());
    let inspect = match task.mode {
        Mode::Tcp(_) => String::new(),
        Mode::Passthrough => format!(
            "  tcp-request inspect-delay 5s\n  tcp-request content accept if {{ req_ssl_hello_type 1 }}\n  \
             use_backend exchange if {{ req_ssl_sni -i {SERVER_NAME} }}\n"
        ),
    };
    let servers = joined(task.servers, "\n", |number, address| format!("  server s{number} {address}"));
    let maxconn = task.connections + 40;
    format!(
        "global\n  nbthread 1\n  maxconn {maxconn}\n{log}\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n{tcplog}{splice}\
         frontend door\n  bind {bind} backlog 4096\n{inspect}  default_backend rest\n\
         backend exchange\n{servers}\nbackend rest\n{servers}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of;
    use super::super::{Mode, Peer};
    use crate::row::Splice;

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
