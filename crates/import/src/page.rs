//! The page for those who come from another product, from the tables that the importers use.

use std::fmt::Write as _;

use crate::table::{Row, Rows};
use crate::{aloha, haproxy, squid};

/// Every table, by product.
pub(crate) const TABLES: &[(&str, &[&Rows])] =
    &[("HAProxy", haproxy::TABLES), ("HAProxy ALOHA", aloha::TABLES), ("Squid", squid::TABLES)];

const INTRODUCTION: &str = r#"# Coming from another product

This page is generated from the tables that `transom import` works by.

```
transom import haproxy.cfg -o transom.toml     # also an ALOHA's files, also squid.conf
transom run --haproxy haproxy.cfg              # import in memory, and serve; `check --haproxy` only looks
```

`transom import` gives an account of every line: `=` it means the same here; `~` it was carried over, and the account says
what is different; `-` it is not needed, and why; `!` it has no counterpart, and stands as a comment in the result. It
ends with 0 only where there is no `!`. Below the account it names what looks like a mistake: time limits that cut
ActiveSync, certificates that nobody verifies, expressions that match more than was meant.

What differs everywhere, and is not repeated below:

- **Paths** match on segment boundaries, in any letter case, decoded once and with dot segments resolved: `/owa` takes
  `/owa/x` and `/OWA`, but not `/owalike`, and `/owa/../ecp` is `/ecp`. A prefix test of others takes `/owalike` as well.
- **Host names** match in any letter case, and without the port.
- **The first route** that fits takes the request. Rules that only change something and go on to the next are written into
  each route that they reach.
- **Connections that authenticate** (NTLM, Negotiate) are never shared between clients, with no setting.
- Channels that stay open by design (RPC over HTTP, MAPI, ActiveSync, notifications) have limits of their own.
"#;

/// The page `docs/coming-from.md`.
pub fn coming_from() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (product, tables) in TABLES {
        let _ = writeln!(page, "\n## From {product}");
        for rows in *tables {
            table(&mut page, rows);
        }
    }
    page
}

fn table(page: &mut String, rows: &Rows) {
    let _ = writeln!(page, "\n### {}\n\n| there | | here | |\n|---|---|---|---|", rows.title);
    for row in rows.rows {
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {} | {} |",
            cell(row.words),
            row.verdict.sign(),
            ours(row),
            cell(row.how)
        );
    }
}

fn ours(row: &Row) -> String {
    let ours = cell(row.ours);
    if ours.is_empty() || ours.contains('`') { ours } else { format!("`{ours}`") }
}

/// A text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Every directive and option that is claimed to be carried over, as `Account::features` names them.
pub fn features() -> Vec<String> {
    let carried = |row: &&Row| !row.ours.is_empty();
    let tables = TABLES.iter().flat_map(|(_, tables)| tables.iter());
    tables.flat_map(|rows| rows.rows.iter().filter(carried).map(|row| rows.feature(row))).collect()
}
