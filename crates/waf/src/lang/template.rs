//! Text with `%{VARIABLE.member}` in it, filled in when a rule runs.

use crate::Var;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Stands for itself.
    Text(Vec<u8>),
    /// The first value of a variable, or of a collection's member.
    Value(Var, Option<String>),
}

/// Text, cut at its `%{…}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// In order; neighbouring texts are one part.
    pub parts: Vec<Part>,
}

impl Template {
    /// Cuts `text`. A `%{` that names no variable we know is an error, one that is never closed is text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("%{") {
            let Some(length) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + length];
            if start > 0 {
                parts.push(Part::Text(rest.as_bytes()[..start].to_vec()));
            }
            parts.push(value(name)?);
            // `%{name}%` is another way to write it.
            rest = &rest[start + length + 1..];
            rest = rest.strip_prefix('%').filter(|after| !after.starts_with('{')).unwrap_or(rest);
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.as_bytes().to_vec()));
        }
        Ok(Self { parts })
    }

    /// The text when there is nothing to fill in.
    pub fn literal(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// `tx.score`, `TX:score` or `unique_id`.
fn value(name: &str) -> Result<Part, String> {
    let (variable, member) = match name.find(['.', ':']) {
        Some(at) => (&name[..at], Some(name[at + 1..].to_owned())),
        None => (name, None),
    };
    let var = Var::named(variable).ok_or_else(|| format!("%{{{name}}} names no variable we know"))?;
    if var.is_collection() || member.is_none() {
        return Ok(Part::Value(var, member));
    }
    Err(format!("%{{{name}}}: {} has no members", var.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_the_variables() {
        let cut = Template::parse("a %{TX.0}=%{unique_id}").unwrap();
        assert_eq!(
            cut.parts,
            [
                Part::Text(b"a ".to_vec()),
                Part::Value(Var::Tx, Some("0".to_owned())),
                Part::Text(b"=".to_vec()),
                Part::Value(Var::UniqueId, None)
            ]
        );
        assert_eq!(Template::parse("5%{").unwrap().literal(), Some(&b"5%{"[..]));
        assert!(Template::parse("%{nonsense}").is_err());
        assert_eq!(Template::parse("%{tx.a}% %{tx.a}%{tx.b}").unwrap().parts.len(), 4);
    }
}
