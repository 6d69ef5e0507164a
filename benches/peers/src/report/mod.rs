//! What came out: as text, as Markdown, and against the bars it has to clear.

pub mod bars;
pub mod machine;
pub mod markdown;
pub mod text;

use crate::measure::{Time, Times};
use crate::rows::Subject;
use crate::threads::Throughput;
use machine::Machine;

/// The allocations of one decision.
#[derive(Clone, Debug)]
pub struct Allocations {
    /// Whose.
    pub name: String,
    /// How many.
    pub count: u64,
    /// How many bytes, all in all.
    pub bytes: u64,
}

/// How many bytes of text one more hop of a bound chain takes, on average over all depths.
#[derive(Clone, Copy, Debug)]
pub struct HopBytes {
    /// Hardtack's.
    pub ours: f64,
    /// tenuo's, with the same narrowing.
    pub tenuo: f64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// Batches a row.
    pub rounds: usize,
    /// Times by subject and depth.
    pub times: Times,
    /// The warm path on one thread and on two.
    pub throughput: Throughput,
    /// Allocations at depth 3.
    pub allocations: Vec<Allocations>,
    /// Bytes a hop.
    pub hop_bytes: HopBytes,
}

impl Report {
    /// The times of a subject at a depth; those of one that knows no depth, at any.
    pub fn time(&self, subject: Subject, depth: usize) -> Option<Time> {
        let depth = if subject.has_depth() { depth } else { 0 };
        self.times.get(&(subject, depth)).copied()
    }

    /// The median of a subject at a depth, in microseconds.
    pub fn median(&self, subject: Subject, depth: usize) -> f64 {
        self.time(subject, depth).map_or(f64::NAN, |time| time.median)
    }
}

/// A number of microseconds with about three digits.
pub fn micros(value: f64) -> String {
    match value {
        value if value.is_nan() => String::new(),
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A row's cells, one a depth; a row that knows no depth has one value, and a sign that it stays.
pub fn cells(
    report: &Report,
    subject: Subject,
    depths: &[usize],
    pick: fn(Time) -> f64,
) -> Vec<String> {
    let cell = |(at, depth): (usize, &usize)| match report.time(subject, *depth) {
        Some(_) if at > 0 && !subject.has_depth() => "same".to_owned(),
        Some(time) => micros(pick(time)),
        None => "–".to_owned(),
    };
    depths.iter().enumerate().map(cell).collect()
}
