//! Bounds on the regular expressions of a token.

use std::collections::BTreeSet;
use std::sync::Arc;

use biscuit_auth::builder::{Binary, Op, Term};

use super::shape::{Result, complex};
use crate::model::{Block, limits, regex_classes};

/// What the regular expressions of a token come to so far.
#[derive(Default)]
struct Seen<'a> {
    texts: BTreeSet<&'a str>,
    classes: usize,
}

/// Bounds the regular expressions of the whole token: how many, how long, and how many
/// classes. One that is not a constant would have to be compiled for every value it meets.
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
    let is_new = seen.texts.insert(text);
    if text.len() > limits::REGEX_BYTES_MAX || seen.texts.len() > limits::TOKEN_REGEXES_MAX {
        return complex(index, "has too many regular expressions, or one that is too long");
    }
    if !is_new {
        return Ok(());
    }
    seen.classes += regex_classes(text);
    if seen.classes > limits::TOKEN_REGEX_CLASSES_MAX {
        return complex(index, "has regular expressions with too many classes");
    }
    // Compiled by the engine, once the token is genuine: a stranger must not make a verifier work.
    Ok(())
}
