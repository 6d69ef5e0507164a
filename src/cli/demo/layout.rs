//! Columns, wrapping and colours.

/// Columns of the terminal that everything fits.
pub(super) const WIDTH: usize = 100;

/// The columns' widths, and whether text stands to their right.
const COLUMNS: [(usize, bool); 6] =
    [(3, true), (20, false), (12, false), (7, false), (42, false), (6, true)];

/// How text looks on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Bold,
    Dim,
    Green,
    Red,
    Yellow,
}

impl Ink {
    /// The text in this look.
    pub(super) fn on(self, text: &str) -> String {
        let code = match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The lines of one row: each cell's paragraphs, wrapped to its column.
pub(super) fn table_row(cells: [Vec<&str>; 6]) -> Vec<String> {
    let cells: Vec<((usize, bool), Vec<String>)> = COLUMNS
        .into_iter()
        .zip(cells)
        .map(|(column, paragraphs)| {
            let lines = paragraphs.iter().flat_map(|text| wrapped(text, column.0)).collect();
            (column, lines)
        })
        .collect();
    let height = cells.iter().map(|(_, lines)| lines.len()).max().unwrap_or_default();
    let line = |i: usize| {
        let cells: Vec<String> = cells
            .iter()
            .map(|((width, to_right), lines)| {
                let text = lines.get(i).map(String::as_str).unwrap_or_default();
                if *to_right { format!("{text:>width$}") } else { format!("{text:<width$}") }
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// The text in lines of at most so many characters, broken at spaces; a longer word is cut.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        let room = width.saturating_sub(line.chars().count() + 1);
        if !line.is_empty() && word.len() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_are_cut() {
        for (text, lines) in [
            ("", vec![]),
            ("one", vec!["one"]),
            ("one two", vec!["one two"]),
            ("one two three", vec!["one two", "three"]),
            ("a 123456789 b", vec!["a", "1234567", "89 b"]),
            ("µµµ µµµ µ", vec!["µµµ µµµ", "µ"]),
        ] {
            assert_eq!(wrapped(text, 7), lines, "{text}");
        }
    }

    #[test]
    fn a_row_fits_the_terminal() {
        let long = "word ".repeat(40);
        let rows = table_row([&long, &long, &long, &long, &long, &long].map(|cell| vec![&**cell]));
        assert!(rows.iter().all(|line| line.chars().count() <= WIDTH));
        let total: usize = COLUMNS.iter().map(|(width, _)| width + 2).sum();
        assert_eq!(total - 2, WIDTH);
    }
}
