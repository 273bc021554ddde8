//! A control plane under test, and ways to ask it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use transom_config::Config;
use transom_control::{AdminSocket, Client, Command, Control, ReloadOutcome, Setup};
use transom_state::{Ask, Choice, Current, Said, Server, World};

/// Name and password of the users of [`WITH_USERS`], by role: viewer, operator, admin.
pub(crate) const VIC: &str = "vic:look";
pub(crate) const OTTO: &str = "otto:turn";
pub(crate) const ADA: &str = "ada:all: of it";

pub(crate) const WITHOUT_USERS: &str = r#"
[listener.https]
bind = ["127.0.0.1:0"]
mode = "tcp"
pool = "main"

[pool.main]
stick = { on = "source", table = "clients" }
balance = "first"
servers = [
  { name = "one", address = "192.0.2.1:443", weight = 100 },
  { name = "two", address = "192.0.2.2:443" },
]

[pool.spare]
servers = [{ name = "three", address = "192.0.2.3:443" }]

[stick-table.clients]
key = "ip"
size = 1000
expire = "30m"
"#;

/// The same with an admin address and users; `HASH-n` stands for their hashes.
pub(crate) const WITH_USERS: &str = r#"
[admin]
bind = "127.0.0.1:8404"
users = [
  { name = "vic", password-hash = "HASH-0", role = "viewer" },
  { name = "otto", password-hash = "HASH-1", role = "operator" },
  { name = "ada", password-hash = "HASH-2", role = "admin" },
]
"#;

pub(crate) struct Running {
    pub(crate) control: Control,
    pub(crate) client: Client,
    /// Of the admin API.
    pub(crate) address: SocketAddr,
    current: Arc<Current>,
    commands: Mutex<Option<mpsc::Receiver<Command>>>,
    directory: tempfile::TempDir,
}

/// An answer over the address.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// As it came, header names in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        value["code"].as_str().unwrap().to_owned()
    }
}

impl Running {
    pub(crate) fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let current = Current::from_pointee(World::first(load(config), 2, 1, Instant::now()));
        let current = Arc::new(current);
        let (client, unix) = unix_socket(&directory, "admin.sock");
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let (commands, receiver) = mpsc::channel(1);
        let admin = vec![unix, AdminSocket::Tcp { fd: tcp.into(), address }];
        let setup = Setup { current: Arc::clone(&current), admin, commands, started: SystemTime::now() };
        let control = Control::start(setup).unwrap();
        Self { control, client, address, current, commands: Mutex::new(Some(receiver)), directory }
    }

    pub(crate) fn another_unix_socket(&self) -> (Client, AdminSocket) {
        unix_socket(&self.directory, "other.sock")
    }

    /// Nobody hears commands any more.
    pub(crate) fn stop_listening(&self) {
        self.commands.lock().take();
    }

    /// Answers so many commands, then hears no more.
    pub(crate) fn answer_reloads(&self, outcomes: Vec<ReloadOutcome>) {
        let mut commands = self.commands.lock().take().expect("commands are heard");
        std::thread::spawn(move || {
            for outcome in outcomes {
                if let Some(Command::Reload(answer)) = commands.blocking_recv() {
                    drop(answer.send(outcome));
                }
            }
        });
    }

    pub(crate) fn server(&self, pool: &str, server: &str) -> Arc<Server> {
        Arc::clone(self.current.load().pool(pool).unwrap().server(server).unwrap())
    }

    pub(crate) fn reload(&self, config: &str) {
        let next = self.current.load().next(load(config), Instant::now());
        self.current.store(Arc::new(next));
        self.control.world_changed();
    }

    /// A client comes to a pool and is remembered.
    pub(crate) fn stick(&self, pool: &str, source: &str) {
        let world = self.current.load_full();
        let now = Instant::now();
        let ask = Ask {
            source: source.parse().unwrap(),
            said: Said::default(),
            tried: &[],
            worker: 0,
            random: 0,
            now,
        };
        let Choice::Server(lease) = world.pool(pool).unwrap().choose(&ask) else { panic!("no server") };
        lease.connected(&ask);
    }

    pub(crate) fn tcp(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Told {
        let host = self.address.to_string();
        let headers: Vec<_> = [("Host", host.as_str())].into_iter().chain(headers.iter().copied()).collect();
        self.tcp_with_host(method, path, &headers, body)
    }

    pub(crate) fn tcp_with_host(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Told {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let answer = self.raw(&format!("{request}\r\n{body}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Told { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A server that refuses may reset what it did not read; what came before counts.
        drop(stream.read_to_end(&mut answer));
        String::from_utf8(answer).unwrap()
    }
}

fn unix_socket(directory: &tempfile::TempDir, name: &str) -> (Client, AdminSocket) {
    let path = directory.path().join(name);
    let socket = AdminSocket::Unix(UnixListener::bind(&path).unwrap().into());
    (Client::unix(path), socket)
}

fn load(config: &str) -> Arc<Config> {
    let mut text =
        if config == WITH_USERS { format!("{WITHOUT_USERS}{WITH_USERS}") } else { config.to_owned() };
    for (n, user) in [VIC, OTTO, ADA].iter().enumerate() {
        if text.contains("HASH-") {
            let (_, password) = user.split_once(':').unwrap();
            text = text.replace(&format!("HASH-{n}"), &password_hash(password));
        }
    }
    let loaded = transom_config::load_text("test.toml", &text);
    Arc::new(loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false))))
}

fn password_hash(password: &str) -> String {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(password.as_bytes()).unwrap().to_string()
}

pub(crate) fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(user))
}

/// An address where nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Whether something becomes true in time.
pub(crate) fn within(time: Duration, mut true_now: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if true_now() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
