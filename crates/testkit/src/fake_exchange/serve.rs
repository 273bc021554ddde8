//! An HTTP connection: request after request, and the login that belongs to all of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;

use super::body::Body;
use super::conversation::{Conversation, Ends, Next};
use super::directory::Directory;
use super::head::Head;
use super::line::{Input, Output};
use super::login::{self, Login, Verdict};
use super::record::{Ending, Entry, Said, Service};
use super::{World, answer};

/// How long a client is listened to after the last answer, so that it is not reset before it has read it.
const LINGER: Duration = Duration::from_secs(2);

/// Answers until one of the two has enough.
pub(super) async fn serve(
    world: &Arc<World>,
    entry: &Arc<Entry>,
    mut input: Input,
    mut output: Output,
) -> io::Result<()> {
    let mut login = Login::default();
    let ends: [&[u8]; 3] = [b"\r\n\r\n", b"\n\r\n", b"\n\n"];
    while let Some(raw) = input.until(&ends).await? {
        let head = match Head::parse(&raw) {
            Ok(head) => head,
            Err(why) => return object(entry, &mut output, why).await,
        };
        let next = respond(world, entry, &mut login, (&head, &raw), &mut input, &mut output).await;
        match next {
            Ok(Next::Keep) if expires(&head, &mut input).await? => break,
            Ok(Next::Keep) => {}
            Ok(Next::Close) => break,
            Ok(Next::Reset) => {
                entry.cut.send_replace(Some(Ending::Reset));
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return object(entry, &mut output, &error.to_string()).await;
            }
            Err(error) => return Err(error),
        }
    }
    output.finish().await;
    let _ = tokio::time::timeout(LINGER, input.gone()).await; // it has been told that nothing more comes
    Ok(())
}

/// Whether nothing more came in the time that `?idle=MS` gave: servers close idle connections while clients use them.
async fn expires(head: &Head, input: &mut Input) -> io::Result<bool> {
    let Some(idle) = head.number("idle").map(Duration::from_millis) else { return Ok(false) };
    if !input.waiting().is_empty() {
        return Ok(false);
    }
    match tokio::time::timeout(idle, input.fill()).await {
        Ok(filled) => Ok(!filled?),
        Err(_) => Ok(true),
    }
}

/// Remembers that something had two meanings, and ends the connection.
async fn object(entry: &Entry, output: &mut Output, why: &str) -> io::Result<()> {
    entry.ambiguous(why);
    let body = format!("{why}\n");
    let len = body.len();
    let answer =
        format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}");
    output.send(answer.as_bytes()).await?;
    output.finish().await;
    Ok(())
}

/// Answers one request and reads what is left of its body.
async fn respond(
    world: &Arc<World>,
    entry: &Arc<Entry>,
    state: &mut Login,
    (head, raw): (&Head, &[u8]),
    input: &mut Input,
    output: &mut Output,
) -> io::Result<Next> {
    let mut nonce = [0; 8];
    rand::fill(&mut nonce).map_err(|_| io::Error::other("no randomness"))?;
    let path = head.path();
    let secure = entry.record().service == Service::Https;
    let binding = world.binding.filter(|_| secure);
    let required = answer::needs_login(head, &path);
    let verdict = state.consider(world, head.field("authorization"), required, nonce, binding);
    let (user, fields, asked) = match verdict {
        Verdict::As(user, fields) => (user, fields, false),
        Verdict::Ask(offers) => {
            let field = |offer| ("WWW-Authenticate".to_owned(), offer);
            (None, offers.into_iter().map(field).collect(), true)
        }
    };
    let said = Said {
        client: head.field("x-test-client"),
        forwarded_for: head.field("x-forwarded-for"),
        logs_in: head.field("authorization").is_some_and(login::is_of_connection),
    };
    let number = world.ledger.request(entry, user.as_deref(), raw, said);
    let mut conversation = Conversation {
        world,
        entry,
        head,
        body: Body::new(head.framing),
        input,
        output,
        user,
        number,
        fields,
        expects: head.minor == 1 && head.lists("expect", "100-continue") && head.query("expect").is_none(),
        ends: Ends::After(0),
        path,
    };
    let directory = Directory::of(&conversation.path);
    let next = if asked {
        let text: &[u8] = b"401 - Unauthorized: access is denied due to invalid credentials.\n";
        conversation.reply(401, &[("Content-Type", "text/html")], text).await?
    } else {
        answer::answer(&mut conversation, directory).await?
    };
    // A client that was not told to go on sends its body all the same or closes (RFC 9110 10.1.1).
    if next == Next::Keep {
        conversation.body.drain(conversation.input).await?;
    }
    Ok(next)
}
