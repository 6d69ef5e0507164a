use sha2::{Digest, Sha256};

use super::entry::SUBJECT_BYTES;
use super::{Bytes, LogHash, Malformed, SnapshotName, Subject};

const MAGIC: [u8; 4] = *b"HTS1";
const HEAD_BYTES: usize = 4 + 8 + 32 + 8;

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
        if bytes.array()? != MAGIC {
            return Err(Malformed);
        }
        let (seq, hash) = (bytes.u64()?, LogHash(bytes.array()?));
        let count = usize::try_from(bytes.u64()?).map_err(|_| Malformed)?;
        if seq != name.seq || bytes.0.len() != count.checked_mul(SUBJECT_BYTES).ok_or(Malformed)? {
            return Err(Malformed);
        }
        let subjects = (0..count).map(|_| Subject::read(&mut bytes)).collect::<Result<_, _>>()?;
        bytes.end()?;
        Ok(Self { seq, hash, subjects })
    }
}
