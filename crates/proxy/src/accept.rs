//! Accepting: one door a worker and listening address.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use transom_state::{Fault, Gate, Listener, Pass};

use crate::front;
use crate::log::Record;
use crate::runtime::{Ready, TaskId, runtime, sleep};
use crate::socket::Socket;
use crate::worker::Worker;

/// Pause when the process has no descriptors left: those who wait stay in the backlog meanwhile.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);

/// One worker's listening socket and what it currently belongs to.
pub(crate) struct Door {
    socket: OwnedFd,
    address: SocketAddr,
    listener: RefCell<Arc<Listener>>,
    closed: Cell<bool>,
    task: Cell<TaskId>,
}

impl Door {
    /// Begins to accept on `socket` for `listener`.
    pub(crate) fn open(
        worker: &'static Worker,
        socket: OwnedFd,
        address: SocketAddr,
        listener: Arc<Listener>,
    ) -> rustix::io::Result<Rc<Self>> {
        runtime().reactor().register(socket.as_fd())?;
        let door = Rc::new(Self {
            socket,
            address,
            listener: RefCell::new(listener),
            closed: Cell::new(false),
            task: Cell::new(0),
        });
        door.task.set(runtime().spawn(accept(worker, Rc::clone(&door))));
        Ok(door)
    }

    /// Whether this is the door of that listener and address.
    pub(crate) fn is(&self, name: &str, address: SocketAddr) -> bool {
        self.address == address && *self.listener.borrow().config.name == *name
    }

    /// The listener of a new generation: connections accepted from now on belong to it.
    pub(crate) fn renew(&self, listener: Arc<Listener>) {
        *self.listener.borrow_mut() = listener;
    }

    /// Stops accepting. What waits in the backlog is left to whoever else holds the socket.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        runtime().wake_task(self.task.get());
    }

    /// `None` when the door was closed.
    async fn client_waits(&self) -> Option<()> {
        self.until_closed(|_| runtime().poll_ready(self.socket.as_fd(), Ready::READ)).await?.ok()
    }

    /// The right to one more client of this listener and of the whole process.
    async fn passes(&self, worker: &Worker) -> Option<[Pass; 2]> {
        let listener = Arc::clone(&self.listener.borrow());
        let own = self.enter(worker, &listener, listener.gate()).await?;
        let all = self.enter(worker, &listener, &worker.gate()).await?;
        Some([own, all])
    }

    async fn enter(&self, worker: &Worker, listener: &Listener, gate: &Arc<Gate>) -> Option<Pass> {
        if let Some(pass) = gate.try_enter() {
            return Some(pass);
        }
        listener.counters().limited.add(worker.index, 1);
        let mut enter = gate.enter();
        self.until_closed(|context| Pin::new(&mut enter).poll(context)).await
    }

    async fn until_closed<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        poll_fn(|context| {
            if self.closed.get() {
                return Poll::Ready(None);
            }
            Poll::Ready(Some(ready!(poll(context))))
        })
        .await
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        runtime().reactor().forget_shared(self.socket.as_fd());
    }
}

/// Accepts until the door is closed.
async fn accept(worker: &'static Worker, door: Rc<Door>) {
    while door.client_waits().await.is_some() {
        let Some(passes) = door.passes(worker).await else { return };
        match net::acceptfrom_with(&door.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((fd, peer)) => {
                let Some(peer) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()) else { continue };
                let Ok(client) = Socket::accepted(fd) else { continue };
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let listener = Arc::clone(&door.listener.borrow());
                listener.counters().connections.add(worker.index, 1);
                let record = Box::new(Record::new(worker.id(), runtime().now(), peer, listener));
                runtime().spawn(front::serve(worker, record, client, passes));
            }
            Err(Errno::AGAIN) => runtime().reactor().not_ready(door.socket.as_fd(), Ready::READ),
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                worker.count(Fault::OutOfFiles);
                if sleep(OUT_OF_FILES_PAUSE).await.is_err() {
                    return;
                }
            }
            // The client left between the kernel's notice and our call.
            Err(_) => {}
        }
    }
}
