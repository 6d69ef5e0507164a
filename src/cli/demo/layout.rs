//! The columns of the table.

use crate::cli::text::wrapped;

/// Columns of the terminal that everything fits.
pub(super) const WIDTH: usize = 100;

/// The columns' widths, and whether text stands to their right.
const COLUMNS: [(usize, bool); 6] =
    [(3, true), (20, false), (12, false), (7, false), (42, false), (6, true)];

/// The lines of one row: each cell's paragraphs, wrapped to its column.
pub(super) fn table_row(cells: [Vec<&str>; 6]) -> Vec<String> {
    let cells: Vec<((usize, bool), Vec<String>)> = COLUMNS
        .into_iter()
        .zip(cells)
        .map(|(column, paragraphs)| {
            let paragraphs = paragraphs.iter().filter(|text| !text.is_empty());
            let lines = paragraphs.flat_map(|text| wrapped(text, column.0)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fits_the_terminal() {
        let long = "word ".repeat(40);
        let rows = table_row([&long, &long, &long, &long, &long, &long].map(|cell| vec![&**cell]));
        assert!(rows.iter().all(|line| line.chars().count() <= WIDTH));
        let total: usize = COLUMNS.iter().map(|(width, _)| width + 2).sum();
        assert_eq!(total - 2, WIDTH);
    }
}
