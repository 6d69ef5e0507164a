use serde::{Deserialize, Serialize};

use super::{Delta, LogHash, Malformed};
use crate::keys::VerifyingKey;
use crate::model::Timestamp;

/// What goes before a head where it is signed.
const LABEL: &[u8] = b"hardtack-head-v1\0";

/// The newest place of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The authority.
    pub issuer: String,
    /// Which log of that authority: one that lost entries begins a new epoch.
    pub epoch: u64,
    /// How many entries there are.
    pub seq: u64,
    /// The hash over all of them.
    pub hash: LogHash,
    /// When this was true.
    pub time: Timestamp,
    /// When nobody should believe it any more.
    pub not_after: Timestamp,
    /// The newest snapshot, for those who have nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotName>,
    /// What a follower sent with its question, where the head answers one: then it was made after
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Which file is a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotName {
    /// The place in the log.
    pub seq: u64,
    /// The SHA-256 of the file.
    pub sha256: LogHash,
    /// How long the file is.
    pub bytes: u64,
}

/// A head with the signature of a feed key.
///
/// *Shape*: `head` is the JSON text that was signed, byte for byte; the signature is over
/// `hardtack-head-v1`, a zero byte and that text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// The JSON text of a [`Head`].
    pub head: String,
    /// The feed key that signed it.
    pub key: VerifyingKey,
    /// The ed25519 signature, hexadecimal.
    pub signature: String,
}

/// Why something of the feed is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Signed by a key that is no feed key.
    #[error("the head is signed by a key that is not trusted for it")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the signature of the head is not valid")]
    Signature,
    /// It cannot be read.
    #[error("what the feed sent is cut off or malformed")]
    Malformed,
    /// Another authority's.
    #[error("the head is of another authority")]
    OtherIssuer,
    /// Older than one that was seen.
    #[error("the head is older than one that was seen before")]
    Rollback,
    /// Another log than the one that was seen.
    #[error("the head contradicts one that was seen before: the log is another one")]
    Equivocation,
    /// No answer to what was asked.
    #[error("the head does not answer the question that was asked")]
    NoAnswer,
    /// Entries that do not follow what is known, or do not lead to what is signed.
    #[error("the entries do not lead to the signed head")]
    Gap,
}

impl From<Malformed> for FeedError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Head {
    /// Whether this head may come after one that was seen. Their times are not compared: each feed
    /// key has a time of its own.
    ///
    /// *Errors*: [`FeedError::OtherIssuer`], [`FeedError::Rollback`] or [`FeedError::Equivocation`].
    pub fn follows(&self, seen: &Self) -> Result<(), FeedError> {
        if self.issuer != seen.issuer {
            return Err(FeedError::OtherIssuer);
        }
        match (self.epoch, self.seq).cmp(&(seen.epoch, seen.seq)) {
            std::cmp::Ordering::Less => Err(FeedError::Rollback),
            std::cmp::Ordering::Equal if self.hash != seen.hash => Err(FeedError::Equivocation),
            _ => Ok(()),
        }
    }

    /// Whether the entries lead from a place and its hash to this head.
    ///
    /// *Errors*: [`FeedError::Gap`], or [`FeedError::Equivocation`] where they reach its place with
    /// another hash.
    pub fn reached_by(&self, seq: u64, hash: LogHash, delta: &Delta) -> Result<(), FeedError> {
        if delta.from() != seq || delta.to() != self.seq {
            return Err(FeedError::Gap);
        }
        match delta.hash_after(hash) == self.hash {
            true => Ok(()),
            false => Err(FeedError::Equivocation),
        }
    }

    /// The head as text, signed by what this makes of the bytes to sign.
    ///
    /// *Errors*: [`FeedError::Malformed`] where it cannot be written.
    pub fn signed(
        &self,
        key: VerifyingKey,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<SignedHead, FeedError> {
        let head = serde_json::to_string(self).map_err(|_| FeedError::Malformed)?;
        let signature = hex::encode(sign(&bytes(&head)));
        Ok(SignedHead { head, key, signature })
    }
}

impl SignedHead {
    /// Checks the signature and reads the head.
    ///
    /// *Errors*: [`FeedError::UnknownKey`] unless `trusted` knows the key, [`FeedError::Signature`],
    /// [`FeedError::Malformed`].
    pub fn open(&self, trusted: impl FnOnce(&VerifyingKey) -> bool) -> Result<Head, FeedError> {
        if !trusted(&self.key) {
            return Err(FeedError::UnknownKey);
        }
        let signature = hex::decode(&self.signature).map_err(|_| FeedError::Signature)?;
        if !self.key.verifies(&bytes(&self.head), &signature) {
            return Err(FeedError::Signature);
        }
        serde_json::from_str(&self.head).map_err(|_| FeedError::Malformed)
    }
}

fn bytes(head: &str) -> Vec<u8> {
    [LABEL, head.as_bytes()].concat()
}
