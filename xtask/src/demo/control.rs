//! Orders from another terminal to a demo that runs: let a server die, or one directory of it, and bring it back.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use transom_testkit::fake_exchange::FakeExchange;
use transom_testkit::server::Server;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a running demo can be told.
#[derive(clap::Subcommand)]
pub(crate) enum Order {
    /// Let a server die: ex1, ex2 or web. With a directory of Exchange (owa, mapi, ews, …) only that.
    Break { server: String, directory: Option<String> },
    /// Bring it back.
    Mend { server: String, directory: Option<String> },
}

impl Order {
    fn line(&self) -> String {
        let (verb, server, directory) = match self {
            Self::Break { server, directory } => ("break", server, directory),
            Self::Mend { server, directory } => ("mend", server, directory),
        };
        let directory = directory.as_deref().unwrap_or_default();
        format!("{verb} {server} {directory}").trim_end().to_owned() + "\n"
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

/// What an order can be about.
pub(crate) enum Target {
    Exchange(Arc<FakeExchange>),
    Web(Arc<Server>),
}

/// Servers by the short name orders use.
pub(crate) type Servers = Vec<(&'static str, Target)>;

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
    let mut words = line.split(' ');
    let (verb, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let directory = words.next();
    match servers.iter().find(|(own, _)| *own == name).map(|(_, target)| target) {
        None => {
            let known: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
            format!("error: there is no server {name:?}, there are: {}\n", known.join(", "))
        }
        Some(Target::Exchange(server)) => {
            let words = [Some(verb), directory];
            server.order(&words.into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        Some(Target::Web(_)) if directory.is_some() => format!("error: {name} has no directories\n"),
        Some(Target::Web(server)) => order_web(verb, server),
    }
}

fn order_web(verb: &str, server: &Server) -> String {
    let name = server.name();
    if verb == "break" {
        server.stop();
        return format!("{name} is dead: its connections are cut, new ones are refused\n");
    }
    match server.resume() {
        Ok(()) => format!("{name} is back\n"),
        Err(error) => format!("error: {name}: {error}\n"),
    }
}
