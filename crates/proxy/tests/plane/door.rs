//! A plane with one configuration, in this process, on free ports.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use transom_config::{Config, load_text};
use transom_proxy::{AccessSink, Bound, Plane, SourceStock, TlsWorld, bind};
use transom_state::{Current, World};

/// Longest wait for anything that must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A running plane.
pub(crate) struct Door {
    plane: Option<Plane>,
    current: Arc<Current>,
    pub(crate) addresses: Vec<(String, SocketAddr)>,
    log: tempfile::NamedTempFile,
}

pub(crate) fn config(text: &str) -> Arc<Config> {
    let loaded = load_text("test.toml", text);
    Arc::new(loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false))))
}

impl Door {
    /// Opens the door; the access log goes to a file.
    pub(crate) fn open(text: &str) -> Self {
        let config = config(text);
        let workers = usize::from(config.workers.unwrap_or(2));
        let current =
            Arc::new(Current::from_pointee(World::first(Arc::clone(&config), workers, 1, Instant::now())));
        let plane = Plane::start(workers, Arc::clone(&current), &SourceStock::none()).unwrap();
        let mut bounds = Vec::new();
        for listener in &config.listeners {
            for address in &listener.bind {
                let (address, sockets) = bind(*address, listener.limits.backlog, workers).unwrap();
                bounds.push(Bound { listener: listener.name.clone(), address, sockets });
            }
        }
        let addresses = bounds.iter().map(|bound| (bound.listener.to_string(), bound.address)).collect();
        let log = tempfile::NamedTempFile::new().unwrap();
        plane
            .apply(bounds, AccessSink::Fd(OwnedFd::from(log.reopen().unwrap())), TlsWorld::default())
            .unwrap();
        Self { plane: Some(plane), current, addresses, log }
    }

    /// Takes up another configuration; listeners that stay keep their sockets.
    pub(crate) fn reload(&self, text: &str) {
        let config = config(text);
        let next = self.current.load().next(Arc::clone(&config), Instant::now());
        self.current.store(Arc::new(next));
        let kept = self.addresses.iter().filter(|(name, _)| config.listener(name).is_some());
        let bounds = kept
            .map(|(name, address)| Bound {
                listener: name.as_str().into(),
                address: *address,
                sockets: Vec::new(),
            })
            .collect();
        self.plane()
            .apply(bounds, AccessSink::Fd(OwnedFd::from(self.log.reopen().unwrap())), TlsWorld::default())
            .unwrap();
    }

    pub(crate) fn plane(&self) -> &Plane {
        self.plane.as_ref().unwrap()
    }

    pub(crate) fn world(&self) -> Arc<World> {
        self.current.load_full()
    }

    /// Connects to the first listener.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addresses[0].1).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        // Small pieces go out as they are written.
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Ends the plane and gives the access log's lines.
    pub(crate) fn lines(mut self) -> Vec<serde_json::Value> {
        self.plane.take().unwrap().stop();
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
            .collect()
    }

    /// Waits until no client is connected any more.
    pub(crate) fn wait_empty(&self) {
        wait_until("all connections to end", || self.plane().connections() == 0);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(plane) = self.plane.take() {
            plane.stop();
        }
    }
}

pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server that runs `serve` on a thread for each connection.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (count, serve) = (Arc::clone(&accepted), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address, accepted }
    }

    /// Sends back what comes, with `name` in front.
    pub(crate) fn echo(name: &'static str) -> Self {
        Self::start(move |mut stream| {
            let _ = stream.write_all(name.as_bytes());
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..read]).is_err() {
                    return;
                }
            }
        })
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Reads exactly so many bytes as text.
pub(crate) fn read_text(stream: &mut TcpStream, bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    stream.read_exact(&mut buffer).unwrap();
    String::from_utf8(buffer).unwrap()
}
