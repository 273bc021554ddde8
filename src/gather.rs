//! Makes a supply: reads and checks the configuration, binds what is new, opens the logs.
//!
//! Nothing that serves is touched: an error leaves everything as it was. Addresses that the supply before has already
//! keep their sockets, so that no waiting client is lost.

use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use transom_config::{Config, Listener, LogSink, Options, Report};

use crate::files::{Disk, Remembered};
use crate::packet::door::Packets;
use crate::supply::{AdminTcp, AdminUnix, Listening, Note, Supply, WafLog, WafLogKind};
use crate::tls::{self, Acceptors};
use crate::users::{Identity, identity};
use crate::{admin_socket, foreign, limits, named, sources, terminal, users, waf};

/// What `transom run` was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `-c` or `--haproxy`
    pub(crate) path: PathBuf,
    /// Another product's file: it is imported each time it is read.
    pub(crate) foreign: bool,
    /// `--zone`
    pub(crate) zone: Option<String>,
    /// `--workers`
    pub(crate) workers: Option<u16>,
}

/// A supply and the configuration it was made from.
pub(crate) struct Gathered {
    /// To serve.
    pub(crate) supply: Supply,
    /// What it says.
    pub(crate) config: Config,
    /// Who serves it.
    pub(crate) identity: Identity,
}

/// Why there is no supply.
pub(crate) enum Refusal {
    /// The configuration has errors.
    Config(Box<Report>),
    /// It is fine, but this machine does not let us do what it says.
    Machine(String),
}

impl Refusal {
    /// For the log and the admin API.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Config(report) => report.render(false),
            Self::Machine(sentence) => sentence.clone(),
        }
    }

    /// For the person at the terminal, if it is one.
    pub(crate) fn text_for_stderr(&self) -> String {
        match self {
            Self::Config(report) => report.render(terminal::colour()),
            Self::Machine(sentence) => format!("error: {sentence}"),
        }
    }
}

impl From<String> for Refusal {
    fn from(sentence: String) -> Self {
        Self::Machine(sentence)
    }
}

/// Worker threads where nothing else is said: the CPUs this process may run on.
pub(crate) fn workers(request: &Request, config: &Config) -> usize {
    let asked = request.workers.or(config.workers).map(usize::from);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Where the configuration comes from.
struct Source {
    disk: Disk,
    path: PathBuf,
    account: Option<Note>,
}

/// The file itself, or what another product's becomes. At the start the whole account goes to who started us, later a
/// summary to the log.
fn source(request: &Request, starts: bool) -> Result<Source, String> {
    if !request.foreign {
        return Ok(Source { disk: Disk::default(), path: request.path.clone(), account: None });
    }
    let shown = request.path.display();
    let imported = foreign::read(&request.path, None).map_err(|why| format!("{shown}: {why}"))?;
    if starts {
        terminal::err(imported.account.render().trim_end());
    }
    if !imported.account.is_whole() {
        return Err(foreign::not_whole(&request.path, &imported));
    }
    let account = Some(Note::Remark(format!("{shown} imported: {}", imported.account.summary())));
    Ok(Source {
        disk: foreign::disk(&request.path, &imported),
        path: foreign::called(&request.path),
        account,
    })
}

/// Makes the supply for what the file says now. `before` is the one in force.
pub(crate) fn gather(request: &Request, before: Option<&Supply>) -> Result<Gathered, Refusal> {
    let Source { disk, path, account } = source(request, before.is_none())?;
    let options = Options { zone: request.zone.clone() };
    let loaded = transom_config::load(&path, &disk, &options);
    let Some(config) = loaded.config else { return Err(Refusal::Config(Box::new(loaded.report))) };
    let mut unusable = named::look_into(&config);
    let built = tls::build(&config, &Acceptors::new(), SystemTime::now());
    let mut notes = match built {
        Ok(built) => built.notes,
        Err(faults) => {
            unusable.extend(faults);
            Vec::new()
        }
    };
    match waf::build(&config, &disk) {
        Ok(built) => notes.extend(built.notes),
        Err(faults) => unusable.extend(faults),
    }
    if !unusable.is_empty() {
        return Err(Refusal::Machine(unusable.join("\n")));
    }
    notes.extend(account);
    if loaded.report.warnings() > 0 {
        notes.push(Note::Warning(loaded.report.render(false)));
    }
    let asked = workers(request, &config);
    let workers = before.map_or(asked, |before| before.workers);
    if workers != asked {
        notes.push(Note::Warning(format!("{workers} workers stay; {asked} take effect at the next start")));
    }
    let derived = fit(&config, workers)?;
    if before.is_none() {
        notes.extend(derived);
    }
    sources::possible(&config)?;
    let identity = identity(config.process.user.as_deref())?;
    let program = open_log(&config.log.program)?;
    let access = open_log(&config.log.access.sink)?;
    let waf_logs = open_waf_logs(&config)?;
    let listeners = listen(&config, before, workers)?;
    let packets = Packets::gather(&config, before.and_then(|before| before.packets.as_ref()))?;
    let tcp = admin_tcp(&config, before, &mut notes)?;
    // Last: it leaves a file behind.
    let unix = admin_unix(&config, before, &mut notes)?;
    let files = disk.into_remembered();
    notes.extend(exposed(&files, &request.path));
    let supply = Supply {
        path,
        zone: request.zone.clone(),
        workers,
        files,
        listeners,
        packets,
        unix,
        tcp,
        access,
        program,
        waf_logs,
        notes,
        overrides: Vec::new(),
    };
    Ok(Gathered { supply, config, identity })
}

/// Raises the limit of descriptors and compares it with what the file asks for. Returns what is worth saying.
fn fit(config: &Config, workers: usize) -> Result<Option<Note>, Refusal> {
    let standing = limits::standing(config, workers);
    let files = limits::raise(limits::needed(config, standing));
    let room = limits::room(config, standing, files).map_err(|short| short.to_string())?;
    let derived = config.limits.connections.is_none();
    let connections = room.admitted;
    Ok(derived.then(|| {
        Note::Remark(format!(
            "up to {connections} client connections: what {files} file descriptors allow ([limits] connections)"
        ))
    }))
}

/// Says which files somebody besides root may change: whoever does decides what root opens.
fn exposed(files: &Remembered, first: &Path) -> Option<Note> {
    let others = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        let (group, everybody) = (metadata.mode() & 0o020 != 0, metadata.mode() & 0o002 != 0);
        Some(metadata.uid() != 0 || everybody || (group && metadata.gid() != 0))
    };
    let open = |path: &&Path| others(path).unwrap_or(false);
    // The first is among them, unless it was imported.
    let all = files.files.iter().map(|(path, _)| &**path).filter(|path| *path != first);
    let open: Vec<String> =
        std::iter::once(first).chain(all).filter(open).map(|path| path.display().to_string()).collect();
    (users::is_root() && !open.is_empty())
        .then(|| Note::Warning(format!("others than root may change what root reads: {}", open.join(", "))))
}

