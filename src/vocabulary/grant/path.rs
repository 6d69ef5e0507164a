use std::fmt;
use std::str::FromStr;

use crate::model::{Json, TooMuchWork, Work, limits};

const SEGMENTS_MAX: usize = 16;
const BYTES_MAX: usize = 256;

/// Where in the arguments a constraint looks.
///
/// *Shape*: an RFC 6901 JSON Pointer without its first slash, so `amount` or `filter/account/id`.
/// A segment `*` stands for every element of an array or member of an object. `~0` is `~`, `~1`
/// is `/`, `~2` a member really named `*`. At most 16 segments and 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArgPath(Vec<Segment>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Every element or member.
    Every,
    /// The member of this name, or the element of this index.
    Name(String),
}

/// What a path leads to in some arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    /// The path runs through something that is neither object nor array.
    Blocked,
    /// One entry a place; exactly one without `*`.
    Places(Vec<Place<'a>>),
}

/// One place that a path leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place<'a> {
    /// A value that is not `null`.
    Value(&'a Json),
    /// Nothing, or `null`, after so many segments of the path.
    Absent(usize),
}

impl ArgPath {
    /// A path from its segments.
    pub(crate) fn from_segments(segments: Vec<Segment>) -> Self {
        Self(segments)
    }

    /// The steps from the top.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether the path stands for many places.
    pub fn is_pattern(&self) -> bool {
        self.0.contains(&Segment::Every)
    }

    /// The path of every element below this one.
    pub fn every(&self) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Every);
        Self(segments)
    }

    /// Whether the path of elements so many levels further down is still one.
    pub(crate) fn has_room(&self, levels: usize) -> bool {
        let bytes = self.to_string().len() + levels.saturating_mul(2);
        self.0.len().saturating_add(levels) <= SEGMENTS_MAX && bytes <= BYTES_MAX
    }

    /// Follows a path without `*` from the top of some arguments: the one place that it leads to,
    /// or `None` where it is blocked.
    ///
    /// *Errors*: [`TooMuchWork`] where that takes more than `work` has.
    pub(crate) fn place<'a>(
        &self,
        args: &'a Json,
        work: &mut Work,
    ) -> Result<Option<Place<'a>>, TooMuchWork> {
        let mut at = args;
        for (depth, segment) in (1..).zip(&self.0) {
            work.take(step_work(at, segment))?;
            let Segment::Name(name) = segment else { return Ok(None) };
            match inner(at, name) {
                None => return Ok(None),
                Some(None | Some(Json::Null)) => return Ok(Some(Place::Absent(depth))),
                Some(Some(value)) => at = value,
            }
        }
        Ok(Some(Place::Value(at)))
    }

    /// Follows the path from the top of some arguments.
    pub fn find<'a>(&self, args: &'a Json) -> Found<'a> {
        self.find_within(args, &mut Work::new(usize::MAX)).unwrap_or(Found::Blocked)
    }

    /// The same, where that takes no more than there is.
    ///
    /// *Errors*: [`TooMuchWork`] where that takes more than `work` has.
    pub(crate) fn find_within<'a>(
        &self,
        args: &'a Json,
        work: &mut Work,
    ) -> Result<Found<'a>, TooMuchWork> {
        let mut places = vec![Place::Value(args)];
        for (depth, segment) in self.0.iter().enumerate() {
            let mut next = Vec::with_capacity(places.len());
            for place in places {
                let Place::Value(value) = place else {
                    work.take(limits::FACT_NAME_WORK)?;
                    next.push(place);
                    continue;
                };
                work.take(step_work(value, segment))?;
                if !step(value, segment, depth + 1, &mut next) {
                    return Ok(Found::Blocked);
                }
            }
            places = next;
        }
        Ok(Found::Places(places))
    }
}

/// What one step from a value costs: a member is found by looking at the names before it.
fn step_work(value: &Json, segment: &Segment) -> usize {
    let inside = match (value, segment) {
        (Json::Object(members), Segment::Name(_)) => limits::FACT_NAME_WORK * members.len(),
        (Json::Object(members), Segment::Every) => limits::FACT_STEP_WORK * members.len(),
        (Json::Array(items), Segment::Every) => limits::FACT_STEP_WORK * items.len(),
        _ => 0,
    };
    limits::FACT_STEP_WORK + inside
}

