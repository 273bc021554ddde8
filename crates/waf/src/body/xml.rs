//! XML, as far as rules look at it: all its text, all its attributes, and simple paths.
//!
//! Documents are read into a flat tree. No entity but the five predefined ones and character references
//! is ever resolved, and nothing outside the document is read.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements within elements: no further.
const DEPTH_MAX: usize = 512;
/// Nodes a document may have.
const NODES_MAX: usize = 200_000;

/// An element, with the range of the document's text that it encloses.
struct Element {
    name: Vec<u8>,
    parent: Option<usize>,
    text: (usize, usize),
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
    has_children: bool,
}

/// A document that was read to its end.
#[derive(Default)]
pub(crate) struct Document {
    elements: Vec<Element>,
    /// All text nodes, one after the other.
    text: Vec<u8>,
    /// Where each text node is, and whose it is.
    pieces: Vec<(usize, usize, usize)>,
}

/// Reads a document; the error is what REQBODY_ERROR_MSG will say.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, String> {
    read(bytes).map_err(|what| format!("XML parsing error: XML: Failed parsing document. {what}"))
}

fn read(bytes: &[u8]) -> Result<Document, String> {
    // What is not UTF-8 becomes replacement characters: text of another encoding still reaches the rules.
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_end_names = true;
    let mut document = Document::default();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                let element = document.open(&start, open.last().copied())?;
                open.push(element);
                if open.len() > DEPTH_MAX {
                    return Err("elements are nested too deeply".to_owned());
                }
            }
            Event::Empty(start) => {
                let element = document.open(&start, open.last().copied())?;
                document.close(element);
            }
            Event::End(_) => {
                let element = open.pop().ok_or("an end without its start")?;
                document.close(element);
            }
            Event::Text(text) => document.add_text(text.as_bytes(), open.last().copied())?,
            Event::CData(text) => document.add_text(text.as_bytes(), open.last().copied())?,
            Event::GeneralRef(name) => {
                let text = reference(name.as_bytes()).ok_or("an entity that is not defined")?;
                document.add_text(&text, open.last().copied())?;
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        if document.elements.len() + document.pieces.len() > NODES_MAX {
            return Err("more nodes than we read".to_owned());
        }
    }
    if !open.is_empty() {
        return Err("the document ends early".to_owned());
    }
    if document.elements.is_empty() { Err("no element".to_owned()) } else { Ok(document) }
}

/// What `&name;` stands for.
fn reference(name: &[u8]) -> Option<Vec<u8>> {
    Some(match name {
        b"lt" => b"<".to_vec(),
        b"gt" => b">".to_vec(),
        b"amp" => b"&".to_vec(),
        b"quot" => b"\"".to_vec(),
        b"apos" => b"'".to_vec(),
        _ => {
            let number = std::str::from_utf8(name.strip_prefix(b"#")?).ok()?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?.to_string().into_bytes()
        }
    })
}

