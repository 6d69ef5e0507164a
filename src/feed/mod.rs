//! The revocation feed: how an authority's log of revocations reaches gateways, as pure values.
//!
//! ```text
//! entry ──appended──▶ log, with one hash over all of it ──▶ head, signed
//!                      │ any stretch: a delta file            │
//!                      └ what may still hit: a snapshot file ─┘ named by their hashes
//! ```
//!
//! An [`Entry`] says what is revoked. The log counts entries from 1 and has one [`LogHash`] at every
//! place, so that two logs with the same hash are the same log. A [`Head`] names the newest place and
//! its hash, and is the only thing that is signed and that changes; files are immutable and are named
//! by what is in them. Who follows the log needs to trust nobody who carries it: a root key vouches for
//! the feed key in a [`Certificate`], the feed key signs heads, and a [`Follower`] decides what is
//! believed, and how old that may be.

mod bundle;
mod certificate;
mod delta;
mod entry;
mod follower;
mod freshness;
mod head;
mod message;
mod saved;
mod snapshot;
mod table;

pub use bundle::{Bundle, RevokedAt};
pub use certificate::{Certificate, SignedCertificate};
pub use delta::Delta;
pub use entry::{Entry, LogHash, Subject};
pub use follower::{Follower, Need, Place};
pub use freshness::Question;
pub use head::{FeedError, Head, SignedHead, SnapshotName};
pub use message::Message;
pub use saved::Saved;
pub use snapshot::{Snapshot, SnapshotReader};
pub use table::Table;

/// Why bytes are no file of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file is cut off or malformed")]
pub struct Malformed;

/// Reads a file from its beginning.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
