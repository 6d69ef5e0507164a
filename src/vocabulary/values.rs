//! What the words of the vocabulary say of the values at hand, and what saying it costs.

use smallvec::SmallVec;

use super::grant::lower;
use super::oracle::time_range;
use super::sink::TermRef;
use crate::model::{Json, Number, limits};

/// Gives what a relation says of one value, if anything.
pub(super) fn measure<R>(
    name: &str,
    value: &Json,
    then: impl FnOnce(&[TermRef<'_>; 2]) -> R,
) -> Option<R> {
    fn one(term: TermRef<'_>) -> [TermRef<'_>; 2] {
        [term, TermRef::Null]
    }
    match (name, value) {
        ("arg_at", Json::Array(_)) => with_term(value, |term| then(&one(term))),
        ("arg_names", value) => with_names(&[value], |names| then(&one(TermRef::TextSet(names)))),
        ("arg_lower", value) => Some(then(&one(TermRef::Str(&lower(text(value)?)?)))),
        _ => Some(then(&plainly(name, value)?)),
    }
}

/// Gives what a relation says of many values, as sets.
pub(super) fn columns<R>(
    name: &str,
    values: &[&Json],
    then: impl FnOnce(&[TermRef<'_>; 2]) -> R,
) -> Option<R> {
    if name == "arg_names" {
        return with_names(values, |names| then(&[TermRef::TextSet(names), TermRef::Null]));
    }
    let lowered = |value: &&Json| lower(text(value)?);
    let lowered: Option<Vec<String>> = match name {
        "arg_lower" => values.iter().map(lowered).collect(),
        _ => Some(Vec::new()),
    };
    let lowered = lowered?;
    let mut columns = [const { SmallVec::<[TermRef<'_>; 16]>::new_const() }; 2];
    let [first, second] = &mut columns;
    first.extend(lowered.iter().map(|text| TermRef::Str(text)));
    for value in values.iter().filter(|_| name != "arg_lower") {
        let [one, other] = plainly(name, value)?;
        first.push(one);
        second.push(other);
    }
    Some(then(&[TermRef::Set(first), TermRef::Set(second)]))
}

/// What a relation says of one value, where nothing has to be made to say it.
fn plainly<'a>(name: &str, value: &'a Json) -> Option<[TermRef<'a>; 2]> {
    let count = |count: usize| TermRef::Int(count as i64);
    let term = match (name, value) {
        ("arg_at", value) => scalar(value)?,
        ("number_at", value) => TermRef::Int(micros(value)?),
        ("arg_count", Json::Array(items)) => count(items.len()),
        ("arg_length", Json::String(text)) => count(text.chars().count()),
        ("arg_time", Json::String(text)) => {
            let (from, to) = time_range(text)?;
            return Some([TermRef::Date(from.secs()), TermRef::Date(to.secs())]);
        }
        _ => return None,
    };
    Some([term, TermRef::Null])
}

/// Gives the term of an `arg` fact of a value: scalars but fractions, and arrays of such as sets.
pub(super) fn with_term<R>(value: &Json, then: impl FnOnce(TermRef<'_>) -> R) -> Option<R> {
    match value {
        Json::Array(items) => {
            let items: Option<SmallVec<[TermRef<'_>; 16]>> = items.iter().map(scalar).collect();
            Some(then(TermRef::Set(&items?)))
        }
        value => scalar(value).map(then),
    }
}

fn scalar(value: &Json) -> Option<TermRef<'_>> {
    match value {
        Json::Null => Some(TermRef::Null),
        Json::Bool(boolean) => Some(TermRef::Bool(*boolean)),
        Json::String(text) => Some(TermRef::Str(text)),
        Json::Number(number) => number.as_integer().map(TermRef::Int),
        Json::Array(_) | Json::Object(_) => None,
    }
}

pub(super) fn micros(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => Number::micros(number),
        _ => None,
    }
}

/// Gives the names in some objects, or the indexes of arrays; `None` if one is neither.
pub(super) fn with_names<R>(values: &[&Json], then: impl FnOnce(&[&str]) -> R) -> Option<R> {
    let length = |value: &&Json| match value {
        Json::Array(items) => items.len(),
        _ => 0,
    };
    let longest = values.iter().map(length).max().unwrap_or(0);
    let indexes: Vec<String> = (0..longest).map(|index| index.to_string()).collect();
    let mut names = SmallVec::<[&str; 32]>::new();
    for value in values {
        match value {
            Json::Object(members) => names.extend(members.iter().map(|(name, _)| name.as_str())),
            Json::Array(items) => {
                names.extend(indexes.iter().take(items.len()).map(String::as_str))
            }
            _ => return None,
        }
    }
    Some(then(&names))
}

pub(super) fn text(value: &Json) -> Option<&str> {
    match value {
        Json::String(text) => Some(text),
        _ => None,
    }
}

/// What a value costs to be copied, in bytes. Nested ones are visited one by one.
pub(super) fn size(value: &Json) -> usize {
    let inside = match value {
        Json::String(text) => text.len(),
        Json::Array(items) => {
            items.iter().map(|item| limits::FACT_PLACE_WORK + text_len(item)).sum()
        }
        Json::Object(members) => {
            members.iter().map(|(name, _)| limits::FACT_PLACE_WORK + name.len()).sum()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
    };
    limits::FACT_PLACE_WORK + inside
}

/// What a relation of a value costs, in bytes. Lower case beyond ASCII is worked out letter by letter,
/// and in more than one form.
pub(super) fn measuring(name: &str, value: &Json) -> usize {
    let lowered = match value {
        Json::String(text) if name == "arg_lower" && !text.is_ascii() => text.len(),
        _ => 0,
    };
    size(value) + limits::LOWER_WORK * lowered
}

fn text_len(value: &Json) -> usize {
    text(value).map_or(0, str::len)
}
