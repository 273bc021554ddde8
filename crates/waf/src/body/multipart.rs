//! `multipart/form-data` (RFC 7578, RFC 2046 section 5.1), read strictly.
//!
//! Servers disagree about malformed bodies, and attackers live off that. So this parser does not guess:
//! what it has to tolerate it flags, and rules decide; what it cannot read is an error.

use std::ops::Range;

/// The longest content type that is looked at.
const CONTENT_TYPE_BYTES_MAX: usize = 1024;
/// The longest part header, folded lines joined.
const HEADER_BYTES_MAX: usize = 4096;

/// One flag variable each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) boundary_quoted: bool,
    pub(crate) boundary_whitespace: bool,
    pub(crate) crlf_line: bool,
    pub(crate) data_after: bool,
    pub(crate) data_before: bool,
    pub(crate) file_limit_exceeded: bool,
    pub(crate) header_folding: bool,
    pub(crate) invalid_header_folding: bool,
    pub(crate) invalid_part: bool,
    pub(crate) invalid_quoting: bool,
    pub(crate) lf_line: bool,
    pub(crate) missing_semicolon: bool,
    /// A line looked like a boundary and was none: 2 if the body is whole nevertheless, else 1.
    pub(crate) unmatched_boundary: u8,
}

impl Flags {
    /// MULTIPART_STRICT_ERROR, a parsing error aside.
    pub(crate) fn strict(&self) -> bool {
        self.boundary_quoted
            || self.boundary_whitespace
            || self.data_before
            || self.data_after
            || self.header_folding
            || self.lf_line
            || self.missing_semicolon
            || self.invalid_quoting
            || self.invalid_part
            || self.invalid_header_folding
            || self.file_limit_exceeded
    }
}

/// A part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: Vec<u8>,
    /// A file, when it has a name.
    pub(crate) filename: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where its content is in the body.
    pub(crate) content: Range<usize>,
}

/// What a body is made of, as far as it could be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Multipart {
    pub(crate) parts: Vec<Part>,
    pub(crate) flags: Flags,
    pub(crate) error: Option<String>,
    /// What was tolerated, in words, for whoever asks why a flag is set.
    pub(crate) notes: Vec<String>,
}

/// Reads a body. At most `files_max` files are kept.
pub(crate) fn parse(body: &[u8], content_type: &[u8], files_max: usize) -> Multipart {
    let mut reader = Reader::default();
    let result = match boundary(content_type, &mut reader.out) {
        Ok(boundary) => reader.run(body, &boundary),
        Err(error) => Err(error),
    };
    let mut out = reader.out;
    if result.is_ok() && out.flags.unmatched_boundary == 1 {
        out.flags.unmatched_boundary = 2;
    }
    out.error = result.err().map(|error| format!("Multipart parsing error: Multipart: {error}"));
    keep_files(&mut out, files_max);
    out
}

fn keep_files(out: &mut Multipart, files_max: usize) {
    let mut files = 0;
    let before = out.parts.len();
    out.parts.retain(|part| {
        files += usize::from(part.filename.is_some());
        part.filename.is_none() || files <= files_max
    });
    if out.parts.len() < before {
        out.flags.file_limit_exceeded = true;
        out.notes.push("Multipart: Upload file limit exceeded".to_owned());
    }
}

fn find_ignoring_case(text: &[u8], wanted: &[u8]) -> Vec<usize> {
    text.windows(wanted.len())
        .enumerate()
        .filter(|(_, w)| w.eq_ignore_ascii_case(wanted))
        .map(|(at, _)| at)
        .collect()
}