/// Pushes what one step leads to; false where the value has no inside.
fn step<'a>(value: &'a Json, segment: &Segment, depth: usize, next: &mut Vec<Place<'a>>) -> bool {
    let place = |value: Option<&'a Json>| match value {
        None | Some(Json::Null) => Place::Absent(depth),
        Some(value) => Place::Value(value),
    };
    match (value, segment) {
        (Json::Array(items), Segment::Every) => {
            next.extend(items.iter().map(|item| place(Some(item))));
        }
        (Json::Object(members), Segment::Every) => {
            next.extend(members.iter().map(|(_, member)| place(Some(member))));
        }
        (value, Segment::Name(name)) => match inner(value, name) {
            Some(found) => next.push(place(found)),
            None => return false,
        },
        _ => return false,
    }
    true
}

/// What a value has under a name, if anything; `None` where the value has no inside.
fn inner<'a>(value: &'a Json, name: &str) -> Option<Option<&'a Json>> {
    match value {
        Json::Array(items) => Some(index(name).and_then(|index| items.get(index))),
        Json::Object(_) => Some(value.member(name)),
        _ => None,
    }
}

/// An array index as RFC 6901 writes it: no sign, no leading zero.
fn index(name: &str) -> Option<usize> {
    let plain = name == "0" || !name.starts_with('0');
    let digits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    if plain && digits { name.parse().ok() } else { None }
}

/// The names in an object, or the indexes of an array; `None` for anything else.
pub(crate) fn names_of(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::Object(members) => Some(members.iter().map(|(name, _)| name.clone()).collect()),
        Json::Array(items) => Some((0..items.len()).map(|index| index.to_string()).collect()),
        _ => None,
    }
}

/// A name as one segment of the text form.
pub(crate) fn escape(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    push_escaped(&mut text, name);
    text
}

/// Appends a name as one segment of the text form.
pub(crate) fn push_escaped(text: &mut String, name: &str) {
    if name == "*" {
        return text.push_str("~2");
    }
    let mut rest = name;
    while let Some(at) = rest.find(['~', '/']) {
        let (plain, marked) = rest.split_at(at);
        text.push_str(plain);
        text.push_str(if marked.starts_with('~') { "~0" } else { "~1" });
        rest = marked.get(1..).unwrap_or_default();
    }
    text.push_str(rest);
}

impl FromStr for ArgPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an argument path is empty".to_owned());
        }
        if text.len() > BYTES_MAX || text.chars().any(char::is_control) {
            return Err(
                "an argument path is longer than 256 bytes or holds control characters".to_owned()
            );
        }
        let segments = text.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > SEGMENTS_MAX {
            return Err("an argument path has more than 16 segments".to_owned());
        }
        if segments.first() == Some(&Segment::Every) {
            return Err("an argument path cannot begin with `*`".to_owned());
        }
        Ok(Self(segments))
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    if text == "*" {
        return Ok(Segment::Every);
    }
    let mut name = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '~' { chars.next() } else { None }) {
            ('~', Some('0')) => name.push('~'),
            ('~', Some('1')) => name.push('/'),
            ('~', Some('2')) => name.push('*'),
            ('~', _) => return Err("`~` in an argument path is not `~0`, `~1` or `~2`".to_owned()),
            (c, _) => name.push(c),
        }
    }
    Ok(Segment::Name(name))
}

impl fmt::Display for ArgPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            let slash = if i == 0 { "" } else { "/" };
            match segment {
                Segment::Every => write!(f, "{slash}*")?,
                Segment::Name(name) => write!(f, "{slash}{}", escape(name))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["amount", "filter/account/id", "items/*/price", "a~1b", "a~0b", "x/~2"] {
            assert_eq!(text.parse::<ArgPath>().unwrap().to_string(), text);
        }
        for text in ["", "*", "*/x", "a~3", "a~", "x\n"] {
            assert!(text.parse::<ArgPath>().is_err(), "{text}");
        }
    }
}
