//! What a rule looks at: `REQUEST_HEADERS|!REQUEST_HEADERS:User-Agent|&ARGS:id|XML:/*`.

use crate::Var;

/// Which members of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// Every one (or the variable is no collection).
    All,
    /// The one of this name; names are compared without regard to case, here in lower case.
    Name(String),
    /// Those whose name this pattern matches, without regard to case.
    Pattern(String),
    /// An `XPath` expression, for XML alone.
    Path(String),
}

/// How a target takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Its values are looked at.
    Include,
    /// They are taken out of what the other targets select.
    Exclude,
    /// Their number is looked at.
    Count,
}

/// One target of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The variable.
    pub var: Var,
    /// Which of its members.
    pub selector: Selector,
    /// Looked at, counted or left out.
    pub mode: Mode,
}

/// Reads a rule's whole list of targets.
pub fn parse_targets(text: &str) -> Result<Vec<Target>, String> {
    let targets =
        split(text).into_iter().map(|one| parse_target(one.trim())).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() { Err("a rule needs a variable to look at".to_owned()) } else { Ok(targets) }
}

/// Cuts at `|`, except in a `/pattern/` selector or in quotes.
fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    let mut closing: Option<u8> = None;
    while at < bytes.len() {
        let byte = bytes[at];
        match closing {
            Some(b'/') if byte == b'\\' => at += 1,
            Some(close) if byte == close => closing = None,
            Some(_) => {}
            None if byte == b'\'' => closing = Some(b'\''),
            None if byte == b'/' && at > 0 && bytes[at - 1] == b':' && !is_xml(&text[start..at]) => {
                closing = Some(b'/');
            }
            None if byte == b'|' || byte == b',' && !is_xml(&text[start..at]) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            None => {}
        }
        at += 1;
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn is_xml(target: &str) -> bool {
    target.trim_start_matches([' ', '!', '&']).get(..4).is_some_and(|head| head.eq_ignore_ascii_case("XML:"))
}

/// Reads one target.
pub fn parse_target(text: &str) -> Result<Target, String> {
    let (mode, rest) = match text.as_bytes().first() {
        Some(b'!') => (Mode::Exclude, text[1..].trim_start()),
        Some(b'&') => (Mode::Count, text[1..].trim_start()),
        _ => (Mode::Include, text),
    };
    let (name, member) = match rest.find([':', '.']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let var = Var::named(name.trim()).ok_or_else(|| format!("`{name}` is no variable we know"))?;
    let selector = match member.map(unquote) {
        None => Selector::All,
        Some(_) if !var.is_collection() => return Err(format!("{} has no members", var.name())),
        Some("") => return Err(format!("`{text}` names no member")),
        Some(path) if var == Var::Xml => Selector::Path(path.to_owned()),
        Some(member) => match member.strip_prefix('/').and_then(|m| m.strip_suffix('/')) {
            Some(pattern) => Selector::Pattern(pattern.to_owned()),
            None => Selector::Name(member.to_lowercase()),
        },
    };
    Ok(Target { var, selector, mode })
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Var, Selector, Mode) {
        let target = parse_target(text).unwrap();
        (target.var, target.selector, target.mode)
    }

    #[test]
    fn reads_every_form() {
        assert_eq!(one("ARGS"), (Var::Args, Selector::All, Mode::Include));
        assert_eq!(one("!args:Foo"), (Var::Args, Selector::Name("foo".into()), Mode::Exclude));
        assert_eq!(one("&TX:/^a|b/"), (Var::Tx, Selector::Pattern("^a|b".into()), Mode::Count));
        assert_eq!(one("ARGS:'/a b/'"), (Var::Args, Selector::Pattern("a b".into()), Mode::Include));
        assert_eq!(one("XML://@*"), (Var::Xml, Selector::Path("//@*".into()), Mode::Include));
    }

    #[test]
    fn a_bar_in_a_pattern_does_not_cut() {
        assert_eq!(parse_targets("ARGS:/a|b/|XML:/*|XML://@*|REQUEST_URI").unwrap().len(), 4);
    }

    #[test]
    fn unknown_names_and_members_of_nothing_are_errors() {
        for wrong in ["NOPE", "REQUEST_URI:x", "ARGS:", ""] {
            assert!(parse_targets(wrong).is_err(), "{wrong}");
        }
    }
}
