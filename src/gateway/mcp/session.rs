//! Sessions of the legacy era: whose they are, and what their servers asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use rand::RngCore;
use rand::rngs::OsRng;

use super::passed::Passed;
use super::stdio::Pipe;
use crate::guard::Owner;
use crate::mcp::Id;
use crate::model::Clock;

/// Requests of a server that wait for an answer, at once, in one session.
const ASKED_MAX: usize = 256;
/// Sessions of one task at one server: more end one of the caller that has most of them.
const OWNED_MAX: usize = 32;

/// One session.
///
/// *Shape*: its identifier is the gateway's own, and names it; it proves nothing. Whoever uses it
/// shows a token whose owner is the one who opened it.
pub(super) struct Session {
    id: String,
    owner: Owner,
    /// What the server calls it, where it has a name for it.
    pub(super) upstream: Option<HeaderValue>,
    /// Its server, where that is a child of its own.
    pub(super) child: Option<Arc<Pipe>>,
    pub(super) questions: Arc<Questions>,
    /// The events that went down in it.
    pub(super) events: Passed,
    /// Where the session is one with several servers: its sessions with each.
    pub(super) opened: OnceLock<Opened>,
    used: AtomicU64,
    /// Answers that last; a session that has one is not idle.
    lasting: AtomicUsize,
    /// How often somebody began to listen: only the last of them is heard.
    listened: AtomicU64,
    /// Held for writing while somebody begins to listen.
    pub(super) begins: Arc<tokio::sync::RwLock<()>>,
}

/// How a session with several servers began, and the sessions with each that there are.
pub(super) struct Opened {
    /// The version that its caller speaks.
    pub(super) version: String,
    /// What its caller says of itself.
    pub(super) client: serde_json::Value,
    /// By the server's name.
    pub(super) sessions: Mutex<HashMap<String, Inner>>,
}

/// The session with one server: none while it is not opened.
pub(super) type Inner = Arc<tokio::sync::Mutex<Option<String>>>;

/// What a server asked in a session and nobody has answered yet.
#[derive(Default)]
pub(super) struct Questions(Mutex<Vec<(Id, String)>>);

/// The sessions of one server.
pub(super) struct Sessions {
    max: usize,
    idle_micros: u64,
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: HashMap<String, Arc<Session>>,
    /// Whose sessions are about to be opened.
    opening: Vec<Owner>,
}

/// Room for one session, kept until it is opened or given up.
pub(super) struct Room {
    sessions: Arc<Sessions>,
    owner: Owner,
}

/// Keeps a session from being idle.
pub(super) struct Lasting {
    session: Arc<Session>,
    clock: Arc<dyn Clock>,
    /// Which listener it is, of those that the session had.
    listener: Option<u64>,
}

impl Sessions {
    pub(super) fn new(max: usize, idle: Duration, clock: Arc<dyn Clock>) -> Self {
        let idle_micros = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        Self { max, idle_micros, clock, table: Mutex::default() }
    }

    /// How many there may be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The session of this identifier, if it is this owner's.
    pub(super) fn find(&self, id: &str, owner: &Owner) -> Option<Arc<Session>> {
        let now = self.clock.micros();
        let session = self.lock().open.get(id).cloned()?;
        if session.owner != *owner || self.is_idle(&session, now) {
            return None;
        }
        session.used.store(now, Ordering::Relaxed);
        Some(session)
    }

    /// Room for another session of this owner, once idle ones have ended; and those that were ended
    /// for it. None where there are too many.
    pub(super) fn make_room(self: &Arc<Self>, owner: Owner) -> (Option<Room>, Vec<Arc<Session>>) {
        let now = self.clock.micros();
        let mut table = self.lock();
        let idle = table.open.values().filter(|session| self.is_idle(session, now));
        let mut ended: Vec<_> = idle.cloned().collect();
        for session in &ended {
            table.open.remove(&session.id);
        }
        if table.of_task(&owner) >= OWNED_MAX
            && let Some(session) = table.least_needed(&owner)
        {
            table.open.remove(&session.id);
            ended.push(session);
        }
        let has_room = table.of_task(&owner) < OWNED_MAX
            && table.open.len().saturating_add(table.opening.len()) < self.max;
        let room = has_room.then(|| {
            table.opening.push(owner);
            Room { sessions: Arc::clone(self), owner }
        });
        (room, ended)
    }

