//! Which page answers a request.

use std::io;
use std::time::Duration;

use super::conversation::{Conversation, Ends, Next};
use super::directory::{Condition, Directory};
use super::head::Head;
use super::trick::Trick;
use super::{forms, polls, rpc, transfer, websocket};

/// Bytes of a body that a page looks into.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whether nobody is not enough for a request. OWA and ECP have a form of their own for nobody.
pub(super) fn needs_login(head: &Head, path: &str) -> bool {
    let by_directory = match Directory::of(path) {
        None => path.starts_with("/remotedesktopgateway"),
        Some(Directory::Owa | Directory::Ecp) => false,
        Some(_) => !is_health_page(path),
    };
    by_directory || head.query("login").is_some()
}

/// Answers.
pub(super) async fn answer(it: &mut Conversation<'_>, directory: Option<Directory>) -> io::Result<Next> {
    if let Some(directory) = directory {
        let condition = it.world.condition(directory);
        if is_health_page(&it.path) {
            return health(it, condition).await;
        }
        if condition == Condition::Out {
            return it.reply(503, &[("Content-Type", "text/html")], b"503 - Service Unavailable\n").await;
        }
    }
    match it.head.method.as_str() {
        "RPC_IN_DATA" | "RPC_OUT_DATA" if directory == Some(Directory::Rpc) => return rpc::rpc(it).await,
        "RDG_IN_DATA" => return rpc::gateway_in(it).await,
        "RDG_OUT_DATA" if !websocket::asked(it.head) => return rpc::gateway_out(it).await,
        _ if websocket::asked(it.head) => return websocket::echo(it).await,
        _ => {}
    }
    prelude(it).await?;
    if let Some(trick) = it.head.query("close") {
        let Some(trick) = Trick::named(&trick) else {
            return it.reply(400, &[], b"no such trick\n").await;
        };
        return trick.play(it).await;
    }
    match directory {
        Some(Directory::Mapi) if it.head.method == "POST" => polls::mapi(it).await,
        Some(Directory::ActiveSync) if is_ping(it.head) => polls::ping(it).await,
        Some(Directory::Ews) if it.head.method == "POST" => web_service(it).await,
        Some(Directory::Owa) if it.head.query("ns").as_deref() == Some("PendingRequest") => {
            polls::pending_request(it).await
        }
        Some(Directory::Owa | Directory::Ecp) if it.user.is_none() => forms::form(it).await,
        _ => plain(it).await,
    }
}

/// What a query can ask for before any answer.
async fn prelude(it: &mut Conversation<'_>) -> io::Result<()> {
    if let Some(status) = it.head.number("interim").and_then(|status| u16::try_from(status).ok()) {
        let fields = [("Link", "</style.css>; rel=preload")];
        let head = it.answer_head(status, &fields, Ends::WithConnection);
        it.output.send(&head).await?;
    }
    for number in 0..it.head.number("fields").unwrap_or(0) {
        it.fields.push((format!("X-Filler-{number}"), "x".repeat(64)));
    }
    if let Some((name, value)) = it.head.query("field").as_deref().and_then(|field| field.split_once(':')) {
        it.fields.push((name.to_owned(), value.to_owned()));
    }
    let delay = it.time("delay", 0);
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    Ok(())
}

async fn plain(it: &mut Conversation<'_>) -> io::Result<Next> {
    if let Some(count) = it.path.strip_prefix("/bytes/").and_then(|count| count.parse().ok()) {
        return transfer::down(it, count).await;
    }
    match it.path.as_str() {
        "/upload" => transfer::up(it).await,
        "/echo" => transfer::echo(it).await,
        _ => who(it).await,
    }
}

/// The page of everybody else: who asked for what, and who is answered.
async fn who(it: &mut Conversation<'_>) -> io::Result<Next> {
    let mut size = 0;
    if it.head.query("early").is_none() {
        while let Some(piece) = it.body().await? {
            size += piece.len();
        }
    }
    let status = it.head.number("status").and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let (name, method, target) = (&it.world.options.name, &it.head.method, &it.head.target);
    let (user, connection, number) = (it.user(), it.entry.id, it.number);
    let text = format!(
        "{name} {method} {target}\nuser={user} connection={connection} request={number} path={} body={size}\n",
        it.path
    );
    it.reply(status, &[("Content-Type", "text/plain")], text.as_bytes()).await
}

/// EWS: a stream of notifications if it is asked for, else an empty answer in SOAP.
async fn web_service(it: &mut Conversation<'_>) -> io::Result<Next> {
    let body = it.whole_body(BODY_BYTES_MAX).await?;
    if String::from_utf8_lossy(&body).contains("GetStreamingEvents") {
        return polls::streaming(it).await;
    }
    let soap = concat!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">"#,
        "<s:Body/></s:Envelope>\n"
    );
    it.reply(200, &[("Content-Type", "text/xml; charset=utf-8")], soap.as_bytes()).await
}

async fn health(it: &mut Conversation<'_>, condition: Condition) -> io::Result<Next> {
    let html = [("Content-Type", "text/html")];
    if condition != Condition::Up {
        return it.reply(503, &html, b"503 - Service Unavailable\n").await;
    }
    let page = format!("200 OK<br/>{}", it.world.options.host);
    it.reply(200, &html, page.as_bytes()).await
}

fn is_health_page(path: &str) -> bool {
    path.ends_with("/healthcheck.htm") && path.matches('/').count() == 2
}

fn is_ping(head: &Head) -> bool {
    head.query("Cmd").is_some_and(|command| command.eq_ignore_ascii_case("ping"))
}
