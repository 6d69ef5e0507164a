//! Bounds on the shape of a block, so that evaluating it is cheap whoever wrote it.

use std::collections::BTreeSet;

use biscuit_auth::builder::{
    Binary, Check, CheckKind, Expression, Op, Predicate, Rule, Scope, Term, Unary,
};

use super::TokenError;
use crate::model::{Block, Code, limits};

pub(super) type Result<T> = std::result::Result<T, TokenError>;

pub(super) fn complex<T>(index: usize, what: impl std::fmt::Display) -> Result<T> {
    Err(TokenError::new(Code::TokenTooComplex, format!("block {index} {what}")))
}

pub(super) fn malformed<T>(index: usize, what: impl std::fmt::Display) -> Result<T> {
    Err(TokenError::malformed(format!("block {index} {what}")))
}

/// Checks one block against every structural limit.
pub(crate) fn bounded(index: usize, block: &Block) -> Result<()> {
    for fact in &block.facts {
        predicate(index, &fact.predicate)?;
        if fact.predicate.terms.iter().any(|term| matches!(term, Term::Variable(_))) {
            return malformed(index, "states a fact with a variable");
        }
    }
    for rule in &block.rules {
        predicate(index, &rule.head)?;
        query(index, rule)?;
        head_is_bound(index, rule)?;
    }
    block.checks.iter().try_for_each(|check| bounded_check(index, check))?;
    scopes(index, &block.scopes)
}

fn bounded_check(index: usize, check: &Check) -> Result<()> {
    let (count, max) = (check.queries.len(), limits::CHECK_QUERIES_MAX);
    if count == 0 {
        return malformed(index, "has a check without a query");
    }
    if count > max {
        return complex(index, format!("has a check of {count} queries, where {max} fit"));
    }
    // The reference library rejects only where all alternatives match, the specification where any
    // does: no token may mean both.
    if check.kind == CheckKind::Reject && count > 1 {
        return complex(index, "has `reject if` with `or`, which verifiers read differently");
    }
    check.queries.iter().try_for_each(|rule| query(index, rule))
}

/// Bounds a query or a rule's body.
fn query(index: usize, rule: &Rule) -> Result<()> {
    let (count, max) = (rule.body.len(), limits::QUERY_PREDICATES_MAX);
    if count > max {
        return complex(index, format!("has a query of {count} predicates, where {max} fit"));
    }
    let keyed = |predicate: &&Predicate| {
        predicate.terms.iter().any(|term| !matches!(term, Term::Variable(_)))
    };
    let (open, max) = (count - rule.body.iter().filter(keyed).count(), limits::QUERY_UNKEYED_MAX);
    if open > max {
        let what = format!("joins {open} predicates that name no constant, where {max} fit");
        return complex(index, what);
    }
    rule.body.iter().try_for_each(|body| predicate(index, body))?;
    let mut operations = 0;
    for expression in &rule.expressions {
        operations += expression_operations(index, expression)?;
    }
    let max = limits::QUERY_OPERATIONS_MAX;
    if operations > max {
        return complex(index, format!("has a query of {operations} operations, where {max} fit"));
    }
    variables_are_bound(index, rule)?;
    scopes(index, &rule.scopes)
}

fn scopes(index: usize, scopes: &[Scope]) -> Result<()> {
    if scopes.len() > limits::BLOCKS_MAX {
        return complex(index, "trusts more keys than a token has blocks");
    }
    Ok(())
}

fn predicate(index: usize, predicate: &Predicate) -> Result<()> {
    if predicate.terms.len() > limits::QUERY_PREDICATES_MAX {
        return complex(index, "has a predicate with too many terms");
    }
    predicate.terms.iter().try_for_each(|term| bounded_term(index, term, 0))
}

