//! From a request and its response to variables.

use crate::Var;
use crate::body::{json, multipart, urlencoded, xml};
use crate::facts::Entry;
use crate::lang::action::{BodyKind, XmlArgs};
use crate::program::{Program, Select, TargetList};
use crate::short::Short;
use crate::transaction::{Connection, Now, RequestLine, Transaction};
use crate::values::ValueId;
use crate::xform::Xform;

impl Transaction {
    pub(crate) fn fill_connection(&mut self, connection: Connection, unique_id: &str) {
        let facts = &mut self.facts;
        let (client, server) = (connection.client, connection.server);
        facts.set(Var::RemoteAddr, Short::of(client.ip().to_canonical()).bytes());
        facts.set(Var::RemoteHost, Short::of(client.ip().to_canonical()).bytes());
        facts.set(Var::RemotePort, Short::of(client.port()).bytes());
        facts.set(Var::ServerAddr, Short::of(server.ip().to_canonical()).bytes());
        facts.set(Var::ServerPort, Short::of(server.port()).bytes());
        facts.set(Var::UniqueId, unique_id.as_bytes());
        facts.set(Var::ReqbodyProcessor, b"");
        let engine = std::sync::Arc::clone(&self.engine);
        self.facts.set(Var::WebAppId, engine.program.settings.web_app_id.as_bytes());
        if engine.program.uses_time {
            self.fill_time();
        }
    }

    fn fill_time(&mut self) {
        let unix = i64::try_from(self.now.unix_micros / 1_000_000).unwrap_or(i64::MAX);
        let (days, [hour, minute, second]) = clock(self.now);
        let (year, month, day) = date(days);
        for (var, text) in [
            (Var::Time, Short::of(format_args!("{hour:02}:{minute:02}:{second:02}"))),
            (Var::TimeEpoch, Short::of(unix)),
            (Var::TimeHour, Short::of(hour)),
            (Var::TimeMin, Short::of(minute)),
            (Var::TimeSec, Short::of(second)),
            (Var::TimeDay, Short::of(day)),
            // Months count from zero and weekdays from Sunday, as in C's `struct tm`.
            (Var::TimeMon, Short::of(month - 1)),
            (Var::TimeYear, Short::of(year)),
            (Var::TimeWday, Short::of((days + 4).rem_euclid(7))),
        ] {
            self.facts.set(var, text.bytes());
        }
    }

