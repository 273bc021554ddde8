//! Blanks, and the command line.

use super::is_space;

/// `compressWhitespace`: each run of blanks becomes one space.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    let mut blank = false;
    for &byte in input {
        if !is_space(byte) {
            out.push(byte);
        } else if !blank {
            out.push(b' ');
        }
        blank = is_space(byte);
    }
}

/// `removeWhitespace`, which counts the no-break space of Latin-1 among the blanks.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.iter().filter(|byte| !is_space(**byte) && **byte != 0xa0));
}

pub(super) fn trim(input: &[u8], left: bool, right: bool) -> &[u8] {
    let start = if left { input.iter().take_while(|byte| is_space(**byte)).count() } else { 0 };
    let rest = &input[start..];
    let blanks = if right { rest.iter().rev().take_while(|byte| is_space(**byte)).count() } else { 0 };
    &rest[..rest.len() - blanks]
}

/// `cmdLine`: what a shell would not notice goes (quotes, backslashes, carets, blanks before a slash or
/// a parenthesis), separators become one space, letters small.
pub(super) fn cmd_line(input: &[u8], out: &mut Vec<u8>) {
    let mut blank = false;
    for &byte in input {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !blank {
                    out.push(b' ');
                    blank = true;
                }
            }
            b'/' | b'(' => {
                if blank {
                    out.pop();
                }
                blank = false;
                out.push(byte);
            }
            _ => {
                blank = false;
                out.push(byte.to_ascii_lowercase());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::xform::{Xform, run};

    #[test]
    fn blanks() {
        assert_eq!(run(Xform::CompressWhitespace, b"a \t\n b\tc"), b"a b c");
        assert_eq!(run(Xform::RemoveWhitespace, b" a\xa0b "), b"ab");
        assert_eq!(run(Xform::Trim, b" \ta b\n"), b"a b");
        assert_eq!(run(Xform::TrimLeft, b" a "), b"a ");
        assert_eq!(run(Xform::TrimRight, b" a "), b" a");
        assert_eq!(run(Xform::Trim, b"   "), b"");
    }

    #[test]
    fn command_lines_lose_their_disguise() {
        assert_eq!(run(Xform::CmdLine, b"C^OMMAND /C DIR"), b"command/c dir");
        assert_eq!(run(Xform::CmdLine, b"\"cat\" ;;  /etc/pass''wd (x)"), b"cat/etc/passwd(x)");
    }
}
