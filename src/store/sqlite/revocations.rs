use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use super::rows::{column, millis, moment, parsed, signed, unsigned};
use super::writer::Change;
use super::{SqliteStore, hits, restart, unavailable};
use crate::feed::{Entry, LogHash, Subject};
use crate::model::Timestamp;
use crate::store::{
    Ends, Foreseen, ListedRevocations, LogPart, NewRevocation, Pending, Restart, RevocationLog,
    Revoked, StoreError,
};
use crate::verify::{RevocationEntry, RevocationKind};

const HIGHEST: &str = "SELECT coalesce(max(seq), 0) AS seq FROM revocations";

impl RevocationLog for SqliteStore {
    fn revoke(&self, revocation: NewRevocation) -> Pending<'_, Revoked> {
        Box::pin(self.writer.write(revocation))
    }

    fn foresee(&self, revocation: NewRevocation) -> Pending<'_, Foreseen> {
        Box::pin(async move {
            let mut reading = self.readers.begin().await.map_err(unavailable)?;
            let is_there = known(&revocation, &mut reading).await?.is_some();
            if !is_there && is_full(&revocation, &mut reading).await? {
                return Ok(Foreseen::TooMany);
            }
            let live_tasks = hits::count(&revocation.ends, revocation.at, &mut reading).await?;
            let known = newest(&revocation, &mut reading).await?;
            reading.rollback().await.map_err(unavailable)?;
            Ok(Foreseen::Entry { known, live_tasks })
        })
    }

    fn restart_log(&self, by: String, at: Timestamp) -> Pending<'_, Restart> {
        Box::pin(self.writer.write(restart::Restarting { by, at }))
    }

    fn foresee_restart(&self, at: Timestamp) -> Pending<'_, Restart> {
        Box::pin(async move {
            let mut reading = self.readers.begin().await.map_err(unavailable)?;
            let foreseen = restart::foreseen(at, &mut reading).await?;
            reading.rollback().await.map_err(unavailable)?;
            Ok(foreseen)
        })
    }

    fn revocation_seq(&self) -> Pending<'_, u64> {
        Box::pin(async move {
            let row = sqlx::query(HIGHEST).fetch_one(&self.readers).await.map_err(unavailable)?;
            unsigned(&row, "seq")
        })
    }

    fn log_after(&self, seq: u64, limit: u32) -> Pending<'_, LogPart> {
        Box::pin(async move {
            let mut reading = self.readers.begin().await.map_err(unavailable)?;
            let epoch = epoch(&mut reading).await?;
            let (last, hash) = end_of_log(epoch, &mut reading).await?;
            let rows =
                sqlx::query("SELECT * FROM revocations WHERE seq > ?1 ORDER BY seq LIMIT ?2")
                    .bind(signed(seq))
                    .bind(limit)
                    .fetch_all(&mut *reading)
                    .await
                    .map_err(unavailable)?;
            reading.rollback().await.map_err(unavailable)?;
            let entries = rows.iter().map(logged).collect::<Result<_, _>>()?;
            Ok(LogPart { epoch, entries, seq: last, hash })
        })
    }

    fn log_hash(&self, seq: u64) -> Pending<'_, Option<LogHash>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT hash FROM revocations WHERE seq = ?1").bind(signed(seq));
            let row = row.fetch_optional(&self.readers).await.map_err(unavailable)?;
            row.as_ref().map(hash_column).transpose()
        })
    }

    fn revocations(&self, not_before: Timestamp) -> Pending<'_, ListedRevocations> {
        Box::pin(async move {
            // One read transaction: both statements see the same moment.
            let mut reading = self.readers.begin().await.map_err(unavailable)?;
            let row = sqlx::query(HIGHEST).fetch_one(&mut *reading).await.map_err(unavailable)?;
            let seq = unsigned(&row, "seq")?;
            let rows = sqlx::query("SELECT * FROM revocations WHERE not_after >= ?1 ORDER BY seq")
                .bind(millis(not_before))
                .fetch_all(&mut *reading)
                .await
                .map_err(unavailable)?;
            reading.rollback().await.map_err(unavailable)?;
            Ok(ListedRevocations {
                seq,
                entries: rows.iter().map(entry).collect::<Result<_, _>>()?,
            })
        })
    }
}

