//! `GET /metrics`: what the authority counts, as Prometheus reads it.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;

use super::AppState;
use super::problem::Refusal;

/// *Source*: OpenMetrics 1.0, section 4.1.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn show(State(authority): State<AppState>) -> Result<Response, Refusal> {
    let mut text = String::new();
    encode(&mut text, &authority.registry).map_err(|_| Refusal::Internal)?;
    Ok(([(CONTENT_TYPE, TEXT)], text).into_response())
}
