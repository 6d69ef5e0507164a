use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::monitor::Monitor;
use super::sync::RevocationSync;
use crate::guard::Guard;

/// The media type of metrics.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Health {
    guard: Guard,
    monitor: Arc<Monitor>,
}

#[derive(Deserialize)]
struct Asked {
    class: Option<String>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    classes: BTreeMap<String, bool>,
}

/// `GET /readyz` and `GET /metrics` of a gateway.
///
/// *Shape*: it is ready where the view is recent enough for every class of tools, or for the one that
/// `?class=` names; 503 otherwise, 404 for a class that the guard does not know. It asks nobody who it
/// is: serve it where only operators reach it, and not behind the guard.
pub fn health_router(guard: Guard, sync: &RevocationSync) -> Router {
    Router::new()
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Health { guard, monitor: Arc::clone(sync.monitor()) })
}

async fn ready(State(health): State<Health>, Query(asked): Query<Asked>) -> Response {
    let mut classes = health.guard.readiness();
    if let Some(class) = &asked.class {
        classes.retain(|label, _| label == class);
    }
    let ready = !classes.is_empty() && classes.values().all(|is_fresh| *is_fresh);
    let status = match (classes.is_empty(), ready) {
        (true, _) => StatusCode::NOT_FOUND,
        (_, true) => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(Ready { ready, classes })).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    let headers = [(CONTENT_TYPE, METRICS_TYPE), (CACHE_CONTROL, "no-store")];
    (headers, health.monitor.metrics()).into_response()
}
