//! `transom ctl`: the admin API on the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use transom_control::{Client, ClientError};

use super::view::{self, View};
use crate::{admin_socket, exit, terminal};

/// How often `wait-ready` asks.
const READY_LOOK: Duration = Duration::from_millis(100);
/// Entries asked for at a time.
const PAGE: usize = 1000;

/// Exit code 0: done; 1: refused, not found or not ready; 2: no answer.
#[derive(Args)]
pub(crate) struct Ctl {
    /// The admin socket [default: this user's own, then /run/transom/admin.sock]
    #[arg(long, value_name = "PATH", global = true)]
    socket: Option<PathBuf>,
    /// Print what the admin API answers, as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// What is wrong, then everything at a glance (the default)
    Status,
    /// Listeners: addresses, connections, bytes
    Listeners,
    /// Pools: servers up, connections, queue
    Pools,
    /// Servers: condition, admin state, weight, connections, last check
    Servers {
        /// Of this pool only
        pool: Option<String>,
    },
    /// Change a server while it runs; survives reloads and crashes, not a restart
    Server {
        /// Which one
        #[arg(value_name = "POOL/SERVER", value_parser = pool_and_server)]
        server: (String, String),
        #[command(subcommand)]
        change: Change,
    },
    /// Entries of a stick table
    Stick {
        /// The table
        table: String,
        /// This client's only
        #[arg(long, value_name = "ADDR")]
        key: Option<IpAddr>,
        #[command(subcommand)]
        action: Option<StickAction>,
    },
    /// Packet listeners: traffic by address, by server, and by the reason of each packet's verdict
    Packets,
    /// Flows that the packet plane's tables know
    Flows {
        /// This many at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Only this client's
        #[arg(long, value_name = "ADDRESS")]
        client: Option<IpAddr>,
    },
    /// Fault codes that were counted: meaning and remedy
    Faults {
        /// Those that never happened, too
        #[arg(long)]
        all: bool,
    },
    /// Metrics, as Prometheus reads them
    Metrics,
    /// Read the configuration again; a bad one is refused, and the old one stays in force
    Reload,
    /// Wait until it is ready for clients
    WaitReady {
        /// Give up after so many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        timeout: u64,
    },
}

#[derive(Subcommand, Clone, Copy)]
enum Change {
    /// No new clients; those it has stay, and those that stick to it still come
    Drain,
    /// Back in service
    Ready,
    /// Out of service
    Maint,
    /// Share of new connections
    Weight {
        /// 0 to 256, or `default` for what the file says
        #[arg(value_name = "N|default", value_parser = weight)]
        weight: Weight,
    },
}

#[derive(Subcommand, Clone, Copy)]
enum StickAction {
    /// Forget: the one of `--key`, or all
    Clear,
}

/// `None`: as configured.
type Weight = Option<u16>;

fn weight(text: &str) -> Result<Weight, String> {
    if text == "default" {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|weight| *weight <= 256);
    number.map(Some).ok_or_else(|| "a weight is a number from 0 to 256, or `default`".to_owned())
}

fn pool_and_server(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((pool, server)) if !pool.is_empty() && !server.is_empty() => Ok((pool.into(), server.into())),
        _ => Err("a server is named with its pool: POOL/SERVER".to_owned()),
    }
}

/// Why a command came to nothing.
enum Failed {
    /// The program cannot be asked.
    Unanswered(String),
    /// It was asked and says no.
    No(String),
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { error, .. } => Self::No(error),
            error => Self::Unanswered(error.to_string()),
        }
    }
}

/// What there is to print.
enum Answer {
    /// For people or for programs.
    Value(Value, View),
    /// As it is, in every case.
    Text(String),
}

impl Ctl {
    /// Asks, and prints the answer.
    pub(crate) fn run(self) -> ExitCode {
        let answer = self.client().and_then(|client| {
            let what = self.what.as_ref().unwrap_or(&What::Status);
            what.ask(&client)
        });
        match answer {
            Ok(Answer::Value(value, _)) if self.json => terminal::out(&format!("{value:#}")),
            Ok(Answer::Value(value, people)) => terminal::out(&people(&value)),
            Ok(Answer::Text(text)) => terminal::out(text.trim_end()),
            Err(failed) => return self.failed(&failed),
        }
        ExitCode::SUCCESS
    }

