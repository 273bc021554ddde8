//! The one exchange of HTTP/1.1 that is measured, as clients and servers here speak it.

use memchr::memmem;

/// The name of site 0, which is in [`crate::speech::CLIENT_HELLO`] too.
pub(crate) const SERVER_NAME: &str = "exchange.example.com";
/// What is asked for.
pub(crate) const TARGET: &str = "/owa/service.svc?action=FindItem";
/// What the client says it is.
pub(crate) const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) transom-bench";

/// The host name of a site.
pub(crate) fn host(site: usize) -> String {
    if site == 0 { SERVER_NAME.to_owned() } else { format!("site{site}.example.com") }
}

/// A request for a site.
pub(crate) fn request(site: usize) -> String {
    format!(
        "GET {TARGET} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\nAccept-Encoding: gzip, \
         deflate\r\nCookie: id=0123456789abcdef0123456789abcdef\r\n\r\n",
        host(site)
    )
}

/// The head of a response with `len` bytes.
pub(crate) fn response(len: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nCache-Control: no-cache\r\n\
         X-Served-By: bench\r\nContent-Length: {len}\r\n\r\n"
    )
}

/// Where a head ends, behind its empty line.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// Whether this is the head of [`request`] for any site, whatever the door has added.
pub(crate) fn is_request(head: &[u8]) -> bool {
    let rest = head.strip_prefix(b"GET ").and_then(|rest| rest.strip_prefix(TARGET.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b" HTTP/1.1\r\n"))
        && field(head, b"host").is_some_and(|host| host.ends_with(b".example.com"))
        && field(head, b"x-forwarded-for").is_some()
}

/// Whether this is the head of [`response`] with `len` bytes, whatever the door has added.
pub(crate) fn is_answer(head: &[u8], len: usize) -> bool {
    let length = field(head, b"content-length").and_then(|value| std::str::from_utf8(value).ok());
    head.starts_with(b"HTTP/1.1 200 ")
        && length.and_then(|value| value.parse().ok()) == Some(len)
        && field(head, b"x-served-by") == Some(b"bench")
}

/// The first line, for people.
pub(crate) fn first_line(head: &[u8]) -> String {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// The value of the first field with this name (in lower case).
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let value = line.get(name.len()..)?.strip_prefix(b":")?;
        line[..name.len()].eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_again_with_what_a_door_adds() {
        let sent = request(3).replace("\r\n\r\n", "\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n");
        assert!(is_request(sent.as_bytes()));
        let lower = sent.replace("Host", "host").replace("X-Forwarded-For", "x-forwarded-for");
        assert!(is_request(lower.as_bytes()));
        for wrong in
            [request(3), sent.replace("GET", "PUT"), sent.replace("owa", "ecp"), sent.replace("Host", "Hots")]
        {
            assert!(!is_request(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_response_is_known_by_status_length_and_a_field_of_the_server() {
        let head = response(1024);
        assert_eq!(end_of_head(head.as_bytes()), Some(head.len()));
        assert!(is_answer(head.as_bytes(), 1024));
        assert!(is_answer(head.replace("\r\n\r\n", "\r\nserver: nginx\r\n\r\n").as_bytes(), 1024));
        for wrong in
            [head.replace("200", "503"), head.replace("1024", "1025"), head.replace("bench", "cache")]
        {
            assert!(!is_answer(wrong.as_bytes(), 1024), "{wrong}");
        }
        assert_eq!(first_line(head.as_bytes()), "HTTP/1.1 200 OK");
    }
}
