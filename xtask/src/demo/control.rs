//! Orders from another terminal to a demo that runs: let a server die, bring it back.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use transom_testkit::server::Server;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a running demo can be told.
#[derive(clap::Subcommand)]
pub(crate) enum Order {
    /// Let a server die: ex1, ex2 or web.
    Break { server: String },
    /// Bring it back.
    Mend { server: String },
}

impl Order {
    fn line(&self) -> String {
        match self {
            Self::Break { server } => format!("break {server}\n"),
            Self::Mend { server } => format!("mend {server}\n"),
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("demo.sock")
}

/// Whether a demo answers in that folder.
pub(crate) fn is_running(folder: &Path) -> bool {
    UnixStream::connect(socket(folder)).is_ok()
}

/// Tells a running demo, and prints what it answers. False: it could not do that.
pub(crate) fn send(folder: &Path, order: &Order) -> Result<bool> {
    let mut stream =
        UnixStream::connect(socket(folder)).context("no demo is running; ./x demo starts one")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(order.line().as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    println!("{}", answer.trim_end());
    Ok(!answer.starts_with("error"))
}

/// Servers by the short name orders use.
pub(crate) type Servers = Vec<(&'static str, Arc<Server>)>;

/// The side of the running demo. Its thread ends when this is dropped.
pub(crate) struct Control {
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens in the folder.
    pub(crate) fn listen(folder: &Path, servers: Servers) -> Result<Self> {
        let path = socket(folder);
        let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                match receive(&stream) {
                    Some(line) if line == "quit" => return,
                    Some(line) => drop((&stream).write_all(obey(&line, &servers).as_bytes())),
                    None => {}
                }
            }
        });
        Ok(Self { path, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let told = UnixStream::connect(&self.path).and_then(|mut stream| stream.write_all(b"quit\n"));
        if let (Ok(()), Some(thread)) = (told, self.thread.take()) {
            let _ = thread.join(); // it has nothing to say
        }
        let _ = fs::remove_file(&self.path); // the next demo clears the folder anyway
    }
}

fn receive(stream: &UnixStream) -> Option<String> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}

/// Does as it is told and says so.
fn obey(line: &str, servers: &Servers) -> String {
    let (verb, name) = line.split_once(' ').unwrap_or((line, ""));
    let named: Vec<_> = servers.iter().filter(|(own, _)| *own == name).map(|(_, server)| server).collect();
    if named.is_empty() {
        let mut known: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
        known.dedup();
        return format!("error: there is no server {name:?}, there are: {}\n", known.join(", "));
    }
    let mut done = Ok(());
    for server in named {
        match verb {
            "break" => server.stop(),
            _ => done = done.and(server.resume()),
        }
    }
    match (done, verb) {
        (Err(error), _) => format!("error: {name}: {error}\n"),
        (Ok(()), "break") => format!("{name} is dead: its connections are cut, new ones are refused\n"),
        (Ok(()), _) => format!("{name} is back\n"),
    }
}
