use std::sync::Arc;

use biscuit_auth::builder::{self, Op, Term};

use crate::model::limits::NESTING_MAX;

use super::code::{Binary, Instr, Span, Unary};
use super::compile::Compiler;
use super::error::{CompileFault, ExpressionError};
use super::intern::{Parameters, bound_parameter};
use super::query::{Variable, slot};
use super::value::Value;

/// An operand of a postfix list that is not consumed yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'s> {
    /// Code that stands in the list of instructions, from here to the next piece of code or the end.
    Code(usize),
    /// A closure, compiled when its operation is reached.
    Closure(&'s [String], &'s [Op]),
}

/// What the expression at hand is compiled against.
#[derive(Clone, Copy, Debug)]
struct Around<'s> {
    parameters: &'s Parameters,
    /// How many levels of closures may still come.
    depth: usize,
}

/// Operations come in postfix order, and so do instructions: each is written where it stays.
impl<'s> Compiler<'s> {
    /// The code of an expression, and the most variables that were ever in scope.
    pub(super) fn expression(
        &mut self,
        ops: &'s [Op],
        parameters: &'s Parameters,
    ) -> Result<(Span, usize), CompileFault> {
        let start = self.code.instrs.len();
        let mut slots = self.variables.len();
        self.pieces.clear();
        self.nested(ops, Around { parameters, depth: NESTING_MAX }, &mut slots)?;
        Ok((Span::new(start, self.code.instrs.len())?, slots))
    }

    fn nested(
        &mut self,
        ops: &'s [Op],
        around: Around<'s>,
        slots: &mut usize,
    ) -> Result<(), CompileFault> {
        let outer = self.pieces.len();
        for op in ops {
            let piece = match op {
                Op::Value(term) => {
                    let start = self.code.instrs.len();
                    let instr = self.operand(term, around.parameters)?;
                    self.code.instrs.push(instr);
                    Piece::Code(start)
                }
                Op::Closure(parameters, body) => Piece::Closure(parameters, body),
                Op::Unary(op) => {
                    let operand = self.taken(outer)?;
                    self.unary(op, operand)?
                }
                Op::Binary(op) => {
                    let (b, a) = (self.taken(outer)?, self.taken(outer)?);
                    self.binary(op, a, b, around, slots)?
                }
            };
            self.pieces.push(piece);
        }
        match (self.taken(outer)?, self.pieces.len() == outer) {
            (Piece::Code(_), true) => Ok(()),
            _ => Err(CompileFault::MalformedExpression),
        }
    }

