use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};

use super::hits::refused;
use super::revocations::append;
use super::rows::{
    column, grants, grants_column, millis, moment, moment_or_none, parsed, texts, texts_column,
    unsigned,
};
use super::writer::Change;
use super::{SqliteStore, unavailable};
use crate::keys::VerifyingKey;
use crate::model::{Key16, RevocationId, Timestamp};
use crate::store::{
    Ended, IDEMPOTENCY_SECS, Idempotency, NewRevocation, NewTask, Page, PageRequest, Pending,
    SpentProof, StoreError, TaskAdded, TaskFilter, TaskRecord, Tasks,
};
use crate::verify::RevocationKind;

struct Complete {
    id: String,
    by: String,
    at: Timestamp,
}

impl Tasks for SqliteStore {
    fn add_task(&self, task: NewTask) -> Pending<'_, TaskAdded> {
        Box::pin(self.writer.write(task))
    }

    fn task<'a>(&'a self, id: &'a str) -> Pending<'a, Option<TaskRecord>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT * FROM tasks WHERE id = ?1").bind(id);
            let row = row.fetch_optional(&self.readers).await.map_err(unavailable)?;
            row.as_ref().map(task).transpose()
        })
    }

    fn task_of_block<'a>(&'a self, id: &'a RevocationId) -> Pending<'a, Option<TaskRecord>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT * FROM tasks WHERE revocation_id = ?1");
            let row = row.bind(id.to_string());
            let row = row.fetch_optional(&self.readers).await.map_err(unavailable)?;
            row.as_ref().map(task).transpose()
        })
    }

    fn tasks(&self, filter: TaskFilter, page: PageRequest) -> Pending<'_, Page<TaskRecord>> {
        Box::pin(async move {
            let rows = listed(&self.readers, &filter, page).await.map_err(unavailable)?;
            let placed = |row: &SqliteRow| Ok((column(row, "place")?, task(row)?));
            let rows = rows.iter().map(placed).collect::<Result<_, StoreError>>()?;
            Ok(Page::cut(rows, page.limit))
        })
    }

    fn complete_task(
        &self,
        id: String,
        by: String,
        at: Timestamp,
    ) -> Pending<'_, Option<TaskRecord>> {
        Box::pin(self.writer.write(Complete { id, by, at }))
    }
}

macro_rules! listing {
    ($of_client:literal) => {
        concat!(
            "SELECT * FROM tasks WHERE ",
            $of_client,
            " AND (?2 IS NULL OR place < ?2) AND (?3 IS NULL OR ?3 = CASE \
             WHEN ended IS NOT NULL THEN ended_as WHEN expires <= ?4 THEN 'expired' \
             ELSE 'active' END) ORDER BY place DESC LIMIT ?5"
        )
    };
}

async fn listed(
    readers: &SqlitePool,
    filter: &TaskFilter,
    page: PageRequest,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    // Two statements, so that a client's listing runs along its own index.
    let sql = match filter.client {
        Some(_) => listing!("client = ?1"),
        None => listing!("?1 IS NULL"),
    };
    sqlx::query(sql)
        .bind(&filter.client)
        .bind(page.after.map(|cursor| cursor.0))
        .bind(filter.state.map(|state| state.as_str()))
        .bind(millis(filter.now))
        .bind(i64::from(page.limit) + 1)
        .fetch_all(readers)
        .await
}

impl Change for NewTask {
    type Answer = TaskAdded;

    fn make<'a>(&'a self, connection: &'a mut SqliteConnection) -> Pending<'a, TaskAdded> {
        Box::pin(async move {
            if let Some(idempotency) = &self.idempotency {
                let known = self.known(idempotency, connection).await?;
                if let Some(known) = known {
                    return Ok(known);
                }
            }
            if let Some(kind) = refused(self, connection).await? {
                return Ok(TaskAdded::Revoked(kind));
            }
            if let Some(proof) = &self.proof
                && !self.spend(proof, connection).await?
            {
                return Ok(TaskAdded::ProofUsed);
            }
            self.insert(connection).await?;
            if let Some(idempotency) = &self.idempotency {
                self.remember(idempotency, connection).await?;
            }
            Ok(TaskAdded::Added)
        })
    }
}

