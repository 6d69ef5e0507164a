//! A run as text of at most a hundred columns.

use std::fmt::Write;

use super::{HopBytes, Report, bars, cells, machine};
use crate::measure::Time;
use crate::rows::Subject;
use crate::work::DEPTHS;

/// The whole run.
pub fn text(report: &Report) -> String {
    let rounds = report.rounds;
    let mut out = format!("{}\n{}\n", report.machine.line(), machine::versions());
    out += &format!("\nMicroseconds, median of {rounds} batches, by delegation hops\n");
    out += &table(report, |time| time.median);
    out += "\nThe same, best batch\n";
    out += &table(report, |time| time.best);
    out += &verdicts(report);
    let throughput = report.throughput;
    let thousands = |value: f64| format!("{:.0} k/s", value / 1000.0);
    let (one, two) = (thousands(throughput.one), thousands(throughput.two));
    let _ = writeln!(out, "\nWarm decisions, depth 3: {one} on one thread, {two} on two");
    let HopBytes { ours, tenuo } = report.hop_bytes;
    let _ =
        writeln!(out, "\nText of one more bound hop: Hardtack {ours:.0} bytes, tenuo {tenuo:.0}");
    out += "\nAllocations of one decision, depth 3\n";
    for one in &report.allocations {
        let _ = writeln!(out, "  {:<28}{:>6}  {:>8} bytes", one.name, one.count, one.bytes);
    }
    out
}

fn table(report: &Report, pick: fn(Time) -> f64) -> String {
    let mut out = format!("{:<45}", "");
    DEPTHS.iter().for_each(|depth| out += &format!("{depth:>9}"));
    out.push('\n');
    for subject in Subject::ALL {
        let (who, what) = subject.label();
        let _ = write!(out, "{who:<13}{what:<32}");
        cells(report, subject, &DEPTHS, pick).iter().for_each(|cell| out += &format!("{cell:>9}"));
        out.push('\n');
    }
    out
}

fn verdicts(report: &Report) -> String {
    let mut out = "\nMedians compared\n".to_owned();
    for bar in bars::bars(report) {
        let (ratio, bound) = (bar.ratio(), bar.bound());
        let _ = writeln!(out, "  {:<54}{ratio:>9}{bound:>10}  {}", bar.what, bar.verdict());
    }
    out
}
