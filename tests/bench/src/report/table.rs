//! Cells → a Markdown table, and numbers → cells.

/// A table whose columns are as wide as their widest cell: it reads well as plain text too.
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&'static str; N]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.head.len(), "a row of another table");
        self.rows.push(cells.to_vec());
    }

    pub(crate) fn markdown(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = self.rows.iter().chain([&head]).filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
            })
            .collect();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let mut text = String::new();
        for row in [&head, &rule].into_iter().chain(&self.rows) {
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(&format!("| {cell:<width$} "));
            }
            text.push_str("|\n");
        }
        text
    }
}

/// `1,234,567`.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 { format!("-{text}") } else { text }
}

/// `12.3`, and a dash for what could not be measured.
pub(crate) fn tenths(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.1}"))
}

/// Of 1,000,000 bytes each, as the goals are set.
pub(crate) fn megabytes(bytes: f64) -> f64 {
    bytes / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["name", "µs"]);
        table.row(["exactly-once".to_owned(), "4.5".to_owned()]);

        let expected = "| name         | µs  |\n\
                        | ------------ | --- |\n\
                        | exactly-once | 4.5 |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    fn thousands_are_set_apart() {
        let numbers = [0.0, 999.4, 1_000.0, 1_234_567.0, -1_234.0, -0.2];
        assert_eq!(numbers.map(whole), ["0", "999", "1,000", "1,234,567", "-1,234", "0"]);
        assert_eq!((tenths(Some(1.25)), tenths(None)), ("1.2".to_owned(), "–".to_owned()));
    }
}
