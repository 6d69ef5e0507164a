//! The checks that frame a token: how long it lives, where it is meant for, how far it goes.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Binary, Check, CheckKind, Expression, Op, Predicate, Rule, Term};

use super::expr::{Expr, text_set, value, var};
use crate::model::Timestamp;

/// What a framing check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The time must be before this second.
    Expiry(Timestamp),
    /// The gateway must be one of these.
    Audience(BTreeSet<String>),
    /// At most so many hops.
    Depth(u32),
}

/// `check if time($time), $time < …`.
pub fn expiry(at: Timestamp) -> Check {
    check("time", |time| time.op(Binary::LessThan, value(Term::Date(at.secs()))))
}

/// `check if audience($audience), {…}.contains($audience)`.
pub fn audience(of: &BTreeSet<String>) -> Check {
    check("audience", |audience| value(text_set(of)).op(Binary::Contains, audience))
}

/// `check if audience($audience)`: every gateway, as long as it says who it is.
pub fn any_audience() -> Check {
    let body = Predicate::new("audience".to_owned(), vec![Term::Variable("audience".to_owned())]);
    let head = Predicate::new("query".to_owned(), Vec::<Term>::new());
    Check { queries: vec![Rule::new(head, vec![body], vec![], vec![])], kind: CheckKind::One }
}

/// `check if depth($depth), $depth <= …`.
pub fn depth(max: u32) -> Check {
    let max = value(Term::Integer(i64::from(max)));
    check("depth", |depth| depth.op(Binary::LessOrEqual, max.clone()))
}

fn check(name: &str, expr: impl Fn(Expr) -> Expr) -> Check {
    let body = Predicate::new(name.to_owned(), vec![Term::Variable(name.to_owned())]);
    let head = Predicate::new("query".to_owned(), Vec::<Term>::new());
    let query = Rule::new(head, vec![body], vec![expr(var(name)).into()], vec![]);
    Check { queries: vec![query], kind: CheckKind::One }
}

/// What a check frames, where it has one of the shapes above, whatever its variable is called.
pub fn read(check: &Check) -> Option<Frame> {
    let [query] = check.queries.as_slice() else { return None };
    let ([body], [expression]) = (query.body.as_slice(), query.expressions.as_slice()) else {
        return None;
    };
    if check.kind != CheckKind::One || !query.scopes.is_empty() {
        return None;
    }
    let [Term::Variable(variable)] = body.terms.as_slice() else { return None };
    comparison(&body.name, variable, expression)
}

fn comparison(name: &str, variable: &str, expression: &Expression) -> Option<Frame> {
    let [Op::Value(left), Op::Value(right), Op::Binary(op)] = expression.ops.as_slice() else {
        return None;
    };
    let is_variable = |term: &Term| matches!(term, Term::Variable(name) if name == variable);
    match (name, left, op, right) {
        ("time", left, Binary::LessThan, Term::Date(secs)) if is_variable(left) => {
            Some(Frame::Expiry(Timestamp::from_secs(*secs)))
        }
        ("time", left, Binary::LessOrEqual, Term::Date(secs)) if is_variable(left) => {
            Some(Frame::Expiry(Timestamp::from_secs(secs.saturating_add(1))))
        }
        ("depth", left, Binary::LessOrEqual, Term::Integer(max)) if is_variable(left) => {
            u32::try_from(*max).ok().map(Frame::Depth)
        }
        ("audience", Term::Set(set), Binary::Contains, right) if is_variable(right) => {
            let text = |term: &Term| match term {
                Term::Str(text) => Some(text.clone()),
                _ => None,
            };
            set.iter().map(text).collect::<Option<_>>().map(Frame::Audience)
        }
        ("audience", left, Binary::Equal | Binary::HeterogeneousEqual, Term::Str(only))
            if is_variable(left) =>
        {
            Some(Frame::Audience(BTreeSet::from([only.clone()])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let at = Timestamp::from_secs(1_795_342_500);
        assert_eq!(read(&expiry(at)), Some(Frame::Expiry(at)));
        assert_eq!(read(&depth(3)), Some(Frame::Depth(3)));
        let of = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(read(&audience(&of)), Some(Frame::Audience(of)));
    }

    #[test]
    fn other_checks_frame_nothing() {
        for text in [
            "check if time($t), $t < 2030-01-01T00:00:00Z or true",
            "check if time($t), $u < 2030-01-01T00:00:00Z, foo($u)",
            "check all time($t), $t < 2030-01-01T00:00:00Z",
            "check if call($t, $t)",
        ] {
            assert_eq!(read(&Check::try_from(text).unwrap()), None, "{text}");
        }
    }
}
