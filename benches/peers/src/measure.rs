//! Runs many small measurements in turns.
//!
//! Every row gets one batch in each round, of about a millisecond after a short warm-up, and the
//! rounds start at another row each time. What is reported of a row is the median over its batches
//! of the mean time of one operation, and the best batch.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::rows::Subject;

/// How long a batch should take.
const BATCH: Duration = Duration::from_millis(1);

/// The most operations a batch has.
const OPERATIONS_MAX: u32 = 100_000;

/// Does something so many times, and says how long that took.
pub type Run<'a> = Box<dyn FnMut(u32) -> Duration + 'a>;

/// One thing to measure.
pub struct Row<'a> {
    /// What.
    pub subject: Subject,
    /// On a token of which depth.
    pub depth: usize,
    /// The most operations that one batch can have.
    pub operations_max: u32,
    /// Does it.
    pub run: Run<'a>,
}

/// What came out for one row, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// The median over the batches.
    pub median: f64,
    /// The best batch.
    pub best: f64,
}

/// What came out, by subject and depth.
pub type Times = BTreeMap<(Subject, usize), Time>;

impl<'a> Row<'a> {
    /// A row that does the same again and again.
    pub fn repeated(subject: Subject, depth: usize, mut f: impl FnMut() -> bool + 'a) -> Self {
        let run = move |operations| timed(|| (0..operations).for_each(|_| check(&mut f)));
        Self { subject, depth, operations_max: OPERATIONS_MAX, run: Box::new(run) }
    }

    /// A row of which each batch, and each operation if so said, starts anew.
    pub fn custom(
        subject: Subject,
        depth: usize,
        operations_max: u32,
        run: impl FnMut(u32) -> Duration + 'a,
    ) -> Self {
        Self { subject, depth, operations_max, run: Box::new(run) }
    }
}

/// Does something that has to come out true.
pub fn check(mut f: impl FnMut() -> bool) {
    assert!(black_box(f()), "what is measured has failed");
}

/// How long something takes.
pub fn timed(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

/// Runs all rows for so many rounds.
pub fn run(mut rows: Vec<Row>, rounds: usize) -> Times {
    let sizes: Vec<u32> = rows.iter_mut().map(batch_size).collect();
    let mut samples = vec![Vec::with_capacity(rounds); rows.len()];
    for round in 0..rounds {
        for at in 0..rows.len() {
            let at = (at + round * 7) % rows.len();
            let (row, operations) = (&mut rows[at], sizes[at]);
            (row.run)(operations.div_ceil(8));
            let took = (row.run)(operations);
            samples[at].push(took.as_secs_f64() * 1e6 / f64::from(operations));
        }
    }
    let keys = rows.iter().map(|row| (row.subject, row.depth));
    keys.zip(samples).map(|(key, samples)| (key, summary(samples))).collect()
}

fn batch_size(row: &mut Row) -> u32 {
    (row.run)(4);
    let took = (0..3).map(|_| (row.run)(4)).min().unwrap_or_default() / 4;
    let operations = BATCH.as_nanos() / took.as_nanos().max(1);
    u32::try_from(operations).unwrap_or(u32::MAX).clamp(1, row.operations_max)
}

/// Median and best.
pub fn summary(mut samples: Vec<f64>) -> Time {
    samples.sort_by(f64::total_cmp);
    let at = |at: usize| samples.get(at).copied().unwrap_or(f64::NAN);
    Time { median: at(samples.len() / 2), best: at(0) }
}
