//! The one writer: takes changes from a queue and commits them in groups.

use std::sync::Mutex;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::unavailable;
use crate::store::{Pending, StoreError};

/// Changes that one transaction takes at most.
const GROUP_MAX: usize = 256;
/// Changes that may wait before callers do.
const QUEUE_MAX: usize = 1024;

/// One change, made inside a transaction that the writer opens and commits. It may be made again,
/// after a rollback.
pub(super) trait Change: Send + Sync + 'static {
    /// What the caller learns once it is durable.
    type Answer: Send + 'static;

    /// Makes the change.
    fn make<'a>(&'a self, connection: &'a mut SqliteConnection) -> Pending<'a, Self::Answer>;
}

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// A change whose answer has a type that the queue does not know.
trait Job: Send {
    fn make<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Pending<'a, ()>;
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Waiting<C: Change> {
    change: C,
    answer: Option<C::Answer>,
    caller: oneshot::Sender<Result<C::Answer, StoreError>>,
}

fn stopped() -> StoreError {
    StoreError::Unavailable("it is closing".to_owned())
}

impl Writer {
    /// Starts the writer on its own connection.
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let task = tokio::spawn(run(connection, jobs));
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)) }
    }

    /// Has a change made, and returns once it is durable. The change goes on when the caller
    /// stops waiting.
    pub(super) async fn write<C: Change>(&self, change: C) -> Result<C::Answer, StoreError> {
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone()).ok_or_else(stopped)?;
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Waiting { change, answer: None, caller });
        queue.send(job).await.map_err(|_| stopped())?;
        drop(queue);
        answer.await.map_err(|_| stopped())?
    }

    /// Lets the writer finish what is queued, and waits for it.
    pub(super) async fn stop(&self) {
        drop(self.queue.lock().ok().and_then(|mut queue| queue.take()));
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = task {
            // A writer that panicked has nothing left to finish.
            let _ = task.await;
        }
    }
}

async fn run(mut connection: SqliteConnection, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = jobs.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            match jobs.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        match commit(&mut connection, &mut group).await {
            Ok(()) => group.into_iter().for_each(|job| job.settle(Ok(()))),
            Err(error) => one_by_one(&mut connection, group, error).await,
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the store did not close cleanly");
    }
}

/// After a group failed: one bad change does not take the others with it.
async fn one_by_one(
    connection: &mut SqliteConnection,
    group: Vec<Box<dyn Job>>,
    error: StoreError,
) {
    let alone = group.len() == 1;
    for job in group {
        let mut group = vec![job];
        let outcome = match alone {
            true => Err(error.clone()),
            false => commit(connection, &mut group).await,
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, "a write failed");
        }
        group.into_iter().for_each(|job| job.settle(outcome.clone()));
    }
}

async fn commit(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    let made = transaction(connection, group).await;
    if made.is_err() {
        // SQLite may have rolled back by itself, in which case this says so.
        let _ = sqlx::query("ROLLBACK").execute(connection).await;
    }
    made
}

async fn transaction(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(unavailable)?;
    for job in group {
        job.make(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await.map_err(unavailable)?;
    Ok(())
}

impl<C: Change> Job for Waiting<C> {
    fn make<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Pending<'a, ()> {
        Box::pin(async move {
            self.answer = Some(self.change.make(connection).await?);
            Ok(())
        })
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { answer, caller, .. } = *self;
        // A caller that went away does not need it.
        let _ = caller.send(committed.and_then(|()| answer.ok_or_else(stopped)));
    }
}
