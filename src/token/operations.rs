//! Expressions: lists of operations.

use biscuit_auth::builder::{Binary, Op, Unary};

use super::decode::Wrong;
use super::statements::{Result, Statements};
use super::wire::{Reader, number, sized};
use crate::model::limits;

impl Statements<'_, '_> {
    /// The operations in a message's fields of this number, up to its end.
    pub(super) fn ops(
        &mut self,
        mut reader: Reader<'_>,
        field: u8,
        depth: usize,
    ) -> Result<Vec<Op>> {
        if depth > limits::NESTING_MAX {
            return Err(Wrong::Nested);
        }
        let mut ops = Vec::new();
        while reader.has(sized(field)) {
            let mut inner = reader.message()?;
            ops.push(if inner.has(sized(1)) {
                Op::Value(self.term(inner.message()?, 0)?)
            } else if inner.has(sized(2)) {
                Op::Unary(self.unary(inner.message()?)?)
            } else if inner.has(sized(3)) {
                Op::Binary(self.binary(inner.message()?)?)
            } else {
                inner.expect(sized(4))?;
                self.closure(inner.message()?, depth)?
            });
            inner.finish()?;
        }
        reader.finish()?;
        Ok(ops)
    }

    fn closure(&mut self, mut reader: Reader<'_>, depth: usize) -> Result<Op> {
        let mut params = Vec::new();
        while reader.has(number(1)) {
            params.push(self.text(reader.varint_u32()?.into())?);
        }
        Ok(Op::Closure(params, self.ops(reader, 2, depth + 1)?))
    }

    fn unary(&mut self, reader: Reader<'_>) -> Result<Unary> {
        Ok(match self.kind(reader)? {
            (0, None) => Unary::Negate,
            (1, None) => Unary::Parens,
            (2, None) => Unary::Length,
            (3, None) => Unary::TypeOf,
            (4, Some(name)) => Unary::Ffi(name),
            _ => return Err(Wrong::Form),
        })
    }

    fn binary(&mut self, reader: Reader<'_>) -> Result<Binary> {
        Ok(match self.kind(reader)? {
            (0, None) => Binary::LessThan,
            (1, None) => Binary::GreaterThan,
            (2, None) => Binary::LessOrEqual,
            (3, None) => Binary::GreaterOrEqual,
            (4, None) => Binary::Equal,
            (5, None) => Binary::Contains,
            (6, None) => Binary::Prefix,
            (7, None) => Binary::Suffix,
            (8, None) => Binary::Regex,
            (9, None) => Binary::Add,
            (10, None) => Binary::Sub,
            (11, None) => Binary::Mul,
            (12, None) => Binary::Div,
            (13, None) => Binary::And,
            (14, None) => Binary::Or,
            (15, None) => Binary::Intersection,
            (16, None) => Binary::Union,
            (17, None) => Binary::BitwiseAnd,
            (18, None) => Binary::BitwiseOr,
            (19, None) => Binary::BitwiseXor,
            (20, None) => Binary::NotEqual,
            (21, None) => Binary::HeterogeneousEqual,
            (22, None) => Binary::HeterogeneousNotEqual,
            (23, None) => Binary::LazyAnd,
            (24, None) => Binary::LazyOr,
            (25, None) => Binary::All,
            (26, None) => Binary::Any,
            (27, None) => Binary::Get,
            (28, Some(name)) => Binary::Ffi(name),
            (29, None) => Binary::TryOr,
            _ => return Err(Wrong::Form),
        })
    }

    /// The kind of an operation, and the name of the external function it calls.
    fn kind(&mut self, mut reader: Reader<'_>) -> Result<(i32, Option<String>)> {
        reader.expect(number(1))?;
        let kind = reader.varint_enum()?;
        let name = if reader.has(number(2)) { Some(self.text(reader.varint()?)?) } else { None };
        reader.finish()?;
        Ok((kind, name))
    }
}
