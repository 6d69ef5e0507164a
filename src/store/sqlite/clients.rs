use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::rows::{
    column, grants, grants_column, millis, moment, moment_or_none, signed, texts, texts_column,
    unsigned_or_none,
};
use super::writer::Change;
use super::{SqliteStore, unavailable};
use crate::model::Timestamp;
use crate::store::{
    Client, ClientAdded, ClientLimits, Clients, KeyDigest, NewClient, Page, PageRequest, Pending,
    StoreError,
};

struct Disable {
    id: String,
    at: Timestamp,
}

impl Clients for SqliteStore {
    fn add_client(&self, client: NewClient) -> Pending<'_, ClientAdded> {
        Box::pin(self.writer.write(client))
    }

    fn client<'a>(&'a self, id: &'a str) -> Pending<'a, Option<(Client, KeyDigest)>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT * FROM clients WHERE id = ?1")
                .bind(id)
                .fetch_optional(&self.readers)
                .await
                .map_err(unavailable)?;
            row.as_ref().map(|row| Ok((client(row)?, digest(row)?))).transpose()
        })
    }

    fn clients(&self, page: PageRequest) -> Pending<'_, Page<Client>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT * FROM clients WHERE ?1 IS NULL OR place < ?1 ORDER BY place DESC LIMIT ?2",
            )
            .bind(page.after.map(|cursor| cursor.0))
            .bind(i64::from(page.limit) + 1)
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
            let placed = |row: &SqliteRow| Ok((column(row, "place")?, client(row)?));
            let rows = rows.iter().map(placed).collect::<Result<_, StoreError>>()?;
            Ok(Page::cut(rows, page.limit))
        })
    }

    fn disable_client(&self, id: String, at: Timestamp) -> Pending<'_, Option<Client>> {
        Box::pin(self.writer.write(Disable { id, at }))
    }
}

impl Change for NewClient {
    type Answer = ClientAdded;

    fn make<'a>(&'a self, connection: &'a mut SqliteConnection) -> Pending<'a, ClientAdded> {
        Box::pin(async move {
            let client = &self.client;
            let audience = client.limits.audience.as_ref().map(texts_column).transpose()?;
            let done = sqlx::query(
                "INSERT INTO clients (id, name, key_sha256, is_admin, ceiling, audience, \
                 ttl_secs_max, depth_max, bearer, created) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
                 ON CONFLICT (name) DO NOTHING",
            )
            .bind(&client.id)
            .bind(&client.name)
            .bind(self.key.as_bytes())
            .bind(client.is_admin)
            .bind(grants_column(&client.limits.ceiling))
            .bind(audience)
            .bind(client.limits.ttl_secs_max.map(signed))
            .bind(client.limits.depth_max)
            .bind(client.limits.bearer)
            .bind(millis(client.created))
            .execute(connection)
            .await
            .map_err(unavailable)?;
            Ok(if done.rows_affected() == 1 { ClientAdded::Added } else { ClientAdded::NameTaken })
        })
    }
}

impl Change for Disable {
    type Answer = Option<Client>;

    fn make<'a>(&'a self, connection: &'a mut SqliteConnection) -> Pending<'a, Option<Client>> {
        Box::pin(async move {
            let row = sqlx::query(
                "UPDATE clients SET disabled = coalesce(disabled, ?2) WHERE id = ?1 RETURNING *",
            )
            .bind(&self.id)
            .bind(millis(self.at))
            .fetch_optional(connection)
            .await
            .map_err(unavailable)?;
            row.as_ref().map(client).transpose()
        })
    }
}

fn client(row: &SqliteRow) -> Result<Client, StoreError> {
    Ok(Client {
        id: column(row, "id")?,
        name: column(row, "name")?,
        is_admin: column(row, "is_admin")?,
        limits: ClientLimits {
            ceiling: grants(row, "ceiling")?,
            audience: texts(row, "audience")?,
            ttl_secs_max: unsigned_or_none(row, "ttl_secs_max")?,
            depth_max: unsigned_or_none(row, "depth_max")?,
            bearer: column(row, "bearer")?,
        },
        created: moment(row, "created")?,
        disabled: moment_or_none(row, "disabled")?,
    })
}

fn digest(row: &SqliteRow) -> Result<KeyDigest, StoreError> {
    KeyDigest::from_bytes(column(row, "key_sha256")?).ok_or(StoreError::Malformed("key_sha256"))
}
