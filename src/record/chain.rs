use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::event::Record;
use super::sink::SinkError;
use crate::model::Timestamp;

/// Longest line, in bytes; a reader needs no more memory than this.
pub(super) const LINE_BYTES_MAX: usize = 1024 * 1024;

/// SHA-256 of a line's bytes, without the line feed.
///
/// *Shape*: 64 lower-case hexadecimal characters as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

/// One place in a chain of lines: the last line's number and hash.
///
/// *Shape*: as text `SEQ:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The line's number; 0 is before the first.
    pub seq: u64,
    /// The line's hash; zeros before the first.
    pub hash: Hash,
}

/// One line of a log.
///
/// *Shape*: one JSON object, `v`, `seq`, `event`, the event's fields, `prev`, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The format's version: 1.
    pub v: u32,
    /// The line's number, from 1, without gaps.
    pub seq: u64,
    /// What the line tells.
    #[serde(flatten)]
    pub entry: Entry,
    /// The hash of the line before.
    pub prev: Hash,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Entry {
    /// A decision.
    Decision(Box<Record>),
    /// The writer before ended inside a line; nobody was told that the line was written.
    Recovered {
        /// The moment the log was opened again.
        time: Timestamp,
        /// How many bytes of the unfinished line were dropped.
        dropped_bytes: u64,
        /// SHA-256 of those bytes.
        dropped: Hash,
    },
}

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl Head {
    /// Before the first line.
    pub const START: Self = Self { seq: 0, hash: Hash([0; 32]) };

    /// The text of the line that follows, without its line feed, and the head after it.
    pub(super) fn append(&self, entry: Entry) -> Result<(Vec<u8>, Self), SinkError> {
        let line = Line { v: 1, seq: self.seq + 1, entry, prev: self.hash };
        let text = serde_json::to_vec(&line).map_err(|_| SinkError::Unwritable)?;
        if text.len() >= LINE_BYTES_MAX {
            return Err(SinkError::TooLong);
        }
        let head = Self { seq: line.seq, hash: Hash::of(&text) };
        Ok((text, head))
    }
}

impl Entry {
    /// The record, where the line tells of a decision.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Decision(record) => Some(record),
            Self::Recovered { .. } => None,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = hex::decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        bytes.filter(|_| lower).map(Self).ok_or("a hash is 64 lower-case hexadecimal characters")
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.to_string()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a head is written `SEQ:HASH`";
        let (seq, hash) = text.trim().split_once(':').ok_or(wrong)?;
        let seq = seq.parse().map_err(|_| wrong)?;
        Ok(Self { seq, hash: Hash::try_from(hash.to_owned())? })
    }
}
