//! Comments of C, SQL and HTML.

/// `removeComments`: what stands in `/* */` or `<!-- -->` goes, and so does everything after `--` or `#`.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) {
    let (mut at, mut inside) = (0, false);
    while at < input.len() {
        let rest = &input[at..];
        if inside {
            match rest {
                [b'*', b'/', ..] => (inside, at) = (false, at + 2),
                [b'-', b'-', b'>', ..] => (inside, at) = (false, at + 3),
                _ => at += 1,
            }
            continue;
        }
        match rest {
            [b'/', b'*', ..] => (inside, at) = (true, at + 2),
            [b'<', b'!', b'-', b'-', ..] => (inside, at) = (true, at + 4),
            [b'-', b'-', ..] | [b'#', ..] => return,
            _ => {
                out.push(input[at]);
                at += 1;
            }
        }
    }
    if inside {
        out.push(b' ');
    }
}

/// `removeCommentsChar`: the marks themselves go, what they enclose stays.
pub(super) fn remove_marks(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        at += match &input[at..] {
            [b'<', b'!', b'-', b'-', ..] => 4,
            [b'-', b'-', b'>', ..] => 3,
            [b'/', b'*', ..] | [b'*', b'/', ..] | [b'-', b'-', ..] => 2,
            [b'#', ..] => 1,
            _ => {
                out.push(input[at]);
                1
            }
        };
    }
}

/// `replaceComments`: each `/* */` becomes one blank; one that is never closed swallows the rest.
pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    while let Some(start) = memchr::memmem::find(rest, b"/*") {
        out.extend_from_slice(&rest[..start]);
        out.push(b' ');
        rest = match memchr::memmem::find(&rest[start + 2..], b"*/") {
            Some(end) => &rest[start + 2 + end + 2..],
            None => b"",
        };
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use crate::xform::{Xform, run};

    #[test]
    fn comments_become_blanks_or_nothing() {
        for (input, replaced, removed, marks) in [
            ("a/*b*/c", "a c", "ac", "abc"),
            ("a/*b", "a ", "a ", "ab"),
            ("a*/b", "a*/b", "a*/b", "ab"),
            ("/**/1/**/", " 1 ", "1", "1"),
            ("a<!-- b -->c", "a<!-- b -->c", "ac", "a b c"),
            ("a--b", "a--b", "a", "ab"),
            ("a#b", "a#b", "a", "ab"),
        ] {
            assert_eq!(run(Xform::ReplaceComments, input.as_bytes()), replaced.as_bytes(), "{input}");
            assert_eq!(run(Xform::RemoveComments, input.as_bytes()), removed.as_bytes(), "{input}");
            assert_eq!(run(Xform::RemoveCommentsChar, input.as_bytes()), marks.as_bytes(), "{input}");
        }
    }
}
