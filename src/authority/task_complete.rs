//! `POST /v1/tasks/{id}/complete`: the task is done, so its tokens end. Once more changes nothing.
//!
//! The task's client may say so, and whoever has the key that block 0 binds its tokens to: then the
//! request has no client key and is signed by that key.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::AppState;
use super::body::NoBody;
use super::caller::Caller;
use super::holder::{Signed, by_holder};
use super::problem::Refusal;
use super::view::TaskView;

pub(super) async fn complete(
    State(authority): State<AppState>,
    headers: HeaderMap,
    signed: Signed,
    Path(id): Path<String>,
    NoBody(body): NoBody,
) -> Result<Json<TaskView>, Refusal> {
    let none = Refusal::NotFound("task");
    let is_client = headers.contains_key(AUTHORIZATION);
    let holder = if is_client { None } else { signed.by(&authority, body)? };
    let (task, by) = match holder {
        Some(proof) => {
            let task = authority.store.task(&id).await?;
            (task.filter(|task| task.holder == Some(proof.key())), by_holder(&proof))
        }
        None => {
            let caller = Caller::find(&authority, &headers).await?;
            let task = authority.store.task(&id).await?;
            (task.filter(|task| caller.may_see(task)), caller.to_string())
        }
    };
    task.ok_or(none.clone())?;
    let now = authority.now();
    let task = authority.store.complete_task(id, by, now).await?.ok_or(none)?;
    TaskView::new(task, now).map(Json)
}
