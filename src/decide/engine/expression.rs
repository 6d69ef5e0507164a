use biscuit_auth::builder::{self, Op, Term};

use crate::model::limits::NESTING_MAX;

use super::code::{Binary, Instr, Unary};
use super::error::{CompileFault, ExpressionError, Origin};
use super::intern::{Constants, Parameters, bound_parameter};
use super::regexes::Regexes;
use super::value::Value;

/// What expressions are compiled against.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) constants: &'a mut Constants,
    pub(super) regexes: &'a mut Regexes,
    pub(super) parameters: &'a Parameters,
    pub(super) origin: Origin,
    /// Variables in scope and their slots; closure parameters come and go at the end.
    pub(super) scope: Vec<(String, u32)>,
    /// The most variables that were ever in scope.
    pub(super) slots: u32,
}

/// A piece of a postfix list that is not consumed yet.
enum Piece<'a> {
    Code(Vec<Instr>),
    Closure(&'a [String], &'a [Op]),
}

impl Context<'_> {
    /// The code of an expression.
    pub(super) fn expression(&mut self, ops: &[Op]) -> Result<Vec<Instr>, CompileFault> {
        self.nested(ops, NESTING_MAX)
    }

    fn nested(&mut self, ops: &[Op], depth: usize) -> Result<Vec<Instr>, CompileFault> {
        let mut pieces = Vec::new();
        for op in ops {
            let piece = match op {
                Op::Value(term) => Piece::Code(vec![self.value(term)?]),
                Op::Closure(parameters, body) => Piece::Closure(parameters, body),
                Op::Unary(op) => self.unary(op, pieces.pop())?,
                Op::Binary(op) => {
                    let (b, a) = (pieces.pop(), pieces.pop());
                    self.binary(op, a, b, depth)?
                }
            };
            pieces.push(piece);
        }
        match (pieces.pop(), pieces.pop()) {
            (Some(Piece::Code(code)), None) => Ok(code),
            _ => Err(CompileFault::MalformedExpression),
        }
    }

    fn value(&mut self, term: &Term) -> Result<Instr, CompileFault> {
        let term = match term {
            Term::Parameter(name) => bound_parameter(name, self.parameters)?,
            term => term,
        };
        match term {
            Term::Variable(name) => {
                let slot = self.scope.iter().rev().find(|(other, _)| other == name);
                let slot = slot.ok_or_else(|| CompileFault::UnboundVariable(name.clone()))?;
                Ok(Instr::Load(slot.1))
            }
            constant => Ok(Instr::Push(self.constants.value(constant, self.parameters)?)),
        }
    }

    fn unary<'p>(
        &self,
        op: &builder::Unary,
        operand: Option<Piece<'p>>,
    ) -> Result<Piece<'p>, CompileFault> {
        let Some(Piece::Code(mut code)) = operand else {
            return Err(CompileFault::MalformedExpression);
        };
        match op {
            builder::Unary::Parens => {}
            builder::Unary::Negate => code.push(Instr::Unary(Unary::Negate)),
            builder::Unary::Length => code.push(Instr::Unary(Unary::Length)),
            builder::Unary::TypeOf => code.push(Instr::Unary(Unary::TypeOf)),
            builder::Unary::Ffi(name) => return Err(CompileFault::ExternFunction(name.clone())),
        }
        Ok(Piece::Code(code))
    }

    fn binary<'p>(
        &mut self,
        op: &builder::Binary,
        a: Option<Piece<'p>>,
        b: Option<Piece<'p>>,
        depth: usize,
    ) -> Result<Piece<'p>, CompileFault> {
        let code = match (a, b) {
            (Some(Piece::Code(a)), Some(Piece::Code(b))) => self.strict(op, a, b)?,
            // The closure is the right operand whichever side it stands on: `try_or` writes it
            // first.
            (Some(Piece::Code(a)), Some(Piece::Closure(parameters, body)))
            | (Some(Piece::Closure(parameters, body)), Some(Piece::Code(a))) => {
                self.closure(op, a, parameters, body, depth)?
            }
            _ => return Err(CompileFault::MalformedExpression),
        };
        Ok(Piece::Code(code))
    }

    /// An operation that evaluates both operands.
    fn strict(
        &mut self,
        op: &builder::Binary,
        mut a: Vec<Instr>,
        b: Vec<Instr>,
    ) -> Result<Vec<Instr>, CompileFault> {
        let last = match op {
            builder::Binary::Regex => match b.as_slice() {
                [Instr::Push(Value::Str(_))] => return self.regex(a, &b),
                [Instr::Push(_)] => Instr::Fault(ExpressionError::Type),
                _ => return Err(CompileFault::RegexNotConstant),
            },
            builder::Binary::Ffi(name) => return Err(CompileFault::ExternFunction(name.clone())),
            op => strict_op(op).map_or(Instr::Fault(ExpressionError::Type), Instr::Binary),
        };
        a.extend(b);
        a.push(last);
        Ok(a)
    }

    fn regex(&mut self, mut a: Vec<Instr>, b: &[Instr]) -> Result<Vec<Instr>, CompileFault> {
        let [Instr::Push(Value::Str(pattern))] = b else {
            return Err(CompileFault::RegexNotConstant);
        };
        let pattern = self.constants.heap.text(*pattern);
        a.push(Instr::Match(self.regexes.insert(pattern, self.origin)?));
        Ok(a)
    }

    /// An operation whose right operand is evaluated when it is needed.
    fn closure(
        &mut self,
        op: &builder::Binary,
        mut code: Vec<Instr>,
        parameters: &[String],
        body: &[Op],
        depth: usize,
    ) -> Result<Vec<Instr>, CompileFault> {
        let depth = depth.checked_sub(1).ok_or(CompileFault::NestedTooDeeply)?;
        let in_scope = |name: &String| self.scope.iter().any(|(other, _)| other == name);
        if parameters.iter().any(in_scope) {
            // Which variables are in scope is known here, but the fault belongs to the moment the
            // operation is reached: lazy operations may never reach it, `try_or` may catch it.
            code.push(Instr::Fault(ExpressionError::ShadowedVariable));
            return Ok(code);
        }
        let outer = self.scope.len();
        for name in parameters {
            let slot = u32::try_from(self.scope.len()).map_err(|_| CompileFault::TooManySymbols)?;
            self.scope.push((name.clone(), slot));
            self.slots = self.slots.max(slot + 1);
        }
        let body = self.nested(body, depth)?;
        self.scope.truncate(outer);
        wrap(op, code, parameters.len(), outer, body)
    }
}

