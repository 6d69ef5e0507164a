use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Bytes, Delta, FeedError, Follower, Malformed, Message, Need, SignedCertificate, SignedHead,
    SnapshotReader, Table,
};
use crate::keys::TrustedRoots;
use crate::model::{Key16, Timestamp, limits};
use crate::verify::RevocationView;

const MAGIC: [u8; 4] = *b"HTB1";

/// Everything that it takes to know what is revoked, in one file, for where no network leads.
///
/// *Shape*: `HTB1`, the length (u32) of a JSON text with the signed certificates and the signed head,
/// that text, the length (u64) of a snapshot's file, that file, and the file of the delta that leads
/// from there to the head; either may be empty. Whoever carries it can change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What vouches for the feed key.
    pub keys: Vec<SignedCertificate>,
    /// The head.
    pub head: SignedHead,
    /// The file of the snapshot that the head names, where there is one.
    pub snapshot: Vec<u8>,
    /// The entries from there, or from the start of the log, to the head.
    pub delta: Option<Delta>,
}

/// What was revoked at one moment, by the word of an authority.
#[derive(Clone, Debug)]
pub struct RevokedAt {
    time: Timestamp,
    table: Arc<Table>,
    before: Timestamp,
    forgets: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statements {
    keys: Vec<SignedCertificate>,
    head: SignedHead,
}

impl Bundle {
    /// The file.
    ///
    /// *Errors*: [`Malformed`] where it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        let statements = Statements { keys: self.keys.clone(), head: self.head.clone() };
        let statements = serde_json::to_vec(&statements).map_err(|_| Malformed)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(statements.len()).map_err(|_| Malformed)?.to_be_bytes());
        bytes.extend(statements);
        bytes.extend((self.snapshot.len() as u64).to_be_bytes());
        bytes.extend(&self.snapshot);
        bytes.extend(self.delta.iter().flat_map(Delta::to_bytes));
        Ok(bytes)
    }

    /// Whether the bytes are meant as one.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads a file.
    ///
    /// *Errors*: [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(bytes);
        if bytes.array()? != MAGIC {
            return Err(Malformed);
        }
        let length = bytes.u32()? as usize;
        let Statements { keys, head } =
            serde_json::from_slice(bytes.take(length)?).map_err(|_| Malformed)?;
        let length = usize::try_from(bytes.u64()?).map_err(|_| Malformed)?;
        let snapshot = bytes.take(length)?.to_vec();
        let delta = match bytes.0 {
            [] => None,
            delta => Some(Delta::from_bytes(delta)?),
        };
        Ok(Self { keys, head, snapshot, delta })
    }

    /// What it says is revoked, if these roots vouch for it and nothing is missing.
    ///
    /// *Errors*: [`FeedError`].
    pub fn open(&self, roots: &TrustedRoots) -> Result<RevokedAt, FeedError> {
        let mut follower = Follower::new(roots.clone(), None);
        follower.learn_keys(&self.keys, 0)?;
        let message = Message { delta: None, head: self.head.clone() };
        let mut need = follower.hear(&message, None, 0)?;
        let named = follower.need_instead().filter(|_| !self.snapshot.is_empty());
        if let Some(name) = named {
            let mut reader = SnapshotReader::new(name)?;
            reader.read(&self.snapshot)?;
            need = follower.take_snapshot(reader)?;
        }
        if let (Need::Delta { .. }, Some(delta)) = (&need, &self.delta) {
            need = follower.take_delta(delta)?;
        }
        let time = follower.seen().map(|head| head.time);
        match (need, time) {
            (Need::Nothing, Some(time)) => Ok(RevokedAt {
                time,
                table: Arc::clone(follower.table()),
                before: follower.before(),
                forgets: follower.forgets(),
            }),
            _ => Err(FeedError::Gap),
        }
    }
}

impl RevokedAt {
    /// When the authority said so.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// How many things are revoked.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl RevocationView for RevokedAt {
    fn age_millis(&self, now: Timestamp) -> Option<u64> {
        // One from the future would stay fresh for as long as it pleases.
        let is_real = self.time <= now.plus_secs(limits::CLOCK_SKEW_SECS);
        is_real.then(|| now.millis().saturating_sub(self.time.millis()))
    }

    fn is_revoked(&self, key: &Key16) -> bool {
        self.table.contains(key)
    }

    fn issued_since(&self) -> Timestamp {
        self.before
    }

    fn forgets(&self) -> Timestamp {
        self.forgets
    }
}
