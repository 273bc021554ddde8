//! The client of the admin API over its unix socket: what `transom ctl` is made of.
//!
//! One request, one connection, blocking: the program that asks has nothing else to do.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// How long one read or write may take; a reload that starts listeners answers well within it.
const PATIENCE: Duration = Duration::from_secs(90);
/// Bytes of an answer; the largest real one is a page of a stick table.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where a running program is asked.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// What it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status, as in HTTP.
    pub status: u16,
    /// The body: JSON, or text for `/metrics` and `/status`.
    pub body: Vec<u8>,
}

/// Why there is no answer, or none that helps.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody answers there.
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// What came back is not an answer of this API.
    NotAnAnswer(String),
    /// The program refused, and says why.
    Refused {
        /// Status, as in HTTP.
        status: u16,
        /// The word for it: `not-found`, `reload-failed`.
        code: String,
        /// The sentence.
        error: String,
    },
}

impl Client {
    /// Asks over the unix socket at `path`; nothing is opened yet.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self { socket: path.into() }
    }

    /// `GET path`: the answer, whatever its status.
    ///
    /// # Errors
    /// Nobody answers, or not in HTTP.
    pub fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.ask("GET", path, None)
    }

    /// `POST path` with JSON.
    ///
    /// # Errors
    /// Nobody answers, or not in HTTP.
    pub fn post(&self, path: &str, body: &Value) -> Result<Reply, ClientError> {
        self.ask("POST", path, Some(body))
    }

    /// `DELETE path`
    ///
    /// # Errors
    /// Nobody answers, or not in HTTP.
    pub fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        self.ask("DELETE", path, None)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply, ClientError> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = self
            .exchange(head.as_bytes(), body.as_bytes())
            .map_err(|error| ClientError::Unreachable { socket: self.socket.clone(), error })?;
        Reply::parse(&answer).ok_or_else(|| {
            ClientError::NotAnAnswer(format!("{} does not speak HTTP, or hung up", self.socket.display()))
        })
    }

    fn exchange(&self, head: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // A program that refuses early may hang up before it has read everything: its answer counts nevertheless.
        let written = stream.write_all(&[head, body].concat());
        let mut answer = Vec::new();
        let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
        if answer.is_empty() {
            written?;
            read?;
        }
        Ok(answer)
    }
}

impl Reply {
    /// A whole answer of our own server: it always says how long the body is.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(start)) = response.parse(bytes) else { return None };
        let length =
            response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"))?;
        let length: usize = std::str::from_utf8(length.value).ok()?.parse().ok()?;
        let body = bytes.get(start..)?.get(..length)?.to_vec();
        Some(Self { status: response.code?, body })
    }

    /// Whether it was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON of a success; a refusal becomes an error.
    ///
    /// # Errors
    /// The program refused ([`ClientError::Refused`]), or the body is not JSON.
    pub fn json(&self) -> Result<Value, ClientError> {
        let value: Value = serde_json::from_slice(&self.body)
            .map_err(|error| ClientError::NotAnAnswer(format!("the body is not JSON: {error}")))?;
        if self.is_success() {
            return Ok(value);
        }
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Err(ClientError::Refused { status: self.status, code: text("code"), error: text("error") })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { socket, error } => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => "; is the program running, with this socket?",
                    io::ErrorKind::ConnectionRefused => "; the program that made it is gone",
                    io::ErrorKind::PermissionDenied => "; ask as root or as a member of the socket's group",
                    _ => "",
                };
                write!(f, "no answer on {}: {error}{hint}", socket.display())
            }
            Self::NotAnAnswer(why) => f.write_str(why),
            Self::Refused { error, code, .. } => write!(f, "{error} ({code})"),
        }
    }
}

impl std::error::Error for ClientError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_cut_short_are_no_answers() {
        let table = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Some("{}")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", None),
            ("HTTP/1.1 200 OK\r\n\r\n{}", None),
            ("HTTP/1.1 200 OK\r\ncontent-le", None),
            ("hello", None),
            ("", None),
        ];
        for (bytes, want) in table {
            assert_eq!(
                Reply::parse(bytes.as_bytes()).map(|reply| reply.text()).as_deref(),
                want,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn refusals_carry_their_sentence() {
        let reply = Reply { status: 404, body: br#"{"error":"no pool x","code":"not-found"}"#.to_vec() };
        assert_eq!(reply.json().unwrap_err().to_string(), "no pool x (not-found)");
    }

    #[test]
    fn a_missing_socket_is_explained() {
        let error = Client::unix("/nonexistent/admin.sock").get("/status").unwrap_err();
        assert!(error.to_string().contains("is the program running"), "{error}");
    }
}
