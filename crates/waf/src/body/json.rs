//! JSON (RFC 8259), flattened: `{"a":[1,{"b":"x"}]}` is `json.a.array_0=1` and `json.a.array_1.b=x`.

use super::Pair;

/// How deep and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) depth: usize,
    pub(crate) arguments: usize,
}

/// The leaves, as far as the text is JSON, and what is wrong with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Json {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) error: Option<String>,
    /// It has more leaves than are allowed.
    pub(crate) over_limit: bool,
}

/// Reads the whole text. It is read once, left to right, without recursion.
pub(crate) fn parse(text: &[u8], limits: Limits) -> Json {
    let mut reader =
        Reader { text, at: 0, path: b"json".to_vec(), open: Vec::new(), pairs: Vec::new(), limits };
    let error = reader.run().err().map(|what| format!("JSON parsing error: {what} at byte {}", reader.at));
    let over_limit = error.is_some() && reader.pairs.len() >= limits.arguments;
    Json { pairs: reader.pairs, error, over_limit }
}

/// An object or array that is not closed yet.
struct Open {
    is_array: bool,
    /// Where the path of its members ends.
    path: usize,
    /// How many members it has had.
    members: usize,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    path: Vec<u8>,
    open: Vec<Open>,
    pairs: Vec<Pair>,
    limits: Limits,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), &'static str> {
        self.blanks();
        loop {
            if self.value()? {
                continue;
            }
            // A value has ended: close what ends with it, or go on to the next member.
            loop {
                self.blanks();
                let Some(open) = self.open.last() else {
                    return if self.at == self.text.len() { Ok(()) } else { Err("text after the value") };
                };
                let (is_array, path) = (open.is_array, open.path);
                self.path.truncate(path);
                match (self.next(), is_array) {
                    (Some(b','), _) => {
                        self.blanks();
                        self.member()?;
                        break;
                    }
                    (Some(b']'), true) | (Some(b'}'), false) => {
                        self.open.pop();
                    }
                    (None, _) => return Err("the text ends early"),
                    _ => return Err("neither a comma nor an end"),
                }
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads a leaf (then the value has ended: `false`) or opens an object or array (`true`: its first
    /// member's value comes next).
    fn value(&mut self) -> Result<bool, &'static str> {
        match self.text.get(self.at) {
            Some(b'{' | b'[') => self.container(),
            Some(b'"') => {
                let value = self.string()?;
                self.leaf(value).map(|()| false)
            }
            Some(b't') => self.word(b"true", b"true").map(|()| false),
            Some(b'f') => self.word(b"false", b"false").map(|()| false),
            Some(b'n') => self.word(b"null", b"").map(|()| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(_) => Err("no value begins like this"),
            None => Err("the text ends early"),
        }
    }

    fn container(&mut self) -> Result<bool, &'static str> {
        if self.open.len() >= self.limits.depth {
            return Err("depth limit exceeded");
        }
        let is_array = self.next() == Some(b'[');
        self.open.push(Open { is_array, path: self.path.len(), members: 0 });
        self.blanks();
        if self.text.get(self.at) == Some(if is_array { &b']' } else { &b'}' }) {
            self.at += 1;
            self.open.pop();
            return Ok(false);
        }
        self.member()?;
        Ok(true)
    }

    /// Puts the next member's name on the path.
    fn member(&mut self) -> Result<(), &'static str> {
        let open = self.open.last_mut().ok_or("no object is open")?;
        if open.is_array {
            self.path.extend_from_slice(format!(".array_{}", open.members).as_bytes());
            open.members += 1;
            return Ok(());
        }
        if self.text.get(self.at) != Some(&b'"') {
            return Err("a member has no name");
        }
        let name = self.string()?;
        self.path.push(b'.');
        self.path.extend_from_slice(&name);
        self.blanks();
        if self.next() != Some(b':') {
            return Err("a name without its colon");
        }
        self.blanks();
        Ok(())
    }

    fn leaf(&mut self, value: Vec<u8>) -> Result<(), &'static str> {
        if self.pairs.len() >= self.limits.arguments {
            return Err("more keys than SecArgumentsLimit allows");
        }
        self.pairs.push((self.path.clone(), value));
        Ok(())
    }

    fn word(&mut self, word: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if !self.text[self.at..].starts_with(word) {
            return Err("no value begins like this");
        }
        self.at += word.len();
        self.leaf(value.to_vec())
    }

    fn number(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        self.at += usize::from(self.text[self.at] == b'-');
        let leading_zero = self.text.get(self.at) == Some(&b'0');
        let digits = self.digits();
        if digits == 0 || leading_zero && digits > 1 {
            return Err("no number is written like this");
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err("no number is written like this");
            }
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err("no number is written like this");
            }
        }
        let value = self.text[start..self.at].to_vec();
        self.leaf(value)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<Vec<u8>, &'static str> {
        self.at += 1;
        let mut value = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let plain = plain.ok_or("a string is never closed")?;
            value.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Ok(value),
                b'\\' => self.escape(&mut value)?,
                _ => return Err("a control character in a string"),
            }
        }
    }

    fn escape(&mut self, value: &mut Vec<u8>) -> Result<(), &'static str> {
        let byte = match self.next().ok_or("a string is never closed")? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let code = self.code_point()?;
                value.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err("an escape nobody knows"),
        };
        value.push(byte);
        Ok(())
    }

    /// `\uD83D\uDE00` is one character; half of such a pair is the replacement character.
    fn code_point(&mut self) -> Result<char, &'static str> {
        let first = self.four_digits()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, &'static str> {
        let digits = self.text.get(self.at..self.at + 4).ok_or("a string is never closed")?;
        self.at += 4;
        digits.iter().try_fold(0, |code, digit| {
            char::from(*digit).to_digit(16).map(|digit| code << 4 | digit).ok_or("an escape nobody knows")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        parse(text.as_bytes(), Limits { depth: 4, arguments: 5 })
    }

    fn flat(text: &str) -> Vec<(String, String)> {
        let json = read(text);
        assert_eq!(json.error, None, "{text}");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        json.pairs.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn flattens() {
        let pairs = |list: &[(&str, &str)]| {
            list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(
            flat(r#" {"a":[1,{"b":"x"},[]],"c":{},"d":null , "e":true}"#),
            pairs(&[("json.a.array_0", "1"), ("json.a.array_1.b", "x"), ("json.d", ""), ("json.e", "true")])
        );
        assert_eq!(flat("-1.5e3"), pairs(&[("json", "-1.5e3")]));
        assert_eq!(flat(r#""\u0041\ud83d\ude00\n""#), pairs(&[("json", "A😀\n")]));
    }

    #[test]
    fn says_what_is_no_json_and_keeps_what_was() {
        for wrong in [
            "", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "01", "1.", "tru", "\"a", "\"\\q\"",
            "1 2", "\"\n\"", "]",
        ] {
            assert!(read(wrong).error.is_some(), "{wrong}");
        }
        assert_eq!(read("[1,x").pairs.len(), 1);
    }

    #[test]
    fn limits_hold() {
        assert!(read("[[[[1]]]]").error.is_none());
        assert!(read("[[[[[1]]]]]").error.unwrap().contains("depth"));
        assert!(read("[1,2,3,4,5,6]").error.unwrap().contains("SecArgumentsLimit"));
    }
}
