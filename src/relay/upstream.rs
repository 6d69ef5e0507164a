use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::fanout::{Answering, Fanout, Source};
use crate::feed::{LogHash, SignedHead, SnapshotName};
use crate::gateway::Authority;

/// Names of snapshots that are remembered.
const NAMES_MAX: usize = 3;

/// What a relay asks when it cannot answer by itself: its sources, one after the other.
#[derive(Clone)]
pub(super) struct Upstream(Arc<Inner>);

struct Inner {
    sources: Vec<Authority>,
    /// Snapshots that believed heads named lately: no others are fetched.
    names: Mutex<VecDeque<SnapshotName>>,
    /// One is fetched at a time.
    fetching: tokio::sync::Mutex<()>,
}

impl Upstream {
    pub(super) fn new(sources: Vec<Authority>) -> Self {
        let (names, fetching) = (Mutex::default(), tokio::sync::Mutex::new(()));
        Self(Arc::new(Inner { sources, names, fetching }))
    }

    /// Fetches a snapshot that a head named for the first time, for those who will ask.
    pub(super) fn fetch_ahead(self, name: SnapshotName, fanout: Fanout) {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains(&name) {
            return;
        }
        names.push_back(name.clone());
        if names.len() > NAMES_MAX {
            names.pop_front();
        }
        drop(names);
        tokio::spawn(async move {
            if let Some(file) = self.fetch(&name).await {
                fanout.add_snapshot(name, file);
            }
        });
    }

    async fn fetch(&self, name: &SnapshotName) -> Option<Bytes> {
        let _one = self.0.fetching.lock().await;
        for source in &self.0.sources {
            match source.snapshot(name).await {
                Ok(file) => return Some(file),
                Err(error) => tracing::warn!(%error, "a snapshot was not fetched"),
            }
        }
        None
    }
}

impl Source for Upstream {
    fn answer(&self, nonce: String) -> Answering<'_, SignedHead> {
        Box::pin(async move {
            for source in &self.0.sources {
                if let Ok(head) = source.answer(&nonce).await {
                    return Some(head);
                }
            }
            None
        })
    }

    fn snapshot(&self, sha256: LogHash) -> Answering<'_, Bytes> {
        Box::pin(async move {
            let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let name = names.into_iter().find(|name| name.sha256 == sha256)?;
            self.fetch(&name).await
        })
    }
}
