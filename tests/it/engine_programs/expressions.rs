//! Random expressions, mostly of the type asked for.

use biscuit_auth::builder::{Binary, Op, Term, Unary};
use rand::Rng;

use super::Kind::{Any, Array, Bool, Bytes, Date, Int, Ints, Map, Str, Strs};
use super::{KINDS, Kind, PATTERNS, Scoped, Writer};

impl<R: Rng> Writer<R> {
    pub(super) fn expression(&mut self, kind: Kind, depth: usize, scope: &Scoped) -> Vec<Op> {
        // Now and then a value of another type, so that faults are met.
        let kind = if self.chance(1) { self.pick(&KINDS) } else { kind };
        if depth == 0 || self.chance(if kind == Bool { 10 } else { 50 }) {
            return vec![Op::Value(self.leaf(kind, scope))];
        }
        if self.chance(5) {
            let (body, fallback) =
                (self.expression(kind, depth - 1, scope), self.leaf(kind, scope));
            let closure = Op::Closure(vec![], body);
            let operands = [closure, Op::Value(fallback)];
            return operands.into_iter().chain([Op::Binary(Binary::TryOr)]).collect();
        }
        if self.chance(4) {
            let inner = self.expression(kind, depth - 1, scope);
            return inner.into_iter().chain([Op::Unary(Unary::Parens)]).collect();
        }
        match kind {
            Bool => self.condition(depth - 1, scope),
            Int => self.integer(depth - 1, scope),
            Str => self.two(Binary::Add, Str, Str, depth - 1, scope),
            Ints | Strs => {
                let op = self.pick(&[Binary::Intersection, Binary::Union]);
                self.two(op, kind, kind, depth - 1, scope)
            }
            Any if self.chance(50) => self.two(Binary::Get, Map, Str, depth - 1, scope),
            Any => self.two(Binary::Get, Array, Int, depth - 1, scope),
            _ => vec![Op::Value(self.leaf(kind, scope))],
        }
    }

    fn leaf(&mut self, kind: Kind, scope: &Scoped) -> Term {
        let fits: Vec<_> = scope.iter().filter(|(_, other)| *other == kind).cloned().collect();
        if fits.is_empty() || self.chance(25) {
            self.constant(kind)
        } else {
            Term::Variable(self.pick(&fits).0)
        }
    }

    fn two(&mut self, op: Binary, a: Kind, b: Kind, depth: usize, scope: &Scoped) -> Vec<Op> {
        let mut ops = self.expression(a, depth, scope);
        ops.extend(self.expression(b, depth, scope));
        ops.push(Op::Binary(op));
        ops
    }

    fn integer(&mut self, depth: usize, scope: &Scoped) -> Vec<Op> {
        if self.chance(30) {
            let kind = self.pick(&[Str, Bytes, Ints, Strs, Array, Map]);
            let mut ops = self.expression(kind, depth, scope);
            ops.push(Op::Unary(Unary::Length));
            return ops;
        }
        let op = self.pick(&[
            Binary::Add,
            Binary::Sub,
            Binary::Mul,
            Binary::Div,
            Binary::BitwiseAnd,
            Binary::BitwiseOr,
            Binary::BitwiseXor,
        ]);
        self.two(op, Int, Int, depth, scope)
    }

    fn condition(&mut self, depth: usize, scope: &Scoped) -> Vec<Op> {
        match self.rng.gen_range(0..16) {
            0 | 1 => {
                let op = self.pick(&[
                    Binary::LessThan,
                    Binary::GreaterThan,
                    Binary::LessOrEqual,
                    Binary::GreaterOrEqual,
                ]);
                let kind = self.pick(&[Int, Int, Date]);
                self.two(op, kind, kind, depth, scope)
            }
            2 | 3 => {
                let kind = self.pick(&KINDS);
                let op = self.pick(&[Binary::Equal, Binary::NotEqual]);
                self.two(op, kind, kind, depth, scope)
            }
            4 | 5 => {
                let (a, b) = (self.pick(&[Any, Int, Str]), self.pick(&[Any, Int, Map]));
                let op = self.pick(&[Binary::HeterogeneousEqual, Binary::HeterogeneousNotEqual]);
                self.two(op, a, b, depth, scope)
            }
            6 => {
                let op = self.pick(&[Binary::Contains, Binary::Prefix, Binary::Suffix]);
                let kind = self.pick(&[Str, Array]);
                self.two(op, kind, kind, depth, scope)
            }
            7 => {
                let (a, b) = self.pick(&[
                    (Ints, Int),
                    (Strs, Str),
                    (Ints, Ints),
                    (Strs, Strs),
                    (Array, Any),
                    (Map, Str),
                    (Map, Int),
                ]);
                self.two(Binary::Contains, a, b, depth, scope)
            }
            8 => {
                let mut ops = self.expression(Str, depth, scope);
                ops.push(Op::Value(Term::Str(self.pick(&PATTERNS).to_owned())));
                ops.push(Op::Binary(Binary::Regex));
                ops
            }
            9 => {
                let mut ops = self.expression(Bool, depth, scope);
                ops.push(Op::Unary(Unary::Negate));
                ops
            }
            10 => {
                let op = self.pick(&[Binary::And, Binary::Or]);
                self.two(op, Bool, Bool, depth, scope)
            }
            11 | 12 => {
                let mut ops = self.expression(Bool, depth, scope);
                ops.push(Op::Closure(vec![], self.expression(Bool, depth, scope)));
                ops.push(Op::Binary(self.pick(&[Binary::LazyAnd, Binary::LazyOr])));
                ops
            }
            13 => {
                let mut ops = self.expression(Any, depth, scope);
                ops.push(Op::Unary(Unary::TypeOf));
                let name = self.pick(&["integer", "string", "null", "set", "array", "map"]);
                ops.push(Op::Value(Term::Str(name.to_owned())));
                ops.push(Op::Binary(Binary::Equal));
                ops
            }
            _ => self.quantified(depth, scope),
        }
    }

    /// `.all` or `.any`.
    fn quantified(&mut self, depth: usize, scope: &Scoped) -> Vec<Op> {
        let kind = self.pick(&[Ints, Strs, Array, Map]);
        let mut ops = self.expression(kind, depth, scope);
        self.closures += 1;
        let name = match scope.first() {
            Some((name, _)) if self.chance(4) => name.clone(),
            _ => format!("p{}", self.closures),
        };
        let element = match kind {
            Ints => Int,
            Strs => Str,
            Map => Array,
            _ => Any,
        };
        let body = match kind {
            // Biscuit walks text in the order of its symbols, so a body that can fail for one
            // element and settle on another has no defined outcome there.
            Strs | Map => self.gentle(&name, element),
            _ => {
                let mut inner = scope.clone();
                inner.push((name.clone(), element));
                self.expression(Bool, depth, &inner)
            }
        };
        ops.push(Op::Closure(vec![name], body));
        ops.push(Op::Binary(self.pick(&[Binary::All, Binary::Any])));
        ops
    }

    /// A condition on one variable that always has a value.
    fn gentle(&mut self, name: &str, kind: Kind) -> Vec<Op> {
        let mut ops = vec![Op::Value(Term::Variable(name.to_owned()))];
        if self.chance(50) {
            ops.push(Op::Unary(Unary::Length));
            ops.push(Op::Value(self.constant(Int)));
            ops.push(Op::Binary(Binary::Equal));
        } else {
            ops.push(Op::Value(self.constant(if kind == Array { Any } else { kind })));
            ops.push(Op::Binary(Binary::Contains));
        }
        ops
    }
}
