use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Bytes, Malformed};
use crate::model::{Key16, Timestamp, is_plain_text};
use crate::verify::RevocationKind;

/// What goes before the hash of an empty log, and before each further one.
const START_LABEL: &[u8] = b"hardtack-log-v1\0";
const NEXT_LABEL: &[u8] = b"hardtack-log-entry-v1\0";

/// Bytes of a subject with its end: kind, key and seconds.
pub(super) const SUBJECT_BYTES: usize = 21;

/// What an entry revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One block, and every token that contains it.
    Block(Key16),
    /// Every token of a task.
    Task(Key16),
    /// Every token issued to an agent.
    Agent(Key16),
    /// Every token signed by a root key.
    Root(Key16),
    /// Every token that a holder's key held at any hop.
    Holder(Key16),
    /// Every token issued before a moment, in whole seconds.
    Before(Timestamp),
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    subject: Subject,
    ends: u32,
    reason: Option<String>,
    by: Option<String>,
}

/// The hash over a log up to some place.
///
/// *Shape*: SHA-256; 64 hexadecimal characters as text. That of an empty log is made of its epoch,
/// each further one of the one before and the entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogHash(pub [u8; 32]);

impl Subject {
    /// The subject of a kind and its 16 bytes; `None` where those of a moment are none.
    pub fn of(kind: RevocationKind, key: Key16) -> Option<Self> {
        Some(match kind {
            RevocationKind::Block => Self::Block(key),
            RevocationKind::Task => Self::Task(key),
            RevocationKind::Agent => Self::Agent(key),
            RevocationKind::Root => Self::Root(key),
            RevocationKind::Holder => Self::Holder(key),
            RevocationKind::Before => {
                let secs = u64::try_from(u128::from_be_bytes(key.0)).ok()?;
                let moment = Timestamp::from_secs(secs);
                Self::Before((moment.secs() == secs).then_some(moment)?)
            }
        })
    }

    /// The word for the kind.
    pub fn kind(&self) -> &'static str {
        let kind = match self {
            Self::Block(_) => RevocationKind::Block,
            Self::Task(_) => RevocationKind::Task,
            Self::Agent(_) => RevocationKind::Agent,
            Self::Root(_) => RevocationKind::Root,
            Self::Holder(_) => RevocationKind::Holder,
            Self::Before(_) => RevocationKind::Before,
        };
        kind.as_str()
    }

    /// The key that verifiers look up; none for a moment.
    pub fn key16(&self) -> Option<Key16> {
        match self {
            Self::Before(_) => None,
            other => Some(other.bytes16()),
        }
    }

    /// The 16 bytes that stand for it where it is written: its key, or the seconds of a moment as a
    /// big-endian number.
    pub fn bytes16(&self) -> Key16 {
        match self {
            Self::Block(key)
            | Self::Task(key)
            | Self::Agent(key)
            | Self::Root(key)
            | Self::Holder(key) => *key,
            Self::Before(moment) => Key16(u128::from(moment.secs()).to_be_bytes()),
        }
    }

    /// Kind and key, and the second in which it ends.
    pub(super) fn write(&self, ends: u32, to: &mut Vec<u8>) {
        to.push(match self {
            Self::Block(_) => 1,
            Self::Task(_) => 2,
            Self::Agent(_) => 3,
            Self::Root(_) => 4,
            Self::Before(_) => 5,
            Self::Holder(_) => 6,
        });
        to.extend(self.bytes16().0);
        to.extend(ends.to_be_bytes());
    }

    pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<(Self, u32), Malformed> {
        let [tag] = bytes.array()?;
        let kind = match tag {
            1 => RevocationKind::Block,
            2 => RevocationKind::Task,
            3 => RevocationKind::Agent,
            4 => RevocationKind::Root,
            5 => RevocationKind::Before,
            6 => RevocationKind::Holder,
            _ => return Err(Malformed),
        };
        let subject = Self::of(kind, Key16(bytes.array()?)).ok_or(Malformed)?;
        Ok((subject, bytes.u32()?))
    }
}

