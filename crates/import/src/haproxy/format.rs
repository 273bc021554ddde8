//! Log formats: text with fields in it (configuration manual, 8.2.4), as ours are written: `{client-ip}`, `{host}`.

use std::collections::HashMap;

/// Fields of `%[…]` and what they are here.
const SAMPLES: &[(&str, &str)] = &[
    ("src", "{client-ip}"),
    ("src_port", "{client-port}"),
    ("dst", "{destination}"),
    ("dst_port", "{port}"),
    ("method", "{method}"),
    ("path", "{path}"),
    ("url", "{uri}"),
    ("pathq", "{uri}"),
    ("capture.req.uri", "{uri}"),
    ("query", "{query}"),
    ("base", "{host}{path}"),
    ("hdr(host)", "{host}"),
    ("ssl_fc_sni", "{server-name}"),
    ("req_ssl_sni", "{server-name}"),
    ("ssl_fc_protocol", "{tls-version}"),
    ("ssl_fc_cipher", "{tls-cipher}"),
    ("ssl_c_s_dn", "{client-certificate-subject}"),
    ("ssl_fc,iif(https,http)", "{scheme}"),
    ("ssl_c_s_dn(cn)", "{client-certificate-name}"),
    ("ssl_c_i_dn", "{client-certificate-issuer}"),
    ("ssl_c_serial,hex", "{client-certificate-serial}"),
    ("ssl_c_sha1,hex", "{client-certificate-sha1}"),
    ("ssl_c_der,base64", "{client-certificate}"),
    ("unique-id", "{id}"),
    ("uuid", "{id}"),
    ("uuid()", "{id}"),
    ("be_name", "{pool}"),
    ("srv_name", "{server}"),
    ("fe_name", "{listener}"),
];

/// Fields of `%x` and what they are here.
const FIELDS: &[(&str, &str)] = &[
    ("ci", "{client-ip}"),
    ("cp", "{client-port}"),
    ("fi", "{destination}"),
    ("fp", "{port}"),
    ("HM", "{method}"),
    ("HP", "{path}"),
    ("HQ", "{query}"),
    ("HU", "{uri}"),
    ("ID", "{id}"),
    ("sslv", "{tls-version}"),
    ("sslc", "{tls-cipher}"),
    ("b", "{pool}"),
    ("f", "{listener}"),
    ("s", "{server}"),
    ("%", "%"),
];

/// Text with fields, written our way; `variables` are those that rules set.
///
/// # Errors
/// A field without a counterpart, in words.
pub(crate) fn format(text: &str, variables: &HashMap<String, String>) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        result.push_str(&literal(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(inside) = rest.strip_prefix('[') {
            let end = closing(inside).ok_or("a `%[` has no `]`")?;
            result.push_str(&sample(&inside[..end], variables)?);
            rest = &inside[end + 1..];
            continue;
        }
        let flags = if rest.starts_with('{') { rest.find('}').map_or(0, |end| end + 1) } else { 0 };
        rest = &rest[flags..];
        let hexadecimal = rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = if rest.starts_with('%') { "%" } else { &rest[..letters] };
        match FIELDS.iter().find(|(field, _)| *field == word) {
            Some((_, ours)) => {
                result.push_str(ours);
                rest = &rest[word.len()..];
            }
            // A percent sign by itself, as in `%20`.
            None if word.is_empty() || hexadecimal => result.push('%'),
            None => return Err(format!("the field `%{word}` has no counterpart")),
        }
    }
    result.push_str(&literal(rest));
    Ok(result)
}

/// Braces that are text are doubled.
fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// The `]` that closes what a `%[` opened: brackets inside may be part of an expression.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Some(at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// One field.
pub(crate) fn sample(expression: &str, variables: &HashMap<String, String>) -> Result<String, String> {
    let expression = expression.trim();
    if let Some(name) = expression.strip_prefix("var(").and_then(|rest| rest.strip_suffix(')')) {
        let held = variables.get(name).ok_or("the variable is set under a condition, or never")?;
        // A variable that holds itself would never end.
        return if held.contains("var(") {
            Err("the variable holds another".to_owned())
        } else {
            sample(held, variables)
        };
    }
    if let Some(text) = expression.strip_prefix("str(").and_then(|rest| rest.strip_suffix(')')) {
        return Ok(literal(text.trim_matches(['"', '\''])));
    }
    let bare = canonical(expression);
    if let Some((_, ours)) = SAMPLES.iter().find(|(own, _)| *own == bare) {
        return Ok((*ours).to_owned());
    }
    if let Some(header) = bare.strip_prefix("hdr(").and_then(|rest| rest.strip_suffix(')')) {
        let name = header.split(',').next().unwrap_or_default();
        return Ok(format!("{{header:{}}}", name.to_lowercase()));
    }
    if let Some(cookie) = bare.strip_prefix("cook(").and_then(|rest| rest.strip_suffix(')')) {
        return Ok(format!("{{cookie:{cookie}}}"));
    }
    if let Some(name) = bare.strip_prefix("url_param(").and_then(|rest| rest.strip_suffix(')')) {
        return Ok(format!("{{query:{name}}}"));
    }
    Err(format!("the field `{expression}` has no counterpart"))
}

/// The expression without prefixes and converters that change nothing here.
fn canonical(expression: &str) -> String {
    let text = expression.strip_prefix("req.").unwrap_or(expression);
    let text = text.replace("fhdr(", "hdr(").replace("urlp(", "url_param(").replace("ssl_sni", "req_ssl_sni");
    let text = text.replace("req_req_ssl_sni", "req_ssl_sni");
    let text = text.replace("hdr(Host)", "hdr(host)").replace("hdr(HOST)", "hdr(host)").replace("{+Q}", "");
    let mut text = text.as_str();
    for harmless in [",lower", ",field(1,:)", ",field(1,':')", ",host_only", ",regsub(:[0-9]+$,)"] {
        text = text.strip_suffix(harmless).unwrap_or(text);
    }
    for harmless in [",lower", ",field(1,:)"] {
        text = text.strip_suffix(harmless).unwrap_or(text);
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_our_way() {
        let variables = HashMap::from([("txn.h".to_owned(), "req.hdr(Host),lower".to_owned())]);
        for (text, ours) in [
            ("https", Ok("https")),
            ("%[src]", Ok("{client-ip}")),
            ("%ci:%cp", Ok("{client-ip}:{client-port}")),
            ("https://%[req.hdr(host)]%[path]", Ok("https://{host}{path}")),
            ("%[var(txn.h)]", Ok("{host}")),
            ("%[req.hdr(X-Real)]", Ok("{header:x-real}")),
            ("100%%", Ok("100%")),
            ("{a}", Ok("{{a}}")),
            ("/a%20b", Ok("/a%20b")),
            ("%[rand]", Err("the field `rand` has no counterpart".to_owned())),
            ("%[src", Err("a `%[` has no `]`".to_owned())),
        ] {
            assert_eq!(format(text, &variables), ours.map(str::to_owned), "{text}");
        }
    }
}
