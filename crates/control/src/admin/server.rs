//! The sockets of the admin API: connections, their limits, HTTP.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::{Admin, Door};

/// Connections of one socket at a time; further ones wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fields of a request's head.
const FIELDS_MAX: usize = 64;
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to send a request's head, the pause before it included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one request may take from its head to its answer: a reload takes longest.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one connection may live, so that a client that does not read is not kept.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);
/// How long after that its last answer may take.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// How long accepting pauses when it fails: nearly always because file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A socket of the admin API, bound and listening already.
#[derive(Debug)]
pub enum AdminSocket {
    /// A unix socket: whoever may open it may do everything.
    Unix(OwnedFd),
    /// A TCP socket: users log in; without users, this machine may look.
    Tcp {
        /// The socket.
        fd: OwnedFd,
        /// Where it listens.
        address: SocketAddr,
    },
}

impl AdminSocket {
    /// Accepts connections until what this returns is dropped.
    ///
    /// # Errors
    /// Only before the first one: the descriptor is not a listening socket of its kind.
    pub(crate) fn listen(self, admin: Arc<Admin>) -> io::Result<Accepting> {
        match self {
            Self::Unix(fd) => {
                let listener = std::os::unix::net::UnixListener::from(fd);
                listener.set_nonblocking(true)?;
                Ok(Accepting(tokio::spawn(accept_unix(UnixListener::from_std(listener)?, admin))))
            }
            Self::Tcp { fd, .. } => {
                let listener = std::net::TcpListener::from(fd);
                listener.set_nonblocking(true)?;
                Ok(Accepting(tokio::spawn(accept_tcp(TcpListener::from_std(listener)?, admin))))
            }
        }
    }
}

/// A socket's accepting; dropping it ends it, not the connections.
#[derive(Debug)]
pub(crate) struct Accepting(tokio::task::JoinHandle<()>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept_unix(listener: UnixListener, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let admin = Arc::clone(&admin);
                tokio::spawn(async move {
                    serve(stream, admin, Door::Unix).await;
                    drop(place);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn accept_tcp(listener: TcpListener, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Ok(local) = stream.local_addr() else { continue };
                let admin = Arc::clone(&admin);
                tokio::spawn(async move {
                    serve(stream, admin, Door::Tcp { local, peer: peer.ip() }).await;
                    drop(place);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn pause(error: &io::Error) {
    log::warn!("admin: accepting a connection failed: {error}");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, admin: Arc<Admin>, door: Door) {
    let service = service_fn(move |request| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, std::convert::Infallible>(answer(&admin, door, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(FIELDS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tokio::time::sleep(CONNECTION_LIFETIME) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        log::debug!("admin: a connection ended: {error}");
    }
}

async fn answer(admin: &Admin, door: Door, request: Request<Incoming>) -> Response<Full<Bytes>> {
    tokio::time::timeout(REQUEST_TIMEOUT, answer_whole(admin, door, request))
        .await
        .unwrap_or_else(|_| {
            let sentence = format!("the request took more than {REQUEST_TIMEOUT:?}");
            Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "timeout", sentence)
        })
        .into_response()
}

async fn answer_whole(admin: &Admin, door: Door, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let refused = match admin.admit(door, &head).await {
        Ok(role) => match read(body).await {
            Ok(body) => {
                let asked = Asked {
                    method: head.method,
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    body,
                };
                return admin.answer(&asked, role).await;
            }
            Err(refused) => refused,
        },
        Err(refused) => refused,
    };
    // What is left of the body is not read: the connection ends with this answer.
    refused.with(header::CONNECTION, http::HeaderValue::from_static("close"))
}

async fn read(body: Incoming) -> Result<Bytes, Answer> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let sentence = format!("the body is larger than {BODY_BYTES_MAX} bytes");
            Err(Answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", sentence))
        }
        Err(error) => Err(Answer::bad_request(format!("the body cannot be read: {error}"))),
    }
}

/// A request that was let in, as far as answers depend on it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: Bytes,
}

/// One header's value as text; `None`: it is absent, or there twice, or not text.
pub(super) fn single(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}
