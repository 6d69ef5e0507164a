//! Sessions of the legacy era: whose they are, and what their servers asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use rand::RngCore;
use rand::rngs::OsRng;

use super::stdio::Pipe;
use crate::mcp::Id;
use crate::model::Clock;

/// Requests of a server that wait for an answer, at once, in one session.
const ASKED_MAX: usize = 256;
/// Sessions of one owner at one server: more end the one that was used least recently.
const OWNED_MAX: usize = 32;

/// One session.
///
/// *Shape*: its identifier is the gateway's own, and names it; it proves nothing. Whoever uses it
/// shows a token whose owner is the one who opened it.
pub(super) struct Session {
    id: String,
    owner: [u8; 32],
    /// What the server calls it, where it has a name for it.
    pub(super) upstream: Option<HeaderValue>,
    /// Its server, where that is a child of its own.
    pub(super) child: Option<Arc<Pipe>>,
    pub(super) questions: Arc<Questions>,
    /// Where the session is one with several servers: its sessions with each.
    pub(super) opened: OnceLock<Opened>,
    used: AtomicU64,
    /// Answers that last; a session that has one is not idle.
    lasting: AtomicUsize,
}

/// How a session with several servers began, and the sessions with each that there are.
pub(super) struct Opened {
    /// The version that its caller speaks.
    pub(super) version: String,
    /// What its caller says of itself.
    pub(super) client: serde_json::Value,
    /// By the server's name.
    pub(super) sessions: tokio::sync::Mutex<HashMap<String, String>>,
}

/// What a server asked in a session and nobody has answered yet.
#[derive(Default)]
pub(super) struct Questions(Mutex<Vec<(Id, String)>>);

/// The sessions of one server.
pub(super) struct Sessions {
    max: usize,
    idle_micros: u64,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<String, Arc<Session>>>,
}

/// Keeps a session from being idle.
pub(super) struct Lasting(Arc<Session>, Arc<dyn Clock>);

impl Sessions {
    pub(super) fn new(max: usize, idle: Duration, clock: Arc<dyn Clock>) -> Self {
        let idle_micros = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        Self { max, idle_micros, clock, open: Mutex::default() }
    }

    /// How many there may be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The session of this identifier, if it is this owner's.
    pub(super) fn find(&self, id: &str, owner: &[u8; 32]) -> Option<Arc<Session>> {
        let now = self.clock.micros();
        let session = self.lock().get(id).cloned()?;
        if session.owner != *owner || self.is_idle(&session, now) {
            return None;
        }
        session.used.store(now, Ordering::Relaxed);
        Some(session)
    }

    /// Whether another session of this owner could be opened, once idle ones have ended. Gives those
    /// that were ended for it.
    pub(super) fn make_room(&self, owner: &[u8; 32]) -> Result<Vec<Arc<Session>>, ()> {
        let now = self.clock.micros();
        let mut open = self.lock();
        let idle = open.values().filter(|session| self.is_idle(session, now));
        let mut ended: Vec<_> = idle.cloned().collect();
        let own = open.values().filter(|session| session.owner == *owner);
        if own.clone().count() >= OWNED_MAX {
            ended.extend(own.min_by_key(|session| session.used.load(Ordering::Relaxed)).cloned());
        }
        for session in &ended {
            open.remove(&session.id);
        }
        if open.len() < self.max { Ok(ended) } else { Err(()) }
    }