impl NewTask {
    /// Whether the proof is used for the first time; it is remembered then.
    async fn spend(
        &self,
        proof: &SpentProof,
        connection: &mut SqliteConnection,
    ) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM proofs WHERE closes < ?1")
            .bind(millis(self.task.created))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
        let done = sqlx::query(
            "INSERT INTO proofs (key, closes) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
        )
        .bind(proof.key.as_slice())
        .bind(millis(proof.closes))
        .execute(connection)
        .await
        .map_err(unavailable)?;
        Ok(done.rows_affected() == 1)
    }

    /// What the idempotency key was used for, while it is remembered.
    async fn known(
        &self,
        idempotency: &Idempotency,
        connection: &mut SqliteConnection,
    ) -> Result<Option<TaskAdded>, StoreError> {
        let oldest = self.task.created.millis().saturating_sub(IDEMPOTENCY_SECS * 1000);
        sqlx::query("DELETE FROM idempotency WHERE created < ?1")
            .bind(super::rows::signed(oldest))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
        let row = sqlx::query("SELECT body, task FROM idempotency WHERE client = ?1 AND key = ?2")
            .bind(&self.task.client)
            .bind(&idempotency.key)
            .fetch_optional(connection)
            .await
            .map_err(unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let is_same = column::<&[u8]>(&row, "body")? == idempotency.body;
        Ok(Some(match is_same {
            true => TaskAdded::Repeated(column(&row, "task")?),
            false => TaskAdded::KeyReused,
        }))
    }

    async fn insert(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let task = &self.task;
        sqlx::query(
            "INSERT INTO tasks (id, client, principal, agent, holder, intent, audience, grants, \
             depth, root, revocation_id, created, expires) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )
        .bind(&task.id)
        .bind(&task.client)
        .bind(&task.principal)
        .bind(&task.agent)
        .bind(task.holder.map(|key| key.to_bytes().to_vec()))
        .bind(&task.intent)
        .bind(texts_column(&task.audience)?)
        .bind(grants_column(&task.grants))
        .bind(task.depth)
        .bind(task.root)
        .bind(task.revocation_id.to_string())
        .bind(millis(task.created))
        .bind(millis(task.expires))
        .execute(connection)
        .await
        .map_err(unavailable)?;
        Ok(())
    }

    async fn remember(
        &self,
        idempotency: &Idempotency,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO idempotency (client, key, body, task, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(&self.task.client)
        .bind(&idempotency.key)
        .bind(idempotency.body.as_slice())
        .bind(&self.task.id)
        .bind(millis(self.task.created))
        .execute(connection)
        .await
        .map_err(unavailable)?;
        Ok(())
    }
}

impl Change for Complete {
    type Answer = Option<TaskRecord>;

    fn make<'a>(&'a self, connection: &'a mut SqliteConnection) -> Pending<'a, Self::Answer> {
        Box::pin(async move {
            let ended = sqlx::query(
                "UPDATE tasks SET ended = ?2, ended_as = 'completed' \
                 WHERE id = ?1 AND ended IS NULL RETURNING *",
            )
            .bind(&self.id)
            .bind(millis(self.at))
            .fetch_optional(&mut *connection)
            .await
            .map_err(unavailable)?;
            if let Some(row) = &ended {
                let task = task(row)?;
                append(&completion(&task, &self.by, self.at), connection).await?;
                return Ok(Some(task));
            }
            let row = sqlx::query("SELECT * FROM tasks WHERE id = ?1").bind(&self.id);
            let row = row.fetch_optional(connection).await.map_err(unavailable)?;
            row.as_ref().map(task).transpose()
        })
    }
}

fn completion(task: &TaskRecord, by: &str, at: Timestamp) -> NewRevocation {
    let key = Key16::of(task.id.as_bytes());
    NewRevocation {
        reason: Some("completed".to_owned()),
        by: Some(by.to_owned()),
        task: Some(task.id.clone()),
        ..NewRevocation::new(RevocationKind::Task, key, task.expires, at)
    }
}

fn task(row: &SqliteRow) -> Result<TaskRecord, StoreError> {
    let ended = match moment_or_none(row, "ended")? {
        Some(at) => Some(Ended { at, state: parsed(row, "ended_as")? }),
        None => None,
    };
    Ok(TaskRecord {
        id: column(row, "id")?,
        client: column(row, "client")?,
        principal: column(row, "principal")?,
        agent: column(row, "agent")?,
        holder: holder(row)?,
        intent: column(row, "intent")?,
        audience: texts(row, "audience")?.unwrap_or_default(),
        grants: grants(row, "grants")?,
        depth: unsigned(row, "depth")?,
        root: unsigned(row, "root")?,
        revocation_id: parsed(row, "revocation_id")?,
        created: moment(row, "created")?,
        expires: moment(row, "expires")?,
        ended,
    })
}

fn holder(row: &SqliteRow) -> Result<Option<VerifyingKey>, StoreError> {
    let bytes: Option<&[u8]> = column(row, "holder")?;
    let key = bytes.map(VerifyingKey::from_bytes);
    key.transpose().map_err(|_| StoreError::Malformed("holder"))
}
