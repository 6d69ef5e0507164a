use std::collections::BTreeMap;

use biscuit_auth::builder::{Expression, Op, Predicate, Term};

/// A query's body in a form that forgets the order of its parts and the names of its variables.
///
/// *Shape*: a variable is called after the predicate that binds it, so no two may bind one: a join
/// is not something that grants compile to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Canonical {
    predicates: Vec<String>,
    expressions: Vec<String>,
}

impl Canonical {
    /// The form of a body; `None` where a variable is bound twice, or not at all.
    pub(super) fn of(body: &[Predicate], expressions: &[Expression]) -> Option<Self> {
        let names = names(body)?;
        let renamed = |expression: &Expression| {
            let ops = rename(&expression.ops, &names, &mut Vec::new())?;
            Some(format!("{ops:?}"))
        };
        let mut expressions = expressions.iter().map(renamed).collect::<Option<Vec<_>>>()?;
        let mut predicates: Vec<String> = body.iter().map(key).collect();
        predicates.sort();
        expressions.sort();
        Some(Self { predicates, expressions })
    }
}

/// A predicate, its variables left open.
fn key(predicate: &Predicate) -> String {
    let open = |term: &Term| match term {
        Term::Variable(_) => None,
        term => Some(term.clone()),
    };
    let terms: Vec<Option<Term>> = predicate.terms.iter().map(open).collect();
    format!("{}{terms:?}", predicate.name)
}

/// What each variable is called: its predicate, and its place there.
fn names(body: &[Predicate]) -> Option<BTreeMap<&str, String>> {
    let (mut names, mut keys) = (BTreeMap::new(), std::collections::BTreeSet::new());
    for predicate in body {
        let key = key(predicate);
        for (place, term) in predicate.terms.iter().enumerate() {
            let Term::Variable(variable) = term else { continue };
            if names.insert(variable.as_str(), format!("{place} of {key}")).is_some() {
                return None;
            }
        }
        if !keys.insert(key) {
            return None;
        }
    }
    Some(names)
}

// Recursion is bounded by the limit on nesting of a token's closures.
fn rename(ops: &[Op], names: &BTreeMap<&str, String>, params: &mut Vec<String>) -> Option<Vec<Op>> {
    let mut renamed = Vec::with_capacity(ops.len());
    for op in ops {
        renamed.push(match op {
            Op::Value(Term::Variable(name)) => {
                let new = match params.iter().rposition(|param| param == name) {
                    Some(depth) => format!("parameter {depth}"),
                    None => names.get(name.as_str())?.clone(),
                };
                Op::Value(Term::Variable(new))
            }
            Op::Closure(own, body) => {
                let outer = params.len();
                params.extend(own.iter().cloned());
                let body = rename(body, names, params)?;
                params.truncate(outer);
                Op::Closure(
                    (0..own.len()).map(|i| format!("parameter {}", outer + i)).collect(),
                    body,
                )
            }
            op => op.clone(),
        });
    }
    Some(renamed)
}
