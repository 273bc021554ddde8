//! Our own configuration.

use std::fmt::Write as _;

use super::{ACCESS_LOG, SERVER_NAME, Task, joined};
use crate::certificates::{self, sites};
use crate::message::host;
use crate::row::{Mode, Web};

/// `format` is that of access lines.
pub(super) fn config(task: &Task<'_>, format: &str) -> String {
    let (dir, workers) = (task.dir.display(), task.workers);
    let access = if task.log { format!("{dir}/{ACCESS_LOG}") } else { "off".into() };
    let bind = joined(task.addresses, ", ", |_, address| format!("\"{address}\""));
    let rest = match task.mode {
        Mode::Http(web) => requests(task, &web),
        Mode::Tcp(_) | Mode::Passthrough => relayed(task),
    };
    format!(
        "workers = {workers}\n[process]\ndrain = \"1s\"\n[log]\naccess = \"{access}\"\nformat = \"{format}\"\n\
         [admin]\nsocket = \"{dir}/admin.sock\"\n\
         [listener.door]\nbind = [{bind}]\n{rest}"
    )
}

fn relayed(task: &Task<'_>) -> String {
    let mode = match task.mode {
        Mode::Passthrough => format!(
            "mode = \"passthrough\"\ninspect-timeout = \"5s\"\n\
             routes = [{{ sni = [\"{SERVER_NAME}\"], pool = \"exchange\" }}]\n"
        ),
        _ => "mode = \"tcp\"\n".to_owned(),
    };
    let timeouts = "timeouts = { connect = \"5s\", idle = \"1m\" }\n";
    let pool = |name: &str| pool(task, name, timeouts);
    let exchange = if task.mode == Mode::Passthrough { pool("exchange") } else { String::new() };
    format!("{mode}pool = \"rest\"\n{exchange}{}", pool("rest"))
}

/// Reuse is on by itself; it only keeps more. Each request is told whose it is, and no more than by the others.
fn requests(task: &Task<'_>, web: &Web) -> String {
    let mut text = "mode = \"http\"\nforwarded = { proto = false, host = false }\n".to_owned();
    if web.tls.is_some() {
        let alpn = if web.streams > 0 { "\"h2\", \"http/1.1\"" } else { "\"http/1.1\"" };
        let names: Vec<_> = sites(web).map(|site| format!("\"site{site}\"")).collect();
        let _infallible =
            writeln!(text, "tls = {{ certificates = [{}], alpn = [{alpn}] }}", names.join(", "));
    }
    if web.sites == 1 {
        text += "pool = \"site0\"\n";
    } else {
        for site in sites(web) {
            let host = host(site);
            let _infallible =
                writeln!(text, "[[listener.door.routes]]\nhosts = [\"{host}\"]\npool = \"site{site}\"");
        }
    }
    for site in sites(web) {
        let stick = if web.stick { "stick = { on = \"source\", table = \"clients\" }\n" } else { "" };
        let keys = format!("timeouts = {{ connect = \"5s\" }}\nreuse = {{ idle = 1024 }}\n{stick}");
        text += &pool(task, &format!("site{site}"), &keys);
        if web.tls.is_some() {
            let path = certificates::path(task.dir, site);
            let _infallible = writeln!(text, "[certificate.site{site}]\nchain = \"{}\"", path.display());
        }
    }
    if web.stick {
        text += "[stick-table.clients]\nkey = \"ip\"\nsize = 100_000\nexpire = \"30m\"\n";
    }
    text
}

fn pool(task: &Task<'_>, name: &str, keys: &str) -> String {
    let servers = joined(task.servers, ", ", |number, address| {
        format!("{{ name = \"s{number}\", address = \"{address}\" }}")
    });
    format!("[pool.{name}]\n{keys}servers = [{servers}]\n")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WEB, config_of};
    use super::super::{Mode, Peer};
    use crate::row::{Key, Splice, Web};

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
    fn http_with_one_site() {
        let text = config_of(&Peer::Transom("transom".into()), Mode::Http(WEB), true);
        for part in [
            "mode = \"http\"\nforwarded = { proto = false, host = false }\npool = \"site0\"\n",
            "[pool.site0]\ntimeouts = { connect = \"5s\" }\nreuse = { idle = 1024 }\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn sites_have_routes_and_certificates() {
        let web = Web { tls: Some(Key::Ecdsa), sites: 2, ..WEB };
        let text = config_of(&Peer::Transom("transom".into()), Mode::Http(web), false);
        for part in [
            "tls = { certificates = [\"site1\", \"site2\"], alpn = [\"http/1.1\"] }\n",
            "[[listener.door.routes]]\nhosts = [\"site2.example.com\"]\npool = \"site2\"\n",
            "[certificate.site2]\nchain = \"/tmp/cell/certificates/site2.example.com.pem\"\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
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
