//! Paths: `/a/./b/../c//d` is `/a/c/d`.

/// Takes out empty and self-referring parts and resolves those that lead back, as far as there is
/// something to lead back from. With `windows` a backslash separates as well.
pub(super) fn normalize(input: &[u8], windows: bool, out: &mut Vec<u8>) {
    let separates = |byte: &u8| *byte == b'/' || windows && *byte == b'\\';
    let absolute = input.first().is_some_and(separates);
    if absolute {
        out.push(b'/');
    }
    let floor = out.len();
    // Where each part that can still be taken back begins in `out`.
    let mut starts: Vec<usize> = Vec::new();
    for part in input.split(separates) {
        match part {
            b"" | b"." => {}
            b".." => match starts.pop() {
                Some(start) => out.truncate(start.saturating_sub(1).max(floor)),
                None if absolute => {}
                None => push_part(out, floor, b".."),
            },
            _ => {
                let separator = usize::from(out.len() > floor);
                starts.push(out.len() + separator);
                push_part(out, floor, part);
            }
        }
    }
    if input.last().is_some_and(separates) && out.len() > floor {
        out.push(b'/');
    }
}

fn push_part(out: &mut Vec<u8>, floor: usize, part: &[u8]) {
    if out.len() > floor {
        out.push(b'/');
    }
    out.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use crate::xform::{Xform, run};

    #[test]
    fn paths_lose_their_detours() {
        for (input, output) in [
            ("", ""),
            ("x", "x"),
            (".", ""),
            ("./..", ".."),
            ("../", "../"),
            ("../.", ".."),
            ("/", "/"),
            ("/..", "/"),
            ("/dir/foo//bar", "/dir/foo/bar"),
            ("dir/foo//bar/", "dir/foo/bar/"),
            ("dir/../foo", "foo"),
            ("dir/../../foo", "../foo"),
            ("dir/./.././../../foo/bar/./", "../../foo/bar/"),
            ("dir/./.././../../foo/bar/..", "../../foo"),
            ("dir/subdir/subsubdir/subsubsubdir/../../..", "dir"),
            ("/dir/./subdir/../subsubdir/../subsubsubdir/../", "/dir/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("a\\..\\b", "a\\..\\b"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&run(Xform::NormalizePath, input.as_bytes())),
                output,
                "{input}"
            );
        }
        assert_eq!(run(Xform::NormalizePathWin, b"a\\..\\b\\"), b"b/");
    }
}
