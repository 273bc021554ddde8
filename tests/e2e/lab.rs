//! A little network: clients outside, the door in the middle, servers inside.
//!
//! ```text
//! client 203.0.113.10 ──┐                 ┌── host 192.168.x.y
//!                       ├── door .1  .1 ──┤
//!        (outside) ─────┘                 └── host 192.168.x.y
//! ```

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use transom_testkit::netns::{Namespace, Switch};
use transom_testkit::process::{Process, run};
use transom_testkit::{client, wait};

/// Longest wait for anything that must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The door's address towards clients.
pub(crate) const PUBLIC: &str = "203.0.113.1";

pub(crate) struct Lab {
    pub(crate) client: Namespace,
    pub(crate) door: Namespace,
    inside: Switch,
    _outside: Switch,
    pub(crate) folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let (outside, inside) = (Switch::new("out").unwrap(), Switch::new("in").unwrap());
        let (client, door) = (Namespace::new("client").unwrap(), Namespace::new("door").unwrap());
        outside.plug(&client, "eth0", &["203.0.113.10/24", "203.0.113.11/24", "203.0.113.12/24"]).unwrap();
        outside.plug(&door, "eth0", &["203.0.113.1/24"]).unwrap();
        inside.plug(&door, "eth1", &["192.168.10.1/24", "192.168.20.1/24"]).unwrap();
        Self { client, door, inside, _outside: outside, folder: tempfile::tempdir().unwrap() }
    }

    /// A host on the inside with this address.
    pub(crate) fn host(&self, label: &str, address: &str) -> Namespace {
        let host = Namespace::new(label).unwrap();
        self.inside.plug(&host, "eth0", &[&format!("{address}/24")]).unwrap();
        host
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program with this configuration and waits until it serves.
    pub(crate) fn start(&self, config: &str) -> Transom {
        Transom::start(&self.door, &self.path("transom.toml"), config)
    }

    /// A connection from the client, from one of its addresses.
    pub(crate) fn connect(&self, from: &str, port: u16) -> std::io::Result<TcpStream> {
        let (from, to) = (from.parse::<IpAddr>().unwrap(), SocketAddr::new(PUBLIC.parse().unwrap(), port));
        self.client.enter(|| client::connect_from(from, to, DEADLINE)).unwrap()
    }

    /// Runs a program as the client and gives what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> std::io::Result<String> {
        run(self.client.command(program).args(arguments))
    }
}

/// The running program.
pub(crate) struct Transom {
    pub(crate) process: Process,
    path: PathBuf,
    admin: PathBuf,
}

impl Transom {
    pub(crate) fn start(door: &Namespace, path: &Path, config: &str) -> Self {
        let admin = path.with_extension("sock");
        let transom = |process| Self { process, path: path.to_owned(), admin: admin.clone() };
        Self::write(path, &admin, config);
        let mut command = door.command(env!("CARGO_BIN_EXE_transom"));
        command.arg("run").arg("-c").arg(path);
        let started = transom(Process::start("transom", command).unwrap());
        started.process.wait_for_line("ready listeners=", DEADLINE).unwrap();
        started
    }

    fn write(path: &Path, admin: &Path, config: &str) {
        let text = format!("{config}\n[admin]\nsocket = {admin:?}\n");
        fs::write(path, text).unwrap();
    }

    /// Writes another configuration and asks for it; what `transom ctl reload` said.
    pub(crate) fn reload(&self, config: &str) -> std::io::Result<String> {
        Self::write(&self.path, &self.admin, config);
        self.ctl(&["reload"])
    }

    /// `transom ctl ARGUMENTS`
    pub(crate) fn ctl(&self, arguments: &[&str]) -> std::io::Result<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transom"));
        run(command.arg("ctl").arg("--socket").arg(&self.admin).args(arguments))
    }

    /// `transom ctl ARGUMENTS --json`
    pub(crate) fn ctl_json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        serde_json::from_str(&self.ctl(&all).unwrap()).unwrap()
    }

    /// The lines of the access log so far: it goes to the standard output.
    pub(crate) fn access(&self) -> Vec<serde_json::Value> {
        let lines = self.process.lines(transom_testkit::process::Stream::Out);
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until the access log has so many lines.
    pub(crate) fn wait_for_access(&self, lines: usize) -> Vec<serde_json::Value> {
        wait::for_some("access lines", DEADLINE, || Some(self.access()).filter(|seen| seen.len() >= lines))
            .unwrap()
    }

    /// The worker: the child of the keeper.
    pub(crate) fn worker(&self) -> i32 {
        self.worker_now().unwrap()
    }

    /// The worker, if there is one at this moment.
    pub(crate) fn worker_now(&self) -> Option<i32> {
        let children = format!("/proc/{0}/task/{0}/children", self.process.pid());
        fs::read_to_string(children).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// Waits until a server of a pool has this condition.
    pub(crate) fn wait_for_condition(&self, server: &str, condition: &str) {
        let what = format!("{server} to be {condition}");
        wait::until(&what, DEADLINE, || self.condition(server) == condition).unwrap();
    }

    fn condition(&self, server: &str) -> String {
        self.server(server)["condition"].as_str().unwrap().to_owned()
    }

    /// What the API says of `POOL/SERVER`.
    pub(crate) fn server(&self, server: &str) -> serde_json::Value {
        let (pool, name) = server.split_once('/').unwrap();
        let servers = self.ctl_json(&["servers", pool]);
        let servers = servers.as_array().cloned().or_else(|| servers["servers"].as_array().cloned()).unwrap();
        servers.into_iter().find(|server| server["name"] == name || server["server"] == name).unwrap()
    }
}

/// Resident bytes of a process.
pub(crate) fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The line a named echo server greets with.
pub(crate) fn greeting(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(DEADLINE))?;
    client::read_line(stream)
}

/// Sends bytes and reads as many back.
pub(crate) fn echo(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, bytes);
    Ok(())
}
