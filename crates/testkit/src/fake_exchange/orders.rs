//! Orders in words, one a line, for those who hold no [`FakeExchange`]: the demo from another terminal, tests in other
//! languages, people with `nc`.
//!
//! | order | does |
//! |---|---|
//! | `break`, `mend` | [`FakeExchange::stop`]; [`FakeExchange::resume`] and every directory up |
//! | `break DIRECTORY [page-out]`, `mend DIRECTORY` | [`FakeExchange::set_condition`] |
//! | `stall` | [`FakeExchange::stall`] |
//! | `close`, `reset` | [`FakeExchange::close_connections`] |
//! | `count` | how many connections were accepted and are open, how many requests answered |
//! | `connections`, `requests`, `refusals` | one line each |
//!
//! The answer ends with an empty line. What could not be done begins with `error: `.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Condition, Connection, Directory, Ending, FakeExchange};

/// How long somebody who is connected may think.
const PATIENCE: Duration = Duration::from_secs(600);

impl FakeExchange {
    /// Does as it is told and says so, without the empty line.
    pub fn order(&self, line: &str) -> String {
        self.obey(line).unwrap_or_else(|why| format!("error: {why}\n"))
    }

    fn obey(&self, line: &str) -> Result<String, String> {
        let name = self.name();
        let failed = |error: io::Error| error.to_string();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["break"] => {
                self.stop().map_err(failed)?;
                Ok(format!("{name} is dead: its connections are cut, new ones are refused\n"))
            }
            ["mend"] => {
                self.resume().map_err(failed)?;
                for directory in Directory::ALL {
                    self.set_condition(directory, Condition::Up);
                }
                Ok(format!("{name} is back\n"))
            }
            ["break", directory] => self.set_by_name(directory, Condition::Out),
            ["break", directory, condition] => self.set_by_name(directory, condition.parse()?),
            ["mend", directory] => self.set_by_name(directory, Condition::Up),
            ["stall"] => {
                self.stall().map_err(failed)?;
                Ok(format!("{name} accepts nobody\n"))
            }
            ["close"] => Ok(format!("{} closed\n", self.close_connections(Ending::Close))),
            ["reset"] => Ok(format!("{} reset\n", self.close_connections(Ending::Reset))),
            ["count"] => {
                let (accepted, open, answered) = (self.accepted(), self.open(), self.answered());
                Ok(format!("accepted={accepted} open={open} requests={answered}\n"))
            }
            ["connections"] => Ok(self.connections().iter().map(described).collect()),
            ["requests"] => {
                let requests = self.requests();
                let line = |it: &super::Request| it.head.lines().next().unwrap_or_default().to_owned();
                Ok(requests
                    .iter()
                    .map(|it| format!("{} {} {}\n", it.connection, it.number, line(it)))
                    .collect())
            }
            ["refusals"] => Ok(self.refusals().iter().map(|why| format!("{why}\n")).collect()),
            _ => Err(format!("nobody knows the order {line:?}")),
        }
    }

    fn set_by_name(&self, directory: &str, condition: Condition) -> Result<String, String> {
        let directory: Directory = directory.parse()?;
        self.set_condition(directory, condition);
        let (name, directory) = (self.name(), directory.name());
        Ok(match condition {
            Condition::Up => format!("{name} serves /{directory} again\n"),
            Condition::PageOut => format!("{name} serves /{directory}, but its health page says no\n"),
            Condition::Out => format!("{name} answers 503 below /{directory}, the rest goes on\n"),
        })
    }
}

/// A connection in a line.
fn described(connection: &Connection) -> String {
    let text = |text: &Option<String>| text.as_deref().unwrap_or("-").replace(' ', "_");
    let proxied = connection.proxied.map(|client| client.to_string());
    format!(
        "id={} service={:?} peer={} proxied={} sni={} requests={} users={} clients={} forwarded-for={} ambiguous={} open={}\n",
        connection.id,
        connection.service,
        connection.peer,
        text(&proxied),
        text(&connection.server_name),
        connection.requests,
        connection.users.join(","),
        connection.clients.join(","),
        connection.forwarded_for.join("|").replace(' ', ""),
        text(&connection.ambiguous),
        connection.open,
    )
}

/// A port that takes orders for one server. It ends when this is dropped.
pub struct ControlPort {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ControlPort {
    /// Listens (port 0: any).
    pub fn open(exchange: &Arc<FakeExchange>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (ended, exchange) = (Arc::new(AtomicBool::new(false)), Arc::clone(exchange));
        let thread = thread::Builder::new().name("control port".to_owned()).spawn({
            let ended = Arc::clone(&ended);
            move || {
                for stream in listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let exchange = Arc::clone(&exchange);
                    if let Ok(stream) = stream {
                        thread::spawn(move || talk(&stream, &exchange));
                    }
                }
            }
        })?;
        Ok(Self { address, ended, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ControlPort {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread; where that fails it has ended, or will with the process.
        if let (Ok(_), Some(thread)) = (TcpStream::connect(self.address), self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// One client: order, answer, order, answer.
fn talk(stream: &TcpStream, exchange: &FakeExchange) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = stream;
    for line in BufReader::new(stream).lines() {
        writeln!(stream, "{}", exchange.order(&line?))?;
    }
    stream.shutdown(Shutdown::Both)
}
