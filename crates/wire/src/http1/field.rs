//! Header fields: places in the bytes of a head, and the names a proxy must know.

use super::Refusal;

/// A place in the bytes a head was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// `start` and `end` lie within a head, whose length is limited.
    pub(super) fn new(start: usize, end: usize) -> Self {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: narrow(start), len: narrow(end.saturating_sub(start)) }
    }

    /// The bytes there; empty when `head` is not the head this was read from.
    pub fn of(self, head: &[u8]) -> &[u8] {
        let start = self.start as usize;
        head.get(start..start + self.len as usize).unwrap_or_default()
    }

    /// Where it begins.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Where it ends.
    pub fn end(self) -> usize {
        self.start as usize + self.len as usize
    }
}

/// One header field. The whole line, with its line end, is `line`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The line as it came.
    pub line: Span,
    /// The name as it was spelled.
    pub name: Span,
    /// The value without white space around it.
    pub value: Span,
    /// Which name it is, if a proxy must know it.
    pub known: Known,
}

/// Names a proxy must know, in any letter case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Known {
    /// Any other.
    Other,
    /// `Authorization`
    Authorization,
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Cookie`
    Cookie,
    /// `Expect`
    Expect,
    /// `Host`
    Host,
    /// `Keep-Alive`
    KeepAlive,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `Set-Cookie`
    SetCookie,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Upgrade`
    Upgrade,
    /// `WWW-Authenticate`
    WwwAuthenticate,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Proto`
    XForwardedProto,
}

impl Known {
    /// Which one `name` is.
    pub fn of(name: &[u8]) -> Self {
        let candidates: &[(&str, Self)] = match name.len() {
            2 => &[("te", Self::Te)],
            4 => &[("host", Self::Host)],
            6 => &[("cookie", Self::Cookie), ("expect", Self::Expect)],
            7 => &[("upgrade", Self::Upgrade), ("trailer", Self::Trailer)],
            10 => &[
                ("connection", Self::Connection),
                ("keep-alive", Self::KeepAlive),
                ("set-cookie", Self::SetCookie),
            ],
            13 => &[("authorization", Self::Authorization)],
            14 => &[("content-length", Self::ContentLength)],
            15 => &[("x-forwarded-for", Self::XForwardedFor)],
            16 => &[
                ("www-authenticate", Self::WwwAuthenticate),
                ("proxy-connection", Self::ProxyConnection),
                ("x-forwarded-host", Self::XForwardedHost),
            ],
            17 => {
                &[("transfer-encoding", Self::TransferEncoding), ("x-forwarded-proto", Self::XForwardedProto)]
            }
            19 => &[("proxy-authorization", Self::ProxyAuthorization)],
            _ => &[],
        };
        // Most names are none of ours, and their first letter says so.
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let found = candidates.iter().find(|(text, _)| {
            text.as_bytes().first() == Some(&first) && name.eq_ignore_ascii_case(text.as_bytes())
        });
        found.map_or(Self::Other, |(_, known)| *known)
    }
}

/// The elements of a comma-separated value (RFC 9110 section 5.6.1), empty ones left out.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// The options of every Connection field (RFC 9110 section 7.6.1).
pub fn connection_options<'a>(head: &'a [u8], fields: &'a [Field]) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(|field| field.known == Known::Connection)
        .flat_map(|field| list(field.value.of(head)))
}

/// Characters of a token (RFC 9110 section 5.6.2).
pub(super) const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~", true);
/// Characters of a field value (RFC 9110 section 5.5) with obs-text: anything but controls, tabs excepted.
pub(super) const VALUE: [bool; 256] = visible(true);
/// Characters of a request target: visible ones and bytes above ASCII, which old clients send for UTF-8. No fragment.
pub(super) const TARGET: [bool; 256] = visible(false);

#[expect(clippy::indexing_slicing, reason = "evaluated when compiled: an index out of range does not build")]
const fn table(punctuation: &[u8], alphanumeric: bool) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        set[byte] = alphanumeric && (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < punctuation.len() {
        set[punctuation[at] as usize] = true;
        at += 1;
    }
    set
}

#[expect(clippy::indexing_slicing, reason = "evaluated when compiled: an index out of range does not build")]
const fn visible(blanks: bool) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0x20;
    while byte < 256 {
        set[byte] = byte != 0x7f;
        byte += 1;
    }
    set[b' ' as usize] = blanks;
    set[b'\t' as usize] = blanks;
    if !blanks {
        set[b'#' as usize] = false;
    }
    set
}

/// Whether a field's value may be so: [`VALUE`] asked eight bytes at a time, for these are most of what a head is.
pub(super) fn is_value(value: &[u8]) -> bool {
    let (words, rest) = value.as_chunks::<8>();
    words.iter().all(|word| is_visible(u64::from_ne_bytes(*word)) || all(word, &VALUE)) && all(rest, &VALUE)
}

/// The same for a target and [`TARGET`].
pub(super) fn is_target(target: &[u8]) -> bool {
    let (words, rest) = target.as_chunks::<8>();
    let plain = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        is_visible(word) && !has(word, b' ') && !has(word, b'#')
    };
    words.iter().all(|word| plain(word) || all(word, &TARGET)) && all(rest, &TARGET)
}

/// One in every byte.
const ONES: u64 = u64::MAX / 0xff;
/// The highest bit of every byte.
const HIGHS: u64 = ONES << 7;

/// Whether none of eight bytes is a control character. May say no where a byte above ASCII follows one; never a wrong yes.
fn is_visible(word: u64) -> bool {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS == 0 && !has(word, 0x7f)
}

/// Whether one of eight bytes may be `byte`; never a wrong no (Mycroft's test for a zero byte).
fn has(word: u64, byte: u8) -> bool {
    let zero = word ^ (ONES * u64::from(byte));
    zero.wrapping_sub(ONES) & !zero & HIGHS != 0
}

/// Whether every byte is in the set.
pub(super) fn all(bytes: &[u8], set: &[bool; 256]) -> bool {
    bytes.iter().all(|byte| set.get(usize::from(*byte)).copied().unwrap_or(false))
}

/// Reads one field line without its line end. `at` is where the line starts, `next` where the one behind it does.
pub(super) fn read(head: &[u8], at: usize, line: &[u8], next: usize) -> Result<Field, Refusal> {
    if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(Refusal::FoldedField);
    }
    let colon = line.iter().position(|byte| !TOKEN.get(usize::from(*byte)).copied().unwrap_or(false));
    let colon = colon.filter(|at| *at > 0 && line.get(*at) == Some(&b':')).ok_or(Refusal::FieldName)?;
    let (name, rest) = line.split_at_checked(colon).ok_or(Refusal::FieldName)?;
    let value = rest.get(1..).unwrap_or_default();
    if !is_value(value) {
        return Err(if value.contains(&b'\r') { Refusal::BareLineEnd } else { Refusal::ControlCharacter });
    }
    let blank = |byte: &&u8| matches!(**byte, b' ' | b'\t');
    let before = value.iter().take_while(blank).count();
    let after = if before == value.len() { 0 } else { value.iter().rev().take_while(blank).count() };
    let start = at + colon + 1 + before;
    debug_assert!(next <= head.len(), "lines lie within the head");
    Ok(Field {
        line: Span::new(at, next),
        name: Span::new(at, at + colon),
        value: Span::new(start, at + line.len() - after),
        known: Known::of(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_letter_case() {
        for (name, known) in [
            ("host", Known::Host),
            ("CONTENT-LENGTH", Known::ContentLength),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("x-forwarded-for", Known::XForwardedFor),
            ("X-Forwarded-Fox", Known::Other),
            ("", Known::Other),
        ] {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
        }
    }

    /// Every byte at every place of a word, alone and beside bytes that could mislead.
    #[test]
    fn eight_bytes_at_a_time_are_judged_as_one_by_one() {
        for byte in 0..=255_u8 {
            for place in 0..11 {
                for filler in [b'a', b' ', 0x80, 0xff, b'!', b'\t'] {
                    let mut text = [filler; 11];
                    text[place] = byte;
                    assert_eq!(is_value(&text), all(&text, &VALUE), "{text:?}");
                    assert_eq!(is_target(&text), all(&text, &TARGET), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn lists_are_taken_apart() {
        let elements: Vec<_> = list(b" close ,, Upgrade\t,").collect();
        assert_eq!(elements, [&b"close"[..], b"Upgrade"]);
    }
}
