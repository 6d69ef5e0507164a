//! What it costs that revocations arrive: look-ups, a first sync, the time from a revocation to the
//! last gateway's refusal, what a gateway costs its authority, and what follows for very many.
//!
//! ```sh
//! cargo bench --bench feed            # everything, some three minutes
//! cargo bench --bench feed -- deny    # one part: lookups, decisions, cold, sizes, deny, load
//! ```

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a bench measures with the clock, prints, and cannot go on where something is missing"
)]

mod cold;
mod decisions;
mod deny;
mod load;
mod lookups;
mod origin;
mod paper;

/// One line of the table.
struct Row {
    what: String,
    measured: String,
    bar: &'static str,
}

/// The table, and the figures that others are worked out from.
#[derive(Default)]
struct Report {
    rows: Vec<Row>,
    figures: paper::Figures,
}

impl Report {
    fn row(&mut self, what: impl Into<String>, measured: impl Into<String>, bar: &'static str) {
        let row = Row { what: what.into(), measured: measured.into(), bar };
        eprintln!("{}: {}", row.what, row.measured);
        self.rows.push(row);
    }

    fn print(&self) {
        println!("| measure | bar | measured |\n| --- | --- | --- |");
        for Row { what, measured, bar } in &self.rows {
            println!("| {what} | {bar} | {measured} |");
        }
    }
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let is_wanted = |part: &str| wanted.as_deref().is_none_or(|wanted| part.contains(wanted));
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let mut report = Report::default();
    if is_wanted("lookups") {
        lookups::measure(&mut report);
    }
    if is_wanted("decisions") {
        decisions::measure(&mut report);
    }
    if is_wanted("sizes") {
        origin::sizes(&mut report);
    }
    if is_wanted("cold") {
        runtime.block_on(cold::measure(&mut report));
    }
    if is_wanted("deny") {
        runtime.block_on(deny::measure(&mut report));
    }
    if is_wanted("load") {
        runtime.block_on(load::measure(&mut report));
    }
    report.print();
    report.figures.print();
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The value below which so many hundredths lie.
fn percentile(values: &[f64], hundredths: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = (values.len() * hundredths / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}