/// The logs of the firewalls that a listener or route may ask.
fn open_waf_logs(config: &Config) -> Result<Vec<WafLog>, String> {
    let mut all = Vec::new();
    for waf in &config.wafs {
        let audit = waf.audit_log.as_ref().map(|log| LogSink::File(log.file.clone()));
        let sinks = [(WafLogKind::Error, Some(&waf.error_log)), (WafLogKind::Audit, audit.as_ref())];
        for (kind, sink) in sinks {
            if let Some(sink) = sink.map(open_log).transpose()?.flatten() {
                all.push(WafLog { waf: waf.name.to_string(), kind, sink });
            }
        }
    }
    Ok(all)
}

fn open_log(sink: &LogSink) -> Result<Option<OwnedFd>, String> {
    let opened = match sink {
        LogSink::Off => return Ok(None),
        LogSink::Stdout => io::stdout().as_fd().try_clone_to_owned(),
        LogSink::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        LogSink::File(path) => {
            let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
            file.map(Into::into)
        }
    };
    opened.map(Some).map_err(|error| match sink {
        LogSink::File(path) => format!("the log {} cannot be opened: {error}", path.display()),
        _ => format!("the log's stream cannot be used: {error}"),
    })
}

fn listen(config: &Config, before: Option<&Supply>, workers: usize) -> Result<Vec<Listening>, String> {
    let mut free: Vec<&Listening> = before.iter().flat_map(|before| &before.listeners).collect();
    let (mut all, mut refusals) = (Vec::new(), Vec::new());
    for listener in &config.listeners {
        for asked in &listener.bind {
            let listening = match take(&mut free, &listener.name, *asked) {
                Some(kept) => share(kept, listener),
                None => bind(listener, *asked, before, workers),
            };
            match listening {
                Ok(listening) => all.push(listening),
                Err(error) => refusals.push(refused(listener, *asked, &error)),
            }
        }
    }
    if refusals.is_empty() { Ok(all) } else { Err(refusals.join("\n")) }
}

/// The sockets that are there already for this address: a renamed listener keeps them too. Port 0 is a port of its
/// own each time it is written, so there the name must be the same.
fn take<'a>(free: &mut Vec<&'a Listening>, name: &str, asked: SocketAddr) -> Option<&'a Listening> {
    let same = |known: &&Listening| known.asked == asked && (asked.port() != 0 || known.listener == name);
    free.iter().position(same).map(|index| free.remove(index))
}

