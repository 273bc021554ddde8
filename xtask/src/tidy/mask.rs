//! Rust source without the words of its comments, strings and characters, so that what is left is code.

/// Replaces them by spaces; lines and columns (in bytes) stay where they are.
pub(crate) fn mask(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut masked = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut before = b' ';
    while let Some(&byte) = rest.first() {
        let hidden = match byte {
            b'/' if rest.starts_with(b"//") => {
                rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => block_comment(rest),
            b'"' => 1 + quoted(&rest[1..], b'"'),
            b'r' | b'b' | b'c' if !is_word(before) => raw_string(rest).unwrap_or(0),
            b'\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        if hidden == 0 {
            masked.push(byte);
            before = byte;
            rest = &rest[1..];
        } else {
            let (gone, left) = rest.split_at(hidden);
            masked.extend(gone.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            before = b' ';
            rest = left;
        }
    }
    String::from_utf8(masked)
        .expect("only whole characters are replaced, each by as many spaces as it has bytes")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of a comment that may hold further ones.
fn block_comment(text: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length up to and with the closing quote.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`; `None` if this is something else.
fn raw_string(text: &[u8]) -> Option<usize> {
    let r = text.iter().take(2).position(|byte| *byte == b'r')?;
    let hashes = text[r + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = r + 1 + hashes;
    if text.get(open) != Some(&b'"') {
        return None;
    }
    let close = [&b"\""[..], &vec![b'#'; hashes]].concat();
    let inside = text[open + 1..].windows(close.len()).position(|part| part == close);
    Some(inside.map_or(text.len(), |len| open + 1 + len + close.len()))
}

/// The length of a character such as `'a'` or `'\n'`; `None` if this is a lifetime.
fn character(text: &[u8]) -> Option<usize> {
    if text.get(1) == Some(&b'\\') {
        return Some(1 + quoted(&text[1..], b'\''));
    }
    let text = std::str::from_utf8(text.get(1..text.len().min(6))?).unwrap_or_else(|error| {
        std::str::from_utf8(&text[1..1 + error.valid_up_to()]).expect("as much of it is valid")
    });
    let first = text.chars().next()?;
    text[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn only_code_is_left() {
        let table = [
            ("a // unsafe\nb", "a          \nb"),
            ("a /* x /* y */ z */ b", "a                     b"),
            (r#"f("unsafe \" x", y)"#, "f(             , y)"),
            (r##"f(r#"a " b"#, y)"##, "f(           , y)"),
            ("f(b\"x\", br\"y\")", "f(b   ,      )"),
            ("'a' 'b 'static '\\'' '\u{e9}' x", "    'b 'static              x"),
            ("&'a str, '\"', \"x\"", "&'a str,    ,    "),
            ("for r in robots {}", "for r in robots {}"),
            ("\"ends", "     "),
        ];
        for (source, expected) in table {
            let masked = mask(source);
            assert_eq!(
                masked.split_whitespace().collect::<Vec<_>>(),
                expected.split_whitespace().collect::<Vec<_>>(),
                "{source}"
            );
            assert_eq!(masked.len(), source.len(), "{source}");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "let a = \"one\ntwo\";\n/* three\nfour */ code";
        assert_eq!(mask(source).lines().count(), 4);
        assert!(mask(source).ends_with(" code"));
    }
}
