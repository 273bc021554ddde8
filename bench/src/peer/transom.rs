//! Our own configuration.

use super::{ACCESS_LOG, SERVER_NAME, Task, joined};
use crate::row::Mode;

/// One worker; `format` is that of access lines.
pub(super) fn config(task: &Task<'_>, format: &str) -> String {
    let dir = task.dir.display();
    let access = if task.log { format!("{dir}/{ACCESS_LOG}") } else { "off".into() };
    let bind = joined(task.addresses, ", ", |_, address| format!("\"{address}\""));
    let mode = match task.mode {
        Mode::Tcp(_) => "mode = \"tcp\"\n".to_owned(),
        Mode::Passthrough => format!(
            "mode = \"passthrough\"\ninspect-timeout = \"5s\"\n\
             routes = [{{ sni = [\"{SERVER_NAME}\"], pool = \"exchange\" }}]\n"
        ),
    };
    let pool = |name: &str| {
        let servers = joined(task.servers, ", ", |number, address| {
            format!("{{ name = \"s{number}\", address = \"{address}\" }}")
        });
        format!("[pool.{name}]\ntimeouts = {{ connect = \"5s\", idle = \"1m\" }}\nservers = [{servers}]\n")
    };
    let exchange = if task.mode == Mode::Passthrough { pool("exchange") } else { String::new() };
    format!(
        "workers = 1\n[process]\ndrain = \"1s\"\n[log]\naccess = \"{access}\"\nformat = \"{format}\"\n\
         [admin]\nsocket = \"{dir}/admin.sock\"\n\
         [listener.door]\nbind = [{bind}]\n{mode}pool = \"rest\"\n{exchange}{}",
        pool("rest")
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of;
    use super::super::{Mode, Peer};
    use crate::row::Splice;

    #[test]
    fn tcp_without_a_log() {
        let text = config_of(&Peer::Transom("transom".into()), Mode::Tcp(Splice::Off), false);
        assert_eq!(
            text,
            "workers = 1\n[process]\ndrain = \"1s\"\n[log]\naccess = \"off\"\nformat = \"json\"\n[admin]\nsocket = \
             \"/tmp/cell/admin.sock\"\n[listener.door]\nbind = [\"127.0.1.1:8000\", \"127.0.1.2:8000\"]\nmode = \
             \"tcp\"\npool = \"rest\"\n[pool.rest]\ntimeouts = { connect = \"5s\", idle = \"1m\" }\nservers = [{ name \
             = \"s1\", address = \"127.0.2.1:7000\" }, { name = \"s2\", address = \"127.0.2.2:7000\" }]\n"
        );
    }

    #[test]
    fn passthrough_routes_by_name_and_logs() {
        let text = config_of(&Peer::TransomHaproxyLines("transom".into()), Mode::Passthrough, true);
        for part in [
            "access = \"/tmp/cell/access.log\"\nformat = \"haproxy\"\n",
            "routes = [{ sni = [\"exchange.example.com\"], pool = \"exchange\" }]\n",
            "[pool.exchange]\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