fn share(kept: &Listening, listener: &Listener) -> io::Result<Listening> {
    let shared = kept.shared(&listener.name)?;
    for socket in &shared.sockets {
        // Sets the backlog anew; the socket goes on listening.
        rustix::net::listen(socket, i32::try_from(listener.limits.backlog).unwrap_or(i32::MAX))?;
    }
    Ok(shared)
}

fn bind(
    listener: &Listener,
    asked: SocketAddr,
    before: Option<&Supply>,
    workers: usize,
) -> io::Result<Listening> {
    let own_port = before
        .is_some_and(|before| before.listeners.iter().any(|known| known.address.port() == asked.port()));
    if !own_port {
        be_alone(asked)?;
    }
    let (address, sockets) = transom_proxy::bind(asked, listener.limits.backlog, workers)?;
    Ok(Listening { listener: listener.name.to_string(), asked, address, sockets })
}

/// Fails when somebody listens on the address already. `SO_REUSEPORT` would share it silently with another program of
/// the same user (a second Transom, say); a bind without it, and without listening, finds out.
fn be_alone(address: SocketAddr) -> io::Result<()> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(rustix::net::bind(&socket, &address)?)
}

fn refused(listener: &Listener, asked: SocketAddr, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program listens there: `ss -ltnp 'sport = :{}'` names it", asked.port())
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have the address: `ip address` lists those it has".to_owned()
        }
        _ => "see the kernel's words above".to_owned(),
    };
    format!(
        "{}: the listener `{}` cannot take {asked}: {error}\nhelp: {remedy}",
        listener.place, listener.name
    )
}

fn admin_unix(
    config: &Config,
    before: Option<&Supply>,
    notes: &mut Vec<Note>,
) -> Result<Option<AdminUnix>, String> {
    let path = config.admin.socket.clone().or_else(admin_socket::default_path);
    let kept = before.and_then(|before| before.unix.as_ref());
    if let Some(kept) = kept.filter(|kept| Some(&kept.path) == path.as_ref()) {
        return kept.shared().map(Some).map_err(|error| error.to_string());
    }
    let Some(path) = path else {
        let why = "no admin socket: this user has no XDG_RUNTIME_DIR; `[admin] socket = …` names one";
        if before.is_none() || kept.is_some() {
            notes.push(Note::Remark(why.into()));
        }
        return Ok(None);
    };
    if before.is_some() {
        notes.push(Note::Remark(format!("the admin socket is now {}", path.display())));
    }
    admin_socket::listen_unix(&path).map(Some).map_err(|error| {
        let path = path.display();
        format!("the admin socket {path} cannot be used: {error}\nhelp: `[admin] socket = …` names another")
    })
}