/// The boundary that a content type names.
fn boundary(content_type: &[u8], out: &mut Multipart) -> Result<Vec<u8>, String> {
    let fault = |what: &str| Err(format!("Invalid boundary in C-T ({what})."));
    if content_type.len() > CONTENT_TYPE_BYTES_MAX {
        return fault("length");
    }
    let found = find_ignoring_case(content_type, b"boundary");
    let parameters: Vec<usize> = found
        .iter()
        .copied()
        .filter(|at| content_type[at + 8..].trim_ascii_start().starts_with(b"="))
        .collect();
    if parameters.len() > 1 {
        return Err("Multiple boundary parameters in C-T.".to_owned());
    }
    let Some(at) = memchr::memmem::find(content_type, b"boundary") else {
        return if found.is_empty() {
            Err("Boundary not found in C-T.".to_owned())
        } else {
            fault("case sensitivity")
        };
    };
    let kind = b"multipart/form-data".len();
    let between = content_type.get(kind..at).unwrap_or(b"");
    check_before_boundary(between, out)?;
    let after = &content_type[at + 8..];
    let Some(equals) = memchr::memchr(b'=', after) else { return fault("malformed") };
    if !after[..equals].iter().all(u8::is_ascii_whitespace) {
        return fault("parameter name");
    }
    let value = after[equals + 1..].trim_ascii_start();
    if equals > 0 || value.len() < after.len() - equals - 1 {
        out.flags.boundary_whitespace = true;
        out.notes.push("Multipart: Warning: boundary whitespace in C-T header".to_owned());
    }
    let boundary = boundary_value(value, out)?;
    if boundary.is_empty() {
        return fault("empty");
    }
    if !find_ignoring_case(&boundary, b"boundary=").is_empty() {
        return fault("content");
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    if !boundary.iter().all(allowed) || boundary.last() == Some(&b' ') {
        return fault("characters");
    }
    out.notes.push(format!("Multipart: Boundary: {}", String::from_utf8_lossy(&boundary)));
    Ok(boundary)
}

/// Between the media type and the boundary there is one semicolon; other parameters are not expected.
fn check_before_boundary(between: &[u8], out: &mut Multipart) -> Result<(), String> {
    let mut semicolons = 0;
    for byte in between {
        match byte {
            b';' if semicolons == 0 => semicolons = 1,
            byte if byte.is_ascii_whitespace() => {}
            _ => return Err("Invalid boundary in C-T (malformed).".to_owned()),
        }
    }
    if semicolons == 0 {
        out.flags.missing_semicolon = true;
    }
    Ok(())
}

fn boundary_value(value: &[u8], out: &mut Multipart) -> Result<Vec<u8>, String> {
    let quoting = || "Invalid boundary in C-T (quote).".to_owned();
    let mut rest: &[u8] = b"";
    let boundary = if let Some(quoted) = value.strip_prefix(b"\"") {
        // A quote within the quotes is left for the check of the characters to find.
        let end = match quoted.strip_suffix(b"\"") {
            Some(inner) => inner.len(),
            None => memchr::memchr(b'"', quoted).ok_or_else(quoting)?,
        };
        rest = quoted[end + 1..].trim_ascii();
        if !rest.is_empty() && !rest.starts_with(b";") {
            return Err(quoting());
        }
        out.flags.boundary_quoted = true;
        out.notes.push("Multipart: Warning: boundary was quoted.".to_owned());
        &quoted[..end]
    } else if let Some(end) = memchr::memchr(b';', value) {
        rest = &value[end..];
        value[..end].trim_ascii_end()
    } else {
        value
    };
    if boundary.ends_with(b"\"") {
        return Err(quoting());
    }
    if !rest.is_empty() {
        out.notes.push("Multipart: Invalid parameter after boundary in C-T (tolerated).".to_owned());
    }
    Ok(boundary.to_vec())
}

#[derive(Default)]
struct Reader {
    out: Multipart,
    part: Option<Part>,
    in_headers: bool,
    boundaries: usize,
    complete: bool,
}

impl Reader {
    fn run(&mut self, body: &[u8], boundary: &[u8]) -> Result<(), String> {
        let mut start = 0;
        while start < body.len() {
            let end = memchr::memchr(b'\n', &body[start..]).map_or(body.len(), |at| start + at + 1);
            self.line(body, start..end, boundary)?;
            start = end;
        }
        if self.complete {
            return Ok(());
        }
        self.end_part(body, body.len());
        if self.boundaries > 0 {
            Err("Final boundary missing.".to_owned())
        } else {
            Err("No boundaries found in payload.".to_owned())
        }
    }

    fn line(&mut self, body: &[u8], range: Range<usize>, boundary: &[u8]) -> Result<(), String> {
        let line = &body[range.clone()];
        if self.complete {
            self.out.flags.data_after = true;
            self.out.notes.push("Multipart: Warning: seen data after last boundary".to_owned());
        }
        if let Some(rest) = line.strip_prefix(b"--") {
            if let Some(after) = rest.strip_prefix(boundary) {
                return self.boundary_line(body, range.start, after);
            }
            self.check_near_boundary(rest, boundary)?;
        }
        if self.part.is_none() {
            if !self.complete {
                self.out.flags.data_before = true;
                self.out.notes.push("Multipart: Warning: seen data before first boundary".to_owned());
            }
            return Ok(());
        }
        if self.in_headers { self.header_line(body, range) } else { Ok(()) }
    }

    /// A line that begins with two dashes and is no boundary of ours.
    fn check_near_boundary(&mut self, rest: &[u8], boundary: &[u8]) -> Result<(), String> {
        if rest.strip_prefix(b"\"").is_some_and(|rest| rest.starts_with(boundary)) {
            return Err("Invalid boundary (quotes).".to_owned());
        }
        let trimmed = rest.trim_ascii_start();
        if trimmed.len() < rest.len() && trimmed.starts_with(boundary) {
            return Err("Invalid boundary (whitespace).".to_owned());
        }
        self.out.flags.unmatched_boundary = 1;
        Ok(())
    }

    fn boundary_line(&mut self, body: &[u8], start: usize, after: &[u8]) -> Result<(), String> {
        let is_final = after.starts_with(b"--");
        let ending = if is_final { &after[2..] } else { after };
        match ending {
            b"\r\n" => self.out.flags.crlf_line = true,
            b"\n" => {
                self.out.flags.lf_line = true;
                self.out.notes.push("Multipart: Warning: incorrect line endings used (LF)".to_owned());
            }
            b"" if is_final => {}
            _ => return Err("Invalid boundary.".to_owned()),
        }
        if is_final && self.complete {
            return Err("Invalid boundary (final duplicate).".to_owned());
        }
        self.boundaries += 1;
        self.end_part(body, start);
        if is_final {
            self.complete = true;
        } else if !self.complete {
            self.part = Some(Part::default());
            self.in_headers = true;
        }
        Ok(())
    }

    /// The part ends before the line break that belongs to the boundary.
    fn end_part(&mut self, body: &[u8], end: usize) {
        let Some(mut part) = self.part.take() else { return };
        if self.in_headers || part.name.is_empty() {
            self.out.flags.invalid_part = true;
            return;
        }
        let content = &body[part.content.start..end.max(part.content.start)];
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        part.content = part.content.start..part.content.start + content.len();
        self.out.parts.push(part);
    }

    fn header_line(&mut self, body: &[u8], range: Range<usize>) -> Result<(), String> {
        let line = &body[range.clone()];
        if line.contains(&0) {
            return Err("Nul byte in part headers.".to_owned());
        }
        if line.ends_with(b"\r\n") {
            self.out.flags.crlf_line = true;
        } else {
            self.out.flags.lf_line = true;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let part = self.part.as_mut().expect("header lines come only while a part is open");
        if text.is_empty() {
            self.in_headers = false;
            part.content = range.end..range.end;
            return finish_headers(part, &mut self.out);
        }
        if text[0].is_ascii_whitespace() || text[0] == 0x0b {
            return fold(part, text, &mut self.out);
        }
        let colon = memchr::memchr(b':', text).ok_or("Invalid part header (colon missing).")?;
        let name = &text[..colon];
        if name.is_empty() {
            return Err("Invalid part header (header name missing).".to_owned());
        }
        if name.iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err("Invalid part header (contains invalid character).".to_owned());
        }
        if part.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(format!("Duplicate part header: {}.", String::from_utf8_lossy(name)));
        }
        part.headers.push((name.to_vec(), text[colon + 1..].trim_ascii_start().to_vec()));
        Ok(())
    }
}

