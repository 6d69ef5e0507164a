use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::rows::{column, millis, moment, parsed, unsigned};
use super::writer::Change;
use super::{SqliteStore, unavailable};
use crate::model::Timestamp;
use crate::store::{
    ListedRevocations, NewRevocation, Pending, RevocationLog, Revoked, StoreError,
    TASK_REVOCATIONS_MAX,
};
use crate::verify::{RevocationEntry, RevocationKind};

const HIGHEST: &str = "SELECT coalesce(max(seq), 0) AS seq FROM revocations";

impl RevocationLog for SqliteStore {
    fn revoke(&self, revocation: NewRevocation) -> Pending<'_, Revoked> {
        Box::pin(self.writer.write(revocation))
    }

    fn revocation_seq(&self) -> Pending<'_, u64> {
        Box::pin(async move {
            let row = sqlx::query(HIGHEST).fetch_one(&self.readers).await.map_err(unavailable)?;
            unsigned(&row, "seq")
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
            let revoked = append(self, connection).await?;
            if self.ends_task && matches!(revoked, Revoked::Entry(_)) {
                sqlx::query(
                    "UPDATE tasks SET ended = ?2, ended_as = 'revoked' \
                     WHERE id = ?1 AND ended IS NULL",
                )
                .bind(&self.task)
                .bind(millis(self.at))
                .execute(connection)
                .await
                .map_err(unavailable)?;
            }
            Ok(revoked)
        })
    }
}

/// Appends an entry at the next place, unless one that reaches as far is there already.
pub(super) async fn append(
    revocation: &NewRevocation,
    connection: &mut SqliteConnection,
) -> Result<Revoked, StoreError> {
    let known = sqlx::query(
        "SELECT * FROM revocations WHERE key16 = ?1 AND kind = ?2 AND not_after >= ?3 \
         ORDER BY seq LIMIT 1",
    )
    .bind(revocation.key16.to_string())
    .bind(kind_text(revocation.kind))
    .bind(millis(revocation.not_after))
    .fetch_optional(&mut *connection)
    .await
    .map_err(unavailable)?;
    if let Some(row) = known {
        return Ok(Revoked::Entry(entry(&row)?));
    }
    if is_full(revocation, connection).await? {
        return Ok(Revoked::TooMany);
    }
    let row = sqlx::query(
        "INSERT INTO revocations (seq, kind, key16, not_after, reason, task, created) \
         SELECT coalesce(max(seq), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6 FROM revocations RETURNING *",
    )
    .bind(kind_text(revocation.kind))
    .bind(revocation.key16.to_string())
    .bind(millis(revocation.not_after))
    .bind(&revocation.reason)
    .bind(&revocation.task)
    .bind(millis(revocation.at))
    .fetch_one(connection)
    .await
    .map_err(unavailable)?;
    Ok(Revoked::Entry(entry(&row)?))
}

/// Whether the task has as many entries as it may. What ends the task as a whole always fits.
async fn is_full(
    revocation: &NewRevocation,
    connection: &mut SqliteConnection,
) -> Result<bool, StoreError> {
    let Some(task) = &revocation.task else { return Ok(false) };
    if revocation.ends_task || revocation.kind == RevocationKind::Task {
        return Ok(false);
    }
    let row = sqlx::query("SELECT count(*) FROM revocations WHERE task = ?1").bind(task);
    let row = row.fetch_one(connection).await.map_err(unavailable)?;
    let count: i64 = row.try_get(0).map_err(unavailable)?;
    Ok(count >= i64::from(TASK_REVOCATIONS_MAX))
}

fn kind_text(kind: RevocationKind) -> &'static str {
    match kind {
        RevocationKind::Block => "block",
        RevocationKind::Task => "task",
    }
}

fn entry(row: &SqliteRow) -> Result<RevocationEntry, StoreError> {
    let kind = match column(row, "kind")? {
        "block" => RevocationKind::Block,
        "task" => RevocationKind::Task,
        _ => return Err(StoreError::Malformed("kind")),
    };
    Ok(RevocationEntry {
        seq: unsigned(row, "seq")?,
        kind,
        key16: parsed(row, "key16")?,
        not_after: moment(row, "not_after")?,
        reason: column(row, "reason")?,
    })
}