    pub(crate) fn fill_request<'h>(
        &mut self,
        line: RequestLine<'_>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) {
        let facts = &mut self.facts;
        facts.set(Var::RequestMethod, line.method);
        facts.set(Var::RequestProtocol, line.protocol);
        facts.set(Var::RequestUriRaw, line.uri);
        facts.set_joined(Var::RequestLine, &[line.method, line.uri, line.protocol], b" ");
        self.fill_uri(line.uri);
        for (name, value) in headers {
            self.fill_request_header(name, value);
        }
        let facts = &mut self.facts;
        if facts.single(Var::ServerName) == ValueId::NONE {
            facts.set(Var::ServerName, b"");
        }
    }

    fn fill_uri(&mut self, raw: &[u8]) {
        let engine = std::sync::Arc::clone(&self.engine);
        let settings = &engine.program.settings;
        let uri = without_authority(raw);
        let whole = uri.split(|byte| *byte == b'#').next().unwrap_or(b"");
        let (path, query) = match memchr::memchr(b'?', whole) {
            Some(at) => (&whole[..at], &whole[at + 1..]),
            None => (whole, &b""[..]),
        };
        let mut decoded = std::mem::take(&mut self.facts.scratch);
        decoded.clear();
        percent_decode(path, &mut decoded);
        let facts = &mut self.facts;
        facts.set(Var::RequestUri, whole);
        facts.set(Var::RequestFilename, &decoded);
        facts.set(Var::PathInfo, &decoded);
        facts.set(Var::QueryString, query);
        let basename = decoded.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or(b"");
        facts.set(Var::RequestBasename, basename);
        facts.scratch = decoded;
        let form = urlencoded::parse(query, settings.argument_separator, settings.arguments_limit);
        facts.set_flag(Var::UrlencodedError, form.invalid_encoding);
        self.add_arguments(Var::ArgsGet, form);
        self.count_arguments();
    }

    fn add_arguments(&mut self, var: Var, form: urlencoded::Form) {
        if form.over_limit {
            self.note(|| "Skipping request argument, over limit".to_owned());
        }
        for (name, value) in form.pairs {
            self.add_argument(var, &name, &value);
        }
    }

    fn add_argument(&mut self, var: Var, name: &[u8], value: &[u8]) {
        let place = if var == Var::ArgsGet { "GET" } else { "BODY" };
        self.note(|| {
            let text = String::from_utf8_lossy;
            format!("Adding request argument ({place}): name \"{}\", value \"{}\"", text(name), text(value))
        });
        let entry = self.facts.add(var, name, value);
        self.facts.add_entry(Var::Args, entry);
    }

    fn count_arguments(&mut self) {
        let values = &self.facts.values;
        let size = |entry: &Entry| values.get(entry.name).len() + values.get(entry.value).len();
        let total = self.facts.members(Var::Args).iter().map(size).sum();
        self.facts.set_number(Var::ArgsCombinedSize, total);
    }

    fn fill_request_header(&mut self, name: &[u8], value: &[u8]) {
        self.facts.add(Var::RequestHeaders, name, value);
        let known = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        if known(b"cookie") {
            for part in value.split(|byte| *byte == b';') {
                let part = part.trim_ascii();
                if part.is_empty() {
                    continue;
                }
                let (name, value) = match memchr::memchr(b'=', part) {
                    Some(at) => (&part[..at], &part[at + 1..]),
                    None => (part, &b""[..]),
                };
                self.facts.add(Var::RequestCookies, name, value);
            }
        } else if known(b"content-type") {
            let starts =
                |kind: &[u8]| value.len() >= kind.len() && value[..kind.len()].eq_ignore_ascii_case(kind);
            if starts(b"multipart/form-data") {
                self.set_body_kind(Some(BodyKind::Multipart));
            } else if starts(b"application/x-www-form-urlencoded") {
                self.set_body_kind(Some(BodyKind::Urlencoded));
            }
        } else if known(b"host") {
            let end = match value.first() {
                Some(b'[') => memchr::memchr(b']', value).map_or(value.len(), |at| at + 1),
                _ => memchr::memchr(b':', value).unwrap_or(value.len()),
            };
            self.facts.set(Var::ServerName, &value[..end]);
        } else if known(b"authorization") {
            let kind = value.split(|byte| *byte == b' ').next().unwrap_or(b"");
            self.facts.set(Var::AuthType, kind);
            if kind.eq_ignore_ascii_case(b"basic") {
                let mut credentials = Vec::new();
                Xform::Base64Decode.apply(value[kind.len()..].trim_ascii(), None, &mut credentials);
                let user = credentials.split(|byte| *byte == b':').next().unwrap_or(b"");
                self.facts.set(Var::RemoteUser, user);
            }
        }
    }

    pub(crate) fn fill_request_body(&mut self) {
        let engine = std::sync::Arc::clone(&self.engine);
        let body = std::mem::take(&mut self.request_body);
        self.facts.set_flag(Var::ReqbodyError, false);
        self.facts.set_flag(Var::InboundDataError, self.facts.bytes(Var::InboundDataError) == b"1");
        let held = self.request_body_access && !body.is_empty();
        let mut error = None;
        let kind = self.body_kind.filter(|_| self.request_body_access);
        match kind {
            Some(BodyKind::Multipart) if held => error = self.fill_multipart(&engine.program, &body),
            Some(kind) if held => {
                if body.len() > engine.program.settings.request_body_no_files_limit {
                    error = Some(NO_FILES_LIMIT.to_owned());
                } else {
                    error = self.fill_body(&engine.program, kind, &body);
                }
            }
            _ => {}
        }
        if kind == Some(BodyKind::Urlencoded) || self.force_request_body && self.body_kind.is_none() {
            self.facts.set(Var::RequestBody, &body);
        }
        self.facts.set_number(Var::RequestBodyLength, body.len());
        if let Some(error) = error {
            self.body_error(&error);
        }
        self.count_arguments();
        if engine.program.uses_full_request {
            self.fill_full_request(&body);
        }
        self.request_body = body;
    }

    fn body_error(&mut self, error: &str) {
        self.note(|| error.to_owned());
        self.facts.set(Var::ReqbodyErrorMsg, error.as_bytes());
        self.facts.set(Var::ReqbodyProcessorErrorMsg, error.as_bytes());
        self.facts.set_flag(Var::ReqbodyError, true);
        self.facts.set_flag(Var::ReqbodyProcessorError, true);
    }

    fn fill_body(&mut self, program: &Program, kind: BodyKind, body: &[u8]) -> Option<String> {
        let settings = &program.settings;
        let left = settings.arguments_limit.saturating_sub(self.facts.members(Var::Args).len());
        match kind {
            BodyKind::Json => {
                let limits = json::Limits { depth: settings.json_depth_limit, arguments: left };
                let json = json::parse(body, limits);
                for (name, value) in json.pairs {
                    self.add_argument(Var::ArgsPost, &name, &value);
                }
                if json.over_limit {
                    self.note(|| "Skipping request argument, over limit".to_owned());
                }
                json.error
            }
            BodyKind::Xml => match xml::parse(body) {
                Ok(document) => {
                    self.fill_xml(program, &document);
                    None
                }
                Err(error) => Some(error),
            },
            _ => {
                let form = urlencoded::parse(body, settings.argument_separator, left);
                if form.invalid_encoding {
                    self.facts.set_flag(Var::UrlencodedError, true);
                }
                self.add_arguments(Var::ArgsPost, form);
                None
            }
        }
    }

    fn fill_xml(&mut self, program: &Program, document: &xml::Document) {
        if self.xml_into_args != XmlArgs::Only {
            for (index, (path, namespaces)) in program.paths.iter().enumerate() {
                let selected = document.select(path, namespaces);
                self.facts.xml[index] =
                    selected.iter().map(|value| self.facts.values.intern(value)).collect();
            }
            self.facts.generation += 1;
        }
        if self.xml_into_args != XmlArgs::Off {
            for (name, value) in document.leaves().into_iter().take(program.settings.arguments_limit) {
                self.add_argument(Var::ArgsPost, &name, &value);
            }
        }
    }

    fn fill_multipart(&mut self, program: &Program, body: &[u8]) -> Option<String> {
        let header = self.header(Var::RequestHeaders, b"content-type").to_vec();
        let parsed = multipart::parse(body, &header, program.settings.upload_file_limit);
        for note in parsed.error.iter().chain(&parsed.notes) {
            self.note(|| note.clone());
        }
        let (mut files, mut others, mut error) = (0, 0, parsed.error);
        for part in &parsed.parts {
            let content = &body[part.content.clone()];
            match &part.filename {
                Some(filename) => {
                    files += content.len();
                    self.note(|| {
                        let text = String::from_utf8_lossy;
                        let (offset, length) = (part.content.start, content.len());
                        let (name, filename) = (text(&part.name), text(filename));
                        format!(
                            "Added file part to the list: name \"{name}\" file name \"{filename}\" (offset {offset}, length {length})"
                        )
                    });
                    self.facts.add(Var::Files, &part.name, filename);
                    self.facts.add(Var::FilesSizes, &part.name, content.len().to_string().as_bytes());
                    self.facts.add(Var::MultipartFilename, &part.name, filename);
                    if program.uses_file_content {
                        self.facts.add(Var::FilesTmpContent, &part.name, content);
                    }
                }
                None => {
                    others += content.len();
                    self.add_argument(Var::ArgsPost, &part.name, content);
                }
            }
            self.facts.add(Var::MultipartName, &part.name, &part.name);
            for (name, value) in &part.headers {
                others += name.len() + value.len() + 4;
                self.facts.add(
                    Var::MultipartPartHeaders,
                    &part.name,
                    &[name.as_slice(), value].join(&b": "[..]),
                );
            }
        }
        if others > program.settings.request_body_no_files_limit {
            error.get_or_insert_with(|| NO_FILES_LIMIT.to_owned());
        }
        self.facts.set_number(Var::FilesCombinedSize, files);
        self.fill_multipart_flags(&parsed.flags, error.is_some());
        error
    }

    fn fill_multipart_flags(&mut self, flags: &multipart::Flags, error: bool) {
        for (var, flag) in [
            (Var::MultipartBoundaryQuoted, flags.boundary_quoted),
            (Var::MultipartBoundaryWhitespace, flags.boundary_whitespace),
            (Var::MultipartCrlfLfLines, flags.crlf_line && flags.lf_line),
            (Var::MultipartDataAfter, flags.data_after),
            (Var::MultipartDataBefore, flags.data_before),
            (Var::MultipartFileLimitExceeded, flags.file_limit_exceeded),
            (Var::MultipartHeaderFolding, flags.header_folding),
            (Var::MultipartInvalidHeaderFolding, flags.invalid_header_folding),
            (Var::MultipartInvalidPart, flags.invalid_part),
            (Var::MultipartInvalidQuoting, flags.invalid_quoting),
            (Var::MultipartLfLine, flags.lf_line),
            (Var::MultipartMissingSemicolon, flags.missing_semicolon),
            (Var::MultipartStrictError, error || flags.strict()),
        ] {
            self.facts.set_flag(var, flag);
        }
        self.facts.set_number(Var::MultipartUnmatchedBoundary, usize::from(flags.unmatched_boundary));
    }

    fn fill_full_request(&mut self, body: &[u8]) {
        let facts = &mut self.facts;
        let mut text = facts.bytes(Var::RequestLine).to_vec();
        text.push(b'\n');
        for entry in facts.members(Var::RequestHeaders) {
            text.extend_from_slice(facts.values.get(entry.name));
            text.extend_from_slice(b": ");
            text.extend_from_slice(facts.values.get(entry.value));
            text.push(b'\n');
        }
        text.extend_from_slice(b"\n\n");
        text.extend_from_slice(body);
        facts.set(Var::FullRequest, &text);
        facts.set_number(Var::FullRequestLength, text.len());
    }

    pub(crate) fn fill_response<'h>(
        &mut self,
        status: u16,
        protocol: &[u8],
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) {
        let facts = &mut self.facts;
        facts.set_number(Var::ResponseStatus, usize::from(status));
        facts.set(Var::ResponseProtocol, protocol);
        facts.set_joined(Var::StatusLine, &[protocol, Short::of(status).bytes()], b" ");
        for (name, value) in headers {
            facts.add(Var::ResponseHeaders, name, value);
        }
        let content_type = self.header(Var::ResponseHeaders, b"content-type").to_vec();
        self.facts.set(Var::ResponseContentType, &content_type);
        let length = self.header(Var::ResponseHeaders, b"content-length").to_vec();
        self.facts.set(Var::ResponseContentLength, &length);
    }

    pub(crate) fn fill_response_body(&mut self) {
        let body = std::mem::take(&mut self.response_body);
        self.facts.set_flag(Var::OutboundDataError, self.facts.bytes(Var::OutboundDataError) == b"1");
        if !body.is_empty() {
            self.facts.set(Var::ResponseBody, &body);
            self.facts.set_number(Var::ResponseContentLength, body.len());
        }
        self.response_body = body;
    }

    /// The first header of this name.
    fn header(&self, var: Var, name: &[u8]) -> &[u8] {
        let values = &self.facts.values;
        let found =
            self.facts.members(var).iter().find(|entry| values.get(entry.name).eq_ignore_ascii_case(name));
        found.map_or(b"", |entry| values.get(entry.value))
    }

    /// Brings up to date what changes from rule to rule, as far as this list looks at it.
    pub(crate) fn refresh_volatile(&mut self, program: &Program, list: &TargetList) {
        for select in &list.selects {
            let mut select = select;
            while let Select::Count(inner) = select {
                select = inner;
            }
            let (Select::Single(var) | Select::Members(var, _)) = select else { continue };
            match var {
                Var::MatchedVar => {
                    let value = self.matched.last().map(|hit| self.facts.values.get(hit.value).to_vec());
                    self.facts.set(Var::MatchedVar, &value.unwrap_or_default());
                }
                Var::MatchedVarName => {
                    let name = self.matched.last().map(|hit| self.full_name(hit));
                    self.facts.set(Var::MatchedVarName, name.unwrap_or_default().as_bytes());
                }
                Var::MatchedVars | Var::MatchedVarsNames => {
                    self.facts.clear(Var::MatchedVars);
                    for entry in self.matched_entries() {
                        self.facts.add_entry(Var::MatchedVars, entry);
                    }
                }
                Var::Duration => {
                    let duration = self.duration();
                    self.facts.set(Var::Duration, duration.as_bytes());
                }
                Var::Rule => {
                    self.facts.clear(Var::Rule);
                    if let Some(rule) = program.rules.get(self.rule as usize) {
                        for field in ["id", "rev", "severity", "logdata", "msg"] {
                            let value = self.rule_field(program, rule, field);
                            self.facts.add(Var::Rule, field.as_bytes(), &value);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

const NO_FILES_LIMIT: &str = "Request body excluding files is bigger than the maximum expected.";

/// The path and query of a URI that may come with scheme and authority.
fn without_authority(uri: &[u8]) -> &[u8] {
    for scheme in [&b"http://"[..], b"https://"] {
        if uri.len() > scheme.len() && uri[..scheme.len()].eq_ignore_ascii_case(scheme) {
            let rest = &uri[scheme.len()..];
            return rest
                .iter()
                .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
                .map_or(b"/", |at| &rest[at..]);
        }
    }
    uri
}

/// Percent codes only: in a path `+` is a plus.
fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        match (text[at], crate::xform::hex_pair(text, at + 1)) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// Local time: days since 1970-01-01, and hour, minute and second.
pub(crate) fn clock(now: Now) -> (i64, [i64; 3]) {
    let unix = i64::try_from(now.unix_micros / 1_000_000).unwrap_or(i64::MAX);
    let local = unix.saturating_add(i64::from(now.utc_offset_seconds));
    let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    (days, [second / 3600, second / 60 % 60, second % 60])
}

/// Year, month and day of a day counted from 1970-01-01, by the proleptic Gregorian calendar.
pub(crate) fn date(days: i64) -> (i64, i64, i64) {
    // Count from 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (days, expected) in
            [(0, (1970, 1, 1)), (59, (1970, 3, 1)), (11_016, (2000, 2, 29)), (20_000, (2024, 10, 4))]
        {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn the_authority_is_no_part_of_the_path() {
        for (uri, path) in
            [("http://a/b?c", "/b?c"), ("https://a", "/"), ("/x", "/x"), ("*", "*"), ("http://a?b", "?b")]
        {
            assert_eq!(without_authority(uri.as_bytes()), path.as_bytes());
        }
    }
}
