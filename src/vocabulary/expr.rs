//! Building Biscuit expressions, which are lists of operations in postfix order.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Binary, Expression, Op, Term, Unary};

/// One expression under construction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr(Vec<Op>);

/// A constant.
pub(crate) fn value(term: Term) -> Expr {
    Expr(vec![Op::Value(term)])
}

/// A variable.
pub(crate) fn var(name: &str) -> Expr {
    value(Term::Variable(name.to_owned()))
}

/// A constant text.
pub(crate) fn text(text: &str) -> Expr {
    value(Term::Str(text.to_owned()))
}

/// A set constant of texts.
pub(crate) fn text_set<'a>(texts: impl IntoIterator<Item = &'a String>) -> Term {
    Term::Set(texts.into_iter().map(|text| Term::Str(text.clone())).collect::<BTreeSet<_>>())
}

impl Expr {
    /// `self op right`, both evaluated.
    pub(crate) fn op(self, op: Binary, right: Expr) -> Self {
        let mut ops = self.0;
        ops.extend(right.0);
        ops.push(Op::Binary(op));
        Self(ops)
    }

    /// `self && right`, the right side only where the left holds.
    pub(crate) fn and(self, right: Expr) -> Self {
        self.lazy(Vec::new(), right, Binary::LazyAnd)
    }

    /// `self || right`, the right side only where the left does not hold.
    pub(crate) fn or(self, right: Expr) -> Self {
        self.lazy(Vec::new(), right, Binary::LazyOr)
    }

    /// `self.all($param -> body)`.
    pub(crate) fn all(self, param: &str, body: Expr) -> Self {
        self.lazy(vec![param.to_owned()], body, Binary::All)
    }

    /// `!self`.
    pub(crate) fn not(mut self) -> Self {
        self.0.push(Op::Unary(Unary::Negate));
        self
    }

    /// `self.type() == name`.
    pub(crate) fn has_type(mut self, name: &str) -> Self {
        self.0.push(Op::Unary(Unary::TypeOf));
        self.op(Binary::HeterogeneousEqual, text(name))
    }

    /// `self == null`.
    pub(crate) fn equals_null(self) -> Self {
        self.op(Binary::HeterogeneousEqual, value(Term::Null))
    }

    fn lazy(self, params: Vec<String>, body: Expr, op: Binary) -> Self {
        let mut ops = self.0;
        ops.push(Op::Closure(params, body.0));
        ops.push(Op::Binary(op));
        Self(ops)
    }
}

impl From<Expr> for Expression {
    fn from(expr: Expr) -> Self {
        Self { ops: expr.0 }
    }
}
