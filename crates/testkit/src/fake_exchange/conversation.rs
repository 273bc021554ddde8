//! One request and its answer, as the pages see it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::World;
use super::body::Body;
use super::head::Head;
use super::line::{Input, Output};
use super::record::Entry;

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The next request may come.
    Keep,
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
}

/// How an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// After so many bytes.
    After(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    WithConnection,
}

/// A request that is being answered.
pub(super) struct Conversation<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) entry: &'a Arc<Entry>,
    pub(super) head: &'a Head,
    /// [`Head::path`].
    pub(super) path: String,
    pub(super) body: Body,
    pub(super) input: &'a mut Input,
    pub(super) output: &'a mut Output,
    /// Who is answered.
    pub(super) user: Option<String>,
    /// Its place on the connection.
    pub(super) number: u64,
    /// Fields for every answer.
    pub(super) fields: Vec<(String, String)>,
    /// Whether the client waits for a 100 (RFC 9110 10.1.1).
    pub(super) expects: bool,
    pub(super) ends: Ends,
}

impl Conversation<'_> {
    /// Answers at once and as a whole.
    pub(super) async fn reply(
        &mut self,
        status: u16,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Next> {
        let head = self.answer_head(status, fields, Ends::After(body.len() as u64));
        let body = if self.has_body(status) { body } else { b"" };
        self.output.send(&[&head[..], body].concat()).await?;
        Ok(self.next())
    }

    /// Begins an answer that goes on.
    pub(super) async fn begin(&mut self, status: u16, fields: &[(&str, &str)], ends: Ends) -> io::Result<()> {
        self.ends = ends;
        let head = self.answer_head(status, fields, ends);
        self.output.send(&head).await
    }

    /// Goes on with it.
    pub(super) async fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.ends != Ends::Chunked || bytes.is_empty() {
            return self.output.send(bytes).await;
        }
        let size = format!("{:x}\r\n", bytes.len());
        self.output.send(&[size.as_bytes(), bytes, b"\r\n"].concat()).await
    }

    /// Ends it.
    pub(super) async fn end(&mut self) -> io::Result<Next> {
        match self.ends {
            Ends::Chunked => self.output.send(b"0\r\n\r\n").await?,
            Ends::After(_) => {}
            Ends::WithConnection => return Ok(Next::Close),
        }
        Ok(self.next())
    }

    /// The next piece of the request's body; tells a client that waits for it to go on.
    pub(super) async fn body(&mut self) -> io::Result<Option<Vec<u8>>> {
        if std::mem::take(&mut self.expects) {
            self.output.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        self.body.next(self.input).await
    }

    /// The whole body; what is over `max` bytes is read and forgotten.
    pub(super) async fn whole_body(&mut self, max: usize) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(piece) = self.body().await? {
            let room = max.saturating_sub(whole.len()).min(piece.len());
            whole.extend_from_slice(&piece[..room]);
        }
        Ok(whole)
    }

    /// Waits so long, unless the client leaves before.
    pub(super) async fn pause(&mut self, time: Duration) -> io::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.input.gone() => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// A duration in the query, in milliseconds.
    pub(super) fn time(&self, name: &str, otherwise: u64) -> Duration {
        Duration::from_millis(self.head.number(name).unwrap_or(otherwise))
    }

    /// Who is answered, as the header says it.
    pub(super) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("-")
    }

    /// What becomes of the connection after an answer in order.
    pub(super) fn next(&self) -> Next {
        if self.head.keeps() { Next::Keep } else { Next::Close }
    }

    /// Whether an answer of that status has a body (RFC 9112 6.3).
    pub(super) fn has_body(&self, status: u16) -> bool {
        self.head.method != "HEAD" && status >= 200 && status != 204 && status != 304
    }

    /// The head of an answer, complete.
    pub(super) fn answer_head(&self, status: u16, fields: &[(&str, &str)], ends: Ends) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        let client = self.entry.client();
        let own = [
            ("Server", "Microsoft-IIS/10.0".to_owned()),
            ("X-FEServer", self.world.options.name.clone()),
            ("X-Authenticated-User", self.user().to_owned()),
            ("X-Connection-Id", self.entry.id.to_string()),
            ("X-Request-Number", self.number.to_string()),
            ("X-Client", client.to_string()),
        ];
        for (name, value) in
            own.iter().map(|(name, value)| (*name, value.as_str())).chain(fields.iter().copied())
        {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match ends {
            Ends::After(_) if status < 200 || status == 204 => {}
            Ends::After(len) => head.push_str(&format!("Content-Length: {len}\r\n")),
            Ends::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            Ends::WithConnection => {}
        }
        if status >= 200 && (ends == Ends::WithConnection || !self.head.keeps()) {
            head.push_str("Connection: close\r\n");
        } else if self.head.minor == 0 {
            head.push_str("Connection: keep-alive\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// The words IIS uses.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        417 => "Expectation Failed",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