    fn failed(&self, failed: &Failed) -> ExitCode {
        let (sentence, code) = match failed {
            Failed::No(sentence) => (sentence, exit::found_something()),
            Failed::Unanswered(sentence) => (sentence, exit::could_not_run()),
        };
        if self.json {
            terminal::out(&format!("{:#}", json!({ "error": sentence })));
        }
        terminal::err(&format!("error: {sentence}"));
        code
    }

    /// The socket that was asked for, or the first of the usual ones that exists.
    fn client(&self) -> Result<Client, Failed> {
        if let Some(path) = &self.socket {
            return Ok(Client::unix(path));
        }
        let candidates = admin_socket::candidates();
        if let Some(path) = candidates.iter().find(|path| path.exists()) {
            return Ok(Client::unix(path));
        }
        let tried: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        Err(Failed::Unanswered(format!(
            "there is no admin socket at {}: is transom running?\nhelp: `--socket PATH` names it, where the \
             configuration has `[admin] socket`",
            tried.join(" or ")
        )))
    }
}

impl What {
    fn ask(&self, client: &Client) -> Result<Answer, Failed> {
        let get = |path: &str| -> Result<Value, Failed> { Ok(client.get(path)?.json()?) };
        Ok(match self {
            Self::Status => Answer::Value(status(client)?, view::status),
            Self::Listeners => Answer::Value(get("/api/v1/listeners")?, view::listeners),
            Self::Pools => Answer::Value(get("/api/v1/pools")?, view::pools),
            Self::Servers { pool } => Answer::Value(servers(client, pool.as_deref())?, view::servers),
            Self::Server { server: (pool, server), change } => {
                let path = format!("/api/v1/pools/{}/servers/{}", encoded(pool), encoded(server));
                Answer::Value(client.post(&path, &change.body())?.json()?, view::server)
            }
            Self::Stick { table, key, action: None } => {
                Answer::Value(entries(client, table, *key)?, view::entries)
            }
            Self::Stick { table, key, action: Some(StickAction::Clear) } => {
                Answer::Value(clear(client, table, *key)?, view::cleared)
            }
            Self::Packets => Answer::Value(get("/api/v1/packet")?, view::packets),
            Self::Flows { limit, client: source } => {
                Answer::Value(flows(client, *limit, *source)?, view::flows)
            }
            Self::Faults { all } => Answer::Value(faults(client, *all)?, view::faults),
            Self::Metrics => Answer::Text(client.get("/metrics")?.text()),
            Self::Reload => reload(client)?,
            Self::WaitReady { timeout } => wait_ready(client, Duration::from_secs(*timeout))?,
        })
    }
}

impl Change {
    fn body(self) -> Value {
        match self {
            Self::Drain => json!({ "admin": "drain" }),
            Self::Ready => json!({ "admin": "ready" }),
            Self::Maint => json!({ "admin": "maint" }),
            Self::Weight { weight } => json!({ "weight": weight }),
        }
    }
}

/// A path segment (RFC 3986 section 3.3).
fn encoded(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    segment.bytes().map(byte).collect()
}

/// Readiness and every list in one value.
fn status(client: &Client) -> Result<Value, Failed> {
    let ready = client.get("/ready")?;
    let mut value = json!({ "ready": ready.is_success(), "readiness": ready.text().trim_end() });
    let lists = [
        ("listeners", "listeners"),
        ("pools", "pools"),
        ("servers", "servers"),
        ("stick-tables", "stick_tables"),
        ("faults", "faults"),
    ];
    for (path, key) in lists {
        let mut list = client.get(&format!("/api/v1/{path}"))?.json()?;
        value[key] = list[key].take();
        if let Some(generation) = list.get("generation") {
            value["generation"] = generation.clone();
        }
    }
    only(&mut value["faults"], |fault| fault["count"] != 0);
    Ok(value)
}

/// Drops the items of a list that are not wanted.
fn only(list: &mut Value, wanted: impl Fn(&Value) -> bool) {
    if let Some(items) = list.as_array_mut() {
        items.retain(wanted);
    }
}

fn servers(client: &Client, pool: Option<&str>) -> Result<Value, Failed> {
    let mut value = client.get("/api/v1/servers")?.json()?;
    if let Some(pool) = pool {
        only(&mut value["servers"], |server| server["pool"] == pool);
        if value["servers"].as_array().is_some_and(Vec::is_empty) {
            return Err(Failed::No(format!("there is no pool {pool}")));
        }
    }
    Ok(value)
}

