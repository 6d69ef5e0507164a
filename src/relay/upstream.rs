use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fanout::{Answering, Source};
use crate::feed::{
    Certificate, Delta, LogHash, Place, SignedCertificate, SignedHead, SnapshotName,
};
use crate::gateway::Authority;
use crate::keys::VerifyingKey;

/// Snapshots that are remembered.
const SNAPSHOTS_MAX: usize = 3;
/// Questions, and files, that sources are asked for at once.
const ASKED_MAX: usize = 256;
const FILES_MAX: usize = 4;

/// What a relay asks when it cannot answer by itself: its sources, all of them at once where an
/// answer cannot wait.
#[derive(Clone)]
pub(super) struct Upstream(Arc<Inner>);

struct Inner {
    sources: Vec<Authority>,
    /// Feed keys that a root vouches for: who answers with another is not believed.
    keys: Mutex<Vec<VerifyingKey>>,
    /// Snapshots that believed heads named lately, with their files once they were fetched. No
    /// others are.
    snapshots: Mutex<VecDeque<(SnapshotName, Option<Bytes>)>>,
    /// One snapshot is fetched at a time.
    fetching: tokio::sync::Mutex<()>,
    asked: Semaphore,
    files: Semaphore,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub(super) fn new(sources: Vec<Authority>) -> Self {
        Self(Arc::new(Inner {
            sources,
            keys: Mutex::default(),
            snapshots: Mutex::default(),
            fetching: tokio::sync::Mutex::new(()),
            asked: Semaphore::new(ASKED_MAX),
            files: Semaphore::new(FILES_MAX),
        }))
    }

    /// These are the feed keys from now on; a root vouches for each.
    pub(super) fn know(&self, certificates: &[SignedCertificate]) {
        let read = |signed: &SignedCertificate| {
            serde_json::from_str::<Certificate>(&signed.certificate).ok()
        };
        let keys = certificates.iter().filter_map(read).map(|certificate| certificate.key);
        *locked(&self.0.keys) = keys.collect();
    }

    /// Fetches a snapshot that a head named for the first time, for those who will ask.
    pub(super) fn fetch_ahead(&self, name: SnapshotName) {
        let mut snapshots = locked(&self.0.snapshots);
        if snapshots.iter().any(|(known, _)| *known == name) {
            return;
        }
        snapshots.push_back((name.clone(), None));
        if snapshots.len() > SNAPSHOTS_MAX {
            snapshots.pop_front();
        }
        drop(snapshots);
        let upstream = self.clone();
        tokio::spawn(async move { upstream.fetch(name.sha256).await });
    }

    /// A snapshot that a head named: fetched once, then from memory.
    async fn fetch(&self, sha256: LogHash) -> Option<Bytes> {
        let find = || {
            let snapshots = locked(&self.0.snapshots);
            snapshots.iter().find(|(name, _)| name.sha256 == sha256).cloned()
        };
        if let (_, Some(file)) = find()? {
            return Some(file);
        }
        let _one = self.0.fetching.lock().await;
        let name = match find()? {
            (_, Some(file)) => return Some(file),
            (name, None) => name,
        };
        for source in &self.0.sources {
            match source.snapshot(&name).await {
                Ok(file) => {
                    let mut snapshots = locked(&self.0.snapshots);
                    if let Some((_, kept)) = snapshots.iter_mut().find(|(known, _)| *known == name)
                    {
                        *kept = Some(file.clone());
                    }
                    return Some(file);
                }
                Err(error) => tracing::warn!(%error, "a snapshot was not fetched"),
            }
        }
        None
    }

    /// Whether a feed key signed it, and it answers this question.
    fn is_answer(&self, signed: &SignedHead, nonce: &str) -> bool {
        let keys = locked(&self.0.keys).clone();
        let head = signed.open(|key| keys.contains(key));
        head.is_ok_and(|head| head.nonce.as_deref() == Some(nonce))
    }
}

impl Source for Upstream {
    fn answer(&self, nonce: String) -> Answering<'_, SignedHead> {
        Box::pin(async move {
            let _room = self.0.asked.try_acquire().ok()?;
            // Whoever is silent, or lies, holds up nobody.
            let mut asked = JoinSet::new();
            for source in self.0.sources.clone() {
                let nonce = nonce.clone();
                asked.spawn(async move { source.answer(&nonce).await });
            }
            while let Some(answer) = asked.join_next().await {
                if let Ok(Ok(head)) = answer
                    && self.is_answer(&head, &nonce)
                {
                    return Some(head);
                }
            }
            None
        })
    }

    fn snapshot(&self, sha256: LogHash) -> Answering<'_, Bytes> {
        Box::pin(self.fetch(sha256))
    }

    fn delta(&self, from: u64, to: Place) -> Answering<'_, Vec<u8>> {
        Box::pin(async move {
            let _room = self.0.files.acquire().await.ok()?;
            for source in &self.0.sources {
                let Ok(bytes) = source.delta(from, to).await else { continue };
                // What is in it, whoever asks will check.
                if Delta::from_bytes(&bytes).is_ok_and(|d| (d.from(), d.to()) == (from, to.seq)) {
                    return Some(bytes);
                }
            }
            None
        })
    }
}
