//! From PCRE's spelling of a pattern to that of `regex-syntax`.
//!
//! Rule sets are written for PCRE with "dot matches all" and "multi-line". Most patterns mean the same
//! in both; what differs is respelled here. What the linear-time engine cannot do at all (look-around,
//! back-references, possessive and atomic groups) is only recognised.

/// A pattern in our spelling.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Respelled {
    pub(crate) pattern: String,
    /// Needs the backtracking engine.
    pub(crate) backtracks: bool,
}

/// Respells `pattern`. Whatever is not valid comes out as it went in, for the compiler to complain of.
pub(crate) fn respell(pattern: &str) -> Respelled {
    let mut speller = Speller { rest: pattern, out: String::with_capacity(pattern.len()), backtracks: false };
    speller.run();
    Respelled { pattern: speller.out, backtracks: speller.backtracks }
}

struct Speller<'p> {
    rest: &'p str,
    out: String,
    backtracks: bool,
}

impl Speller<'_> {
    fn run(&mut self) {
        // Whether what was just written can be repeated, so that `+` after it is a quantifier.
        let mut quantified = false;
        while let Some(c) = self.rest.chars().next() {
            let was_quantified = std::mem::take(&mut quantified);
            match c {
                '\\' => self.escape(false),
                '[' => self.class(),
                '(' => self.group(),
                '*' | '+' | '?' => {
                    self.take(1);
                    if c == '+' && was_quantified {
                        self.backtracks = true;
                    }
                    self.out.push(c);
                    quantified = !was_quantified;
                }
                '{' => quantified = self.brace(),
                _ => self.plain(c),
            }
        }
    }

    /// Values are bytes, not characters: what is beyond ASCII is its UTF-8 bytes, in a class each by itself.
    fn plain(&mut self, c: char) {
        if c.is_ascii() {
            self.out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                self.byte(byte);
            }
        }
        self.take(c.len_utf8());
    }

    fn take(&mut self, count: usize) -> &str {
        let (head, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        head
    }

    /// `{2}`, `{2,}`, `{2,3}` are quantifiers; any other brace stands for itself.
    fn brace(&mut self) -> bool {
        let inside = self.rest[1..].find('}').map(|end| &self.rest[1..=end]);
        let counts = inside.is_some_and(|text| {
            let (low, high) = text.split_once(',').unwrap_or((text, ""));
            !low.is_empty() && low.bytes().chain(high.bytes()).all(|byte| byte.is_ascii_digit())
        });
        if counts {
            let length = inside.map_or(0, str::len) + 2;
            let text = self.take(length).to_owned();
            self.out.push_str(&text);
        } else {
            self.take(1);
            self.out.push_str("\\{");
        }
        counts
    }

    fn group(&mut self) {
        for mark in ["(?=", "(?!", "(?<=", "(?<!", "(?>", "(?(", "(?R", "(?&", "(?P=", "(?P>", "(*"] {
            self.backtracks |= self.rest.starts_with(mark);
        }
        if let Some(comment) = self.rest.strip_prefix("(?#") {
            self.rest = comment.split_once(')').map_or("", |(_, rest)| rest);
            return;
        }
        self.take(1);
        self.out.push('(');
    }

    /// An escape, within a class or outside.
    fn escape(&mut self, in_class: bool) {
        let Some(letter) = self.rest[1..].chars().next() else {
            self.take(1);
            self.out.push_str("\\\\");
            return;
        };
        self.take(1 + letter.len_utf8());
        match letter {
            'x' => self.hexadecimal(),
            'e' => self.byte(0x1b),
            '0' => self.octal(),
            '1'..='9' if in_class => self.octal_from(letter),
            '1'..='9' | 'k' | 'g' => {
                self.backtracks = true;
                self.out.extend(['\\', letter]);
            }
            'h' if in_class => self.out.push_str(r"\t\x20\xA0"),
            'h' => self.out.push_str(r"[\t\x20\xA0]"),
            'v' if in_class => self.out.push_str(r"\n\x0B\x0C\r\x85"),
            'v' => self.out.push_str(r"[\n\x0B\x0C\r\x85]"),
            'R' => self.out.push_str(r"(?:\r\n|[\n\x0B\x0C\r\x85])"),
            'Z' => self.out.push_str(r"(?:\n?\z)"),
            'b' if in_class => self.byte(8),
            'Q' => {
                let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                self.out.push_str(&regex_syntax::escape(literal));
            }
            'a' | 'f' | 'n' | 'r' | 't' | 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'b' | 'B' | 'A' | 'z' | 'p'
            | 'P' => {
                self.out.extend(['\\', letter]);
            }
            // Any other character stands for itself; `\<` would be a word boundary if left alone.
            _ if letter.is_ascii() => self.byte(letter as u8),
            _ => self.out.push(letter),
        }
    }

    fn byte(&mut self, byte: u8) {
        self.out.push_str(&format!("\\x{byte:02X}"));
    }

    /// `\x4`, `\x41` or `\x{41}`; `\x` alone is a zero.
    fn hexadecimal(&mut self) {
        if let Some((digits, rest)) = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
            && let Ok(code) = u32::from_str_radix(digits, 16)
        {
            self.rest = rest;
            match u8::try_from(code) {
                Ok(byte) => self.byte(byte),
                Err(_) => self.out.push_str(&format!("\\x{{{code:X}}}")),
            }
            return;
        }
        let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_hexdigit).count();
        let byte = u8::from_str_radix(self.take(digits), 16).unwrap_or(0);
        self.byte(byte);
    }

    fn octal(&mut self) {
        let digits = self.rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        let byte = u8::from_str_radix(self.take(digits), 8).unwrap_or(0);
        self.byte(byte);
    }

    fn octal_from(&mut self, first: char) {
        let digits = self.rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        let text = format!("{first}{}", self.take(digits));
        self.byte(u32::from_str_radix(&text, 8).unwrap_or(0) as u8);
    }

    /// A class. `[`, `&&`, `--` and `~~` are set operations in our spelling and plain characters in PCRE.
    fn class(&mut self) {
        self.take(1);
        self.out.push('[');
        if self.rest.starts_with('^') {
            self.take(1);
            self.out.push('^');
        }
        if self.rest.starts_with(']') {
            self.take(1);
            self.out.push_str("\\]");
        }
        while let Some(c) = self.rest.chars().next() {
            match c {
                ']' => {
                    self.take(1);
                    self.out.push(']');
                    return;
                }
                '\\' => self.escape(true),
                '[' if self.rest.starts_with("[:") && self.rest.contains(":]") => {
                    let end = self.rest.find(":]").map_or(0, |at| at + 2);
                    let name = self.take(end).to_owned();
                    self.out.push_str(&name);
                }
                '-' => self.dash(),
                '[' | '&' | '~' => {
                    self.take(1);
                    self.out.extend(['\\', c]);
                }
                _ => self.plain(c),
            }
        }
    }

    /// A dash makes a range between two characters; after a class such as `\w`, or at the end, it is one
    /// itself.
    fn dash(&mut self) {
        self.take(1);
        let after_class =
            ["\\w", "\\d", "\\s", "\\W", "\\D", "\\S", ":]", "^"].iter().any(|end| self.out.ends_with(end));
        let first = self.out.ends_with('[') && !self.out.ends_with("\\[");
        let before_class =
            ["\\w", "\\d", "\\s", "\\W", "\\D", "\\S", "[:", "]"].iter().any(|s| self.rest.starts_with(s));
        if after_class || first || before_class {
            self.out.push_str("\\-");
        } else {
            self.out.push('-');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn respells_what_differs() {
        for (theirs, ours) in [
            (r"\x{bc}\x3\x41", r"\xBC\x03\x41"),
            (r"[\w-.]+", r"[\w\-.]+"),
            (r"[a-z&&[~-]", r"[a-z\&\&\[\~\-]"),
            (r"\<\/\'\_", r"\x3C\x2F\x27\x5F"),
            (r"[^]a]", r"[^\]a]"),
            (r"a{,3}{x}", r"a\{,3}\{x}"),
            (r"[[:alpha:]-]", r"[[:alpha:]\-]"),
            (r"\h\v", r"[\t\x20\xA0][\n\x0B\x0C\r\x85]"),
            (r"\Qa.b\E.", r"a\.b."),
            (r"a(?#note)b", "ab"),
            ("[´]é", r"[\xC2\xB4]\xC3\xA9"),
        ] {
            assert_eq!(respell(theirs).pattern, ours, "{theirs}");
            assert!(!respell(theirs).backtracks, "{theirs}");
        }
    }

    #[test]
    fn knows_what_needs_backtracking() {
        for pattern in ["a(?=b)", "(?<!a)b", r"(a)\1", "a++", "a*+", "a{2}+", "(?>a)"] {
            assert!(respell(pattern).backtracks, "{pattern}");
        }
        for pattern in ["a+?", "a+b", r"\++", "[+]+", "a?b+", r"\(?="] {
            assert!(!respell(pattern).backtracks, "{pattern}");
        }
    }
}
