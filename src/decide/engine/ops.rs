//! What each operation gives for each pair of types.

use std::cmp::Ordering;

use super::budget::{Budget, Stop};
use super::code::{Binary, Unary};
use super::error::ExpressionError;
use super::heap::Heaps;
use super::value::Value;

/// The fault of an operation that does not take its operands' types.
pub(super) const TYPE: Stop = Stop::Fault(ExpressionError::Type);

/// How many times what comparing text costs searching in it does.
const SEARCH_WEIGHT: usize = 4;

/// Content that an operation made and that needs a place.
pub(super) enum Made {
    /// The name of a type.
    Name(&'static str),
    /// New text.
    Text(String),
    /// A new set, in content order.
    Set(Vec<Value>),
}

/// Applies a unary operation.
pub(super) fn unary(op: Unary, value: Value, heaps: Heaps<'_>) -> Result<Value, Stop> {
    let length = match (op, value) {
        (Unary::Negate, Value::Bool(value)) => return Ok(Value::Bool(!value)),
        (Unary::Length, Value::Str(text)) => heaps.text(text).len(),
        (Unary::Length, Value::Bytes(bytes)) => heaps.bytes(bytes).len(),
        (Unary::Length, Value::Set(items) | Value::Array(items)) => heaps.items(items).len(),
        (Unary::Length, Value::Map(items)) => heaps.items(items).len() / 2,
        _ => return Err(TYPE),
    };
    let length = i64::try_from(length).map_err(|_| Stop::Fault(ExpressionError::Overflow))?;
    Ok(Value::Int(length))
}

/// Applies a binary operation to values that need no look at a heap, if that is enough.
#[inline]
pub(super) fn immediate(op: Binary, a: Value, b: Value) -> Option<Value> {
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(&b),
        (Value::Date(a), Value::Date(b)) => a.cmp(&b),
        _ => return None,
    };
    Some(Value::Bool(match op {
        Binary::LessThan => order.is_lt(),
        Binary::GreaterThan => order.is_gt(),
        Binary::LessOrEqual => order.is_le(),
        Binary::GreaterOrEqual => order.is_ge(),
        Binary::Equal | Binary::HeterogeneousEqual => order.is_eq(),
        Binary::NotEqual | Binary::HeterogeneousNotEqual => order.is_ne(),
        _ => return None,
    }))
}

