//! `GET /healthz` and `GET /readyz`: whether the process is up, and whether its store and its feed
//! are.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::AppState;
use super::problem::Refusal;

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
}

/// The process answers.
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "up" })
}

/// The store can be read and written, and revocations are published.
pub(super) async fn ready(State(authority): State<AppState>) -> Result<Json<Health>, Refusal> {
    authority.store.check().await?;
    if !authority.feed.is_published() {
        return Err(Refusal::Unpublished);
    }
    Ok(Json(Health { status: "ready" }))
}
