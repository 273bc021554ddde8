//! How a rule tests what it looks at: `"!@within %{tx.allowed_methods}"`.

/// An operator as written; its name is looked up when the rule is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorText {
    /// The rule wants the test to fail.
    pub negated: bool,
    /// Lower case, without the `@`.
    pub name: String,
    /// What follows the name.
    pub argument: String,
}

/// Reads an operator. Without an `@` the whole text is a pattern for `@rx`.
pub fn parse_operator(text: &str) -> OperatorText {
    let (negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let Some(named) = rest.trim_start().strip_prefix('@') else {
        return OperatorText { negated, name: "rx".to_owned(), argument: rest.to_owned() };
    };
    let end = named.find(char::is_whitespace).unwrap_or(named.len());
    let argument = named[end..].strip_prefix(char::is_whitespace).unwrap_or("");
    OperatorText { negated, name: named[..end].to_lowercase(), argument: argument.trim_start().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let read = |text: &str| {
            let operator = parse_operator(text);
            (operator.negated, operator.name, operator.argument)
        };
        assert_eq!(read("@rx ^a b "), (false, "rx".into(), "^a b ".into()));
        assert_eq!(read("!@pmFromFile x.data"), (true, "pmfromfile".into(), "x.data".into()));
        assert_eq!(read("!^$"), (true, "rx".into(), "^$".into()));
        assert_eq!(read("@detectXSS"), (false, "detectxss".into(), String::new()));
    }
}
