use sha2::{Digest, Sha256};

use super::entry::SUBJECT_BYTES;
use super::{Bytes, LogHash, Malformed, SnapshotName, Subject, Table};
use crate::model::Timestamp;

const MAGIC: [u8; 4] = *b"HTS1";
const HEAD_BYTES: usize = 4 + 8 + 32 + 8;

/// The longest file that is read: some 25 million subjects.
const BYTES_MAX: u64 = 512 * 1024 * 1024;

/// All that is revoked at some place of the log and may still hit something, as a file.
///
/// *Shape*: `HTS1`, the place (u64), the hash there, how many subjects there are (u64), each subject in
/// 21 bytes with the second in which it ends; numbers big-endian. A signed head names it by its
/// SHA-256, which is all that it is trusted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The place in the log.
    pub seq: u64,
    /// The hash over the log up to there.
    pub hash: LogHash,
    /// What is revoked, each with the second in which it ends.
    pub subjects: Vec<(Subject, u32)>,
}

/// Reads a snapshot's file as it arrives, so that it is never in memory as a whole.
///
/// *Shape*: what it has read is nothing yet: only [`super::Follower::take_snapshot`] says whether it is the
/// file of its name.
#[derive(Debug)]
pub struct SnapshotReader {
    name: SnapshotName,
    digest: Sha256,
    /// What is not read yet: part of the head, or of a subject.
    rest: Vec<u8>,
    bytes: u64,
    head: Option<Head>,
    before: Timestamp,
}

#[derive(Debug)]
struct Head {
    hash: LogHash,
    table: Table,
}

/// What a snapshot's file held.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) name: SnapshotName,
    pub(super) hash: LogHash,
    pub(super) table: Table,
    pub(super) before: Timestamp,
}

impl Snapshot {
    /// The file, and its name.
    pub fn to_bytes(&self) -> (Vec<u8>, SnapshotName) {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.subjects.len() * SUBJECT_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.hash.0);
        bytes.extend((self.subjects.len() as u64).to_be_bytes());
        self.subjects.iter().for_each(|(subject, ends)| subject.write(*ends, &mut bytes));
        let name = SnapshotName {
            seq: self.seq,
            sha256: LogHash(Sha256::digest(&bytes).into()),
            bytes: bytes.len() as u64,
        };
        (bytes, name)
    }

    /// Reads the file of this name.
    ///
    /// *Errors*: [`Malformed`] where it is another file, or none.
    pub fn from_bytes(bytes: &[u8], name: &SnapshotName) -> Result<Self, Malformed> {
        if LogHash(Sha256::digest(bytes).into()) != name.sha256 {
            return Err(Malformed);
        }
        let mut bytes = Bytes(bytes);
        let (seq, hash, count) = head(&mut bytes)?;
        if seq != name.seq || bytes.0.len() != count.checked_mul(SUBJECT_BYTES).ok_or(Malformed)? {
            return Err(Malformed);
        }
        let subjects = (0..count).map(|_| Subject::read(&mut bytes)).collect::<Result<_, _>>()?;
        bytes.end()?;
        Ok(Self { seq, hash, subjects })
    }
}

impl SnapshotReader {
    /// A reader of the file with this name.
    ///
    /// *Errors*: [`Malformed`] where no file of that length is read.
    pub fn new(name: SnapshotName) -> Result<Self, Malformed> {
        if !(HEAD_BYTES as u64..=BYTES_MAX).contains(&name.bytes) {
            return Err(Malformed);
        }
        let (digest, rest, before) = (Sha256::new(), Vec::new(), Timestamp::default());
        Ok(Self { name, digest, rest, bytes: 0, head: None, before })
    }

    /// The name of the file.
    pub fn name(&self) -> &SnapshotName {
        &self.name
    }

    /// Reads on.
    ///
    /// *Errors*: [`Malformed`] once it is clear that this is another file, or none.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.digest.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > self.name.bytes {
            return Err(Malformed);
        }
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut unread = Bytes(&rest);
        if self.head.is_none() && unread.0.len() >= HEAD_BYTES {
            self.head = Some(self.start(&mut unread)?);
        }
        if let Some(head) = &self.head {
            while unread.0.len() >= SUBJECT_BYTES {
                let (subject, ends) = Subject::read(&mut unread)?;
                match (subject, subject.key16()) {
                    (Subject::Before(moment), _) => self.before = self.before.max(moment),
                    (_, Some(key)) if head.table.insert(&key, ends) => {}
                    _ => return Err(Malformed),
                }
            }
        }
        self.rest = unread.0.to_vec();
        Ok(())
    }

    /// The head of the file; its numbers must fit its name, so that no room is made for more.
    fn start(&self, bytes: &mut Bytes<'_>) -> Result<Head, Malformed> {
        let (seq, hash, count) = head(bytes)?;
        let length = count.checked_mul(SUBJECT_BYTES).and_then(|n| n.checked_add(HEAD_BYTES));
        if seq != self.name.seq || length.map(|n| n as u64) != Some(self.name.bytes) {
            return Err(Malformed);
        }
        // Some room for what comes after it.
        Ok(Head { hash, table: Table::with_room(count + count * 2 / 5) })
    }

    /// What it held, if it was the file of its name, and whole.
    pub(super) fn finish(self) -> Result<Loaded, Malformed> {
        let sha256 = LogHash(self.digest.finalize().into());
        match self.head {
            Some(Head { hash, table }) if self.rest.is_empty() && sha256 == self.name.sha256 => {
                Ok(Loaded { name: self.name, hash, table, before: self.before })
            }
            _ => Err(Malformed),
        }
    }
}

fn head(bytes: &mut Bytes<'_>) -> Result<(u64, LogHash, usize), Malformed> {
    if bytes.array()? != MAGIC {
        return Err(Malformed);
    }
    let (seq, hash) = (bytes.u64()?, LogHash(bytes.array()?));
    Ok((seq, hash, usize::try_from(bytes.u64()?).map_err(|_| Malformed)?))
}
