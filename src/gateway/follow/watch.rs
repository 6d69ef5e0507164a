use crate::feed::{Delta, Place, SignedCertificate, SignedHead, SnapshotName};

/// What was taken from the feed with one message, all of it verified.
///
/// *Shape*: what is told from one message to the next has no gaps. Entries are in `delta`; those that
/// came by a snapshot are in no delta.
#[derive(Debug)]
pub struct Taken<'a> {
    /// What was told before is not continued: nothing was, a snapshot came, or another log began. The
    /// log goes on from `from`.
    pub restarted: bool,
    /// The place before `delta`, or `place` where there is none.
    pub from: Place,
    /// The snapshot that was taken.
    pub snapshot: Option<&'a SnapshotName>,
    /// The entries that lead to the head, after what was known or after the snapshot.
    pub delta: Option<&'a Delta>,
    /// The head.
    pub head: &'a SignedHead,
    /// The certificates of the feed keys, where they changed. Each is of a trusted root.
    pub certificates: Option<&'a [SignedCertificate]>,
    /// Up to where everything is known: the head's place.
    pub place: Place,
}

/// Is told of everything that is taken from the feed, in order.
pub trait Watch: Send + Sync {
    /// Something was taken. Nothing more is, until this returns.
    fn took(&self, taken: &Taken<'_>);
}