    /// Opens a session.
    pub(super) fn open(
        &self,
        owner: [u8; 32],
        upstream: Option<HeaderValue>,
        child: Option<Arc<Pipe>>,
        questions: Arc<Questions>,
    ) -> Arc<Session> {
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        let session = Arc::new(Session {
            id: hex::encode(bytes),
            owner,
            upstream,
            child,
            questions,
            opened: OnceLock::new(),
            used: AtomicU64::new(self.clock.micros()),
            lasting: AtomicUsize::new(0),
        });
        self.lock().insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// Ends a session.
    pub(super) fn end(&self, session: &Session) {
        self.lock().remove(&session.id);
    }

    /// Keeps a session from being idle for as long as an answer lasts.
    pub(super) fn last(&self, session: &Arc<Session>) -> Lasting {
        session.lasting.fetch_add(1, Ordering::Relaxed);
        Lasting(Arc::clone(session), Arc::clone(&self.clock))
    }

    fn is_idle(&self, session: &Session, now: u64) -> bool {
        let unused = now.saturating_sub(session.used.load(Ordering::Relaxed));
        session.lasting.load(Ordering::Relaxed) == 0 && unused > self.idle_micros
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// The identifier, as the caller knows it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Questions {
    /// The server asked something; the oldest question is given up where there are too many.
    pub(super) fn ask(&self, id: Id, method: String) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|(other, _)| *other != id);
        if asked.len() >= ASKED_MAX {
            asked.remove(0);
        }
        asked.push((id, method));
    }

    /// What the server asked under this identifier, which is answered now.
    pub(super) fn answered(&self, id: &Id) -> Option<String> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = asked.iter().position(|(other, _)| other == id)?;
        Some(asked.remove(at).1)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.used.store(self.1.micros(), Ordering::Relaxed);
        self.0.lasting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ManualClock, Timestamp};

    fn sessions(max: usize) -> (Sessions, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1000)));
        (Sessions::new(max, Duration::from_secs(10), Arc::clone(&clock) as _), clock)
    }

    #[test]
    fn a_session_is_its_owners_and_ends_when_idle() {
        let (sessions, clock) = sessions(2);
        let (one, two) = ([1; 32], [2; 32]);
        let session = sessions.open(one, None, None, Arc::default());
        assert_eq!(session.id().len(), 32);
        assert!(sessions.find(session.id(), &one).is_some());
        assert!(sessions.find(session.id(), &two).is_none());
        assert!(sessions.find("x", &one).is_none());
        let lasting = sessions.last(&session);
        clock.set(Timestamp::from_secs(1020));
        assert!(sessions.find(session.id(), &one).is_some());
        drop(lasting);
        clock.set(Timestamp::from_secs(1031));
        assert!(sessions.find(session.id(), &one).is_none());
        assert_eq!(sessions.make_room(&two).map(|ended| ended.len()), Ok(1));
        let other = sessions.open(two, None, None, Arc::default());
        sessions.end(&other);
        assert!(sessions.find(other.id(), &two).is_none());
    }

    #[test]
    fn sessions_are_bounded_for_all_and_for_each() {
        let (sessions, _) = sessions(OWNED_MAX + 1);
        let first = sessions.open([1; 32], None, None, Arc::default());
        for _ in 1..OWNED_MAX {
            assert_eq!(sessions.make_room(&[1; 32]).map(|ended| ended.len()), Ok(0));
            sessions.open([1; 32], None, None, Arc::default());
        }
        let _ = first;
        assert_eq!(sessions.make_room(&[1; 32]).map(|ended| ended.len()), Ok(1));
        sessions.open([1; 32], None, None, Arc::default());
        sessions.open([2; 32], None, None, Arc::default());
        assert!(sessions.make_room(&[2; 32]).is_err());
    }

    #[test]
    fn only_what_was_asked_is_answered_and_once() {
        let (sessions, _) = sessions(1);
        let session = sessions.open([1; 32], None, None, Arc::default());
        session.questions.ask(Id::Number(0), "roots/list".to_owned());
        assert_eq!(session.questions.answered(&Id::Text("0".to_owned())), None);
        assert_eq!(session.questions.answered(&Id::Number(0)).as_deref(), Some("roots/list"));
        assert_eq!(session.questions.answered(&Id::Number(0)), None);
        for id in 0..=i64::try_from(ASKED_MAX).unwrap() {
            session.questions.ask(Id::Number(id), "x".to_owned());
        }
        assert_eq!(session.questions.answered(&Id::Number(0)), None);
        assert!(session.questions.answered(&Id::Number(1)).is_some());
    }
}
