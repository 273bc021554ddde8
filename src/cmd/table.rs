//! Tables for people: columns as wide as their longest cell, numbers to the right.

/// Rows under a heading.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column names.
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|name| (*name).to_owned()).collect()] }
    }

    /// Adds a row; as many cells as the heading has.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(Some(cells.len()), self.rows.first().map(Vec::len));
        self.rows.push(cells.into_iter().map(|cell| shown(&cell)).collect());
    }

    /// The table as text, without a newline at its end.
    pub(crate) fn text(&self) -> String {
        let columns: Vec<Column> =
            (0..self.rows.first().map_or(0, Vec::len)).map(|index| Column::of(&self.rows, index)).collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<String> =
                row.iter().zip(&columns).map(|(cell, column)| column.pad(cell)).collect();
            cells.join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// How one column is set.
struct Column {
    width: usize,
    /// Every cell below the heading is a number or empty.
    numbers: bool,
}

impl Column {
    fn of(rows: &[Vec<String>], index: usize) -> Self {
        let cells = || rows.iter().filter_map(|row| row.get(index));
        let number = |cell: &String| cell == "-" || cell.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            width: cells().map(|cell| cell.chars().count()).max().unwrap_or(0),
            numbers: cells().skip(1).all(number) && cells().skip(1).any(|cell| cell != "-"),
        }
    }

    fn pad(&self, cell: &str) -> String {
        let width = self.width;
        if self.numbers { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    }
}

/// An empty cell is a dash, so that columns can be counted; control characters never reach the terminal.
fn shown(cell: &str) -> String {
    if cell.is_empty() {
        return "-".to_owned();
    }
    cell.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Table::new(&["server", "connections", "zone"]);
        table.row(vec!["ex1".into(), "7".into(), String::new()]);
        table.row(vec!["exchange02".into(), "1200".into(), "b".into()]);
        table.row(vec!["x\u{1b}[0m".into(), String::new(), "b".into()]);
        let expected = "\
server      connections  zone
ex1                   7  -
exchange02         1200  b
x\u{fffd}[0m                 -  b";
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn a_table_without_rows_is_its_heading() {
        assert_eq!(Table::new(&["pool", "server"]).text(), "pool  server");
    }
}
