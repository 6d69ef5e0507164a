use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::ENTRIES_ALONG_MAX;
use super::query::Named;
use super::ring::{Ring, Stretch};
use crate::feed::{
    Entry, FeedError, Head, LogHash, Message, Place, SignedCertificate, SignedHead, SnapshotName,
};

/// Snapshots that are kept: whoever has begun to read one may finish.
const SNAPSHOTS_MAX: usize = 3;

/// All that is served.
#[derive(Debug, Default)]
pub(super) struct State {
    ring: Option<Ring>,
    pub(super) newest: Option<Newest>,
    snapshots: VecDeque<(SnapshotName, Bytes)>,
    pub(super) keys: Arc<Vec<SignedCertificate>>,
}

/// The newest head.
#[derive(Clone, Debug)]
pub(super) struct Newest {
    pub(super) place: Place,
    pub(super) signed: SignedHead,
    /// The message of the head alone, as JSON.
    pub(super) json: Bytes,
}

/// What to tell a reader: a head, and the entries that lead to it from where the reader is.
#[derive(Debug)]
pub(super) struct CatchUp {
    pub(super) named: Named,
    signed: SignedHead,
    stretch: Option<Stretch>,
    /// The message, where there is nothing but the head.
    json: Bytes,
}

impl Newest {
    fn named(&self) -> Named {
        (self.place.epoch, self.place.seq)
    }
}

impl State {
    /// As [`super::Fanout::restart`].
    pub(super) fn restart(&mut self, place: Place) {
        self.ring = Some(Ring::at(place));
        self.newest = None;
    }

    /// As [`super::Fanout::extend`].
    pub(super) fn extend(&mut self, entries: Vec<Entry>) {
        let Some(ring) = &mut self.ring else { return };
        let mut hash = ring.end().hash;
        for entry in entries {
            hash = hash.then(&entry);
            ring.push(entry, hash);
        }
    }

    /// As [`super::Fanout::publish`]: the place of the head, and the message as an event.
    pub(super) fn publish(&mut self, message: &Message) -> Result<(Named, Bytes), FeedError> {
        let place = place_of(&message.head)?;
        let ring = self.ring.as_mut().ok_or(FeedError::Gap)?;
        let mut end = ring.end();
        let mut new = Vec::new();
        if let Some(delta) = &message.delta {
            if delta.from() != end.seq {
                return Err(FeedError::Gap);
            }
            for entry in delta.entries() {
                let (seq, hash) = (end.seq.saturating_add(1), end.hash.then(entry));
                end = Place { seq, hash, ..end };
                new.push((entry.clone(), hash));
            }
        }
        if (place.epoch, place.seq) != (end.epoch, end.seq) {
            return Err(FeedError::Gap);
        }
        if place.hash != end.hash {
            return Err(FeedError::Equivocation);
        }
        let alone = Message { delta: None, head: message.head.clone() };
        let json = Bytes::from(alone.to_json()?);
        let named = (place.epoch, place.seq);
        // What is too much for a stream is fetched as a file.
        let event = match new.len() {
            1..=ENTRIES_ALONG_MAX => event(named, message.to_json()?.as_bytes()),
            _ => event(named, &json),
        };
        new.into_iter().for_each(|(entry, hash)| ring.push(entry, hash));
        self.newest = Some(Newest { place, signed: alone.head, json });
        Ok((named, event))
    }

    /// Whether it holds the entries after a place that lead to another.
    pub(super) fn holds(&self, from: u64, to: Place, count_max: usize) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.find(from, to, count_max).is_some())
    }

    /// Whether it was at this place itself.
    pub(super) fn knows(&self, place: Place) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.knows(place))
    }

    /// The entries after a place that lead to another.
    pub(super) fn stretch(&self, from: u64, to: Place, count_max: usize) -> Option<Stretch> {
        self.ring.as_ref()?.stretch(from, to, count_max)
    }

    /// What to tell a reader who is at this place, or nowhere.
    pub(super) fn catch_up(&self, from: Option<Named>) -> Option<CatchUp> {
        let newest = self.newest.as_ref()?;
        let stretch = self.stretch_along(from, newest.place);
        let (signed, json) = (newest.signed.clone(), newest.json.clone());
        Some(CatchUp { named: newest.named(), signed, stretch, json })
    }

    /// The same with another head, which answers a question.
    ///
    /// *Errors*: [`FeedError::Malformed`].
    pub(super) fn answer(
        &self,
        from: Option<Named>,
        signed: SignedHead,
    ) -> Result<CatchUp, FeedError> {
        let place = place_of(&signed)?;
        let stretch = self.stretch_along(from, place);
        let alone = Message { delta: None, head: signed };
        let json = Bytes::from(alone.to_json()?);
        Ok(CatchUp { named: (place.epoch, place.seq), signed: alone.head, stretch, json })
    }

    fn stretch_along(&self, from: Option<Named>, to: Place) -> Option<Stretch> {
        let (_, from) = from.filter(|(epoch, _)| *epoch == to.epoch)?;
        self.stretch(from, to, ENTRIES_ALONG_MAX)
    }

    /// As [`super::Fanout::add_snapshot`].
    pub(super) fn add_snapshot(&mut self, name: SnapshotName, file: Bytes) {
        self.snapshots.retain(|(other, _)| other.sha256 != name.sha256);
        self.snapshots.push_back((name, file));
        while self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_front();
        }
    }

    pub(super) fn snapshot(&self, sha256: LogHash) -> Option<Bytes> {
        let found = self.snapshots.iter().find(|(name, _)| name.sha256 == sha256);
        found.map(|(_, file)| file.clone())
    }
}

impl CatchUp {
    /// The message as JSON.
    pub(super) fn into_json(self) -> Result<Bytes, FeedError> {
        match self.stretch.and_then(Stretch::into_delta) {
            None => Ok(self.json),
            delta => Ok(Message { delta, head: self.signed }.to_json()?.into()),
        }
    }

    /// The message as an event.
    pub(super) fn into_event(self) -> Result<Bytes, FeedError> {
        let named = self.named;
        Ok(event(named, &self.into_json()?))
    }
}

fn place_of(signed: &SignedHead) -> Result<Place, FeedError> {
    let head: Head = serde_json::from_str(&signed.head).map_err(|_| FeedError::Malformed)?;
    Ok(Place { epoch: head.epoch, seq: head.seq, hash: head.hash })
}

/// A message as a server-sent event. *Source*: HTML, section 9.2.
fn event((epoch, seq): Named, json: &[u8]) -> Bytes {
    let head = format!("event: message\nid: {epoch}-{seq}\ndata: ");
    [head.as_bytes(), json, b"\n\n"].concat().into()
}