impl Change for NewRevocation {
    type Answer = Revoked;

    fn make<'a>(&'a self, connection: &'a mut SqliteConnection) -> Pending<'a, Revoked> {
        Box::pin(async move {
            let Some(entry) = append(self, &mut *connection).await? else {
                return Ok(Revoked::TooMany);
            };
            let live_tasks = hits::end(&self.ends, self.at, connection).await?;
            Ok(Revoked::Entry { entry, live_tasks })
        })
    }
}

/// Appends an entry at the next place, unless one that reaches as far is there already; `None` where
/// the task has as many as it may.
pub(super) async fn append(
    revocation: &NewRevocation,
    connection: &mut SqliteConnection,
) -> Result<Option<RevocationEntry>, StoreError> {
    if let Some(known) = known(revocation, &mut *connection).await? {
        return Ok(Some(known));
    }
    if is_full(revocation, connection).await? {
        return Ok(None);
    }
    let subject = Subject::of(revocation.kind, revocation.key16);
    let subject = subject.ok_or(StoreError::Malformed("key16"))?;
    let (reason, by) = (revocation.reason.clone(), revocation.by.clone());
    let logged = Entry::new(subject, revocation.not_after, reason, by);
    let logged = logged.ok_or(StoreError::Malformed("reason"))?;
    let epoch = epoch(&mut *connection).await?;
    let (last, before) = end_of_log(epoch, &mut *connection).await?;
    let row = sqlx::query(
        "INSERT INTO revocations (seq, kind, key16, not_after, reason, revoker, task, created, \
         hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING *",
    )
    .bind(signed(last.saturating_add(1)))
    .bind(revocation.kind.as_str())
    .bind(revocation.key16.to_string())
    .bind(millis(revocation.not_after))
    .bind(&revocation.reason)
    .bind(&revocation.by)
    .bind(&revocation.task)
    .bind(millis(revocation.at))
    .bind(before.then(&logged).0.to_vec())
    .fetch_one(connection)
    .await
    .map_err(unavailable)?;
    entry(&row).map(Some)
}

/// The first entry for the same that reaches as far.
async fn known(
    revocation: &NewRevocation,
    connection: &mut SqliteConnection,
) -> Result<Option<RevocationEntry>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM revocations WHERE key16 = ?1 AND kind = ?2 AND not_after >= ?3 \
         ORDER BY seq LIMIT 1",
    )
    .bind(revocation.key16.to_string())
    .bind(revocation.kind.as_str())
    .bind(millis(revocation.not_after))
    .fetch_optional(connection)
    .await
    .map_err(unavailable)?;
    row.as_ref().map(entry).transpose()
}

/// The newest entry for the same, unless it has ended.
async fn newest(
    revocation: &NewRevocation,
    connection: &mut SqliteConnection,
) -> Result<Option<RevocationEntry>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM revocations WHERE key16 = ?1 AND kind = ?2 AND not_after >= ?3 \
         ORDER BY seq DESC LIMIT 1",
    )
    .bind(revocation.key16.to_string())
    .bind(revocation.kind.as_str())
    .bind(millis(revocation.at))
    .fetch_optional(connection)
    .await
    .map_err(unavailable)?;
    row.as_ref().map(entry).transpose()
}

/// Which log it is.
pub(super) async fn epoch(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT epoch FROM log").fetch_one(connection).await;
    unsigned(&row.map_err(unavailable)?, "epoch")
}