/// Puts the code of a closure's body behind that of its left operand.
fn wrap(
    op: &builder::Binary,
    mut code: Vec<Instr>,
    parameters: usize,
    slot: usize,
    body: Vec<Instr>,
) -> Result<Vec<Instr>, CompileFault> {
    let size =
        |extra: usize| u32::try_from(body.len() + extra).map_err(|_| CompileFault::TooManySymbols);
    let slot = u32::try_from(slot).map_err(|_| CompileFault::TooManySymbols)?;
    let (begin, end) = match (op, parameters) {
        (builder::Binary::LazyAnd, 0) => (Instr::Lazy { settles: false, skip: size(0)? }, None),
        (builder::Binary::LazyOr, 0) => (Instr::Lazy { settles: true, skip: size(0)? }, None),
        (builder::Binary::TryOr, 0) => (Instr::Try { skip: size(1)? }, Some(Instr::TryEnd)),
        (builder::Binary::All, 1) => {
            (Instr::Loop { any: false, slot, skip: size(1)? }, Some(Instr::LoopEnd))
        }
        (builder::Binary::Any, 1) => {
            (Instr::Loop { any: true, slot, skip: size(1)? }, Some(Instr::LoopEnd))
        }
        _ => {
            code.push(Instr::Fault(ExpressionError::Type));
            return Ok(code);
        }
    };
    code.push(begin);
    code.extend(body);
    code.extend(end);
    Ok(code)
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
