//! The answer to a client that speaks plain HTTP to a port that expects TLS.

use std::time::Duration;

use transom_config::PlainHttp;
use transom_state::Fault;
use transom_wire::sniff;

use crate::runtime::runtime;
use crate::socket::Socket;

/// Bytes of a request head looked at for its host.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How long the client may take to take its answer.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// Answers as the listener says. Gives the fault for the log, which is the same whatever the answer.
pub(crate) async fn answer(how: PlainHttp, client: &Socket, bytes: &mut Vec<u8>) -> Fault {
    if how == PlainHttp::Reset {
        client.reset_on_close();
        return Fault::ClientSentPlainHttp;
    }
    let redirect = if how == PlainHttp::Redirect { location(client, bytes).await } else { None };
    let response = redirect.map_or_else(refusal, |location| redirection(&location));
    runtime().deadline(LINGER);
    // The connection ends here in any case.
    let _ = client.write_all(response.as_bytes()).await;
    client.linger(LINGER).await;
    Fault::ClientSentPlainHttp
}

/// The same address with `https`; `None` where the request names no valid host.
async fn location(client: &Socket, bytes: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(request) = sniff::plain_request(bytes) {
            let port = client.local_address().ok()?.port();
            let host = request.host?;
            let port = if port == 443 { String::new() } else { format!(":{port}") };
            return Some(format!("https://{host}{port}{}", request.target));
        }
        if bytes.len() >= HEAD_BYTES_MAX || !matches!(client.read_more(bytes, 1024).await, Ok(1..)) {
            return None;
        }
    }
}

fn redirection(location: &str) -> String {
    response(
        "308 Permanent Redirect",
        &format!("Location: {location}\r\n"),
        &format!("This address speaks HTTPS: {location}\n"),
    )
}

fn refusal() -> String {
    let body = "This port expects HTTPS, and the request came as plain HTTP.\n\
                Use https:// in the address, or, if a balancer or proxy sent this, let it speak TLS to this port.\n";
    response("400 Bad Request", "", body)
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nTransom-Fault: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
        Fault::ClientSentPlainHttp.code(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_complete_and_name_the_fault() {
        for response in [refusal(), redirection("https://mail.example.com/owa")] {
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
            assert!(head.contains("Transom-Fault: client-sent-plain-http"), "{head}");
            assert!(head.contains("Connection: close"), "{head}");
        }
    }
}
