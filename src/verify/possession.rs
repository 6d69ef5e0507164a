use std::fmt;

use super::Authentic;
use crate::model::{Code, Reason, Request, Timestamp, Tool};

/// That a call was sent by the holder of its token: a proof was checked, and used for the first time.
///
/// *Shape*: only [`Unspent`] becomes one. It is good for one token, tool and arguments, until the
/// proof's time is over.
#[derive(Clone)]
pub struct Possession {
    /// The signature of the token's last block.
    pub(super) token: [u8; 64],
    pub(super) holder: [u8; 32],
    pub(super) tool: Tool,
    pub(super) args: [u8; 32],
    /// The last moment at which the proof is accepted.
    pub(super) good_until: Timestamp,
}

/// A proof whose signature and claims were checked, and that may have been used before.
///
/// *Shape*: what a store of proofs has to know, [`Unspent::key`] and [`Unspent::closes`]. The guard
/// spends it; nothing else makes a [`Possession`] of it.
pub struct Unspent {
    pub(super) possession: Possession,
    pub(super) key: [u8; 32],
    pub(super) closes: Timestamp,
}

impl Possession {
    /// Whether it is of this token's final holder, and still good.
    pub(super) fn is_of(&self, authentic: &Authentic, now: Timestamp) -> bool {
        let is_holder = authentic.holder().is_some_and(|key| key.to_bytes() == self.holder);
        is_holder && authentic.last_signature() == Some(self.token) && now <= self.good_until
    }

    /// Whether it is for this call.
    ///
    /// *Errors*: a reason with `proof-invalid`.
    pub(super) fn is_for(&self, request: &Request) -> Result<(), Reason> {
        match self.tool == request.tool && self.args == request.args.digest() {
            true => Ok(()),
            false => Err(Reason::new(Code::ProofInvalid, "the proof is for another call")),
        }
    }
}

impl Unspent {
    /// What is spent: SHA-256 over the holder's key and the proof's `jti`.
    pub fn key(&self) -> [u8; 32] {
        self.key
    }

    /// The moment up to which the key must be remembered. It lies 5 s behind the last one at which
    /// the proof is accepted, so that clocks may be apart by that much.
    pub fn closes(&self) -> Timestamp {
        self.closes
    }

    /// The last moment at which the proof is accepted.
    pub fn good_until(&self) -> Timestamp {
        self.possession.good_until
    }

    /// The possession, of a proof that a store has just seen for the first time.
    pub(crate) fn spent(self) -> Possession {
        self.possession
    }

    /// The possession, without asking whether the proof was used before: for deciding offline,
    /// where nobody can say. Whoever calls this at a gateway lets proofs be repeated.
    pub fn danger_unrecorded(self) -> Possession {
        self.spent()
    }
}

impl fmt::Debug for Possession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Possession({} until {})", self.tool, self.good_until)
    }
}

impl fmt::Debug for Unspent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unspent({} until {})", self.possession.tool, self.closes)
    }
}
