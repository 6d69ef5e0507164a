//! What happens to a server's answers on their way down.

use std::sync::Arc;

use axum::BoxError;
use bytes::Bytes;

use super::narrowing::Narrowing;
use super::passing::Step;
use super::session::Session;
use crate::mcp::{
    self, EventIds, EventTooLong, Events, Fault, Id, Reply, Scan, ScanOne, Scanned, code,
};

/// An answer that is none to its request.
#[derive(Debug, thiserror::Error)]
#[error("the server said something that is no answer to the request")]
struct NoAnswer;

/// The identifier of a message.
pub(super) fn identifier(reply: &Reply<'_>) -> Option<Id> {
    Id::from_text(reply.at(reply.place("id")?))
}

pub(super) fn unreadable(id: &[u8]) -> Vec<u8> {
    mcp::error(Some(id), &Fault::new(code::INTERNAL, "the server's list cannot be read"))
}

/// A stream that is passed on as it is, while what the server asks on it is noted. It answers one
/// request: whatever answers another is cut before the end of its event, so that nobody hears of it.
pub(super) struct Listening {
    pub(super) scan: Scan,
    pub(super) session: Option<Arc<Session>>,
    pub(super) id: Id,
}

impl Step for Listening {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        for scanned in self.scan.read(&bytes) {
            match (scanned, &self.session) {
                (Scanned::Asks(Some(id), method), Some(session)) => {
                    session.questions.ask(id, method);
                }
                (Scanned::Answers(Some(id)), _) if id == self.id => {}
                (Scanned::Blank | Scanned::Asks(..), _) => {}
                (Scanned::Answers(_) | Scanned::Unclear, _) => return Err(NoAnswer.into()),
            }
        }
        Ok(bytes)
    }

    /// Some readers take the end of a stream for that of its last event.
    fn end(&mut self) -> Result<Bytes, BoxError> {
        match self.scan.is_within() {
            true => Err(NoAnswer.into()),
            false => Ok(Bytes::new()),
        }
    }
}

/// An answer that is passed on as it is, but for its end, which is held back until it is known to be
/// one to its request.
pub(super) struct Whole {
    scan: ScanOne,
    held: Bytes,
    id: Id,
}

impl Whole {
    pub(super) fn new(id: Id) -> Self {
        Self { scan: ScanOne::default(), held: Bytes::new(), id }
    }

    /// Whether this is an answer to the request of this identifier.
    pub(super) fn is_answer(whole: &[u8], id: &Id) -> bool {
        let mut scan = ScanOne::default();
        scan.read(whole);
        answers(scan, id)
    }
}

fn answers(scan: ScanOne, id: &Id) -> bool {
    matches!(scan.end(), Scanned::Answers(Some(answered)) if answered == *id)
}

impl Step for Whole {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        self.scan.read(&bytes);
        match bytes.is_empty() {
            true => Ok(bytes),
            false => Ok(std::mem::replace(&mut self.held, bytes)),
        }
    }

    fn end(&mut self) -> Result<Bytes, BoxError> {
        match answers(std::mem::take(&mut self.scan), &self.id) {
            true => Ok(std::mem::take(&mut self.held)),
            false => Err(NoAnswer.into()),
        }
    }
}

/// A stream of which each event is read whole, since lists may be among them.
pub(super) struct Narrowed {
    pub(super) events: Events,
    pub(super) narrowing: Narrowing,
    pub(super) session: Option<Arc<Session>>,
    /// The request that the list answers, where it is known, and as it was written.
    pub(super) id: Option<(Id, Vec<u8>)>,
    pub(super) is_over: bool,
}

impl Step for Narrowed {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        let mut out = Vec::new();
        match (self.narrow(&bytes, &mut out), &self.id) {
            (Ok(()), _) => {}
            // Whoever waits for a list is told that there is none, once; then the stream is cut.
            (Err(_), Some((_, id))) if !std::mem::replace(&mut self.is_over, true) => {
                out.extend_from_slice(&mcp::event(&unreadable(id)));
            }
            (Err(error), _) => return Err(error),
        }
        Ok(out.into())
    }
}

impl Narrowed {
    fn narrow(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxError> {
        if self.is_over {
            return Err(EventTooLong.into());
        }
        for event in self.events.read(bytes)? {
            let data = event.data().filter(|data| !data.trim_ascii().is_empty());
            let text = data.map(|data| self.changed(&data)).transpose()?.flatten();
            let event = match text {
                Some(text) => event.with_data(&text),
                None => event,
            };
            out.extend_from_slice(&event.into_bytes());
        }
        Ok(())
    }

    /// What an event says instead; `None` where it stays as it is.
    fn changed(&self, data: &[u8]) -> Result<Option<Vec<u8>>, BoxError> {
        let reply = Reply::read(data)?;
        let is_request = reply.place("method").is_some();
        if let (false, Some((id, _))) = (is_request, &self.id)
            && identifier(&reply).as_ref() != Some(id)
        {
            return Err(NoAnswer.into());
        }
        if let Some(method) = reply.text("method") {
            let id = reply.place("id").and_then(|place| mcp::Id::from_text(reply.at(place)));
            if let (Some(session), Some(id)) = (&self.session, id) {
                session.questions.ask(id, method);
            }
            return Ok(None);
        }
        Ok(Some(self.narrowing.of(data)?))
    }
}

/// A stream of events that a session may ask for again.
pub(super) struct Noting<S> {
    step: S,
    ids: EventIds,
    session: Option<Arc<Session>>,
}

impl<S> Noting<S> {
    pub(super) fn new(step: S, session: Option<Arc<Session>>) -> Self {
        Self { step, ids: EventIds::default(), session }
    }
}

impl<S: Step> Step for Noting<S> {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        if let Some(session) = &self.session {
            self.ids.read(&bytes).iter().for_each(|id| session.events.note(id));
        }
        self.step.pass(bytes)
    }

    fn end(&mut self) -> Result<Bytes, BoxError> {
        self.step.end()
    }
}