/// Flows of everybody, or of one client: then all are looked through.
fn flows(client: &Client, limit: u32, source: Option<IpAddr>) -> Result<Value, Failed> {
    let asked = if source.is_some() { 100_000 } else { limit };
    let mut value = client.get(&format!("/api/v1/flows?limit={asked}"))?.json()?;
    if let Some(source) = source {
        let own = |flow: &Value| {
            let client = flow["client"].as_str().and_then(|text| text.parse::<SocketAddr>().ok());
            client.is_some_and(|client| client.ip() == source)
        };
        only(&mut value["flows"], own);
        if let Some(flows) = value["flows"].as_array_mut() {
            flows.truncate(limit as usize);
        }
    }
    Ok(value)
}

fn faults(client: &Client, all: bool) -> Result<Value, Failed> {
    let mut value = client.get("/api/v1/faults")?.json()?;
    only(&mut value["faults"], |fault| all || fault["count"] != 0);
    Ok(value)
}

/// All entries, or the one of `key`; page by page.
fn entries(client: &Client, table: &str, key: Option<IpAddr>) -> Result<Value, Failed> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/stick-tables/{}?limit={PAGE}{after}", encoded(table));
        let mut page = client.get(&path)?.json()?;
        let mine = |entry: &Value| key.is_none_or(|key| entry["key"] == key.to_canonical().to_string());
        only(&mut page["entries"], mine);
        if let Value::Array(entries) = page["entries"].take() {
            found.extend(entries);
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", encoded(next));
    }
    match key {
        Some(key) if found.is_empty() => Err(Failed::No(format!("stick table {table} has no entry {key}"))),
        _ => Ok(json!({ "table": table, "entries": found })),
    }
}

/// Forgets the entry of `key`, or all.
fn clear(client: &Client, table: &str, key: Option<IpAddr>) -> Result<Value, Failed> {
    let path = format!("/api/v1/stick-tables/{}", encoded(table));
    if let Some(key) = key {
        client.delete(&format!("{path}/{}", encoded(&key.to_string())))?.json()?;
        return Ok(json!({ "table": table, "cleared": 1 }));
    }
    let reply = client.delete(&path)?.json()?;
    Ok(json!({ "table": table, "cleared": reply["deleted"] }))
}

/// A refusal shows the whole report: that is what somebody must read now.
fn reload(client: &Client) -> Result<Answer, Failed> {
    let reply = client.post("/api/v1/reload", &json!({}))?;
    match reply.json() {
        Ok(value) => Ok(Answer::Value(value, view::reloaded)),
        Err(ClientError::Refused { error, .. }) => {
            let value: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            let Some(report) = value["report"].as_str() else { return Err(Failed::No(error)) };
            Err(Failed::No(format!(
                "reload refused, the old configuration stays in force\n{}",
                report.trim_end()
            )))
        }
        Err(error) => Err(error.into()),
    }
}

fn wait_ready(client: &Client, patience: Duration) -> Result<Answer, Failed> {
    let until = Instant::now() + patience;
    loop {
        let answer = client.get("/ready");
        let last = match answer {
            Ok(reply) if reply.is_success() => {
                return Ok(Answer::Value(json!({ "ready": true }), |_| "ready".to_owned()));
            }
            Ok(reply) => Failed::No(reply.text().trim_end().to_owned()),
            Err(error) => error.into(),
        };
        if Instant::now() >= until {
            return Err(last);
        }
        std::thread::sleep(READY_LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_number_or_the_word_default() {
        let cases = [
            ("0", Ok(Some(0))),
            ("256", Ok(Some(256))),
            ("default", Ok(None)),
            ("257", Err(())),
            ("x", Err(())),
        ];
        for (text, expected) in cases {
            assert_eq!(weight(text).map_err(drop), expected, "{text}");
        }
    }

    #[test]
    fn a_server_is_named_with_its_pool() {
        assert_eq!(pool_and_server("mail/ex1"), Ok(("mail".into(), "ex1".into())));
        for text in ["ex1", "/ex1", "mail/", ""] {
            assert!(pool_and_server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_safe_in_a_path() {
        assert_eq!(encoded("npm-https_1.x~"), "npm-https_1.x~");
        assert_eq!(encoded("a/b ?ä"), "a%2Fb%20%3F%C3%A4");
        assert_eq!(encoded("2001:db8::1"), "2001%3Adb8%3A%3A1");
    }
}
