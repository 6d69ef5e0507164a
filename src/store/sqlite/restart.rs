//! A log that lost entries begins anew.

use sqlx::SqliteConnection;

use super::rows::{signed, unsigned};
use super::writer::Change;
use super::{hits, revocations, unavailable};
use crate::model::{Timestamp, limits};
use crate::store::{NewRevocation, Pending, Restart, StoreError};

/// Why the first entry is there.
const REASON: &str = "the log lost entries";

/// To be made.
pub(super) struct Restarting {
    pub(super) by: String,
    pub(super) at: Timestamp,
}

impl Change for Restarting {
    type Answer = Restart;

    fn make<'a>(&'a self, connection: &'a mut SqliteConnection) -> Pending<'a, Restart> {
        Box::pin(async move {
            let carried = carried(self.at, &mut *connection).await?;
            let foreseen = foreseen(self.at, &mut *connection).await?;
            for sql in [
                "INSERT INTO past_revocations SELECT log.epoch, revocations.* FROM revocations, log",
                "DELETE FROM revocations",
            ] {
                sqlx::query(sql).execute(&mut *connection).await.map_err(unavailable)?;
            }
            sqlx::query("UPDATE log SET epoch = ?1")
                .bind(signed(foreseen.epoch))
                .execute(&mut *connection)
                .await
                .map_err(unavailable)?;
            let first = NewRevocation {
                reason: Some(REASON.to_owned()),
                by: Some(self.by.clone()),
                ..NewRevocation::of_before(self.at, self.at)
            };
            let live_tasks = hits::end(&first.ends, self.at, &mut *connection).await?;
            for entry in std::iter::once(&first).chain(&carried) {
                revocations::append(entry, &mut *connection).await?;
            }
            Ok(Restart { live_tasks, ..foreseen })
        })
    }
}

/// What a restart would do.
pub(super) async fn foreseen(
    at: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<Restart, StoreError> {
    let epoch = revocations::epoch(&mut *connection).await?;
    let row = sqlx::query("SELECT count(*) AS entries FROM revocations");
    let row = row.fetch_one(&mut *connection).await.map_err(unavailable)?;
    let carried = carried(at, &mut *connection).await?.len() as u64;
    let ends = NewRevocation::of_before(at, at).ends;
    let next = epoch.checked_add(1).ok_or(StoreError::Malformed("epoch"))?;
    Ok(Restart {
        // Two restores of one backup must not make two logs with one number.
        epoch: next.max(at.secs()),
        entries: unsigned(&row, "entries")?,
        carried,
        live_tasks: hits::count(&ends, at, connection).await?,
    })
}

/// Entries that hit later tokens too, each with its latest end.
async fn carried(
    at: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<Vec<NewRevocation>, StoreError> {
    let skew = limits::CLOCK_SKEW_SECS * 1000;
    let rows = sqlx::query(
        "SELECT * FROM revocations WHERE kind IN ('root', 'agent', 'holder') AND not_after >= ?1 \
         ORDER BY seq",
    )
    .bind(signed(at.millis().saturating_sub(skew)))
    .fetch_all(connection)
    .await
    .map_err(unavailable)?;
    let mut kept: Vec<NewRevocation> = Vec::new();
    for row in &rows {
        let entry = revocations::again(row)?;
        match kept.iter_mut().find(|old| (old.kind, old.key16) == (entry.kind, entry.key16)) {
            None => kept.push(entry),
            Some(old) if old.not_after < entry.not_after => *old = entry,
            Some(_) => {}
        }
    }
    Ok(kept)
}