/// An attribute's value with its references resolved; what cannot be stays as it is.
fn resolve(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(start) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(&rest[..start]);
        let end = memchr::memchr(b';', &rest[start..]).map(|end| start + end);
        match end.and_then(|end| Some((end, reference(&rest[start + 1..end])?))) {
            Some((end, text)) => {
                out.extend_from_slice(&text);
                rest = &rest[end + 1..];
            }
            None => {
                out.push(b'&');
                rest = &rest[start + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

impl Document {
    fn open(&mut self, start: &BytesStart<'_>, parent: Option<usize>) -> Result<usize, String> {
        if parent.is_none() && !self.elements.is_empty() {
            return Err("a second root element".to_owned());
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            attributes
                .push((attribute.key.as_ref().as_bytes().to_vec(), resolve(attribute.value.as_bytes())));
        }
        if let Some(parent) = parent {
            self.elements[parent].has_children = true;
        }
        let text = (self.text.len(), self.text.len());
        let name = start.name().as_ref().as_bytes().to_vec();
        self.elements.push(Element { name, parent, text, attributes, has_children: false });
        Ok(self.elements.len() - 1)
    }

    fn close(&mut self, element: usize) {
        self.elements[element].text.1 = self.text.len();
    }

    fn add_text(&mut self, text: &[u8], owner: Option<usize>) -> Result<(), String> {
        match owner {
            Some(owner) => {
                let start = self.text.len();
                self.text.extend_from_slice(text);
                self.pieces.push((start, self.text.len(), owner));
                Ok(())
            }
            None if text.iter().all(u8::is_ascii_whitespace) || text == b"\xef\xbb\xbf" => Ok(()),
            None => Err("text outside the root element".to_owned()),
        }
    }

    /// What a path selects, in the document's order.
    pub(crate) fn select(&self, path: &Path, namespaces: &[(String, String)]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for (index, element) in self.elements.iter().enumerate() {
            if !self.is_at(index, &path.steps, namespaces) {
                continue;
            }
            match &path.end {
                End::Element => found.push(self.text[element.text.0..element.text.1].to_vec()),
                End::Text => found.extend(self.texts(index)),
                End::Attribute(name) => {
                    let wanted = element.attributes.iter().filter(|(own, _)| {
                        name.as_ref().map_or(!own.starts_with(b"xmlns"), |name| own == name.as_bytes())
                    });
                    found.extend(wanted.map(|(_, value)| value.clone()));
                }
            }
        }
        found
    }

    /// The leaves as arguments: `xml.a.b=text`, as `SecParseXmlIntoArgs` wants them.
    pub(crate) fn leaves(&self) -> Vec<super::Pair> {
        let leaves = self.elements.iter().enumerate().filter(|(_, element)| !element.has_children);
        let pair = |(index, element): (usize, &Element)| {
            let mut names = Vec::new();
            let mut at = Some(index);
            while let Some(element) = at.map(|at| &self.elements[at]) {
                names.push(element.name.as_slice());
                at = element.parent;
            }
            names.push(b"xml");
            names.reverse();
            (names.join(&b'.'), self.text[element.text.0..element.text.1].to_vec())
        };
        leaves.map(pair).collect()
    }

    fn texts(&self, owner: usize) -> Vec<Vec<u8>> {
        let own = self.pieces.iter().filter(|piece| piece.2 == owner);
        own.map(|(start, end, _)| self.text[*start..*end].to_vec()).collect()
    }

    /// Whether the steps lead to this element: they are matched from the last one upwards, and a step
    /// that may skip levels tries every ancestor. Paths are short, so this is bounded by depth × steps.
    fn is_at(&self, element: usize, steps: &[Step], namespaces: &[(String, String)]) -> bool {
        let Some((last, before)) = steps.split_last() else { return false };
        if !self.is_named(element, &last.name, namespaces) {
            return false;
        }
        if last.has_text && !self.pieces.iter().any(|piece| piece.2 == element) {
            return false;
        }
        let mut above = self.elements[element].parent;
        if before.is_empty() {
            return last.skips || above.is_none();
        }
        loop {
            let Some(ancestor) = above else { return false };
            if self.is_at(ancestor, before, namespaces) {
                return true;
            }
            if !last.skips {
                return false;
            }
            above = self.elements[ancestor].parent;
        }
    }

    fn is_named(&self, element: usize, wanted: &str, namespaces: &[(String, String)]) -> bool {
        if wanted == "*" {
            return true;
        }
        let own = self.elements[element].name.as_slice();
        let Some((prefix, local)) = wanted.split_once(':') else { return own == wanted.as_bytes() };
        let Some((_, uri)) = namespaces.iter().find(|(known, _)| known == prefix) else { return false };
        let (own_prefix, own_local) = match memchr::memchr(b':', own) {
            Some(at) => (&own[..at], &own[at + 1..]),
            None => (&b""[..], own),
        };
        own_local == local.as_bytes() && self.namespace(element, own_prefix) == Some(uri.as_bytes())
    }

    /// The namespace a prefix is bound to where this element stands.
    fn namespace(&self, element: usize, prefix: &[u8]) -> Option<&[u8]> {
        let declaration = if prefix.is_empty() { b"xmlns".to_vec() } else { [b"xmlns:", prefix].concat() };
        let mut at = Some(element);
        while let Some(index) = at {
            let declared = self.elements[index].attributes.iter().find(|(name, _)| *name == declaration);
            if let Some((_, uri)) = declared {
                return Some(uri);
            }
            at = self.elements[index].parent;
        }
        None
    }
}

/// A path of the part of `XPath` that rules use: `/*`, `//@*`, `//name/text()`, `/a:b/c/@d`, `/a/b[text()]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    steps: Vec<Step>,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Came after `//`: any number of levels may lie before it.
    skips: bool,
    name: String,
    /// Ends in `[text()]`.
    has_text: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Element,
    Text,
    Attribute(Option<String>),
}

impl Path {
    /// Reads a path; one that asks for more than we do is an error.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is more XPath than this engine knows");
        let mut steps: Vec<Step> = Vec::new();
        let mut rest = text.strip_suffix('/').unwrap_or(text);
        while !rest.is_empty() {
            let after = rest.strip_prefix('/').ok_or_else(wrong)?;
            let (skips, after) = after.strip_prefix('/').map_or((false, after), |after| (true, after));
            let end = after.find('/').unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            rest = tail;
            let any = || Step { skips: true, name: "*".to_owned(), has_text: false };
            if name == "text()" || name.starts_with('@') {
                if skips {
                    steps.push(any());
                }
                if !rest.is_empty() || steps.is_empty() {
                    return Err(wrong());
                }
                let end = match name.strip_prefix('@') {
                    None => End::Text,
                    Some("*") => End::Attribute(None),
                    Some(name) => End::Attribute(Some(name.to_owned())),
                };
                return Ok(Self { steps, end });
            }
            let (name, has_text) = name.strip_suffix("[text()]").map_or((name, false), |name| (name, true));
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
            if name != "*" && (name.is_empty() || !name.chars().all(plain)) {
                return Err(wrong());
            }
            steps.push(Step { skips, name: name.to_owned(), has_text });
        }
        if steps.is_empty() { Err(wrong()) } else { Ok(Self { steps, end: End::Element }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(document: &str, path: &str) -> Vec<String> {
        let found = parse(document.as_bytes())
            .unwrap()
            .select(&Path::parse(path).unwrap(), &[("s".to_owned(), "urn:s".to_owned())]);
        found.into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
    }

    const SHOP: &str = "<?xml version='1.0'?><shop a='1&amp;'><book id=\"2\"><price>3</price></book>\
        <book><price>4&lt;</price><![CDATA[x]]></book></shop>";

    #[test]
    fn paths_select() {
        for (path, values) in [
            ("/*", &["34<x"][..]),
            ("//@*", &["1&", "2"]),
            ("/shop/book/price", &["3", "4<"]),
            ("//price/text()", &["3", "4", "<"]),
            ("/shop/@a", &["1&"]),
            ("/book", &[]),
            ("//book/@id", &["2"]),
            ("/shop/book/price[text()]", &["3", "4<"]),
        ] {
            assert_eq!(select(SHOP, path), values, "{path}");
        }
    }

    #[test]
    fn names_may_have_namespaces() {
        let document = "<a:x xmlns:a='urn:s'><y xmlns='urn:t'>1</y><a:y>2</a:y></a:x>";
        assert_eq!(select(document, "/s:x/s:y"), ["2"]);
    }

    #[test]
    fn broken_documents_and_unknown_paths_are_errors() {
        for wrong in ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a>&x;</a>", "<a b='1' b='2'/>"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        for wrong in ["", "a", "/a[1]", "//", "/@*", "count(/a)"] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn leaves_become_arguments() {
        let leaves = parse(b"<a><b>1</b><c/></a>").unwrap().leaves();
        assert_eq!(leaves, [(b"xml.a.b".to_vec(), b"1".to_vec()), (b"xml.a.c".to_vec(), Vec::new())]);
    }
}