fn admin_tcp(
    config: &Config,
    before: Option<&Supply>,
    notes: &mut Vec<Note>,
) -> Result<Option<AdminTcp>, String> {
    let kept = before.and_then(|before| before.tcp.as_ref());
    let Some(asked) = config.admin.bind else {
        if kept.is_some() {
            notes.push(Note::Remark("the admin address is closed".into()));
        }
        return Ok(None);
    };
    if let Some(kept) = kept.filter(|kept| kept.asked == asked) {
        return kept.shared().map(Some).map_err(|error| error.to_string());
    }
    let listening = admin_socket::listen_tcp(asked).map_err(|error| {
        let own = kept.is_some_and(|kept| kept.address.port() == asked.port());
        let help =
            if own { "\nhelp: until a restart, take another port than the one in use now" } else { "" };
        format!("the admin address {asked} cannot be taken: {error}{help}")
    })?;
    if before.is_some() {
        notes.push(Note::Remark(format!("the admin address is now {}", listening.address)));
    }
    Ok(Some(listening))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn listening(listener: &str, asked: &str, address: &str) -> Listening {
        let (asked, address) = (asked.parse().unwrap(), address.parse().unwrap());
        Listening { listener: listener.into(), asked, address, sockets: Vec::new() }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_before_anything_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let authority = transom_testkit::ca::Authority::new("Lab").unwrap();
        let chain = authority.leaf(&["a.test"]).unwrap().write(folder.path(), "a").unwrap().certificate;
        let key = authority.leaf(&["b.test"]).unwrap().write(folder.path(), "b").unwrap().key;
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!(
            "[certificate.a]\nchain = {chain:?}\nkey = {key:?}\n[listener.l]\nbind = [\"{}\"]\nmode = \"tls\"\n\
             tls = {{ certificates = [\"a\"] }}\npool = \"p\"\n[pool.p]\nservers = [{{ name = \"s\", address = \
             \"192.0.2.1:80\" }}]\n",
            taken.local_addr().unwrap()
        );
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        let refusal =
            gather(&Request { path, foreign: false, zone: None, workers: None }, None).err().unwrap().text();
        assert!(refusal.contains("the certificate `a`") && refusal.contains("does not belong"), "{refusal}");
        assert!(!refusal.contains("cannot take"), "the address, which is taken, was not tried: {refusal}");
    }

    #[test]
    fn an_address_keeps_its_sockets_even_under_another_name() {
        let own = [listening("a", "127.0.0.1:80", "127.0.0.1:80")];
        let mut free: Vec<&Listening> = own.iter().collect();
        assert!(take(&mut free, "b", "127.0.0.1:81".parse().unwrap()).is_none());
        assert!(take(&mut free, "b", "127.0.0.1:80".parse().unwrap()).is_some());
        assert!(take(&mut free, "b", "127.0.0.1:80".parse().unwrap()).is_none(), "only once");
    }

    #[test]
    fn a_free_port_belongs_to_its_listener() {
        let own = [
            listening("a", "127.0.0.1:0", "127.0.0.1:4001"),
            listening("b", "127.0.0.1:0", "127.0.0.1:4002"),
            listening("b", "127.0.0.1:0", "127.0.0.1:4003"),
        ];
        let mut free: Vec<&Listening> = own.iter().collect();
        let any = "127.0.0.1:0".parse().unwrap();
        let mut next = |name| take(&mut free, name, any).map(|known| known.address.port());
        assert_eq!([next("b"), next("b"), next("b"), next("a")], [Some(4002), Some(4003), None, Some(4001)]);
    }

    /// What `gather` makes of this `[admin]`.
    fn with_admin(directory: &Path, admin: &str, before: Option<&Supply>) -> Result<Supply, String> {
        let path = directory.join("transom.toml");
        let user = if users::is_root() { "[process]\nuser = \"nobody\"\n" } else { "" };
        let text = format!(
            "{user}[admin]\n{admin}\n[listener.l]\nbind = [\"127.0.0.1:0\"]\nmode = \"tcp\"\npool = \"p\"\n\
             [pool.p]\nservers = [{{ name = \"a\", address = \"127.0.0.1:9\" }}]\n"
        );
        std::fs::write(&path, text).unwrap();
        let request = Request { path, foreign: false, zone: None, workers: Some(1) };
        gather(&request, before).map(|gathered| gathered.supply).map_err(|refusal| refusal.text())
    }

    #[test]
    fn an_admin_socket_or_address_that_changed_is_taken_at_a_reload() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one.sock"), directory.path().join("two.sock"));
        let first =
            with_admin(directory.path(), &format!("socket = {one:?}\nbind = \"127.0.0.1:0\""), None).unwrap();
        let address = first.tcp.as_ref().unwrap().address;

        let same = format!("socket = {one:?}\nbind = \"127.0.0.1:0\"");
        let second = with_admin(directory.path(), &same, Some(&first)).unwrap();
        assert_eq!(second.tcp.as_ref().unwrap().address, address, "an unchanged one is kept");
        assert_eq!(second.unix.as_ref().unwrap().path, one);
        let said = |supply: &Supply| supply.notes.iter().any(|note| note.text().contains("admin"));
        assert!(!said(&second));

        let moved = format!("socket = {two:?}\nbind = \"127.0.0.2:0\"");
        let third = with_admin(directory.path(), &moved, Some(&second)).unwrap();
        assert_eq!(third.tcp.as_ref().unwrap().address.ip().to_string(), "127.0.0.2");
        assert_eq!(third.unix.as_ref().unwrap().path, two);
        assert!(
            said(&third) && one.exists() && two.exists(),
            "the old one stays until the new one is served"
        );

        let fourth = with_admin(directory.path(), &format!("socket = {two:?}"), Some(&third)).unwrap();
        assert!(fourth.tcp.is_none() && said(&fourth));
    }

    #[test]
    fn an_admin_address_that_overlaps_its_former_self_is_refused_with_a_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let socket = format!("socket = {:?}\n", directory.path().join("admin.sock"));
        let first = with_admin(directory.path(), &format!("{socket}bind = \"127.0.0.1:0\""), None).unwrap();
        let port = first.tcp.as_ref().unwrap().address.port();
        let wider = format!("{socket}bind = \"127.0.0.1:{port}\"");
        let refused = with_admin(directory.path(), &wider, Some(&first)).unwrap_err();
        assert!(refused.contains("another port"), "{refused}");
    }

    #[test]
    fn somebody_else_on_the_address_is_noticed() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        assert_eq!(be_alone(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let (shared, sockets) = transom_proxy::bind("127.0.0.1:0".parse().unwrap(), 1, 2).unwrap();
        assert_eq!(be_alone(shared).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(sockets);
        assert!(be_alone(shared).is_ok());
    }
}
