//! Looking for keys that are not there, as nearly every look-up is, and for some that are.

use std::hint::black_box;
use std::time::Instant;

use hardtack::feed::Table;
use hardtack::model::Key16;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::origin::key;
use super::{Report, median};

const SIZES: [usize; 4] = [1000, 100_000, 1_000_000, 10_000_000];
/// Keys that are looked for, more than any cache holds in its first level.
const ASKED: usize = 1 << 18;
const ROUNDS: usize = 9;

/// A table as a follower makes it, entry by entry.
fn table(keys: usize, rng: &mut StdRng) -> Table {
    let mut table = Table::with_room(0);
    for _ in 0..keys {
        let key = key(rng);
        while !table.insert(&key, 1) {
            table = table.grown(table.len() * 2 / 5 + 16, 0);
        }
    }
    table
}

/// Nanoseconds a look-up, where each begins when the one before has ended.
fn one_by_one(table: &Table, keys: &[Key16]) -> f64 {
    let round = || {
        let started = Instant::now();
        let mut found = 0;
        for at in 0..keys.len() {
            // The next key depends on the answer.
            let key = keys.get((at + found) % keys.len()).unwrap_or(&Key16([0; 16]));
            found += usize::from(table.contains(black_box(key)));
        }
        black_box(found);
        started.elapsed().as_secs_f64() * 1e9 / keys.len() as f64
    };
    median((0..ROUNDS).map(|_| round()).collect())
}

pub(super) fn measure(report: &mut Report) {
    let mut rng = StdRng::seed_from_u64(3);
    let absent: Vec<Key16> = (0..ASKED).map(|_| key(&mut rng)).collect();
    for size in SIZES {
        let table = table(size, &mut rng);
        let mut present: Vec<Key16> = table.iter().map(|(key, _)| key).collect();
        present.shuffle(&mut rng);
        let present: Vec<Key16> = present.into_iter().cycle().take(ASKED).collect();
        let (miss, hit) = (one_by_one(&table, &absent), one_by_one(&table, &present));
        let bar = if size == 1_000_000 { "≤ 100 ns, flat" } else { "" };
        report.row(
            format!("look-up among {size}: not there; there"),
            format!("{miss:.0} ns; {hit:.0} ns"),
            bar,
        );
        let each = table.bytes() as f64 / size as f64;
        if size == 1_000_000 {
            report.row("memory of an entry", format!("{each:.1} bytes"), "≤ 40 bytes");
            report.figures.bytes_an_entry = each;
        }
    }
}
