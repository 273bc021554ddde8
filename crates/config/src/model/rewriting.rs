//! What is searched and replaced, and conditions on servers.

use super::Kind::{Integer, Name, Regex, Template, Text};
use super::{Key, Kind, Table};

/// An entry of `replace-request-headers` and `replace-response-headers`
pub(crate) static REPLACE_HEADER: Table = Table {
    doc: "A header in whose values something is looked for; what is found first is replaced, the rest stays.",
    keys: &[
        Key::required("name", Kind::Header, "\"Location\"", "Its name, in any letter case."),
        Key::required(
            "regex",
            Regex,
            "\"^http:\"",
            "What is looked for, in this very letter case unless it says `(?i)`.",
        ),
        Key::required(
            "with",
            Template,
            "\"https:\"",
            "What comes in its place; `$1` and `${name}` are groups of the expression, `$$` is `$`, and places are filled \
             in as in `set-request-headers`.",
        ),
    ],
};

/// `replace-host`
pub(crate) static REPLACE_HOST: Table = Table {
    doc: "The host that was asked for, in which something is looked for and replaced. What comes out must be a host; else \
          the answer is 400.",
    keys: &[
        Key::required("regex", Regex, "'(?i)^blog\\.'", "What is looked for."),
        Key::required("with", Text, "\"www.\"", "What comes in its place; `$1` and `${name}` are groups."),
    ],
};

/// `replace-uri`
pub(crate) static REPLACE_URI: Table = Table {
    doc: "Path and query are searched, as they came, and what is found is replaced.",
    keys: &[
        Key::required("regex", Regex, "\"^/r/(.*)\"", "What is looked for."),
        Key::required("with", Text, "\"/s/$1\"", "What comes in its place; `$1` and `${name}` are groups."),
    ],
};

/// An entry of `servers-up`
pub(crate) static SERVERS_UP: Table = Table {
    doc: "How many servers of a pool take clients now: they are up, not drained and have a weight. One of `below` and \
          `at-least` is given.",
    keys: &[
        Key::required("pool", Name, "\"exchange\"", "The pool."),
        Key::optional("server", Name, "\"ex1\"", "all of them", "One server of it alone."),
        Key::optional(
            "below",
            Integer { min: 1, max: 100_000 },
            "1",
            "`at-least` is given",
            "Fewer than so many.",
        ),
        Key::optional(
            "at-least",
            Integer { min: 1, max: 100_000 },
            "2",
            "`below` is given",
            "So many or more.",
        ),
    ],
};