/// A header line that begins with a blank belongs to the one before it (RFC 822, section 3.1.1).
fn fold(part: &mut Part, text: &[u8], out: &mut Multipart) -> Result<(), String> {
    out.flags.header_folding = true;
    if !matches!(text[0], b' ' | b'\t') {
        out.flags.invalid_header_folding = true;
    }
    let Some((_, value)) = part.headers.last_mut() else {
        return Err("Invalid part header (folding error).".to_owned());
    };
    value.push(b' ');
    value.extend_from_slice(text.trim_ascii());
    if value.len() > HEADER_BYTES_MAX { Err("Part header too long.".to_owned()) } else { Ok(()) }
}

fn finish_headers(part: &mut Part, out: &mut Multipart) -> Result<(), String> {
    let disposition = part.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-disposition"));
    let Some((_, disposition)) = disposition.cloned() else {
        return Err("Part missing Content-Disposition header.".to_owned());
    };
    if let Err(code) = read_disposition(&disposition, part, out) {
        let text = String::from_utf8_lossy(&disposition);
        return Err(format!("Invalid Content-Disposition header ({code}): {text}."));
    }
    if part.name.is_empty() {
        return Err("Content-Disposition header missing name field.".to_owned());
    }
    // A server that only looks for this string must not see another file name than we do.
    if part.filename.is_some() && memchr::memmem::find(&disposition, b"filename=").is_none() {
        return Err("Invalid Content-Disposition header (filename).".to_owned());
    }
    part.filename = part.filename.take().filter(|name| !name.is_empty());
    Ok(())
}

