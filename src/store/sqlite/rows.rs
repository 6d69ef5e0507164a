//! Columns to values and back.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::unavailable;
use crate::model::Timestamp;
use crate::store::StoreError;
use crate::vocabulary::Grant;
use crate::vocabulary::grant::grants_from_json;

type Result<T> = std::result::Result<T, StoreError>;

/// A column of a type that SQLite knows.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(unavailable)
}

/// A column with a text that some type reads.
pub(super) fn parsed<T: std::str::FromStr>(row: &SqliteRow, name: &'static str) -> Result<T> {
    column::<&str>(row, name)?.parse().map_err(|_| StoreError::Malformed(name))
}

/// A column with a whole number no smaller than zero.
pub(super) fn unsigned<T: TryFrom<i64>>(row: &SqliteRow, name: &'static str) -> Result<T> {
    T::try_from(column(row, name)?).map_err(|_| StoreError::Malformed(name))
}

/// As [`unsigned`], where the column may be empty.
pub(super) fn unsigned_or_none<T: TryFrom<i64>>(
    row: &SqliteRow,
    name: &'static str,
) -> Result<Option<T>> {
    let value: Option<i64> = column(row, name)?;
    value.map(|value| T::try_from(value).map_err(|_| StoreError::Malformed(name))).transpose()
}

/// A column with a moment.
pub(super) fn moment(row: &SqliteRow, name: &'static str) -> Result<Timestamp> {
    unsigned(row, name).map(Timestamp::from_millis)
}

/// A column with a moment, or nothing.
pub(super) fn moment_or_none(row: &SqliteRow, name: &'static str) -> Result<Option<Timestamp>> {
    Ok(unsigned_or_none(row, name)?.map(Timestamp::from_millis))
}

/// A moment as a column holds it.
pub(super) fn millis(at: Timestamp) -> i64 {
    signed(at.millis())
}

/// A whole number as a column holds it; what does not fit becomes the largest.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A set of texts as a column holds it.
pub(super) fn texts_column(texts: &BTreeSet<String>) -> Result<String> {
    serde_json::to_string(texts).map_err(|_| StoreError::Malformed("texts"))
}

/// A column with a set of texts, or nothing.
pub(super) fn texts(row: &SqliteRow, name: &'static str) -> Result<Option<BTreeSet<String>>> {
    let text: Option<&str> = column(row, name)?;
    text.map(|text| serde_json::from_str(text).map_err(|_| StoreError::Malformed(name))).transpose()
}

/// Grants as a column holds them: a JSON array.
pub(super) fn grants_column(grants: &[Grant]) -> String {
    let grants: Vec<String> = grants.iter().map(Grant::to_string).collect();
    format!("[{}]", grants.join(","))
}

/// A column with grants, none included.
pub(super) fn grants(row: &SqliteRow, name: &'static str) -> Result<Vec<Grant>> {
    match column::<&str>(row, name)? {
        "[]" => Ok(Vec::new()),
        text => grants_from_json(text.as_bytes()).map_err(|_| StoreError::Malformed(name)),
    }
}
