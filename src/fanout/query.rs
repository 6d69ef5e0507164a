//! What requests name: places, nonces, files.

use std::time::Duration;

use super::refusal::Refusal;
use crate::feed::{LogHash, Place};

/// How long a request may wait for a newer head, in milliseconds.
const WAIT_MILLIS_MAX: u64 = 30_000;

/// A place as readers name it: epoch and how many entries.
pub(super) type Named = (u64, u64);

/// What the newest head is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeadQuery {
    /// What the head must contain.
    pub(super) nonce: Option<String>,
    /// The place that it should be beyond.
    pub(super) after: Option<Named>,
    /// How long to wait for that.
    pub(super) wait: Duration,
}

fn malformed(name: &str, why: &str) -> Refusal {
    Refusal::Malformed(format!("`{name}`: {why}"))
}

/// A whole number in its one spelling.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// `EPOCH-SEQ`.
pub(super) fn place(name: &str, text: &str) -> Result<Named, Refusal> {
    let parts = text.split_once('-');
    let place = parts.and_then(|(epoch, seq)| Some((number(epoch)?, number(seq)?)));
    place.ok_or_else(|| malformed(name, "is not an epoch, `-` and a place"))
}

/// `EPOCH-FROM-TO-HASH`: the place before the first entry, and that of the last.
pub(super) fn delta(name: &str) -> Option<(u64, Place)> {
    let mut parts = name.split('-');
    let (epoch, from) = (number(parts.next()?)?, number(parts.next()?)?);
    let (seq, hash) = (number(parts.next()?)?, parts.next()?.parse::<LogHash>().ok()?);
    parts.next().is_none().then_some((from, Place { epoch, seq, hash }))
}

/// `?from=EPOCH-SEQ` of a stream.
pub(super) fn stream(query: &str) -> Result<Option<Named>, Refusal> {
    let mut from = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "from" => from = Some(place("from", &value)?),
            _ => return Err(Refusal::Malformed("the query may hold `from` only".to_owned())),
        }
    }
    Ok(from)
}

impl HeadQuery {
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "nonce" => asked.nonce = Some(nonce(&value)?),
                "after" => asked.after = Some(place("after", &value)?),
                "wait" => {
                    let millis = number(&value).filter(|millis| *millis <= WAIT_MILLIS_MAX);
                    let why = "is not a number of milliseconds up to 30000";
                    let millis = millis.ok_or_else(|| malformed("wait", why))?;
                    asked.wait = Duration::from_millis(millis);
                }
                _ => {
                    let why = "the query may hold `nonce`, `after` and `wait` only";
                    return Err(Refusal::Malformed(why.to_owned()));
                }
            }
        }
        match asked.after {
            None if !asked.wait.is_zero() => Err(malformed("wait", "needs `after`")),
            _ => Ok(asked),
        }
    }
}

fn nonce(text: &str) -> Result<String, Refusal> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match is_hex && (32..=64).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(malformed("nonce", "is not 32 to 64 lower-case hexadecimal characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_asked_for_in_one_spelling() {
        let nonce = "0f".repeat(16);
        let asked = HeadQuery::parse(&format!("nonce={nonce}&after=3-70&wait=30000")).unwrap();
        let wait = Duration::from_secs(30);
        assert_eq!(asked, HeadQuery { nonce: Some(nonce), after: Some((3, 70)), wait });
        assert_eq!(HeadQuery::parse(""), Ok(HeadQuery::default()));
        for query in [
            "nonce=",
            &format!("nonce={}", "0f".repeat(15)),
            &format!("nonce={}", "0f".repeat(33)),
            &format!("nonce={}", "0F".repeat(16)),
            "after=3",
            "after=3-",
            "after=3-07",
            "after=+3-7",
            "after=3-7-1",
            "after=3-18446744073709551616",
            "after=3-7&wait=30001",
            "after=3-7&wait=-1",
            "wait=5",
            "other=1",
        ] {
            assert!(HeadQuery::parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_delta_has_one_name() {
        let hash = LogHash([7; 32]);
        let place = Place { epoch: 1, seq: 9, hash };
        assert_eq!(delta(&format!("1-5-9-{hash}")), Some((5, place)));
        let upper = hash.to_string().replace('7', "A");
        for name in [
            format!("1-5-{hash}"),
            format!("1-05-9-{hash}"),
            format!("1-5-9-{hash}-"),
            format!("1-5-9-{upper}"),
            "1-5-9".to_owned(),
            String::new(),
        ] {
            assert_eq!(delta(&name), None, "{name}");
        }
    }
}