    /// Takes the last operand, if there is one above `outer`.
    fn taken(&mut self, outer: usize) -> Result<Piece<'s>, CompileFault> {
        let piece = if self.pieces.len() > outer { self.pieces.pop() } else { None };
        piece.ok_or(CompileFault::MalformedExpression)
    }

    fn operand(
        &mut self,
        term: &'s Term,
        parameters: &'s Parameters,
    ) -> Result<Instr, CompileFault> {
        let term = match term {
            Term::Parameter(name) => bound_parameter(name, parameters)?,
            term => term,
        };
        match term {
            Term::Variable(name) => {
                let place = self.variables.iter().rposition(|variable| variable.name == name);
                let unbound = || CompileFault::UnboundVariable(name.clone());
                Ok(Instr::Load(slot(place.ok_or_else(unbound)?)?))
            }
            constant => Ok(Instr::Push(self.constants.value(constant, parameters)?)),
        }
    }

    fn unary(
        &mut self,
        op: &builder::Unary,
        operand: Piece<'s>,
    ) -> Result<Piece<'s>, CompileFault> {
        let Piece::Code(_) = operand else { return Err(CompileFault::MalformedExpression) };
        let op = match op {
            builder::Unary::Parens => return Ok(operand),
            builder::Unary::Negate => Unary::Negate,
            builder::Unary::Length => Unary::Length,
            builder::Unary::TypeOf => Unary::TypeOf,
            builder::Unary::Ffi(name) => return Err(CompileFault::ExternFunction(name.clone())),
        };
        self.code.instrs.push(Instr::Unary(op));
        Ok(operand)
    }

    fn binary(
        &mut self,
        op: &builder::Binary,
        a: Piece<'s>,
        b: Piece<'s>,
        around: Around<'s>,
        slots: &mut usize,
    ) -> Result<Piece<'s>, CompileFault> {
        match (a, b) {
            (Piece::Code(_), Piece::Code(b)) => {
                let instr = self.strict(op, b)?;
                self.code.instrs.push(instr);
                Ok(a)
            }
            // The closure is the right operand whichever side it stands on: `try_or` writes it
            // first.
            (Piece::Code(_), Piece::Closure(parameters, body)) => {
                self.closure(op, parameters, body, around, slots)?;
                Ok(a)
            }
            (Piece::Closure(parameters, body), Piece::Code(_)) => {
                self.closure(op, parameters, body, around, slots)?;
                Ok(b)
            }
            _ => Err(CompileFault::MalformedExpression),
        }
    }

    /// The instruction of an operation that evaluates both operands; the right one begins at `b`.
    fn strict(&mut self, op: &builder::Binary, b: usize) -> Result<Instr, CompileFault> {
        match op {
            builder::Binary::Regex => self.regex(b),
            builder::Binary::Ffi(name) => Err(CompileFault::ExternFunction(name.clone())),
            op => Ok(strict_op(op).map_or(Instr::Fault(ExpressionError::Type), Instr::Binary)),
        }
    }

    /// The instruction of a match; the pattern's own, which begins at `b`, is taken away.
    fn regex(&mut self, b: usize) -> Result<Instr, CompileFault> {
        let pattern = match self.code.instrs.get(b..) {
            Some([Instr::Push(Value::Str(pattern))]) => *pattern,
            Some([Instr::Push(_)]) => return Ok(Instr::Fault(ExpressionError::Type)),
            _ => return Err(CompileFault::RegexNotConstant),
        };
        self.code.instrs.truncate(b);
        let pattern = self.constants.heap.text(pattern);
        Ok(Instr::Match(match self.regexes.find(pattern) {
            Some(regex) => regex,
            None => Arc::make_mut(&mut self.regexes).insert(pattern, self.origin)?,
        }))
    }

    /// An operation whose right operand is evaluated when it is needed; the left one is the last
    /// code that was written.
    fn closure(
        &mut self,
        op: &builder::Binary,
        parameters: &'s [String],
        body: &'s [Op],
        around: Around<'s>,
        slots: &mut usize,
    ) -> Result<(), CompileFault> {
        let depth = around.depth.checked_sub(1).ok_or(CompileFault::NestedTooDeeply)?;
        let in_scope = |name: &String| self.variables.iter().any(|other| other.name == name);
        if parameters.iter().any(in_scope) {
            // Which variables are in scope is known here, but the fault belongs to the moment the
            // operation is reached: lazy operations may never reach it, `try_or` may catch it.
            self.code.instrs.push(Instr::Fault(ExpressionError::ShadowedVariable));
            return Ok(());
        }
        let outer = self.variables.len();
        let parameter = |name: &'s String| Variable { name, depth: 0 };
        self.variables.extend(parameters.iter().map(parameter));
        *slots = (*slots).max(self.variables.len());
        // Its place is kept until it is known how far it leads.
        let begin = self.code.instrs.len();
        self.code.instrs.push(Instr::Fault(ExpressionError::Type));
        self.nested(body, Around { depth, ..around }, slots)?;
        self.variables.truncate(outer);
        self.wrap(op, parameters.len(), outer, begin)
    }

    /// Puts what begins and ends a closure around the code of its body, which stands behind `begin`.
    /// An operation that takes no such closure stays a fault.
    fn wrap(
        &mut self,
        op: &builder::Binary,
        parameters: usize,
        outer: usize,
        begin: usize,
    ) -> Result<(), CompileFault> {
        let instrs = &mut self.code.instrs;
        let skip = u32::try_from(instrs.len() - begin).map_err(|_| CompileFault::TooManySymbols)?;
        let first = slot(outer)?;
        let (instr, end) = match (op, parameters) {
            (builder::Binary::LazyAnd, 0) => (Instr::Lazy { settles: false, skip: skip - 1 }, None),
            (builder::Binary::LazyOr, 0) => (Instr::Lazy { settles: true, skip: skip - 1 }, None),
            (builder::Binary::TryOr, 0) => (Instr::Try { skip }, Some(Instr::TryEnd)),
            (builder::Binary::All, 1) => {
                (Instr::Loop { any: false, slot: first, skip }, Some(Instr::LoopEnd))
            }
            (builder::Binary::Any, 1) => {
                (Instr::Loop { any: true, slot: first, skip }, Some(Instr::LoopEnd))
            }
            _ => {
                instrs.truncate(begin + 1);
                return Ok(());
            }
        };
        if let Some(place) = instrs.get_mut(begin) {
            *place = instr;
        }
        instrs.extend(end);
        Ok(())
    }
}

/// The operation as the machine knows it; none for those that want a closure.
fn strict_op(op: &builder::Binary) -> Option<Binary> {
    Some(match op {
        builder::Binary::LessThan => Binary::LessThan,
        builder::Binary::GreaterThan => Binary::GreaterThan,
        builder::Binary::LessOrEqual => Binary::LessOrEqual,
        builder::Binary::GreaterOrEqual => Binary::GreaterOrEqual,
        builder::Binary::Equal => Binary::Equal,
        builder::Binary::NotEqual => Binary::NotEqual,
        builder::Binary::HeterogeneousEqual => Binary::HeterogeneousEqual,
        builder::Binary::HeterogeneousNotEqual => Binary::HeterogeneousNotEqual,
        builder::Binary::Contains => Binary::Contains,
        builder::Binary::Prefix => Binary::Prefix,
        builder::Binary::Suffix => Binary::Suffix,
        builder::Binary::Add => Binary::Add,
        builder::Binary::Sub => Binary::Sub,
        builder::Binary::Mul => Binary::Mul,
        builder::Binary::Div => Binary::Div,
        builder::Binary::And => Binary::And,
        builder::Binary::Or => Binary::Or,
        builder::Binary::Intersection => Binary::Intersection,
        builder::Binary::Union => Binary::Union,
        builder::Binary::BitwiseAnd => Binary::BitwiseAnd,
        builder::Binary::BitwiseOr => Binary::BitwiseOr,
        builder::Binary::BitwiseXor => Binary::BitwiseXor,
        builder::Binary::Get => Binary::Get,
        builder::Binary::Regex
        | builder::Binary::Ffi(_)
        | builder::Binary::LazyAnd
        | builder::Binary::LazyOr
        | builder::Binary::All
        | builder::Binary::Any
        | builder::Binary::TryOr => return None,
    })
}