fn bounded_term(index: usize, term: &Term, depth: usize) -> Result<()> {
    if depth > limits::NESTING_MAX {
        return complex(index, "nests collections too deeply");
    }
    let within = |len: usize| {
        if len > limits::COLLECTION_MAX {
            return complex(index, "has a collection with too many elements");
        }
        Ok(())
    };
    let element = |term: &Term| match term {
        Term::Variable(_) => malformed(index, "has a variable inside a collection"),
        term => bounded_term(index, term, depth + 1),
    };
    match term {
        Term::Set(set) => within(set.len()).and_then(|()| set.iter().try_for_each(element)),
        Term::Array(array) => within(array.len()).and_then(|()| array.iter().try_for_each(element)),
        Term::Map(map) => within(map.len()).and_then(|()| map.values().try_for_each(element)),
        // Dates beyond year 9999 have no text form.
        Term::Date(secs) if *secs > 253_402_300_799 => malformed(index, "has a date after 9999"),
        Term::Parameter(_) => malformed(index, "has an open parameter"),
        _ => Ok(()),
    }
}

/// The operations of an expression, which must form exactly one value.
fn expression_operations(index: usize, expression: &Expression) -> Result<usize> {
    operations(index, &expression.ops, 0)
}

fn operations(index: usize, ops: &[Op], depth: usize) -> Result<usize> {
    if depth > limits::NESTING_MAX {
        return complex(index, "nests closures too deeply");
    }
    let mut count = ops.len();
    // What is on the stack: true for a closure, which only a binary operation may take.
    let mut stack: Vec<bool> = Vec::new();
    for op in ops {
        let value = match op {
            Op::Value(term) => bounded_term(index, term, 0).map(|()| false)?,
            Op::Closure(params, body) => {
                if params.len() > 1 {
                    return malformed(index, "has a closure of more than one parameter");
                }
                count += operations(index, body, depth + 1)?;
                true
            }
            Op::Unary(Unary::Ffi(_)) | Op::Binary(Binary::Ffi(_)) => {
                return complex(index, "calls an external function");
            }
            Op::Unary(_) => match stack.pop() {
                Some(false) => false,
                _ => return malformed(index, "has an expression that does not add up"),
            },
            Op::Binary(binary) => match (stack.pop(), stack.pop()) {
                // The one operation that has its closure on the left.
                (Some(false), Some(true)) if *binary == Binary::TryOr => false,
                (Some(closure), Some(false)) if closure == takes_closure(binary) => false,
                _ => return malformed(index, "has an expression that does not add up"),
            },
        };
        stack.push(value);
    }
    match stack.as_slice() {
        [false] => Ok(count),
        _ => malformed(index, "has an expression that does not add up"),
    }
}

fn takes_closure(binary: &Binary) -> bool {
    use Binary::{All, Any, LazyAnd, LazyOr};
    matches!(binary, All | Any | LazyAnd | LazyOr)
}

fn bound_variables(rule: &Rule) -> BTreeSet<&str> {
    let terms = rule.body.iter().flat_map(|predicate| &predicate.terms);
    terms.filter_map(variable).collect()
}

fn variable(term: &Term) -> Option<&str> {
    match term {
        Term::Variable(name) => Some(name),
        _ => None,
    }
}

fn head_is_bound(index: usize, rule: &Rule) -> Result<()> {
    let bound = bound_variables(rule);
    if rule.head.terms.iter().filter_map(variable).any(|name| !bound.contains(name)) {
        return malformed(index, "has a rule whose head has a variable that its body does not");
    }
    Ok(())
}

fn variables_are_bound(index: usize, rule: &Rule) -> Result<()> {
    let bound = bound_variables(rule);
    for expression in &rule.expressions {
        ops_are_bound(index, &expression.ops, &bound)?;
    }
    Ok(())
}

fn ops_are_bound(index: usize, ops: &[Op], bound: &BTreeSet<&str>) -> Result<()> {
    for op in ops {
        match op {
            Op::Value(Term::Variable(name)) if !bound.contains(name.as_str()) => {
                return malformed(index, "uses a variable that nothing binds");
            }
            Op::Closure(params, body) => {
                let mut inner = bound.clone();
                for param in params {
                    if !inner.insert(param) {
                        return malformed(index, "has a closure that hides a variable");
                    }
                }
                ops_are_bound(index, body, &inner)?;
            }
            _ => {}
        }
    }
    Ok(())
}
