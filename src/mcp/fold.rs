//! Names that some readers do not tell apart.

use crate::model::{Json, Place};

/// A name as those readers see it that ignore case.
///
/// *Source*: Unicode simple case folding for letters that fold to ASCII: `ſ` is an `s` there, and
/// lower case makes the Kelvin sign a `k`.
pub(super) fn folded(name: &str) -> String {
    match name.is_ascii() {
        true => name.to_ascii_lowercase(),
        false => letters(name).collect(),
    }
}

fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase).map(|c| if c == 'ſ' { 's' } else { c })
}

/// Whether two names are one to readers that ignore case.
fn is_alike(one: &str, other: &str) -> bool {
    match one.is_ascii() && other.is_ascii() {
        true => one.eq_ignore_ascii_case(other),
        false => letters(one).eq(letters(other)),
    }
}

/// Two names of one object, somewhere in the value, that differ in case alone.
pub(super) fn alike(value: &Json) -> Option<&str> {
    match value {
        Json::Object(members) => {
            let mut names: Vec<_> = members.iter().map(|(name, _)| (folded(name), name)).collect();
            names.sort_unstable();
            let mut pairs = names.iter().zip(names.iter().skip(1));
            let twice = pairs.find(|(one, next)| one.0 == next.0).map(|(_, next)| next.1.as_str());
            twice.or_else(|| members.iter().find_map(|(_, value)| alike(value)))
        }
        Json::Array(items) => items.iter().find_map(alike),
        _ => None,
    }
}

/// A name of the object that is not one of these, but would be if case were ignored.
pub(super) fn disguised<'a>(place: Place<'a>, known: &[&str]) -> Option<&'a str> {
    place.members().map(|member| member.name).find(|name| is_disguised(name, known))
}

/// Whether a name is not one of these, but would be if case were ignored.
pub(super) fn is_disguised(name: &str, known: &[&str]) -> bool {
    known.iter().any(|known| *known != name && is_alike(known, name))
}
