//! The tables of what is known of other products: the importers look lines up here, and `coming_from` prints the same.

use crate::Verdict;
use crate::account::Account;

/// A directive or option of another product, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its words, as they begin a line or an option.
    pub(crate) words: &'static str,
    /// How the same is written here, for people; empty where there is nothing.
    pub(crate) ours: &'static str,
    /// What becomes of it at best; arguments of its own may make it worse.
    pub(crate) verdict: Verdict,
    /// How it differs, or why it is not needed or cannot be.
    pub(crate) how: &'static str,
}

/// It means the same here.
pub(crate) const fn exact(words: &'static str, ours: &'static str) -> Row {
    Row { words, ours, verdict: Verdict::Exact, how: "" }
}

/// It is carried over with a difference.
pub(crate) const fn changed(words: &'static str, ours: &'static str, how: &'static str) -> Row {
    Row { words, ours, verdict: Verdict::Changed, how }
}

/// Nothing is needed for it.
pub(crate) const fn not_needed(words: &'static str, how: &'static str) -> Row {
    Row { words, ours: "", verdict: Verdict::NotNeeded, how }
}

/// It has no counterpart.
pub(crate) const fn unsupported(words: &'static str, how: &'static str) -> Row {
    Row { words, ours: "", verdict: Verdict::Unsupported, how }
}

/// A table of rows about one kind of thing.
#[derive(Debug)]
pub(crate) struct Rows {
    /// What they are, as a heading.
    pub(crate) title: &'static str,
    /// Its word in the names of features.
    pub(crate) kind: &'static str,
    pub(crate) rows: &'static [Row],
}

impl Rows {
    /// The row with the most words that `words` begin with.
    pub(crate) fn find<T: AsRef<str>>(&self, words: &[T]) -> Option<&'static Row> {
        let fits = |row: &&Row| {
            let mut own = row.words.split(' ');
            let mut given = words.iter().map(AsRef::as_ref);
            own.all(|word| given.next() == Some(word))
        };
        self.rows.iter().filter(fits).max_by_key(|row| row.words.split(' ').count())
    }

    /// Looks a line up, marks it as its row says, and notes that it is used. A line of no row is unsupported.
    pub(crate) fn mark<T: AsRef<str>>(
        &self,
        words: &[T],
        line: u32,
        account: &mut Account,
    ) -> Option<&'static Row> {
        let Some(row) = self.find(words) else {
            let word = words.first().map_or("", AsRef::as_ref);
            account.unsupported(line, format!("`{word}` is not known here"));
            return None;
        };
        account.uses(self.feature(row));
        account.mark(line, row.verdict, row.how);
        Some(row)
    }

    /// The name of a row among the features.
    pub(crate) fn feature(&self, row: &Row) -> String {
        format!("{}: {}", self.kind, row.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Rows = Rows {
        title: "x",
        kind: "x",
        rows: &[exact("option tcplog", ""), exact("option", ""), not_needed("daemon", "why")],
    };

    #[test]
    fn the_row_with_the_most_words_is_found() {
        let find = |words: &[&str]| ROWS.find(words).map(|row| row.words);
        assert_eq!(find(&["option", "tcplog", "clf"]), Some("option tcplog"));
        assert_eq!(find(&["option", "other"]), Some("option"));
        assert_eq!(find(&["optional"]), None);
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn every_row_is_named_once_and_says_why() {
        for rows in crate::page::TABLES.iter().flat_map(|(_, tables)| tables.iter()) {
            for (index, row) in rows.rows.iter().enumerate() {
                let again = rows.rows.iter().skip(index + 1).any(|other| other.words == row.words);
                assert!(!again, "{}: {}", rows.title, row.words);
                assert_eq!(
                    row.verdict == Verdict::Exact,
                    row.how.is_empty(),
                    "{}: {}",
                    rows.title,
                    row.words
                );
                assert!(!row.how.ends_with('.'), "{}", row.words);
                let carried = matches!(row.verdict, Verdict::Exact | Verdict::Changed);
                assert_eq!(carried, !row.ours.is_empty(), "{}: {}", rows.title, row.words);
            }
        }
    }
}