impl Entry {
    /// An entry; `ends` is the latest moment at which anything it could hit may still be alive, `by`
    /// who revoked it.
    ///
    /// *Errors*: `None` where a text is not [plain](is_plain_text).
    pub fn new(
        subject: Subject,
        ends: Timestamp,
        reason: Option<String>,
        by: Option<String>,
    ) -> Option<Self> {
        let secs = ends.millis().div_ceil(1000);
        let is_plain = |text: &Option<String>| text.as_deref().is_none_or(is_plain_text);
        let entry = Self { subject, ends: u32::try_from(secs).unwrap_or(u32::MAX), reason, by };
        (is_plain(&entry.reason) && is_plain(&entry.by)).then_some(entry)
    }

    /// What is revoked.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The last second, since 1970, in which anything it could hit may still be alive.
    pub fn ends(&self) -> u32 {
        self.ends
    }

    /// Why, where somebody said.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Who revoked it, where that is known.
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// The entry's one encoding: subject and end, then two texts with their lengths, an empty one
    /// where nobody said.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        self.subject.write(self.ends, to);
        for text in [&self.reason, &self.by] {
            let text = text.as_deref().unwrap_or_default();
            // A plain text is far shorter than that.
            to.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            to.extend(text.as_bytes());
        }
    }

    pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let (subject, ends) = Subject::read(bytes)?;
        let mut text = || {
            let length = usize::from(bytes.u16()?);
            let text = std::str::from_utf8(bytes.take(length)?).map_err(|_| Malformed)?;
            match text {
                "" => Ok(None),
                text if is_plain_text(text) => Ok(Some(text.to_owned())),
                _ => Err(Malformed),
            }
        };
        Ok(Self { subject, ends, reason: text()?, by: text()? })
    }
}

impl LogHash {
    /// The hash of an empty log. A log that lost entries begins a new epoch.
    pub fn start(epoch: u64) -> Self {
        let hash = Sha256::new().chain_update(START_LABEL).chain_update(epoch.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// The hash after one more entry.
    pub fn then(&self, entry: &Entry) -> Self {
        let mut bytes = Vec::with_capacity(64);
        entry.write(&mut bytes);
        let hash = Sha256::new().chain_update(NEXT_LABEL).chain_update(self.0);
        Self(hash.chain_update(bytes).finalize().into())
    }
}

impl fmt::Display for LogHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LogHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LogHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut hash) {
            Ok(()) if is_lower => Ok(Self(hash)),
            _ => Err("a hash is 64 lower-case hexadecimal characters"),
        }
    }
}

impl TryFrom<String> for LogHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LogHash> for String {
    fn from(hash: LogHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_one_encoding() {
        let key = Key16([7; 16]);
        let secs = Key16(u128::from(1_800_000_000_u64).to_be_bytes());
        for (kind, key, tag) in [
            (RevocationKind::Block, key, 1),
            (RevocationKind::Task, key, 2),
            (RevocationKind::Agent, key, 3),
            (RevocationKind::Root, key, 4),
            (RevocationKind::Before, secs, 5),
            (RevocationKind::Holder, key, 6),
        ] {
            let subject = Subject::of(kind, key).unwrap();
            assert_eq!((subject.kind(), subject.bytes16()), (kind.as_str(), key));
            assert_eq!(subject.key16().is_none(), kind == RevocationKind::Before);
            let mut written = Vec::new();
            subject.write(9, &mut written);
            assert_eq!((written.len(), written[0]), (SUBJECT_BYTES, tag));
            assert_eq!(Subject::read(&mut Bytes(&written)), Ok((subject, 9)));
        }
        let read = |tag: u8, key: [u8; 16]| {
            let bytes = [&[tag][..], &key, &[0; 4]].concat();
            Subject::read(&mut Bytes(&bytes))
        };
        assert_eq!([read(0, [0; 16]), read(7, [0; 16])], [Err(Malformed), Err(Malformed)]);
        // Later than there are moments, and more than a number of seconds.
        assert_eq!(read(5, 253_402_300_800_u128.to_be_bytes()), Err(Malformed));
        assert_eq!(read(5, [7; 16]), Err(Malformed));
    }
}
