//! `POST /v1/tasks/{id}/complete`: the task is done, so its tokens end. Once more changes nothing.

use axum::Json;
use axum::extract::{Path, State};

use super::AppState;
use super::body::NoBody;
use super::caller::Caller;
use super::problem::Refusal;
use super::view::TaskView;

pub(super) async fn complete(
    State(authority): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Json<TaskView>, Refusal> {
    let none = Refusal::NotFound("task");
    let task = authority.store.task(&id).await?;
    task.filter(|task| caller.may_see(task)).ok_or(none.clone())?;
    let now = authority.now();
    let task = authority.store.complete_task(id, now).await?.ok_or(none)?;
    TaskView::new(task, now).map(Json)
}
