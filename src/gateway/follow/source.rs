//! What a source of the feed is asked for, within bounds.

use std::collections::VecDeque;
use std::time::Duration;

use super::authority::{Answer, Authority, FetchError};
use super::events::EventReader;
use super::failure::Failure;
use crate::feed::{LogHash, Place, Question, SignedCertificate, SnapshotName};

const KEYS_BYTES_MAX: usize = 64 * 1024;
/// A head, and the thousand entries that may come with it.
const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
const DELTA_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a delta file may take.
const DELTA_TIME: Duration = Duration::from_secs(60);
/// How slowly a snapshot may arrive, in bytes a second.
const SNAPSHOT_BYTES_PER_SEC: u64 = 256 * 1024;

/// The messages of a stream, one at a time.
#[derive(Debug)]
pub(super) struct Messages {
    answer: Answer,
    reader: EventReader,
    /// What was read and not yet taken.
    read: VecDeque<Vec<u8>>,
}

impl Messages {
    /// The next message. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(message) = self.read.pop_front() {
                return Ok(message);
            }
            let chunk = self.answer.next().await?.ok_or(Failure::Ended)?;
            let events = self.reader.read(&chunk)?.into_iter();
            self.read.extend(events.filter(|event| event.is_message()).map(|event| event.data));
        }
    }

    /// Waits for the first message, and keeps it.
    async fn begun(mut self) -> Result<Self, Failure> {
        let first = self.next().await?;
        self.read.push_front(first);
        Ok(self)
    }
}

impl Authority {
    /// The keys that sign heads, and who vouches for them.
    pub(super) async fn feed_keys(&self) -> Result<Vec<SignedCertificate>, FetchError> {
        self.json("v1/revocations/keys", KEYS_BYTES_MAX).await
    }

    /// A message that answers a question: at once, or as soon as there is more than this place.
    pub(super) async fn feed_head(
        &self,
        asked: &Question,
        after: Option<(Place, Duration)>,
    ) -> Result<Vec<u8>, FetchError> {
        let mut path = format!("v1/revocations/head?nonce={}", asked.nonce);
        let mut time = self.timeout();
        if let Some((Place { epoch, seq, .. }, wait)) = after {
            path += &format!("&after={epoch}-{seq}&wait={}", wait.as_millis());
            time += wait;
        }
        self.whole(&path, MESSAGE_BYTES_MAX, time).await
    }

    /// A message whose head contains this nonce.
    pub(super) async fn feed_answer(&self, nonce: &str) -> Result<Vec<u8>, FetchError> {
        let path = format!("v1/revocations/head?nonce={nonce}");
        self.whole(&path, MESSAGE_BYTES_MAX, self.timeout()).await
    }

    /// The file with these entries.
    pub(super) async fn feed_delta(
        &self,
        epoch: u64,
        (from, to): (u64, u64),
        hash: LogHash,
    ) -> Result<Vec<u8>, FetchError> {
        let path = format!("v1/revocations/deltas/{epoch}-{from}-{to}-{hash}");
        self.whole(&path, DELTA_BYTES_MAX, DELTA_TIME).await
    }

    /// The file of this name as it arrives, and how long it may take.
    pub(super) async fn feed_snapshot(
        &self,
        name: &SnapshotName,
    ) -> Result<(Answer, Duration), FetchError> {
        let path = format!("v1/revocations/snapshots/{}", name.sha256);
        let time = self.timeout() + Duration::from_secs(10 + name.bytes / SNAPSHOT_BYTES_PER_SEC);
        Ok((self.open(&path, self.timeout()).await?, time))
    }

    /// The stream of what comes after this place.
    pub(super) async fn feed_stream(&self, from: Option<Place>) -> Result<Messages, FetchError> {
        let path = match from {
            Some(Place { epoch, seq, .. }) => format!("v1/revocations/stream?from={epoch}-{seq}"),
            None => "v1/revocations/stream".to_owned(),
        };
        let answer = self.open(&path, self.timeout()).await?;
        Ok(Messages { answer, reader: EventReader::default(), read: VecDeque::new() })
    }

    /// A stream that has begun within a time.
    pub(super) async fn feed_stream_begun(
        self,
        from: Option<Place>,
        within: Duration,
    ) -> Result<Messages, Failure> {
        let begun = async { self.feed_stream(from).await?.begun().await };
        tokio::time::timeout(within, begun).await.unwrap_or(Err(Failure::Silent))
    }
}
