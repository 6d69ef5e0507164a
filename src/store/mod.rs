//! What the authority keeps: clients, tasks and the revocation log, behind repository traits.
//!
//! A store never sees a token or a client's key: tokens live in one response only, and of a key
//! it keeps the digest. Whatever a method acknowledges is durable. [`sqlite`] is the store there
//! is; `contract` holds the tests that every other one has to pass as well.

mod client;
mod client_key;
#[cfg(test)]
mod contract;
mod page;
mod revocation;
pub mod sqlite;
mod task;

use std::future::Future;
use std::pin::Pin;

use crate::feed::LogHash;
use crate::model::{RevocationId, Timestamp};

pub use client::{Client, ClientAdded, ClientLimits, NewClient};
pub use client_key::{ClientKey, ClientKeyError, KeyDigest};
pub use page::{Cursor, CursorError, Page, PageRequest};
pub use revocation::{
    Ends, Foreseen, ListedRevocations, LogPart, NewRevocation, PLACE_REVOCATIONS, Restart, Revoked,
    TASK_REVOCATIONS_MAX,
};
pub use task::{
    Ended, IDEMPOTENCY_SECS, Idempotency, NewTask, SpentProof, TaskAdded, TaskFilter, TaskRecord,
    TaskState,
};

/// Why the store did not do what it was asked. Nothing has been changed then, as far as it knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened, or its schema cannot be brought up to date.
    #[error("the store cannot be opened: {0}")]
    Open(String),
    /// It does not answer, or refuses to write.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What it holds cannot be read back.
    #[error("the store holds a malformed `{0}`")]
    Malformed(&'static str),
}

/// The answer of a store, to be awaited.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The clients that may ask for tasks.
pub trait Clients {
    /// Adds a client, unless its name is taken.
    fn add_client(&self, client: NewClient) -> Pending<'_, ClientAdded>;
    /// The client with this id and the digest of its key; a disabled one too.
    fn client<'a>(&'a self, id: &'a str) -> Pending<'a, Option<(Client, KeyDigest)>>;
    /// The clients, newest first.
    fn clients(&self, page: PageRequest) -> Pending<'_, Page<Client>>;
    /// Disables a client from this moment on. One disabled before stays as it is.
    fn disable_client(&self, id: String, at: Timestamp) -> Pending<'_, Option<Client>>;
}

/// The tasks that were issued.
pub trait Tasks {
    /// Adds a task, unless its idempotency key was used in the last [`IDEMPOTENCY_SECS`], its proof
    /// at any time that is remembered, or the log holds what would refuse its token everywhere.
    fn add_task(&self, task: NewTask) -> Pending<'_, TaskAdded>;
    /// The task with this id.
    fn task<'a>(&'a self, id: &'a str) -> Pending<'a, Option<TaskRecord>>;
    /// The task whose authority block has this revocation identifier.
    fn task_of_block<'a>(&'a self, id: &'a RevocationId) -> Pending<'a, Option<TaskRecord>>;
    /// The tasks that pass the filter, newest first.
    fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Pending<'_, Page<TaskRecord>>;
    /// Ends a task as completed and revokes it, in one transaction; `by` is who says so, a plain
    /// text. A task that has ended before stays as it is.
    fn complete_task(
        &self,
        id: String,
        by: String,
        at: Timestamp,
    ) -> Pending<'_, Option<TaskRecord>>;
}

/// The revocation log.
pub trait RevocationLog {
    /// Appends an entry, and ends the live tasks that it hits as revoked, in one transaction.
    fn revoke(&self, revocation: NewRevocation) -> Pending<'_, Revoked>;
    /// What [`revoke`](Self::revoke) would do now; changes nothing.
    fn foresee(&self, revocation: NewRevocation) -> Pending<'_, Foreseen>;
    /// Begins a new epoch, since nobody knows what this log has lost, in one transaction: its first
    /// entry revokes all that was issued before this moment. Entries follow that hit later tokens
    /// too; the others are put aside.
    fn restart_log(&self, by: String, at: Timestamp) -> Pending<'_, Restart>;
    /// What [`restart_log`](Self::restart_log) would do now; changes nothing.
    fn foresee_restart(&self, at: Timestamp) -> Pending<'_, Restart>;
    /// The highest place in the log; 0 while it is empty.
    fn revocation_seq(&self) -> Pending<'_, u64>;
    /// So many entries after a place, and where the log ends, of one instant.
    fn log_after(&self, seq: u64, limit: u32) -> Pending<'_, LogPart>;
    /// The hash over the log up to a place that it has.
    fn log_hash(&self, seq: u64) -> Pending<'_, Option<LogHash>>;
    /// The entries that end no earlier than this moment, and the highest place, of one instant.
    fn revocations(&self, not_before: Timestamp) -> Pending<'_, ListedRevocations>;
}

/// Everything the authority keeps.
pub trait Store: Clients + Tasks + RevocationLog + Send + Sync {
    /// Whether the store can be read and written now.
    fn check(&self) -> Pending<'_, ()>;
    /// Finishes what was begun and closes the store; it takes no writes afterwards.
    fn close(&self) -> Pending<'_, ()>;
}
