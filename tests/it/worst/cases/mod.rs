//! Attacks written by hand, each the dearest of its kind.

mod arguments;
mod explanations;
mod mixtures;
mod programs;
mod regexes;

use super::measure::Attack;

/// An attack with its name, and the code of the answer.
pub(crate) type Case = (&'static str, &'static str, Attack);

pub(super) fn repeat(count: usize, separator: &str, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(separator)
}

pub(super) fn numbers(count: usize) -> String {
    format!("{{{}}}", repeat(count, ", ", |n| n.to_string()))
}

pub(super) fn texts(count: usize, length: usize) -> String {
    format!("{{{}}}", repeat(count, ", ", |n| format!("\"{}{n:03}\"", "x".repeat(length))))
}

pub(super) fn one(block: impl Into<String>, args: impl Into<String>) -> Attack {
    Attack { blocks: vec![block.into()], args: args.into() }
}

pub(super) fn wide(leaves: usize, value: &str) -> String {
    format!("{{{}}}", repeat(leaves, ",", |n| format!("\"k{n:04}\":{value}")))
}

pub(super) fn list(leaves: usize, value: impl Fn(usize) -> String) -> String {
    format!("{{\"a\":[{}]}}", repeat(leaves, ",", value))
}

/// Every attack, by kind, and then the mixtures.
pub(crate) fn cases() -> Vec<Case> {
    let parts = [
        programs::cases(),
        regexes::cases(),
        arguments::cases(),
        explanations::cases(),
        mixtures::cases(),
    ];
    parts.into_iter().flatten().collect()
}
