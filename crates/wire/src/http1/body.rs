//! How long a body is (RFC 9112 section 6).

use super::Refusal;
use super::field::{Field, Known};
use super::head::{Request, Response, Version};

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// It has so many bytes.
    Length(u64),
    /// Its chunks say so ([`super::Chunked`]).
    Chunked,
    /// The connection ends with it. Responses only.
    UntilClose,
}

/// The body of a request. Whatever two readers might understand differently is refused.
pub fn request_body(head: &[u8], request: &Request, fields: &[Field]) -> Result<Body, Refusal> {
    Ok(declared(head, request.version, fields)?.unwrap_or(Body::Empty))
}

/// The body of a response to a request whose method was HEAD or not. Refused as strictly as a request's: a response that
/// ends in two places can be smuggled as well.
pub fn response_body(
    head: &[u8],
    response: &Response,
    fields: &[Field],
    to_head: bool,
) -> Result<Body, Refusal> {
    let declared = declared(head, response.version, fields)?;
    if to_head || matches!(response.status, 100..200 | 204 | 304) {
        return Ok(Body::Empty);
    }
    Ok(declared.unwrap_or(Body::UntilClose))
}

fn declared(head: &[u8], version: Version, fields: &[Field]) -> Result<Option<Body>, Refusal> {
    let (mut length, mut chunked) = (None, false);
    for field in fields {
        match field.known {
            Known::ContentLength if length.is_some() => return Err(Refusal::RepeatedContentLength),
            Known::ContentLength => length = Some(content_length(field.value.of(head))?),
            Known::TransferEncoding => {
                let plain = field.value.of(head).eq_ignore_ascii_case(b"chunked");
                if chunked || !plain || version == Version::Http10 {
                    return Err(Refusal::TransferEncoding);
                }
                chunked = true;
            }
            _ => {}
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Refusal::TwoLengths),
        (Some(length), false) => Ok(Some(if length == 0 { Body::Empty } else { Body::Length(length) })),
        (None, true) => Ok(Some(Body::Chunked)),
        (None, false) => Ok(None),
    }
}

/// Digits alone: no sign, no list, no more than 64 bits.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLength);
    }
    let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    value.iter().try_fold(0u64, add).ok_or(Refusal::ContentLength)
}

#[cfg(test)]
mod tests {
    use super::super::head::{Limits, request, response};
    use super::*;

    fn of_request(version: &str, fields: &str) -> Result<Body, Refusal> {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let mut list = Vec::new();
        let head = request(text.as_bytes(), Limits::default(), &mut list).unwrap().unwrap();
        request_body(text.as_bytes(), &head, &list)
    }

    fn of_response(status: u16, fields: &str, to_head: bool) -> Result<Body, Refusal> {
        let text = format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
        let mut list = Vec::new();
        let head = response(text.as_bytes(), Limits::default(), &mut list).unwrap().unwrap();
        response_body(text.as_bytes(), &head, &list, to_head)
    }

    #[test]
    fn requests_have_one_unambiguous_length() {
        for (version, fields, expected) in [
            ("1.1", "", Ok(Body::Empty)),
            ("1.1", "Content-Length: 0\r\n", Ok(Body::Empty)),
            ("1.1", "Content-Length: 1073741824\r\n", Ok(Body::Length(1 << 30))),
            ("1.1", "Content-Length: 0000005\r\n", Ok(Body::Length(5))),
            ("1.1", "Transfer-Encoding: Chunked\r\n", Ok(Body::Chunked)),
            ("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", Err(Refusal::RepeatedContentLength)),
            ("1.1", "Content-Length: 5, 5\r\n", Err(Refusal::ContentLength)),
            ("1.1", "Content-Length: +5\r\n", Err(Refusal::ContentLength)),
            ("1.1", "Content-Length: -5\r\n", Err(Refusal::ContentLength)),
            ("1.1", "Content-Length: 0x5\r\n", Err(Refusal::ContentLength)),
            ("1.1", "Content-Length: 5 \t5\r\n", Err(Refusal::ContentLength)),
            ("1.1", "Content-Length:\r\n", Err(Refusal::ContentLength)),
            ("1.1", "Content-Length: 18446744073709551616\r\n", Err(Refusal::ContentLength)),
            ("1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(Refusal::TwoLengths)),
            ("1.1", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Err(Refusal::TwoLengths)),
            ("1.1", "Transfer-Encoding: gzip, chunked\r\n", Err(Refusal::TransferEncoding)),
            ("1.1", "Transfer-Encoding: chunked, chunked\r\n", Err(Refusal::TransferEncoding)),
            ("1.1", "Transfer-Encoding: xchunked\r\n", Err(Refusal::TransferEncoding)),
            (
                "1.1",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                Err(Refusal::TransferEncoding),
            ),
            ("1.1", "Transfer-Encoding: identity\r\n", Err(Refusal::TransferEncoding)),
            ("1.0", "Transfer-Encoding: chunked\r\n", Err(Refusal::TransferEncoding)),
        ] {
            assert_eq!(of_request(version, fields), expected, "{version} {fields:?}");
        }
    }

    #[test]
    fn responses_end_where_their_status_and_request_say() {
        for (status, fields, to_head, expected) in [
            (200, "", false, Ok(Body::UntilClose)),
            (200, "Content-Length: 5\r\n", false, Ok(Body::Length(5))),
            (200, "Content-Length: 5\r\n", true, Ok(Body::Empty)),
            (200, "Transfer-Encoding: chunked\r\n", false, Ok(Body::Chunked)),
            (204, "", false, Ok(Body::Empty)),
            (304, "Content-Length: 5\r\n", false, Ok(Body::Empty)),
            (100, "", false, Ok(Body::Empty)),
            (200, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", false, Err(Refusal::TwoLengths)),
            (200, "Content-Length: 5\r\nContent-Length: 6\r\n", false, Err(Refusal::RepeatedContentLength)),
        ] {
            assert_eq!(of_response(status, fields, to_head), expected, "{status} {fields:?}");
        }
    }
}