/// The highest place of the log, and the hash there.
async fn end_of_log(
    epoch: u64,
    connection: &mut SqliteConnection,
) -> Result<(u64, LogHash), StoreError> {
    let row = sqlx::query("SELECT seq, hash FROM revocations ORDER BY seq DESC LIMIT 1");
    match row.fetch_optional(connection).await.map_err(unavailable)? {
        None => Ok((0, LogHash::start(epoch))),
        Some(row) => Ok((unsigned(&row, "seq")?, hash_column(&row)?)),
    }
}

/// Gives entries their hash that were appended before the log had one.
pub(super) async fn hash_log(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut hash = LogHash::start(epoch(&mut *connection).await?);
    let row = sqlx::query("SELECT 1 FROM revocations WHERE hash IS NULL LIMIT 1");
    if row.fetch_optional(&mut *connection).await.map_err(unavailable)?.is_none() {
        return Ok(());
    }
    let mut changing = connection.begin().await.map_err(unavailable)?;
    let rows = sqlx::query("SELECT * FROM revocations ORDER BY seq");
    for row in rows.fetch_all(&mut *changing).await.map_err(unavailable)? {
        hash = hash.then(&logged(&row)?);
        sqlx::query("UPDATE revocations SET hash = ?2 WHERE seq = ?1")
            .bind(column::<i64>(&row, "seq")?)
            .bind(hash.0.to_vec())
            .execute(&mut *changing)
            .await
            .map_err(unavailable)?;
    }
    changing.commit().await.map_err(unavailable)
}

/// Whether the task has as many entries as a block at that place may bring it to. What ends the task
/// as a whole always fits.
async fn is_full(
    revocation: &NewRevocation,
    connection: &mut SqliteConnection,
) -> Result<bool, StoreError> {
    let Some(task) = &revocation.task else { return Ok(false) };
    if revocation.ends != Ends::Nothing || revocation.kind == RevocationKind::Task {
        return Ok(false);
    }
    let row = sqlx::query("SELECT count(*) FROM revocations WHERE task = ?1").bind(task);
    let row = row.fetch_one(connection).await.map_err(unavailable)?;
    let count: i64 = row.try_get(0).map_err(unavailable)?;
    Ok(count >= i64::from(revocation.fits_below()))
}

fn entry(row: &SqliteRow) -> Result<RevocationEntry, StoreError> {
    Ok(RevocationEntry {
        seq: unsigned(row, "seq")?,
        kind: kind(row)?,
        key16: parsed(row, "key16")?,
        not_after: moment(row, "not_after")?,
        reason: column(row, "reason")?,
    })
}

/// The entry as the log's hash counts it.
fn logged(row: &SqliteRow) -> Result<Entry, StoreError> {
    let subject = Subject::of(kind(row)?, parsed(row, "key16")?);
    let subject = subject.ok_or(StoreError::Malformed("key16"))?;
    let (reason, by) = (column(row, "reason")?, column(row, "revoker")?);
    let entry = Entry::new(subject, moment(row, "not_after")?, reason, by);
    entry.ok_or(StoreError::Malformed("reason"))
}

/// The entry as another log takes it.
pub(super) fn again(row: &SqliteRow) -> Result<NewRevocation, StoreError> {
    let (key16, not_after) = (parsed(row, "key16")?, moment(row, "not_after")?);
    Ok(NewRevocation {
        reason: column(row, "reason")?,
        by: column(row, "revoker")?,
        ..NewRevocation::new(kind(row)?, key16, not_after, moment(row, "created")?)
    })
}

fn kind(row: &SqliteRow) -> Result<RevocationKind, StoreError> {
    let word = column::<&str>(row, "kind")?;
    let kind = RevocationKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    kind.ok_or(StoreError::Malformed("kind"))
}

fn hash_column(row: &SqliteRow) -> Result<LogHash, StoreError> {
    let bytes = column::<Option<&[u8]>>(row, "hash")?.and_then(|bytes| bytes.try_into().ok());
    bytes.map(LogHash).ok_or(StoreError::Malformed("hash"))
}