/// Reads `form-data; name="a"; filename="b"`. The error is a number, as other engines number them.
fn read_disposition(text: &[u8], part: &mut Part, out: &mut Multipart) -> Result<(), i32> {
    let mut rest = text.strip_prefix(b"form-data").ok_or(-1)?.trim_ascii_start();
    if rest.is_empty() {
        return Err(-2);
    }
    rest = rest.strip_prefix(b";").ok_or(-3)?;
    let (mut named, mut filed, mut extended) = (false, false, false);
    while !rest.is_empty() {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Err(-4);
        }
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b' ' | b'\t')).ok_or(-5)?;
        let name = &rest[..end];
        rest = rest[end..].trim_ascii_start();
        if rest.is_empty() {
            return Err(-6);
        }
        rest = rest.strip_prefix(b"=").ok_or(-13)?.trim_ascii_start();
        if rest.is_empty() {
            return Err(-7);
        }
        let value = disposition_value(&mut rest, out)?;
        match name {
            b"name" if named => {
                out.notes.push("Multipart: Warning: Duplicate Content-Disposition name".to_owned());
                return Err(-14);
            }
            b"name" => (named, part.name) = (true, value),
            b"filename" if filed => {
                out.notes.push("Multipart: Warning: Duplicate Content-Disposition filename".to_owned());
                return Err(-15);
            }
            b"filename" => (filed, part.filename) = (true, Some(value)),
            b"filename*" => {
                check_extended(&value)?;
                extended = true;
            }
            _ => return Err(-11),
        }
        rest = rest.trim_ascii_start();
        if !rest.is_empty() {
            if !rest.starts_with(b";") {
                out.flags.invalid_quoting = true;
                return Err(-12);
            }
            rest = &rest[1..];
        }
    }
    if extended && !filed {
        out.notes.push("Multipart: Warning: no filename= but filename*".to_owned());
        return Err(-19);
    }
    Ok(())
}

/// `charset'language'value` (RFC 8187 section 3.2). It is only checked: what counts is `filename`.
fn check_extended(value: &[u8]) -> Result<(), i32> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    if parts.next().unwrap_or(b"").is_empty() {
        return Err(-16);
    }
    let text = parts.nth(1).ok_or(-17)?;
    let valid = memchr::memchr_iter(b'%', text).all(|at| crate::xform::hex_pair(text, at + 1).is_some());
    if valid { Ok(()) } else { Err(-18) }
}