/// Applies a binary operation whose result is a value that exists.
pub(super) fn binary(
    op: Binary,
    a: Value,
    b: Value,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<Value, Stop> {
    let holds = match op {
        Binary::Equal | Binary::NotEqual if a.rank() != b.rank() => return Err(TYPE),
        Binary::Equal | Binary::HeterogeneousEqual => heaps.equal(a, b, budget)?,
        Binary::NotEqual | Binary::HeterogeneousNotEqual => !heaps.equal(a, b, budget)?,
        Binary::Contains => contains(a, b, heaps, budget)?,
        Binary::Prefix | Binary::Suffix => affix(op, a, b, heaps, budget)?,
        Binary::And | Binary::Or => match (a, b) {
            (Value::Bool(a), Value::Bool(b)) if op == Binary::And => a & b,
            (Value::Bool(a), Value::Bool(b)) => a | b,
            _ => return Err(TYPE),
        },
        Binary::Get => return get(a, b, heaps, budget),
        _ => return arithmetic(op, a, b),
    };
    Ok(Value::Bool(holds))
}

/// Applies a binary operation whose result is new content, if the operands are of that sort.
pub(super) fn building(
    op: Binary,
    a: Value,
    b: Value,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<Option<Made>, Stop> {
    Ok(match (op, a, b) {
        (Binary::Add, Value::Str(a), Value::Str(b)) => {
            let (a, b) = (heaps.text(a), heaps.text(b));
            budget.charge_text(a.len() + b.len())?;
            Some(Made::Text([a, b].concat()))
        }
        (Binary::Union | Binary::Intersection, Value::Set(a), Value::Set(b)) => {
            let (a, b) = (heaps.items(a), heaps.items(b));
            Some(Made::Set(merge(a, b, op == Binary::Union, heaps, budget)?))
        }
        _ => None,
    })
}

fn arithmetic(op: Binary, a: Value, b: Value) -> Result<Value, Stop> {
    let (Value::Int(a), Value::Int(b)) = (a, b) else { return Err(TYPE) };
    let result = match op {
        Binary::Add => a.checked_add(b),
        Binary::Sub => a.checked_sub(b),
        Binary::Mul => a.checked_mul(b),
        Binary::Div if b == 0 => return Err(Stop::Fault(ExpressionError::DivisionByZero)),
        Binary::Div => a.checked_div(b),
        Binary::BitwiseAnd => Some(a & b),
        Binary::BitwiseOr => Some(a | b),
        Binary::BitwiseXor => Some(a ^ b),
        _ => return Err(TYPE),
    };
    result.map(Value::Int).ok_or(Stop::Fault(ExpressionError::Overflow))
}

fn contains(a: Value, b: Value, heaps: Heaps<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => {
            let (a, b) = (heaps.text(a), heaps.text(b));
            // Searching looks at each byte more than once.
            budget.charge_text(SEARCH_WEIGHT * (a.len() + b.len()))?;
            Ok(a.contains(b))
        }
        (Value::Set(a), Value::Set(b)) => {
            let (a, b) = (heaps.items(a), heaps.items(b));
            includes(a, b, heaps, budget)
        }
        (Value::Set(_), Value::Null | Value::Array(_) | Value::Map(_)) => Err(TYPE),
        (Value::Set(items) | Value::Array(items), item) => {
            member(heaps.items(items), item, heaps, budget)
        }
        (Value::Map(items), key) => Ok(entry(heaps.items(items), key, heaps, budget)?.is_some()),
        _ => Err(TYPE),
    }
}

fn member(
    items: &[Value],
    item: Value,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    budget.charge_elements(items.len())?;
    for other in items {
        if heaps.equal(*other, item, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The value under `key` in a map's keys and values.
fn entry(
    items: &[Value],
    key: Value,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<Option<Value>, Stop> {
    budget.charge_elements(items.len())?;
    for pair in items.chunks_exact(2) {
        if let [other, value] = pair
            && heaps.equal(*other, key, budget)?
        {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

fn get(a: Value, b: Value, heaps: Heaps<'_>, budget: &mut Budget) -> Result<Value, Stop> {
    let found = match (a, b) {
        (Value::Array(items), Value::Int(index)) => {
            usize::try_from(index).ok().and_then(|index| heaps.items(items).get(index).copied())
        }
        (Value::Map(items), Value::Int(_) | Value::Str(_)) => {
            entry(heaps.items(items), b, heaps, budget)?
        }
        _ => return Err(TYPE),
    };
    Ok(found.unwrap_or(Value::Null))
}

fn affix(
    op: Binary,
    a: Value,
    b: Value,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => {
            let (a, b) = (heaps.text(a), heaps.text(b));
            budget.charge_text(b.len())?;
            Ok(if op == Binary::Prefix { a.starts_with(b) } else { a.ends_with(b) })
        }
        (Value::Array(a), Value::Array(b)) => {
            let (a, b) = (heaps.items(a), heaps.items(b));
            let Some(extra) = a.len().checked_sub(b.len()) else { return Ok(false) };
            let skipped = if op == Binary::Prefix { 0 } else { extra };
            budget.charge_elements(b.len())?;
            for (x, y) in a.iter().skip(skipped).zip(b) {
                if !heaps.equal(*x, *y, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Err(TYPE),
    }
}

/// Whether set `a` holds all of `b`: walks the two in step.
fn includes(
    a: &[Value],
    mut b: &[Value],
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    for item in a {
        let Some((next, rest)) = b.split_first() else { break };
        budget.charge(1)?;
        match heaps.compare(*item, *next, budget)? {
            Ordering::Less => {}
            Ordering::Equal => b = rest,
            Ordering::Greater => return Ok(false),
        }
    }
    Ok(b.is_empty())
}

/// Walks two sets in step and keeps what is in both, or in either.
fn merge(
    mut a: &[Value],
    mut b: &[Value],
    either: bool,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<Vec<Value>, Stop> {
    let mut merged = Vec::new();
    while let (Some((x, a_rest)), Some((y, b_rest))) = (a.split_first(), b.split_first()) {
        budget.charge(1)?;
        let order = heaps.compare(*x, *y, budget)?;
        if order.is_le() {
            a = a_rest;
        }
        if order.is_ge() {
            b = b_rest;
        }
        if either || order.is_eq() {
            merged.push(if order.is_le() { *x } else { *y });
        }
    }
    if either {
        budget.charge_elements(a.len() + b.len())?;
        merged.extend_from_slice(a);
        merged.extend_from_slice(b);
    }
    Ok(merged)
}