    /// Opens a session.
    pub(super) fn open(
        &self,
        room: Room,
        upstream: Option<HeaderValue>,
        child: Option<Arc<Pipe>>,
        questions: Arc<Questions>,
    ) -> Arc<Session> {
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        let session = Arc::new(Session {
            id: hex::encode(bytes),
            owner: room.owner,
            upstream,
            child,
            questions,
            events: Passed::default(),
            opened: OnceLock::new(),
            used: AtomicU64::new(self.clock.micros()),
            lasting: AtomicUsize::new(0),
            listened: AtomicU64::new(0),
            begins: Arc::default(),
        });
        self.lock().open.insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// Ends a session.
    pub(super) fn end(&self, session: &Session) {
        self.lock().open.remove(&session.id);
    }

    /// Keeps a session from being idle for as long as an answer lasts.
    pub(super) fn last(&self, session: &Arc<Session>) -> Lasting {
        session.lasting.fetch_add(1, Ordering::Relaxed);
        Lasting { session: Arc::clone(session), clock: Arc::clone(&self.clock), listener: None }
    }

    /// As [`Sessions::last`], for an answer that takes the place of the one that listened before.
    pub(super) fn listen(&self, session: &Arc<Session>) -> Lasting {
        let listener = session.listened.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut lasting = self.last(session);
        lasting.listener = Some(listener);
        lasting
    }

    fn is_idle(&self, session: &Session, now: u64) -> bool {
        let unused = now.saturating_sub(session.used.load(Ordering::Relaxed));
        session.lasting.load(Ordering::Relaxed) == 0 && unused > self.idle_micros
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// How many sessions a task has, those that are about to be opened among them.
    fn of_task(&self, owner: &Owner) -> usize {
        let open = self.open.values().filter(|session| session.owner.task == owner.task).count();
        let opening = self.opening.iter().filter(|other| other.task == owner.task).count();
        open.saturating_add(opening)
    }

    /// Of the caller that has most of a task's sessions, the one that was used least recently.
    fn least_needed(&self, owner: &Owner) -> Option<Arc<Session>> {
        let own: Vec<_> =
            self.open.values().filter(|session| session.owner.task == owner.task).collect();
        let of = |caller| own.iter().filter(|other| other.owner.caller == caller).count();
        let needed = |session: &&&Arc<Session>| {
            let used = session.used.load(Ordering::Relaxed);
            (std::cmp::Reverse(of(session.owner.caller)), used)
        };
        own.iter().min_by_key(needed).map(|session| Arc::clone(session))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        let at = table.opening.iter().position(|owner| *owner == self.owner);
        at.map(|at| table.opening.swap_remove(at));
    }
}

impl Session {
    /// Waits for whoever began to listen before: what a server asks of the next request may go there,
    /// and nowhere else.
    pub(super) async fn heard(&self) {
        drop(self.begins.read().await);
    }

    /// The identifier, as the caller knows it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Opened {
    /// The session with a server, to be opened by whoever comes first.
    pub(super) fn with(&self, server: &str) -> Inner {
        Arc::clone(self.lock().entry(server.to_owned()).or_default())
    }

    /// All of them, which are over now.
    pub(super) fn take(&self) -> HashMap<String, Inner> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Inner>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Lasting {
    /// Whether another answer took its place.
    pub(super) fn is_replaced(&self) -> bool {
        let last = self.session.listened.load(Ordering::Relaxed);
        self.listener.is_some_and(|listener| listener != last)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.session.used.store(self.clock.micros(), Ordering::Relaxed);
        self.session.lasting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ManualClock, Timestamp};

    fn sessions(max: usize) -> (Arc<Sessions>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1000)));
        (Arc::new(Sessions::new(max, Duration::from_secs(10), Arc::clone(&clock) as _)), clock)
    }

    fn owner(task: u8, caller: u8) -> Owner {
        Owner { task: [task; 32], caller: [caller; 32] }
    }

    fn opened(sessions: &Arc<Sessions>, owner: Owner) -> Option<Arc<Session>> {
        let room = sessions.make_room(owner).0?;
        Some(sessions.open(room, None, None, Arc::default()))
    }

    #[test]
    fn a_session_is_its_owners_and_ends_when_idle() {
        let (sessions, clock) = sessions(2);
        let (one, two) = (owner(1, 1), owner(2, 2));
        let session = opened(&sessions, one).unwrap();
        assert_eq!(session.id().len(), 32);
        assert!(sessions.find(session.id(), &one).is_some());
        assert!(sessions.find(session.id(), &two).is_none());
        assert!(sessions.find(session.id(), &owner(1, 2)).is_none());
        assert!(sessions.find("x", &one).is_none());
        let lasting = sessions.last(&session);
        clock.set(Timestamp::from_secs(1020));
        assert!(sessions.find(session.id(), &one).is_some());
        drop(lasting);
        clock.set(Timestamp::from_secs(1031));
        assert!(sessions.find(session.id(), &one).is_none());
        assert_eq!(sessions.make_room(two).1.len(), 1);
        let other = opened(&sessions, two).unwrap();
        sessions.end(&other);
        assert!(sessions.find(other.id(), &two).is_none());
    }

    #[test]
    fn sessions_are_bounded_for_all_and_for_each_task() {
        let (sessions, clock) = sessions(OWNED_MAX + 1);
        let parent = opened(&sessions, owner(1, 1)).unwrap();
        for second in 1..OWNED_MAX as u64 {
            clock.set(Timestamp::from_millis(1_000_000 + second));
            // However many keys a holder makes, they are of one task.
            opened(&sessions, owner(1, 2)).unwrap();
        }
        let (room, ended) = sessions.make_room(owner(1, 3));
        assert_eq!((room.is_some(), ended.len()), (true, 1));
        assert_eq!(ended[0].owner.caller, [2; 32], "those end who have most");
        assert!(sessions.find(parent.id(), &owner(1, 1)).is_some());
        drop(room);
        opened(&sessions, owner(1, 3)).unwrap();
        opened(&sessions, owner(2, 1)).unwrap();
        assert!(opened(&sessions, owner(2, 1)).is_none());
    }

    #[test]
    fn those_that_are_about_to_be_opened_count() {
        let (sessions, _) = sessions(1000);
        let rooms: Vec<_> = (0..100).filter_map(|_| sessions.make_room(owner(1, 1)).0).collect();
        assert_eq!(rooms.len(), OWNED_MAX);
        drop(rooms);
        assert!(opened(&sessions, owner(1, 1)).is_some());
    }

    #[test]
    fn only_what_was_asked_is_answered_and_once() {
        let (sessions, _) = sessions(1);
        let session = opened(&sessions, owner(1, 1)).unwrap();
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
