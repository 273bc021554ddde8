//! What must not be read in a log: passwords, tokens, cookies. And values kept short.

use crate::Var;
use crate::report::{Match, MatchedVar};

/// Characters of a value that a record keeps.
pub(crate) const VALUE_CHARS_MAX: usize = 200;

/// What stands for a secret.
const MASK: &str = "***";

/// Headers whose values log somebody in.
const HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-rps-cat",
    "x-commonaccesstoken",
];

/// Parts of the names of arguments that hold secrets.
const NAMES: &[&str] = &[
    "passw",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "credential",
    "cardnumber",
    "card_number",
    "cvv",
    "cvc",
    "x-rps-cat",
];

/// Whether a header's value is a secret.
pub(crate) fn is_secret_header(name: &str) -> bool {
    HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether an argument of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "pass" || name.ends_with(".pass") || NAMES.iter().any(|part| name.contains(part))
}

fn is_secret(var: Var, name: &str) -> bool {
    match var {
        Var::RequestHeaders | Var::ResponseHeaders => is_secret_header(name),
        Var::RequestCookies => true,
        Var::Args | Var::ArgsGet | Var::ArgsPost => is_secret_name(name),
        _ => false,
    }
}

/// `name=value` pairs of a query, a form or a URI with the values of secret names masked.
pub(crate) fn pairs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(['?', '&', ';', ' ', '\n']) {
        let end = piece.trim_end_matches(['?', '&', ';', ' ', '\n', '\r']).len();
        let (pair, separator) = piece.split_at(end);
        match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret_name(name) => {
                out.extend([name, "=", MASK, separator]);
            }
            _ => out.push_str(piece),
        }
    }
    out
}

/// At most `chars` characters, and how many were left out.
pub(crate) fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{} ({} characters omitted)", &text[..at], text[at..].chars().count()),
        None => text.to_owned(),
    }
}

/// A record of a match as it may be kept and shown.
pub(crate) fn clean(found: &mut Match) {
    let secret = found.matched.iter().any(|matched| is_secret(matched.var, &matched.name));
    if secret {
        // What was captured may be any part of the secret.
        for text in [&mut found.data, &mut found.msg] {
            for matched in found.matched.iter().filter(|matched| is_secret(matched.var, &matched.name)) {
                if !matched.value.is_empty() {
                    *text = text.replace(&matched.value, MASK);
                }
            }
        }
        if !found.data.is_empty() {
            MASK.clone_into(&mut found.data);
        }
    }
    found.data = shorten(&pairs(&found.data), VALUE_CHARS_MAX);
    found.msg = shorten(&found.msg, VALUE_CHARS_MAX);
    found.matched.iter_mut().for_each(clean_value);
}

fn clean_value(matched: &mut MatchedVar) {
    matched.name = shorten(&matched.name, VALUE_CHARS_MAX);
    matched.value = if is_secret(matched.var, &matched.name) {
        format!("{MASK} ({} characters)", matched.value.chars().count())
    } else {
        shorten(&pairs(&matched.value), VALUE_CHARS_MAX)
    };
}

#[cfg(test)]
mod tests {
    use super::{is_secret, pairs, shorten};
    use crate::Var;

    #[test]
    fn secrets_in_pairs_are_masked() {
        for (text, masked) in [
            ("/login?user=a&password=b&x=1", "/login?user=a&password=***&x=1"),
            ("user=a", "user=a"),
            ("POST /a?access_token=xyz HTTP/1.1", "POST /a?access_token=*** HTTP/1.1"),
            ("passwords are secrets", "passwords are secrets"),
            ("pwd=", "pwd="),
        ] {
            assert_eq!(pairs(text), masked);
        }
    }

    #[test]
    fn what_is_a_secret() {
        for (var, name, is) in [
            (Var::RequestCookies, "theme", true),
            (Var::RequestHeaders, "Authorization", true),
            (Var::RequestHeaders, "User-Agent", false),
            (Var::Args, "json.user.password", true),
            (Var::Args, "pass", true),
            (Var::Args, "passenger", false),
            (Var::ArgsNames, "password", false),
        ] {
            assert_eq!(is_secret(var, name), is, "{name}");
        }
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shorten("abcdef", 4), "abcd (2 characters omitted)");
        assert_eq!(shorten("äöü", 3), "äöü");
    }
}
