//! From the text of a file to its directives' words: comments, continued lines and quotes.

/// One directive as written: its name and its arguments, quotes taken off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) line: u32,
    pub(crate) words: Vec<String>,
}

/// Cuts `text` into statements. A backslash at the end of a line joins the next one to it; a line that
/// begins with `#` is a comment and is never joined.
pub(crate) fn statements(text: &str) -> Result<Vec<Statement>, (u32, String)> {
    let mut found = Vec::new();
    let mut joined = String::new();
    let mut first_line = 1;
    for (index, raw) in text.split('\n').enumerate() {
        let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        if joined.is_empty() {
            first_line = line;
            if raw.trim_start().starts_with('#') {
                continue;
            }
        }
        if let Some(head) = raw.strip_suffix('\\') {
            // A blank keeps an empty continued line from looking like the start of a directive.
            joined.push_str(if head.is_empty() { " " } else { head });
            continue;
        }
        joined.push_str(raw);
        let words = words(&joined).map_err(|message| (first_line, message))?;
        if !words.is_empty() {
            found.push(Statement { line: first_line, words });
        }
        joined.clear();
    }
    let words = words(&joined).map_err(|message| (first_line, message))?;
    if !words.is_empty() {
        found.push(Statement { line: first_line, words });
    }
    Ok(found)
}

/// Splits one directive at blanks. A word in double or single quotes may hold blanks; within it a
/// backslash before that quote stands for the quote and every other backslash for itself, because
/// patterns are full of them.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let (word, after) = quoted(&rest[1..], first)?;
            words.push(word);
            rest = after.trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

/// The word up to the closing `quote`, and what follows it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut word = String::with_capacity(text.len());
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((word, &text[at + 1..]));
        }
        if c == '\\' {
            match chars.next() {
                Some((_, next)) if next == quote => word.push(next),
                Some((_, next)) => {
                    word.push('\\');
                    word.push(next);
                }
                None => word.push('\\'),
            }
        } else {
            word.push(c);
        }
    }
    Err(format!("the {quote} that opens this argument is never closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(u32, Vec<String>)> {
        statements(text).unwrap().into_iter().map(|s| (s.line, s.words)).collect()
    }

    #[test]
    fn joins_continued_lines_and_keeps_the_first_line_number() {
        let text = "# head\nSecRule ARGS \\\n  \"@rx a\" \\\n  \"id:1\"\nSecMarker X\n";
        let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            split(text),
            [(2, words(&["SecRule", "ARGS", "@rx a", "id:1"])), (5, words(&["SecMarker", "X"]))]
        );
    }

    #[test]
    fn a_backslash_hides_only_the_quote_it_stands_before() {
        assert_eq!(split(r#"SecRule A "a\"b\d\\" 'it\'s'"#)[0].1, ["SecRule", "A", r#"a"b\d\\"#, "it's"]);
    }

    #[test]
    fn an_open_quote_is_an_error_with_its_line() {
        assert_eq!(statements("\n\nSecRule \"A").unwrap_err().0, 3);
    }

    #[test]
    fn a_comment_never_swallows_the_line_after_it() {
        assert_eq!(split("#SecRule A \\\nSecMarker B").len(), 1);
    }
}
