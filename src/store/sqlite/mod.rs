//! The store in one SQLite file: write-ahead log, every commit synced to disk.
//!
//! One task of its own does all the writing and commits what is waiting in one go, so that many
//! callers share one sync; readers have connections of their own and never wait for it.

mod clients;
mod hits;
mod restart;
mod revocations;
mod rows;
mod tasks;
mod writer;

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr, SqliteConnection, SqlitePool};

use self::writer::{Change, Writer};
use super::{Pending, Store, StoreError};

const READERS_MAX: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    writer: Writer,
}

/// Nothing: asks whether the file can be locked for writing.
struct Probe;

impl SqliteStore {
    /// Opens the file and brings its schema up to date. Needs a Tokio runtime.
    ///
    /// *Errors*: [`StoreError::Open`]; a missing file is one unless `create` is set.
    pub async fn open(path: &Path, create: bool) -> Result<Self, StoreError> {
        let refused = |error: sqlx::Error| StoreError::Open(error.to_string());
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(refused)?;
        migrator()
            .run(&mut connection)
            .await
            .map_err(|error| StoreError::Open(error.to_string()))?;
        revocations::hash_log(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(refused)?;
        Ok(Self { readers, writer: Writer::start(connection) })
    }
}

impl Store for SqliteStore {
    fn check(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            sqlx::query("SELECT max(seq) FROM revocations")
                .fetch_one(&self.readers)
                .await
                .map_err(unavailable)?;
            self.writer.write(Probe).await
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            self.writer.stop().await;
            self.readers.close().await;
            Ok(())
        })
    }
}

impl Change for Probe {
    type Answer = ();

    fn make<'a>(&'a self, _connection: &'a mut SqliteConnection) -> Pending<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// The migrations, built into the program.
fn migrator() -> Migrator {
    let migration = |version, name: &'static str, sql: &'static str| {
        let simple = MigrationType::Simple;
        Migration::new(version, name.into(), simple, sql.into_sql_str(), false)
    };
    let first = include_str!("../../../migrations/sqlite/0001_authority.sql");
    let second = include_str!("../../../migrations/sqlite/0002_holders.sql");
    let third = include_str!("../../../migrations/sqlite/0003_feed.sql");
    let fourth = include_str!("../../../migrations/sqlite/0004_kinds.sql");
    Migrator::with_migrations(vec![
        migration(1, "authority", first),
        migration(2, "holders", second),
        migration(3, "feed", third),
        migration(4, "kinds", fourth),
    ])
}

/// SQLite's own words name tables and columns, never values.
fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;
    use crate::feed::LogHash;
    use crate::store::{RevocationLog, contract};

    #[tokio::test]
    async fn sqlite_fulfils_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let count = std::cell::Cell::new(0);
        contract::check_all(|| async {
            count.set(count.get() + 1);
            SqliteStore::open(&dir.path().join(format!("{}.db", count.get())), true).await.unwrap()
        })
        .await;
    }

    #[tokio::test]
    async fn a_missing_file_is_refused_and_an_old_one_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hardtack.db");
        assert!(matches!(SqliteStore::open(&path, false).await, Err(StoreError::Open(_))));
        for _ in 0..2 {
            let store = SqliteStore::open(&path, true).await.unwrap();
            store.check().await.unwrap();
            store.close().await.unwrap();
        }
    }

    /// Entries of a log that had no hashes yet get theirs, and stay as they were.
    #[tokio::test]
    async fn a_log_of_before_is_hashed_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hardtack.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let earlier = migrator().iter().take(2).cloned().collect();
        Migrator::with_migrations(earlier).run(&mut connection).await.unwrap();
        let sql = "INSERT INTO revocations (seq, kind, key16, not_after, reason, created) VALUES \
                   (1, 'block', '000102030405060708090a0b0c0d0e0f', 1800000000500, 'lost', 0), \
                   (2, 'task', 'ff0102030405060708090a0b0c0d0e0f', 1800000001000, NULL, 0)";
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        for _ in 0..2 {
            let store = SqliteStore::open(&path, false).await.unwrap();
            let part = store.log_after(0, 10).await.unwrap();
            let start = LogHash::start(part.epoch);
            let hash = part.entries.iter().fold(start, |hash, entry| hash.then(entry));
            assert_eq!((part.seq, part.entries.len(), part.hash), (2, 2, hash));
            assert_eq!(part.entries[0].reason(), Some("lost"));
            assert_eq!(part.entries[0].ends(), 1_800_000_001);
            store.close().await.unwrap();
        }
    }

    /// A log that had its hashes keeps them when it learns of new kinds.
    #[tokio::test]
    async fn a_log_of_before_keeps_its_hashes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hardtack.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let earlier = migrator().iter().take(3).cloned().collect();
        Migrator::with_migrations(earlier).run(&mut connection).await.unwrap();
        // No hash that anybody would work out: it shows that none was.
        let sql = "INSERT INTO revocations (seq, kind, key16, not_after, reason, revoker, task, \
                   created, hash) VALUES (1, 'agent', '000102030405060708090a0b0c0d0e0f', \
                   1800000000500, 'lost', 'client:1', 't', 5, ?1)";
        sqlx::query(sql).bind(vec![7_u8; 32]).execute(&mut connection).await.unwrap();
        let indexes = async |connection: &mut SqliteConnection| -> Vec<String> {
            let sql = "SELECT name FROM sqlite_schema WHERE tbl_name = 'revocations' \
                       AND type = 'index' ORDER BY name";
            let rows = sqlx::query_scalar(sql).fetch_all(connection);
            rows.await.unwrap()
        };
        let before = indexes(&mut connection).await;
        connection.close().await.unwrap();
        let store = SqliteStore::open(&path, false).await.unwrap();
        let part = store.log_after(0, 10).await.unwrap();
        assert_eq!((part.seq, part.hash), (1, LogHash([7; 32])));
        let [entry] = part.entries.as_slice() else { panic!("{part:?}") };
        assert_eq!((entry.subject().kind(), entry.ends()), ("agent", 1_800_000_001));
        assert_eq!((entry.reason(), entry.by()), (Some("lost"), Some("client:1")));
        store.close().await.unwrap();
        let mut connection = options.connect().await.unwrap();
        let after = indexes(&mut connection).await;
        assert!(before.iter().all(|name| after.contains(name)), "{before:?} {after:?}");
    }
}
