//! Throughput of the warm path on one thread and on two.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::measure::{check, summary};
use crate::ours::{Gateway, Issuer};

/// Tokens that take turns, all of them known to the one gateway that the threads share.
const TOKENS: usize = 32;

/// Their depth.
const DEPTH: usize = 3;

/// Decisions that each thread makes in one round.
const DECISIONS: usize = 8192;

/// Decisions a second.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// On one thread.
    pub one: f64,
    /// On two, each with tokens of its own.
    pub two: f64,
    /// On two that use the same tokens.
    pub two_shared: f64,
}

/// Measures both in turns; the median of so many rounds.
pub fn measure(issuer: &mut Issuer, rounds: usize) -> Throughput {
    let gateway = issuer.gateway();
    let texts: Vec<String> = (0..TOKENS).map(|_| issuer.token(DEPTH).to_text()).collect();
    texts.iter().for_each(|text| check(|| gateway.decide(text)));
    let (own, other) = texts.split_at(TOKENS / 2);
    let (mut one, mut two, mut two_shared) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        one.push(seconds(&gateway, &[own]));
        two.push(seconds(&gateway, &[own, other]));
        two_shared.push(seconds(&gateway, &[own, own]));
    }
    let per_second =
        |threads: usize, seconds| (threads * DECISIONS) as f64 / summary(seconds).median;
    Throughput {
        one: per_second(1, one),
        two: per_second(2, two),
        two_shared: per_second(2, two_shared),
    }
}

/// A thread for each set of tokens, from the moment that all are ready until the last is done.
fn seconds(gateway: &Gateway, sets: &[&[String]]) -> f64 {
    let barrier = Barrier::new(sets.len());
    let work = |texts: &[String], skipped: usize| {
        barrier.wait();
        let start = Instant::now();
        let texts = texts.iter().cycle().skip(skipped);
        texts.take(DECISIONS).for_each(|text| check(|| gateway.decide(text)));
        (start, Instant::now())
    };
    let spans: Vec<_> = thread::scope(|scope| {
        let work = &work;
        let mut spawned = Vec::new();
        for (at, set) in sets.iter().copied().enumerate() {
            spawned.push(scope.spawn(move || work(set, at * set.len() / 2)));
        }
        spawned.into_iter().map(|thread| thread.join().expect("thread")).collect()
    });
    let start = spans.iter().map(|(start, _)| *start).min();
    let end = spans.iter().map(|(_, end)| *end).max();
    start.zip(end).map_or(f64::NAN, |(start, end)| end.duration_since(start).as_secs_f64())
}