/// A value, quoted or not. Single quotes are not in the grammar, but some servers take them: flagged.
fn disposition_value(rest: &mut &[u8], out: &mut Multipart) -> Result<Vec<u8>, i32> {
    let text = *rest;
    let quote = text[0];
    if quote != b'"' && quote != b'\'' {
        let separators = b"()<>@,;:\\\"/[]?={} \t";
        let end = text.iter().position(|byte| separators.contains(byte) || byte.is_ascii_control());
        let (value, after) = text.split_at(end.unwrap_or(text.len()));
        note_quotes(value, out);
        *rest = after;
        return Ok(value.to_vec());
    }
    if quote == b'\'' {
        note_quotes(b"'", out);
    }
    let mut value = Vec::new();
    let mut at = 1;
    if text.len() == 1 {
        return Err(-8);
    }
    loop {
        match text.get(at) {
            None => return Err(-10),
            Some(b'\\') => {
                let next = *text.get(at + 1).ok_or(-9)?;
                // Only a quote and a backslash can be escaped; browsers leave other backslashes alone.
                at += usize::from(next == quote || next == b'\\');
                value.push(text[at]);
                at += 1;
            }
            Some(byte) if *byte == quote => break,
            Some(byte) => {
                value.push(*byte);
                at += 1;
            }
        }
    }
    if quote == b'\'' {
        note_quotes(&value, out);
    }
    *rest = &text[at + 1..];
    Ok(value)
}

fn note_quotes(value: &[u8], out: &mut Multipart) {
    if value.contains(&b'\'') {
        out.flags.invalid_quoting = true;
        out.notes.push("Multipart: Warning: invalid quoting used".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xx";

    fn read(body: &str, content_type: &str) -> Multipart {
        parse(body.as_bytes(), content_type.as_bytes(), 2)
    }

    fn part(disposition: &str, content: &str) -> String {
        format!("--xx\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn reads_fields_and_files() {
        let body = part("form-data; name=\"a\"", "1\r\n2")
            + &part("form-data; name=f; filename=\"x\\\"y\"", "z")
            + "--xx--\r\n";
        let read = read(&body, TYPE);
        assert_eq!((read.error, read.flags.strict()), (None, false));
        assert_eq!(&body[read.parts[0].content.clone()], "1\r\n2");
        assert_eq!(read.parts[1].filename.as_deref(), Some(&b"x\"y"[..]));
    }

    #[test]
    fn faults_of_the_boundary() {
        for (content_type, error) in [
            ("multipart/form-data", "not found"),
            ("multipart/form-data; Boundary=xx", "case sensitivity"),
            ("multipart/form-data; boundary=xx; boundary=yy", "Multiple"),
            ("multipart/form-data; boundary=\"xx", "quote"),
            ("multipart/form-data; boundary=x<x", "characters"),
            ("multipart/form-data; boundaryx=xx", "parameter name"),
            ("multipart/form-data; a=b; boundary=xx", "malformed"),
            ("multipart/form-data; boundary=", "empty"),
        ] {
            let found = read("--xx--\r\n", content_type).error.unwrap();
            assert!(found.contains(error), "{content_type}: {found}");
        }
    }

    #[test]
    fn faults_of_the_parts() {
        for (body, error) in [
            ("--xx\r\n".to_owned(), "Final boundary missing"),
            ("x".to_owned(), "No boundaries"),
            (part("form-data; name=a; name=b", "") + "--xx--", "(-14)"),
            (part("form-data; filename=b", "") + "--xx--", "missing name"),
            (part("attachment; name=b", "") + "--xx--", "(-1)"),
            (part("form-data; name=\"b", "") + "--xx--", "(-10)"),
            (part("form-data; name=b; filename*=u''x", "") + "--xx--", "(-19)"),
            ("--xx\r\nA: b\r\n\r\n--xx--".to_owned(), "Part missing Content-Disposition"),
            ("--xx\r\n\x0eA: b\r\n\r\n--xx--".to_owned(), "invalid character"),
            ("--xxy\r\n".to_owned(), "Invalid boundary"),
            ("--xx--\r\n--xx--\r\n".to_owned(), "final duplicate"),
        ] {
            let found = read(&body, TYPE).error.unwrap_or_default();
            assert!(found.contains(error), "{body}: {found}");
        }
    }

    #[test]
    fn what_is_tolerated_is_flagged() {
        let field = part("form-data; name='a'", "1");
        let flags = read(&format!("before\r\n{field}--y\r\n--xx--\nafter"), TYPE).flags;
        assert!(
            flags.data_before && flags.data_after && flags.invalid_quoting && flags.unmatched_boundary == 2
        );
        assert!(flags.lf_line && flags.crlf_line && flags.strict());
        let file = part("form-data; name=f; filename=x", "");
        assert!(read(&format!("{file}{file}{file}--xx--"), TYPE).flags.file_limit_exceeded);
    }
}
