//! The values inside a constraint.

use super::{RESERVED, Result, fail};
use crate::model::{Json, limits};
use crate::vocabulary::grant::permits::lower;
use crate::vocabulary::grant::regex::whole_match;
use crate::vocabulary::grant::types::{Micros, Scalar, Values, is_decimal};
use crate::vocabulary::oracle::time_range;

/// How a value names a list that the authority keeps.
const LIST: &str = "$list:";

pub(super) fn array<'a>(json: &'a Json, at: &str) -> Result<&'a [Json]> {
    match json {
        Json::Array(items) if items.is_empty() => fail(at, "is empty"),
        Json::Array(items) if items.len() > limits::COLLECTION_MAX => {
            fail(at, format!("holds more than {} values", limits::COLLECTION_MAX))
        }
        Json::Array(items) => Ok(items),
        Json::String(text) if text.starts_with(LIST) => fail(at, RESERVED),
        other => fail(at, format!("is a {}, not an array", other.kind())),
    }
}

pub(super) fn text<'a>(json: &'a Json, at: &str) -> Result<&'a str> {
    match json {
        Json::String(text) if text.starts_with(LIST) => fail(at, RESERVED),
        Json::String(text) => Ok(text),
        other => fail(at, format!("is a {}, not a string", other.kind())),
    }
}

pub(super) fn texts(json: &Json, at: &str) -> Result<Vec<String>> {
    let each = |(i, json)| nonempty(json, &format!("{at}[{i}]"));
    array(json, at)?.iter().enumerate().map(each).collect()
}

pub(super) fn nonempty(json: &Json, at: &str) -> Result<String> {
    match text(json, at)? {
        "" => fail(at, "is empty"),
        text => Ok(text.to_owned()),
    }
}

pub(super) fn count(json: &Json, at: &str) -> Result<u32> {
    match json {
        Json::Number(number) => number
            .as_integer()
            .and_then(|count| u32::try_from(count).ok())
            .map_or_else(|| fail(at, "is not a count from 0 to 4294967295"), Ok),
        other => fail(at, format!("is a {}, not a count", other.kind())),
    }
}

pub(super) fn micros(json: &Json, at: &str) -> Result<Micros> {
    match json {
        Json::Number(number) => number.micros().map(Micros).map_or_else(
            || fail(at, "has more than six decimals, or is beyond ±9223372036854"),
            Ok,
        ),
        other => fail(at, format!("is a {}, not a number", other.kind())),
    }
}

pub(super) fn moment(json: &Json, at: &str) -> Result<(u64, u64)> {
    match time_range(text(json, at)?) {
        // An instant with a fraction covers two seconds, and a bound is a whole one.
        Some((from, to)) if to.secs() == from.secs() + 1 => fail(at, "has a fraction of a second"),
        Some((from, to)) => Ok((from.secs(), to.secs())),
        None => fail(at, "is neither an RFC 3339 instant nor a date, from 1970 on"),
    }
}

pub(super) fn regex(json: &Json, at: &str) -> Result<String> {
    let text = nonempty(json, at)?;
    whole_match(&text).map(|_| text).or_else(|why| fail(at, why))
}

pub(super) fn scalars(items: &[Json], at: &str) -> Result<Vec<Scalar>> {
    let mut list: Vec<Scalar> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let at = if items.len() == 1 { at.to_owned() } else { format!("{at}[{i}]") };
        list.push(match item {
            Json::String(_) => Scalar::Text(text(item, &at)?.to_owned()),
            Json::Number(number) => Scalar::Number(number.clone()),
            Json::Bool(value) => Scalar::Bool(*value),
            Json::Null => return fail(&at, "is null; `absent` says that an argument is not there"),
            other => return fail(&at, format!("is a {}, not a scalar", other.kind())),
        });
    }
    let fraction =
        |scalar: &Scalar| matches!(scalar, Scalar::Number(n) if n.as_integer().is_none());
    if list.iter().any(fraction) && !is_decimal(&list) {
        return fail(
            at,
            "mixes a number with a fraction with texts, or has more than six decimals",
        );
    }
    list.dedup();
    Ok(list)
}

pub(super) fn values(items: &[Json], at: &str, ignore_case: bool) -> Result<Values> {
    let list = scalars(items, at)?;
    if ignore_case && !list.iter().all(|scalar| matches!(scalar, Scalar::Text(_))) {
        return fail(at, "has `ignore_case` for values that are not texts");
    }
    let is_plain = |scalar: &Scalar| !matches!(scalar, Scalar::Text(text) if lower(text).is_none());
    if ignore_case && !list.iter().all(is_plain) {
        return fail(at, "has `ignore_case` for letters whose case is not plain, such as `ß`");
    }
    Ok(Values { list, ignore_case })
}
