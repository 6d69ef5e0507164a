//! `GET /v1/revocations`: all that is revoked, signed, for anybody.
//!
//! The list is signed anew once a second at most, and whenever the log has grown. Its time is read
//! before its entries are, so that it never claims to be newer than it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Mutex;

use super::problem::Refusal;
use super::{AppState, Authority};
use crate::model::{Timestamp, limits};
use crate::verify::{RevocationList, SignedList};

/// How long one signature serves.
const AGE_MILLIS_MAX: u64 = 1000;

/// The list signed last.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Option<Arc<Signed>>>);

#[derive(Debug)]
struct Signed {
    seq: u64,
    time: Timestamp,
    list: SignedList,
}

pub(super) async fn publish(
    State(authority): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let signed = current(&authority).await?;
    let tag = format!("\"{}-{}\"", signed.seq, signed.time.millis());
    let is_known =
        headers.get_all(IF_NONE_MATCH).iter().any(|known| known.as_bytes() == tag.as_bytes());
    // To be kept, and asked about each time.
    let headers = [(ETAG, tag), (CACHE_CONTROL, "no-cache".to_owned())];
    Ok(match is_known {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, Json(&signed.list)).into_response(),
    })
}

/// The list as it is now. One request at a time makes it, so that no two lists contradict each
/// other in time and place.
async fn current(authority: &Authority) -> Result<Arc<Signed>, Refusal> {
    let mut latest = authority.list.0.lock().await;
    let now = authority.now();
    if let Some(signed) = latest.as_ref()
        && now.millis().abs_diff(signed.time.millis()) < AGE_MILLIS_MAX
        && authority.store.revocation_seq().await? == signed.seq
    {
        return Ok(Arc::clone(signed));
    }
    // Clocks differ: an entry stays until the slowest verifier sees its tokens expire.
    let skew = limits::CLOCK_SKEW_SECS * 1000;
    let not_before = Timestamp::from_millis(now.millis().saturating_sub(skew));
    let listed = authority.store.revocations(not_before).await?;
    let list = RevocationList {
        issuer: authority.settings.issuer.clone(),
        seq: listed.seq,
        time: now,
        entries: listed.entries,
    };
    let list = SignedList::sign(&list, &authority.root).map_err(|_| Refusal::Internal)?;
    let signed = Arc::new(Signed { seq: listed.seq, time: now, list });
    *latest = Some(Arc::clone(&signed));
    Ok(signed)
}
