//! A run as a section of a Markdown file.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{HopBytes, Report, bars, cells, machine};
use crate::measure::Time;
use crate::rows::Subject;
use crate::work::DEPTHS;

const BEGIN: &str = "<!-- benches/peers writes from here … -->\n";
const END: &str = "<!-- … to here -->\n";

/// Puts the run between the marks of a file, or makes it the file where there are none.
pub fn write(report: &Report, file: &Path) -> std::io::Result<()> {
    let old = fs::read_to_string(file).unwrap_or_default();
    let section = section(report);
    let marked = old.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}{section}{END}{after}"))
    });
    fs::write(file, marked.unwrap_or(section))
}

fn section(report: &Report) -> String {
    let rounds = report.rounds;
    let mut out = format!(
        "Microseconds a request, median of {rounds} batches taken in turns, in one run: {}; {}.\n\n",
        report.machine.line(),
        machine::versions(),
    );
    out += &table(report, |time| time.median);
    out += "\n| medians compared | measured | bar | |\n| --- | --- | --- | --- |\n";
    for bar in bars::bars(report) {
        let (ratio, bound) = (bar.ratio(), bar.bound());
        let _ = writeln!(out, "| {} | {ratio} | {bound} | {} |", bar.what, bar.verdict());
    }
    let million = |value: f64| value / 1e6;
    let (one, two) = (million(report.throughput.one), million(report.throughput.two));
    let _ = write!(
        out,
        "\nWarm decisions at depth 3: {one:.2} million a second on one thread, {two:.2} on two. \
         Allocations of one decision at depth 3: "
    );
    let each = report.allocations.iter().map(|one| format!("{} {}", one.name, one.count));
    let _ = writeln!(out, "{}.", each.collect::<Vec<_>>().join("; "));
    let HopBytes { ours, tenuo } = report.hop_bytes;
    let _ = writeln!(
        out,
        "\nText of one more hop of a bound chain, same narrowing: Hardtack {ours:.0} bytes, tenuo \
         {tenuo:.0}."
    );
    out += "\n<details><summary>Best batch instead of the median</summary>\n\n";
    out += &table(report, |time| time.best);
    out + "\n</details>\n"
}

fn table(report: &Report, pick: fn(Time) -> f64) -> String {
    let heads: Vec<String> = DEPTHS.iter().map(|depth| format!(" {depth} |")).collect();
    let mut out = format!("| hops | |{}\n| --- | --- |", heads.concat());
    out += &" --- |".repeat(DEPTHS.len());
    out.push('\n');
    for subject in Subject::ALL {
        let (who, what) = subject.label();
        let cells = cells(report, subject, &DEPTHS, pick).join(" | ");
        let _ = writeln!(out, "| {who} | {what} | {cells} |");
    }
    out
}
