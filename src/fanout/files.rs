//! What is served by its name and never changes: deltas and snapshots; and the certificates.

use std::collections::VecDeque;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::Mutex;

use super::body::FileBody;
use super::refusal::Refusal;
use super::{Fanout, body, query};
use crate::feed::{LogHash, Place};

/// Most entries of one delta.
const DELTA_ENTRIES_MAX: usize = 100_000;

/// Deltas that are kept for the next who asks: many fall behind together.
const MADE_MAX: usize = 16;
/// Bytes that they may take.
const MADE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The place before a delta, and that of its last entry.
type Named = (u64, Place);

/// The deltas that were made last.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<VecDeque<(Named, Bytes)>>);

/// `GET /v1/revocations/deltas/{epoch}-{from}-{to}-{hash}`
pub(super) async fn delta(
    State(fanout): State<Fanout>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (from, to) = query::delta(&name).ok_or(Refusal::NoFile)?;
    let (holds, knows) = {
        let state = fanout.read();
        (state.holds(from, to, DELTA_ENTRIES_MAX), state.knows(to))
    };
    let is_short = to.seq.checked_sub(from).is_some_and(|n| n > 0 && n <= DELTA_ENTRIES_MAX as u64);
    let has = holds || knows && is_short;
    if !has {
        return Err(Refusal::NoFile);
    }
    if holds && is_known(&name, &headers) {
        return Ok(unchanged(&name));
    }
    let bytes = fanout.delta_file(from, to).await?;
    Ok(file(&name, bytes))
}

impl Fanout {
    /// The file, made by one request at a time: those that wait find it made.
    async fn delta_file(&self, from: u64, to: Place) -> Result<Bytes, Refusal> {
        if !self.read().holds(from, to, DELTA_ENTRIES_MAX) {
            // Entries of before this feed began. Nobody else waits for whoever has them.
            let file = self.0.source.delta(from, to).await.ok_or(Refusal::NoFile)?;
            return body::counted(file, &self.0.files).ok_or(Refusal::TooMany);
        }
        let mut made = self.0.made.0.lock().await;
        if let Some((_, file)) = made.iter().find(|(key, _)| *key == (from, to)) {
            return Ok(file.clone());
        }
        let stretch = self.read().stretch(from, to, DELTA_ENTRIES_MAX).ok_or(Refusal::NoFile)?;
        let make = move || stretch.into_delta().map(|delta| delta.to_bytes());
        let file = tokio::task::spawn_blocking(make).await.ok().flatten();
        let file = body::counted(file.ok_or(Refusal::NoFile)?, &self.0.files);
        let file = file.ok_or(Refusal::TooMany)?;
        made.push_back(((from, to), file.clone()));
        let bytes = |made: &VecDeque<(Named, Bytes)>| -> usize {
            made.iter().map(|(_, file)| file.len()).sum()
        };
        while made.len() > MADE_MAX || bytes(&made) > MADE_BYTES_MAX {
            made.pop_front();
        }
        Ok(file)
    }
}

/// `GET /v1/revocations/snapshots/{sha256}`
pub(super) async fn snapshot(
    State(fanout): State<Fanout>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let sha256: LogHash = name.parse().map_err(|_| Refusal::NoFile)?;
    let held = fanout.read().snapshot(sha256);
    let bytes = match held {
        Some(bytes) => Some(bytes),
        None => fanout.0.source.snapshot(sha256).await,
    };
    let bytes = bytes.ok_or(Refusal::NoFile)?;
    match is_known(&name, &headers) {
        true => Ok(unchanged(&name)),
        false => Ok(file(&name, bytes)),
    }
}

/// `GET /v1/revocations/keys`
pub(super) async fn keys(State(fanout): State<Fanout>) -> Response {
    let keys = fanout.keys();
    // A new key signs at once where the authority was started anew.
    ([(CACHE_CONTROL, "no-cache")], Json(&*keys)).into_response()
}

/// What caches may do with a file that is named by what is in it.
fn kept(name: &str) -> [(axum::http::HeaderName, String); 2] {
    let forever = "public, max-age=31536000, immutable".to_owned();
    [(ETAG, format!("\"{name}\"")), (CACHE_CONTROL, forever)]
}

fn file(name: &str, bytes: Bytes) -> Response {
    let body = Body::new(FileBody::new(bytes));
    (kept(name), [(CONTENT_TYPE, "application/octet-stream")], body).into_response()
}

fn unchanged(name: &str) -> Response {
    (StatusCode::NOT_MODIFIED, kept(name)).into_response()
}

/// Whether the reader has the file. *Source*: RFC 9110, section 13.1.2.
fn is_known(name: &str, headers: &HeaderMap) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(name)
    })
}
