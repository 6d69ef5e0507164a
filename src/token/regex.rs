//! Bounds on the regular expressions of a token.

use std::collections::BTreeSet;
use std::sync::Arc;

use biscuit_auth::builder::{Binary, Op, Term};

use super::shape::{Result, complex};
use crate::model::{Block, RegexWork, limits};

/// What the regular expressions of a token come to so far.
#[derive(Default)]
struct Seen<'a> {
    texts: BTreeSet<&'a str>,
    work: RegexWork,
}

/// Bounds the regular expressions of the whole token: how many, and what reading them costs. One
/// that is not a constant would have to be compiled for every value it meets.
pub(super) fn bounded(blocks: &[Arc<Block>]) -> Result<()> {
    let mut seen = Seen::default();
    for (index, block) in blocks.iter().enumerate() {
        let queries = block.checks.iter().flat_map(|check| &check.queries);
        for rule in block.rules.iter().chain(queries) {
            for expression in &rule.expressions {
                bounded_in(index, &expression.ops, &mut seen)?;
            }
        }
    }
    Ok(())
}

fn bounded_in<'a>(index: usize, ops: &'a [Op], seen: &mut Seen<'a>) -> Result<()> {
    let mut previous: Option<&Op> = None;
    for op in ops {
        match (op, previous) {
            (Op::Closure(_, body), _) => bounded_in(index, body, seen)?,
            (Op::Binary(Binary::Regex), Some(Op::Value(Term::Str(text)))) => {
                bounded_one(index, text, seen)?;
            }
            (Op::Binary(Binary::Regex), _) => {
                return complex(index, "matches against a regular expression that is not constant");
            }
            _ => {}
        }
        previous = Some(op);
    }
    Ok(())
}

fn bounded_one<'a>(index: usize, text: &'a str, seen: &mut Seen<'a>) -> Result<()> {
    if !seen.texts.insert(text) {
        return Ok(());
    }
    let count = seen.texts.len();
    if count > limits::TOKEN_REGEXES_MAX || seen.work.take_reading(text).is_err() {
        return complex(index, "has too many regular expressions, or too long ones");
    }
    // Compiled by the engine, once the token is genuine: a stranger must not make a verifier work.
    Ok(())
}
