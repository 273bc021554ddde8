//! Comments of the source, and the lines that stay as comments, put where they belong in the result.

use crate::block::{Block, Draft};

/// A comment, or a line that was not carried over.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// Its text, without the sign that makes it a comment.
    pub(crate) text: String,
    /// The line of what it is about: the same line, or the next that holds something.
    pub(crate) about: u32,
}

impl Note {
    /// A comment on a line of its own or behind something.
    pub(crate) fn comment(text: &str, about: u32) -> Option<Self> {
        let text = text.trim().trim_start_matches(['#', ';']).trim_end_matches('#').trim();
        let text = text.strip_prefix("alctl:").map_or(text, str::trim);
        let ruler = text.chars().all(|c| !c.is_alphanumeric());
        (!ruler).then(|| Self { text: crate::account::shortened(text), about })
    }

    /// A line that stays behind.
    pub(crate) fn kept(line: u32, text: &str, why: &str) -> Self {
        let text = crate::account::shortened(text.trim());
        let text = if why.is_empty() {
            format!("NOT IMPORTED: {text}")
        } else {
            format!("NOT IMPORTED: {text} ({why})")
        };
        Self { text, about: line }
    }
}

/// Puts every note before what it is about: the entry that came from its line, else the next entry of the same part of
/// the source, else the head of that part's table, else the head of the file.
pub(crate) fn place(draft: &mut Draft, notes: Vec<Note>) {
    for note in notes {
        let holding: Vec<usize> = draft
            .blocks
            .iter()
            .enumerate()
            .filter(|(_, block)| block.line > 0 && (block.line..=block.end).contains(&note.about))
            .map(|(index, _)| index)
            .collect();
        let opened = draft.blocks.iter().position(|block| block.line > 0 && block.line == note.about);
        let exact = opened.or_else(|| draft.blocks.iter().position(|block| has_line(block, note.about)));
        let Some(at) = exact.or(holding.first().copied()) else {
            draft.head.push(note.text);
            continue;
        };
        let block = &mut draft.blocks[at];
        match spot(block, note.about) {
            Some(comments) => comments.push(note.text),
            None => block.comments.push(note.text),
        }
    }
}

fn has_line(block: &Block, line: u32) -> bool {
    block.keys.entries.iter().any(|entry| entry.line == line)
        || block.lists.iter().any(|(_, items)| items.iter().any(|item| item.line == line))
}

/// The comments of the entry that came from the line, or of the first that came from a later one.
fn spot(block: &mut Block, line: u32) -> Option<&mut Vec<String>> {
    if block.line == line {
        return None;
    }
    let entries = block.keys.entries.iter_mut().map(|entry| (entry.line, &mut entry.comments));
    let items = block
        .lists
        .iter_mut()
        .flat_map(|(_, items)| items.iter_mut().map(|item| (item.line, &mut item.comments)));
    let later = entries.chain(items).filter(|(own, _)| *own >= line);
    later.min_by_key(|(own, _)| *own).map(|(_, comments)| comments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Item, Table};

    #[test]
    fn notes_stand_before_what_they_are_about() {
        let mut draft = Draft::default();
        let mut block = Block::new(&["pool", "web"], 3, 9);
        block.keys.set(4, "balance", "first");
        block.list("servers").push(Item::new(7, Table::default().with("name", "a")));
        draft.blocks.push(block);
        let note = |text: &str, about| Note::comment(text, about).expect("it is a comment");
        let notes = [("# head", 1), ("## pool ##", 3), ("# key", 4), ("# lost", 5), ("# a", 7), ("# end", 9)];
        place(&mut draft, notes.iter().map(|(text, about)| note(text, *about)).collect());
        let text = crate::write::write(&draft);
        assert_eq!(
            text,
            "# head\n\n# pool\n# end\n[pool.web]\n# key\nbalance = \"first\"\nservers = [\n  # lost\n  # a\n  { name = \"a\" },\n]\n"
        );
    }

    #[test]
    fn rulers_are_no_comments() {
        assert!(Note::comment("# =======", 1).is_none() && Note::comment("########", 1).is_none());
    }
}
