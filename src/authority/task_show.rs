//! `GET /v1/tasks/{id}`: one task, without its token.

use axum::Json;
use axum::extract::{Path, State};

use super::AppState;
use super::caller::Caller;
use super::problem::Refusal;
use super::view::TaskView;

pub(super) async fn show(
    State(authority): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TaskView>, Refusal> {
    let task = authority.store.task(&id).await?;
    // A task of someone else looks like none.
    let task = task.filter(|task| caller.may_see(task)).ok_or(Refusal::NotFound("task"))?;
    TaskView::new(task, authority.now()).map(Json)
}
