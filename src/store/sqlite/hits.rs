//! What revocations hit: live tasks that they end, and tasks that are not to be.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection};

use super::rows::{millis, parsed, signed};
use super::unavailable;
use crate::feed::Subject;
use crate::model::{Key16, Timestamp, limits};
use crate::store::{Ends, NewTask, StoreError};
use crate::verify::RevocationKind;

/// A statement over the live tasks that a revocation ends: `?1` is the moment, `?2` what it names.
macro_rules! of_hit {
    ($head:literal, $ends:expr) => {
        match $ends {
            Ends::Nothing => None,
            Ends::Task(_) => Some(of_hit!($head, where "id = ?2")),
            Ends::Agent(_) => Some(of_hit!($head, where "agent = ?2")),
            Ends::Holder(_) => Some(of_hit!($head, where "holder = ?2")),
            Ends::Root(_) => Some(of_hit!($head, where "root = ?2")),
            Ends::Before(_) => Some(of_hit!($head, where "created < ?2")),
        }
    };
    ($head:literal, where $which:literal) => {
        concat!($head, " WHERE ended IS NULL AND expires > ?1 AND ", $which)
    };
}

/// Ends the live tasks that a revocation hits, and says how many those were.
pub(super) async fn end(
    ends: &Ends,
    at: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<u64, StoreError> {
    let sql = of_hit!("UPDATE tasks SET ended = ?1, ended_as = 'revoked'", ends);
    let Some(sql) = sql else { return Ok(0) };
    let done = bound(sql, ends, at).execute(connection).await.map_err(unavailable)?;
    Ok(done.rows_affected())
}

/// How many live tasks a revocation would end.
pub(super) async fn count(
    ends: &Ends,
    at: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<u64, StoreError> {
    let Some(sql) = of_hit!("SELECT count(*) FROM tasks", ends) else { return Ok(0) };
    let row = bound(sql, ends, at).fetch_one(connection).await.map_err(unavailable)?;
    let count: i64 = row.try_get(0).map_err(unavailable)?;
    u64::try_from(count).map_err(|_| StoreError::Malformed("count"))
}

fn bound<'q>(sql: &'static str, ends: &Ends, at: Timestamp) -> Query<'q, Sqlite, SqliteArguments> {
    let query = sqlx::query(sql).bind(millis(at));
    match ends {
        Ends::Nothing => query,
        Ends::Task(text) | Ends::Agent(text) => query.bind(text.clone()),
        Ends::Holder(key) => query.bind(key.to_bytes().to_vec()),
        Ends::Root(id) => query.bind(*id),
        Ends::Before(moment) => query.bind(millis(*moment)),
    }
}

/// Why every verifier would refuse the new task's token, where the log says so now.
///
/// Verifiers look keys up whatever kind of entry has them, and so does this. A verifier whose clock is
/// behind goes by an entry for that much longer.
pub(super) async fn refused(
    new: &NewTask,
    connection: &mut SqliteConnection,
) -> Result<Option<RevocationKind>, StoreError> {
    let task = &new.task;
    let agent = task.agent.as_ref().map(|agent| Key16::of(agent.as_bytes()));
    let holder = task.holder.map(|key| Key16::of(&key.to_bytes()));
    let root = Some(Key16::of(&new.root.to_bytes()));
    let keys = [
        (RevocationKind::Root, root),
        (RevocationKind::Agent, agent),
        (RevocationKind::Holder, holder),
    ];
    let oldest = task.created.millis().saturating_sub(limits::CLOCK_SKEW_SECS * 1000);
    let rows = sqlx::query(
        "SELECT key16 FROM revocations WHERE key16 IN (?1, ?2, ?3) AND kind <> 'before' \
         AND not_after >= ?4",
    )
    .bind(root.map(|key| key.to_string()))
    .bind(agent.map(|key| key.to_string()))
    .bind(holder.map(|key| key.to_string()))
    .bind(signed(oldest))
    .fetch_all(&mut *connection)
    .await
    .map_err(unavailable)?;
    let found: Vec<Key16> =
        rows.iter().map(|row| parsed(row, "key16")).collect::<Result<_, _>>()?;
    for (kind, key) in keys {
        if key.is_some_and(|key| found.contains(&key)) {
            return Ok(Some(kind));
        }
    }
    // A moment to come: keys of moments are numbers of one length, so that texts compare as they do.
    let issued = Subject::Before(Timestamp::from_secs(task.created.secs())).bytes16();
    let row = sqlx::query("SELECT 1 FROM revocations WHERE kind = 'before' AND key16 > ?1 LIMIT 1")
        .bind(issued.to_string())
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    Ok(row.map(|_| RevocationKind::Before))
}
