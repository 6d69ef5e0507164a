//! Throughput of the warm path on one thread and on two, of the best round each: whatever else a
//! machine does takes away from two threads more than from one.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::measure::{check, summary};
use crate::ours::{Gateway, Issuer};

/// Tokens that take turns, all of them known to the one gateway that the threads share.
const TOKENS: usize = 32;

/// Their depth.
const DEPTH: usize = 3;

/// What each thread does in one round: some milliseconds.
const OPERATIONS: usize = 2048;

/// Bytes that are hashed to see what the machine gives two threads that share nothing.
const HASHED: [u8; 4096] = [7; 4096];

/// Decisions a second.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// On one thread.
    pub one: f64,
    /// On two, each with tokens of its own.
    pub two: f64,
    /// On two that use the same tokens.
    pub two_shared: f64,
    /// What two threads that share nothing do, as a multiple of what one does.
    pub machine: f64,
}

/// Measures all in turns, so many times.
pub fn measure(issuer: &mut Issuer, rounds: usize) -> Throughput {
    let gateway = issuer.gateway();
    let texts: Vec<String> = (0..TOKENS).map(|_| issuer.token(DEPTH).to_text()).collect();
    texts.iter().for_each(|text| check(|| gateway.decide(text)));
    let (own, other) = texts.split_at(TOKENS / 2);
    let sets = [vec![own], vec![own, other], vec![own, own]];
    let hash = |_: usize, _: usize| {
        black_box(Sha256::digest(black_box(HASHED)));
    };
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        for (sets, times) in sets.iter().zip(&mut times) {
            times
                .push(seconds(sets.len(), |thread, at| decide(&gateway, sets[thread], thread, at)));
        }
        times[3].push(seconds(1, hash));
        times[4].push(seconds(2, hash));
    }
    let [one, two, two_shared, hash_one, hash_two] =
        times.map(|times| OPERATIONS as f64 / summary(times).best);
    let (two, two_shared) = (2.0 * two, 2.0 * two_shared);
    Throughput { one, two, two_shared, machine: 2.0 * hash_two / hash_one }
}

/// The threads begin with different tokens.
fn decide(gateway: &Gateway, texts: &[String], thread: usize, at: usize) {
    let text = &texts[(at + thread * texts.len() / 2) % texts.len()];
    check(|| gateway.decide(text));
}

/// From the moment that all threads are ready until the last is done.
fn seconds(threads: usize, operation: impl Fn(usize, usize) + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let work = |thread: usize| {
        barrier.wait();
        let start = Instant::now();
        (0..OPERATIONS).for_each(|at| operation(thread, at));
        (start, Instant::now())
    };
    let spans: Vec<_> = thread::scope(|scope| {
        let work = &work;
        let spawned: Vec<_> = (0..threads).map(|at| scope.spawn(move || work(at))).collect();
        spawned.into_iter().map(|thread| thread.join().expect("thread")).collect()
    });
    let start = spans.iter().map(|(start, _)| *start).min();
    let end = spans.iter().map(|(_, end)| *end).max();
    start.zip(end).map_or(f64::NAN, |(start, end)| end.duration_since(start).as_secs_f64())
}
