//! `GET /v1/tasks`: the caller's tasks, newest first; an administrator sees everybody's.

use axum::Json;
use axum::extract::State;

use super::AppState;
use super::caller::Caller;
use super::problem::Refusal;
use super::query::Listing;
use super::view::{PageView, TaskView};
use crate::store::TaskFilter;

pub(super) async fn list(
    State(authority): State<AppState>,
    Caller(client): Caller,
    listing: Listing,
) -> Result<Json<PageView<TaskView>>, Refusal> {
    let now = authority.now();
    let client = Some(client).filter(|client| !client.is_admin).map(|client| client.id);
    let filter = TaskFilter { client, state: listing.state, now };
    let page = authority.store.tasks(filter, listing.page).await?;
    PageView::new(page, |task| TaskView::new(task, now)).map(Json)
}
