//! SMTP, IMAP and POP3 as far as a client that looks, logs in and leaves.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::World;
use super::line::{Input, Output};
use super::record::{Entry, Said, Service};

/// Talks until the client says good bye. SMTP's greeting names the client's address, as a receive connector logs it.
pub(super) async fn serve(
    world: &Arc<World>,
    entry: &Arc<Entry>,
    service: Service,
    mut input: Input,
    mut output: Output,
) -> io::Result<()> {
    let (host, client) = (&world.options.host, entry.client().ip());
    let greeting = match service {
        Service::Imap => format!("* OK [CAPABILITY IMAP4rev1] {host} sees {client}\r\n"),
        Service::Pop => format!("+OK {host} sees {client}\r\n"),
        _ => format!("220 {host} Microsoft ESMTP MAIL Service sees {client}\r\n"),
    };
    output.send(greeting.as_bytes()).await?;
    let mut user = String::new();
    while let Some(line) = line(&mut input).await? {
        let answer = match service {
            Service::Imap => imap(world, &line),
            Service::Pop => pop(world, &line, &mut user),
            _ => match smtp(world, &line) {
                Reply::Say(answer) => answer,
                Reply::Data => data(&mut input, &mut output).await?,
                Reply::Login => login(world, &mut input, &mut output).await?,
            },
        };
        world.ledger.request(entry, None, line.as_bytes(), Said::default());
        output.send(answer.as_bytes()).await?;
        if answer.starts_with("221 ") || answer.starts_with("* BYE") || line.eq_ignore_ascii_case("quit") {
            break;
        }
    }
    output.finish().await;
    Ok(())
}

async fn line(input: &mut Input) -> io::Result<Option<String>> {
    let line = input.until(&[b"\n"]).await?;
    Ok(line.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// What SMTP does about a line.
enum Reply {
    Say(String),
    /// The message follows.
    Data,
    /// Name and password follow.
    Login,
}

/// RFC 5321, RFC 4954.
fn smtp(world: &World, line: &str) -> Reply {
    let host = &world.options.host;
    let mut words = line.split(' ');
    let verb = words.next().unwrap_or_default().to_ascii_uppercase();
    let rest: Vec<&str> = words.collect();
    Reply::Say(match (verb.as_str(), rest.as_slice()) {
        ("EHLO", _) => format!("250-{host}\r\n250-SIZE 37748736\r\n250-AUTH LOGIN PLAIN\r\n250 8BITMIME\r\n"),
        ("DATA", _) => return Reply::Data,
        ("AUTH", [how, ..]) if how.eq_ignore_ascii_case("login") => return Reply::Login,
        ("AUTH", [how, token]) if how.eq_ignore_ascii_case("plain") => {
            let token = BASE64.decode(token).unwrap_or_default();
            let text = String::from_utf8_lossy(&token).into_owned();
            let parts: Vec<&str> = text.split('\0').collect();
            authenticated(world, parts.get(1).unwrap_or(&""), parts.get(2).unwrap_or(&""))
        }
        ("HELO" | "NOOP" | "RSET" | "MAIL" | "RCPT", _) => "250 2.1.0 OK\r\n".to_owned(),
        ("QUIT", _) => "221 2.0.0 Service closing transmission channel\r\n".to_owned(),
        _ => "502 5.5.1 Command not implemented\r\n".to_owned(),
    })
}

async fn data(input: &mut Input, output: &mut Output) -> io::Result<String> {
    output.send(b"354 Start mail input; end with <CRLF>.<CRLF>\r\n").await?;
    while line(input).await?.is_some_and(|line| line != ".") {}
    Ok("250 2.6.0 Queued mail for delivery\r\n".to_owned())
}

async fn login(world: &World, input: &mut Input, output: &mut Output) -> io::Result<String> {
    let mut answers = Vec::new();
    for question in ["Username:", "Password:"] {
        output.send(format!("334 {}\r\n", BASE64.encode(question)).as_bytes()).await?;
        let answer = BASE64.decode(line(input).await?.unwrap_or_default()).unwrap_or_default();
        answers.push(String::from_utf8_lossy(&answer).into_owned());
    }
    Ok(authenticated(world, &answers[0], &answers[1]))
}

fn authenticated(world: &World, name: &str, password: &str) -> String {
    if right(world, name, password) {
        "235 2.7.0 Authentication successful\r\n".to_owned()
    } else {
        "535 5.7.3 Authentication unsuccessful\r\n".to_owned()
    }
}

/// RFC 3501: tag, command, the rest.
fn imap(world: &World, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let tag = words.first().copied().unwrap_or("*");
    match words.get(1).map(|verb| verb.to_ascii_uppercase()).unwrap_or_default().as_str() {
        "CAPABILITY" => format!("* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n"),
        "LOGIN" => {
            let word = |at: usize| words.get(at).map_or("", |word| word.trim_matches('"'));
            if right(world, word(2), word(3)) {
                format!("{tag} OK LOGIN completed.\r\n")
            } else {
                format!("{tag} NO LOGIN failed.\r\n")
            }
        }
        "NOOP" => format!("{tag} OK done\r\n"),
        "LOGOUT" => format!("* BYE\r\n{tag} OK done\r\n"),
        _ => format!("{tag} BAD unknown\r\n"),
    }
}

/// RFC 1939.
fn pop(world: &World, line: &str, user: &mut String) -> String {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb.to_ascii_uppercase().as_str() {
        "USER" => {
            rest.clone_into(user);
            "+OK\r\n".to_owned()
        }
        "PASS" if right(world, user, rest) => "+OK\r\n".to_owned(),
        "PASS" => "-ERR Logon failure: unknown user name or bad password.\r\n".to_owned(),
        "NOOP" | "QUIT" => "+OK\r\n".to_owned(),
        _ => "-ERR\r\n".to_owned(),
    }
}

fn right(world: &World, name: &str, password: &str) -> bool {
    let name = name.rsplit('\\').next().unwrap_or_default();
    let right = world.acceptor.find(name).is_ok_and(|user| user.password == password);
    if !right {
        world.ledger.refuse(format!("mail {name}"));
    }
    right
}
