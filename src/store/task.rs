use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::keys::{KeyId, VerifyingKey};
use crate::model::{RevocationId, Timestamp};
use crate::verify::RevocationKind;
use crate::vocabulary::Grant;

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_SECS: u64 = 24 * 60 * 60;

/// What the authority keeps of a task: everything but its token.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// The task's id, a UUIDv7.
    pub id: String,
    /// The id of the client that asked for it.
    pub client: String,
    /// On whose behalf.
    pub principal: String,
    /// Whom the token was issued to.
    pub agent: Option<String>,
    /// The key that the token is bound to; none for a bearer token.
    pub holder: Option<VerifyingKey>,
    /// What the task is for.
    pub intent: Option<String>,
    /// The gateways that may accept the token.
    pub audience: BTreeSet<String>,
    /// What may be called.
    pub grants: Vec<Grant>,
    /// How many delegation hops the token allows.
    pub depth: u32,
    /// The root key that signed the token.
    pub root: KeyId,
    /// The revocation identifier of the authority block.
    pub revocation_id: RevocationId,
    /// When the token was minted.
    pub created: Timestamp,
    /// When the token ends by itself.
    pub expires: Timestamp,
    /// When and how the task was ended before that.
    pub ended: Option<Ended>,
}

/// When and how a task was ended before its token's own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// [`TaskState::Completed`] or [`TaskState::Revoked`].
    pub state: TaskState,
}

/// What has become of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Its token may be used.
    Active,
    /// Its owner said that it is done; its token is revoked.
    Completed,
    /// Its token was revoked.
    Revoked,
    /// Its token's time is over.
    Expired,
}

/// Which tasks to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFilter {
    /// Those of this client alone.
    pub client: Option<String>,
    /// Those in this state alone.
    pub state: Option<TaskState>,
    /// The moment that the state is of.
    pub now: Timestamp,
}

/// What makes a repeated request known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key that the client chose.
    pub key: String,
    /// The SHA-256 of the request's body in its canonical form.
    pub body: [u8; 32],
}

/// A task to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// The task.
    pub task: TaskRecord,
    /// The root key that signed its token.
    pub root: VerifyingKey,
    /// What makes the request known if it is repeated.
    pub idempotency: Option<Idempotency>,
    /// What is spent of the proof that came with the request.
    pub proof: Option<SpentProof>,
}

/// A proof that opens nothing a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpentProof {
    /// SHA-256 over the key that signed and the proof's `jti`.
    pub key: [u8; 32],
    /// The moment up to which that is remembered.
    pub closes: Timestamp,
}

/// What came of adding a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskAdded {
    /// It was added.
    Added,
    /// The same request made this task before; nothing was added.
    Repeated(String),
    /// The idempotency key came with another request before; nothing was added.
    KeyReused,
    /// The proof was used before; nothing was added.
    ProofUsed,
    /// The agent, the holder, the root key or the moment is revoked, so that no verifier would take
    /// the token; nothing was added.
    Revoked(RevocationKind),
}

impl TaskRecord {
    /// What has become of the task by now.
    pub fn state(&self, now: Timestamp) -> TaskState {
        match self.ended {
            Some(ended) => ended.state,
            None if self.expires <= now => TaskState::Expired,
            None => TaskState::Active,
        }
    }
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Completed, Self::Revoked, Self::Expired];

    /// The state in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}
