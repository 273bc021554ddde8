//! The nearest spelling of a word that was not understood.

/// Words longer than this get no suggestion: nobody mistypes those, and comparing costs their product.
const WORD_CHARS_MAX: usize = 64;

/// Letters from which on a word that a candidate begins with is taken for its short form.
const PREFIX_CHARS_MIN: usize = 4;

/// The candidate that looks most like `word`, if one looks like it at all: at most a third of its letters differ, or it
/// is the longer form of the word.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().replace('_', "-").chars().take(WORD_CHARS_MAX + 1).collect();
    if word.is_empty() || word.len() > WORD_CHARS_MAX {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            if longer_form(&word, candidate) {
                return Some((1, candidate));
            }
            let letters: Vec<char> = candidate.to_lowercase().chars().take(WORD_CHARS_MAX + 1).collect();
            let allowed = (word.len().max(letters.len()) / 3).max(1);
            if letters.len() > WORD_CHARS_MAX || word.len().abs_diff(letters.len()) > allowed {
                return None;
            }
            let distance = distance(&word, &letters);
            (distance <= allowed && distance < letters.len()).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether `candidate` is `word` and more, as `least-connections` is of `leastconn`; hyphens do not count.
fn longer_form(word: &[char], candidate: &str) -> bool {
    let mut letters = candidate.chars().filter(|c| *c != '-');
    let mut word = word.iter().filter(|c| **c != '-').peekable();
    word.peek().is_some()
        && word.clone().count() >= PREFIX_CHARS_MIN
        && word.all(|c| letters.next() == Some(*c))
}

/// Letters to insert, remove, change or swap with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_was_probably_meant() {
        let keys = ["bind", "mode", "pool", "routes", "inspect-timeout", "accept-proxy"];
        for (written, meant) in [
            ("polo", Some("pool")),
            ("Bind", Some("bind")),
            ("inspect_timeout", Some("inspect-timeout")),
            ("inspecttimeout", Some("inspect-timeout")),
            ("accept-prxoy", Some("accept-proxy")),
            ("route", Some("routes")),
            ("certificate", None),
            ("x", None),
            ("inspect", Some("inspect-timeout")),
            ("acceptproxy", Some("accept-proxy")),
            ("", None),
            (&"pool".repeat(100), None),
        ] {
            assert_eq!(nearest(written, keys), meant, "{written}");
        }
    }
}
