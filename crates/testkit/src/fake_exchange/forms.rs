//! The form that OWA and ECP show nobody, and what it does.

use std::io;

use super::conversation::{Conversation, Next};

const BODY_BYTES_MAX: usize = 4096;

/// Shows the form, takes it, or sends there.
pub(super) async fn form(it: &mut Conversation<'_>) -> io::Result<Next> {
    let html = [("Content-Type", "text/html; charset=utf-8")];
    let cookie = it.head.field("cookie").unwrap_or_default();
    let known = cookie.split(';').find_map(|pair| pair.trim().strip_prefix("cadata="));
    match it.path.as_str() {
        "/owa/auth.owa" => submit(it).await,
        path if path.starts_with("/owa/auth/") => {
            it.whole_body(0).await?;
            it.reply(200, &html, b"<title>Outlook</title><form action=/owa/auth.owa method=post></form>\n")
                .await
        }
        _ => {
            it.whole_body(0).await?;
            if let Some(user) = known.map(ToOwned::to_owned) {
                it.user = Some(format!("{}\\{user}", it.world.options.domain));
                let text = format!("{} mailbox of {}\n", it.world.options.name, it.user());
                return it.reply(200, &html, text.as_bytes()).await;
            }
            it.reply(302, &[("Location", "/owa/auth/logon.aspx?replaceCurrent=1")], b"").await
        }
    }
}

async fn submit(it: &mut Conversation<'_>) -> io::Result<Next> {
    let body = it.whole_body(BODY_BYTES_MAX).await?;
    let body = String::from_utf8_lossy(&body).replace("%5C", "\\").replace("%5c", "\\");
    let value = |name: &str| {
        let pair = body.split('&').find_map(|pair| pair.split_once('=').filter(|(own, _)| *own == name));
        pair.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let (name, password) = (value("username"), value("password"));
    let name = name.rsplit('\\').next().unwrap_or_default();
    match it.world.acceptor.find(name) {
        Ok(user) if user.password == password => {
            let cookie = format!("cadata={}; path=/; HttpOnly", user.name);
            it.reply(302, &[("Location", "/owa/"), ("Set-Cookie", &cookie)], b"").await
        }
        _ => {
            it.world.ledger.refuse(format!("form {name}"));
            it.reply(302, &[("Location", "/owa/auth/logon.aspx?reason=2")], b"").await
        }
    }
}
