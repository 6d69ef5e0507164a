//! Expressions: lists of operations, read and written.

use biscuit_auth::builder::{Binary, Op, Unary};

use super::decode::Wrong;
use super::encode::Encoder;
use super::statements::{Result, Statements};
use super::wire::{Reader, number, sized};
use crate::model::limits;

/// The unary operations by their numbers, but for the call of an external function.
const UNARY: [Unary; 4] = [Unary::Negate, Unary::Parens, Unary::Length, Unary::TypeOf];
const UNARY_FFI: usize = UNARY.len();

/// The binary operations by their numbers; none where an external function is called.
const BINARY: [Option<Binary>; 30] = [
    Some(Binary::LessThan),
    Some(Binary::GreaterThan),
    Some(Binary::LessOrEqual),
    Some(Binary::GreaterOrEqual),
    Some(Binary::Equal),
    Some(Binary::Contains),
    Some(Binary::Prefix),
    Some(Binary::Suffix),
    Some(Binary::Regex),
    Some(Binary::Add),
    Some(Binary::Sub),
    Some(Binary::Mul),
    Some(Binary::Div),
    Some(Binary::And),
    Some(Binary::Or),
    Some(Binary::Intersection),
    Some(Binary::Union),
    Some(Binary::BitwiseAnd),
    Some(Binary::BitwiseOr),
    Some(Binary::BitwiseXor),
    Some(Binary::NotEqual),
    Some(Binary::HeterogeneousEqual),
    Some(Binary::HeterogeneousNotEqual),
    Some(Binary::LazyAnd),
    Some(Binary::LazyOr),
    Some(Binary::All),
    Some(Binary::Any),
    Some(Binary::Get),
    None,
    Some(Binary::TryOr),
];
const BINARY_FFI: usize = 28;

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
        match self.kind(reader)? {
            (UNARY_FFI, Some(name)) => Ok(Unary::Ffi(name)),
            (kind, None) => UNARY.get(kind).cloned().ok_or(Wrong::Form),
            _ => Err(Wrong::Form),
        }
    }

    fn binary(&mut self, reader: Reader<'_>) -> Result<Binary> {
        match self.kind(reader)? {
            (BINARY_FFI, Some(name)) => Ok(Binary::Ffi(name)),
            (kind, None) => BINARY.get(kind).cloned().flatten().ok_or(Wrong::Form),
            _ => Err(Wrong::Form),
        }
    }

    /// The kind of an operation, and the name of the external function it calls.
    fn kind(&mut self, mut reader: Reader<'_>) -> Result<(usize, Option<String>)> {
        reader.expect(number(1))?;
        let kind = usize::try_from(reader.varint_enum()?).map_err(|_| Wrong::Form)?;
        let name = if reader.has(number(2)) { Some(self.text(reader.varint()?)?) } else { None };
        reader.finish()?;
        Ok((kind, name))
    }
}

impl<'a> Encoder<'_, 'a> {
    /// Operations, in a message's fields of this number.
    pub(super) fn ops(&mut self, ops: &'a [Op], field: u8, depth: usize) -> Result<()> {
        if depth > limits::NESTING_MAX {
            return Err(Wrong::Nested);
        }
        ops.iter().try_for_each(|op| self.within(field, |encoder| encoder.op(op, depth)))
    }

    fn op(&mut self, op: &'a Op, depth: usize) -> Result<()> {
        match op {
            Op::Value(term) => self.term(1, term),
            Op::Unary(Unary::Ffi(name)) => self.kind(2, Some(UNARY_FFI), Some(name)),
            Op::Unary(unary) => self.kind(2, UNARY.iter().position(|known| known == unary), None),
            Op::Binary(Binary::Ffi(name)) => self.kind(3, Some(BINARY_FFI), Some(name)),
            Op::Binary(binary) => {
                let is = |known: &Option<Binary>| known.as_ref() == Some(binary);
                self.kind(3, BINARY.iter().position(is), None)
            }
            Op::Closure(params, body) => self.within(4, |encoder| {
                for param in params {
                    let param = encoder.symbols.number(param);
                    encoder.out.number(1, param);
                }
                encoder.ops(body, 2, depth + 1)
            }),
        }
    }

    fn kind(&mut self, field: u8, kind: Option<usize>, name: Option<&'a String>) -> Result<()> {
        let kind = kind.ok_or(Wrong::Form)? as u64;
        self.within(field, |encoder| {
            encoder.out.number(1, kind);
            if let Some(name) = name {
                let name = encoder.symbols.number(name);
                encoder.out.number(2, name);
            }
            Ok(())
        })
    }
}
