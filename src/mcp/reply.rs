use std::fmt;
use std::ops::Range;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fold::is_disguised;
use super::message::ENVELOPE;

/// Most members of an object, and elements of an array, that are looked at: a place takes more memory
/// than the smallest element takes text.
const PLACES_MAX: usize = 100_000;

/// A message of a server, read one level deep: what stands where in its text.
///
/// *Shape*: a JSON object; what is inside its members has been skipped, not judged. It is unreadable
/// where a name is given twice on the levels that are read, where a name of JSON-RPC is written in other
/// letters, and where it is a request and a response at once.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    text: &'a [u8],
    members: Vec<(String, Range<usize>)>,
}

/// A text of a server that is no JSON-RPC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server said something that is no message")]
pub struct ReplyError;

impl<'a> Reply<'a> {
    /// Reads the outermost level.
    ///
    /// *Errors*: [`ReplyError`] where the text is no JSON object, or could be read in two ways.
    pub fn read(text: &'a [u8]) -> Result<Self, ReplyError> {
        let members = members(text, 0..text.len())?;
        let has = |name: &str| members.iter().any(|(other, _)| other == name);
        let kinds = [has("method"), has("result"), has("error")];
        let disguised = |(name, _): &(String, _)| is_disguised(name, ENVELOPE);
        if members.iter().any(disguised) || kinds.iter().filter(|has| **has).count() > 1 {
            return Err(ReplyError);
        }
        Ok(Self { text, members })
    }

    /// Where the value of a member stands.
    pub fn place(&self, name: &str) -> Option<Range<usize>> {
        self.members.iter().find(|(other, _)| other == name).map(|(_, place)| place.clone())
    }

    /// Where a value stands that a path of names leads to.
    pub fn find(&self, path: &[&str]) -> Option<Range<usize>> {
        let (first, rest) = path.split_first()?;
        let mut place = self.place(first)?;
        for name in rest {
            let inner = members(self.text, place).ok()?;
            place = inner.into_iter().find(|(other, _)| other == name)?.1;
        }
        Some(place)
    }

    /// The bytes at a place.
    pub fn at(&self, place: Range<usize>) -> &'a [u8] {
        self.text.get(place).unwrap_or_default()
    }

    /// The text of a string member.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_slice(self.at(self.place(name)?)).ok()
    }
}

/// The members of the object at a place, and where their values stand.
pub(super) fn members(
    text: &[u8],
    place: Range<usize>,
) -> Result<Vec<(String, Range<usize>)>, ReplyError> {
    let part = text.get(place.clone()).ok_or(ReplyError)?;
    let Members(found) = serde_json::from_slice(part).map_err(|_| ReplyError)?;
    let mut names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(ReplyError);
    }
    let placed = |(name, raw): (String, &RawValue)| (name, within(part, raw, place.start));
    Ok(found.into_iter().map(placed).collect())
}

/// Where the elements of the array at a place stand.
pub(super) fn items(text: &[u8], place: Range<usize>) -> Result<Vec<Range<usize>>, ReplyError> {
    let part = text.get(place.clone()).ok_or(ReplyError)?;
    let Items(found) = serde_json::from_slice(part).map_err(|_| ReplyError)?;
    Ok(found.into_iter().map(|raw| within(part, raw, place.start)).collect())
}

/// Where a borrowed part of a text stands, in a text in which that text starts at `start`.
fn within(text: &[u8], raw: &RawValue, start: usize) -> Range<usize> {
    let offset = raw.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let start = start.saturating_add(offset);
    start..start.saturating_add(raw.get().len())
}

fn bounded<T, E: Error>(one: T, before: usize) -> Result<T, E> {
    if before < PLACES_MAX { Ok(one) } else { Err(E::custom("too many")) }
}

struct Members<'a>(Vec<(String, &'a RawValue)>);
struct Items<'a>(Vec<&'a RawValue>);
struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
        let mut found = Vec::new();
        while let Some(entry) = map.next_entry()? {
            found.push(bounded(entry, found.len())?);
        }
        Ok(Members(found))
    }
}

struct CollectItems;

impl<'de> Visitor<'de> for CollectItems {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Items<'de>, S::Error> {
        let mut found = Vec::new();
        while let Some(item) = seq.next_element()? {
            found.push(bounded(item, found.len())?);
        }
        Ok(Items(found))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(CollectItems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_the_values() {
        let text = br#" {"id" : 7,"params":{ "_meta":{"a\u0062":[1] },"x":1e999}} "#;
        let reply = Reply::read(text).unwrap();
        let at = |path: &[&str]| reply.find(path).map(|place| reply.at(place));
        assert_eq!(at(&["id"]), Some(b"7".as_slice()));
        assert_eq!(at(&["params", "_meta", "ab"]), Some(b"[1]".as_slice()));
        assert_eq!(at(&["params", "x"]), Some(b"1e999".as_slice()));
        assert_eq!((at(&["y"]), at(&["id", "z"]), at(&[])), (None, None, None));
        let place = reply.find(&["params", "_meta", "ab"]).unwrap();
        let places = items(text, place).unwrap();
        assert_eq!(places.into_iter().map(|p| reply.at(p)).collect::<Vec<_>>(), [b"1"]);
    }

    #[test]
    fn places_are_bounded() {
        let list = |count: usize| format!(r#"{{"id":[{}1]}}"#, "1,".repeat(count - 1));
        let count = |text: &str| items(text.as_bytes(), 6..text.len() - 1).map(|all| all.len());
        assert_eq!(count(&list(PLACES_MAX)), Ok(PLACES_MAX));
        assert_eq!(count(&list(PLACES_MAX + 1)), Err(ReplyError));
        let names: Vec<_> = (0..=PLACES_MAX).map(|at| format!(r#""{at}":1"#)).collect();
        assert!(Reply::read(format!("{{{}}}", names[1..].join(",")).as_bytes()).is_ok());
        assert!(Reply::read(format!("{{{}}}", names.join(",")).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_object_or_says_a_thing_twice_is_not_read() {
        for text in [
            "",
            "[]",
            "1",
            "{} {}",
            r#"{"id":1,"id":2}"#,
            r#"{"id":1,"\u0069d":2}"#,
            r#"{"id":1,"Result":{}}"#,
            r#"{"id":1,"result":{},"method":"x"}"#,
            r#"{"id":1,"result":{},"error":{}}"#,
            "{\"a\":\"\x0c\"}",
        ] {
            assert!(Reply::read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Reply::read(b"{\"a\":\"\xff\"}").is_err());
    }
}
