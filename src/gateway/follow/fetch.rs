//! What others than a guard want of a source: one answer, one snapshot, or all of it in one file.

use std::time::Duration;

use bytes::Bytes;
use rand::RngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::authority::{Authority, FetchError};
use super::failure::Failure;
use crate::feed::{
    Bundle, Delta, FeedError, Follower, LogHash, Message, Need, Place, SignedHead, SnapshotName,
    SnapshotReader,
};
use crate::keys::TrustedRoots;

/// How often a source may lack what leads to the head that it gave, and the pause after that.
const BEHIND_MAX: usize = 10;
const BEHIND: Duration = Duration::from_millis(200);

/// Why there is no bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Something was not fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What was fetched is not believed.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

impl From<Failure> for BundleError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fetch(error) => Self::Fetch(error),
            Failure::Feed(error) => Self::Feed(error),
            _ => Self::Feed(FeedError::Malformed),
        }
    }
}

/// Sixteen random bytes, as a question contains them.
pub(super) fn nonce() -> String {
    let mut nonce = [0; 16];
    OsRng.fill_bytes(&mut nonce);
    hex::encode(nonce)
}

impl Authority {
    /// A head that contains this nonce; it is not checked here.
    ///
    /// *Errors*: [`FetchError`].
    pub(crate) async fn answer(&self, nonce: &str) -> Result<SignedHead, FetchError> {
        let text = self.feed_answer(nonce).await?;
        Ok(Message::from_json(&text).map_err(|_| FetchError::Malformed)?.head)
    }

    /// The file with the entries after a place that lead to another; it is not checked here.
    ///
    /// *Errors*: [`FetchError`].
    pub(crate) async fn delta(&self, from: u64, to: Place) -> Result<Vec<u8>, FetchError> {
        self.feed_delta(to.epoch, (from, to.seq), to.hash).await
    }

    /// The file of a snapshot that a head names.
    ///
    /// *Errors*: [`FetchError`]; [`FetchError::Malformed`] where it is another file.
    pub(crate) async fn snapshot(&self, name: &SnapshotName) -> Result<Bytes, FetchError> {
        let (mut answer, time) = self.feed_snapshot(name).await?;
        let max = usize::try_from(name.bytes).unwrap_or(usize::MAX);
        let arriving = async move {
            let mut file = Vec::new();
            while let Some(part) = answer.next().await? {
                if file.len().saturating_add(part.len()) > max {
                    return Err(FetchError::TooLong);
                }
                file.extend_from_slice(&part);
            }
            Ok(file)
        };
        let file = tokio::time::timeout(time, arriving).await.unwrap_or(Err(FetchError::Slow))?;
        match LogHash(Sha256::digest(&file).into()) == name.sha256 {
            true => Ok(file.into()),
            false => Err(FetchError::Malformed),
        }
    }

    /// All that is revoked now, in a form that proves itself to whoever trusts these root keys.
    ///
    /// *Errors*: [`BundleError`].
    pub async fn bundle(&self, roots: &TrustedRoots) -> Result<Bundle, BundleError> {
        for _ in 0..BEHIND_MAX {
            match self.bundle_now(roots).await {
                // A relay may be behind the answer that it passed on, for a moment.
                Err(BundleError::Fetch(FetchError::Status(404))) => sleep(BEHIND).await,
                bundle => return bundle,
            }
        }
        self.bundle_now(roots).await
    }

    async fn bundle_now(&self, roots: &TrustedRoots) -> Result<Bundle, BundleError> {
        let keys = self.feed_keys().await?;
        let mut follower = Follower::new(roots.clone(), None);
        follower.learn_keys(&keys, 0)?;
        let nonce = nonce();
        let head = self.answer(&nonce).await?;
        let message = Message { delta: None, head: head.clone() };
        // How old it is says the time in it, when somebody opens it.
        let mut need = follower.hear(&message, None, 0)?;
        let mut bundle = Bundle { keys, head, snapshot: Vec::new(), delta: None };
        if let Need::Snapshot(name) = need {
            bundle.snapshot = self.snapshot(&name).await?.to_vec();
            let mut reader = SnapshotReader::new(name).map_err(FeedError::from)?;
            reader.read(&bundle.snapshot).map_err(FeedError::from)?;
            need = follower.take_snapshot(reader)?;
        }
        if let Need::Delta { from, to, hash } = need {
            let epoch = follower.seen().map(|head| head.epoch).unwrap_or_default();
            let bytes = self.delta(from, Place { epoch, seq: to, hash }).await?;
            let delta = Delta::from_bytes(&bytes).map_err(FeedError::from)?;
            need = follower.take_delta(&delta)?;
            bundle.delta = Some(delta);
        }
        match need {
            Need::Nothing => Ok(bundle),
            _ => Err(FeedError::Gap.into()),
        }
    }
}
