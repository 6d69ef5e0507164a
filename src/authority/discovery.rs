//! `GET /.well-known/hardtack`: who the authority is and which keys it signs with.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde::Serialize;

use super::AppState;
use crate::feed::SignedCertificate;
use crate::keys::TrustedRoot;
use crate::vocabulary::names;

/// Where it is.
pub(super) const PATH: &str = "/.well-known/hardtack";

#[derive(Serialize)]
struct Description {
    issuer: String,
    vocabulary: i64,
    roots: Vec<TrustedRoot>,
    feed_keys: Vec<SignedCertificate>,
    revocation_age_secs: u64,
    endpoints: Endpoints,
}

/// Paths on this host.
#[derive(Serialize)]
struct Endpoints {
    tasks: &'static str,
    revocations: &'static str,
    clients: &'static str,
}

pub(super) async fn describe(State(authority): State<AppState>) -> impl IntoResponse {
    let description = Description {
        issuer: authority.settings.issuer.clone(),
        vocabulary: names::VERSION,
        roots: authority.roots.iter().cloned().collect(),
        feed_keys: authority.feed.fanout.keys().to_vec(),
        revocation_age_secs: authority.settings.revocation_age_secs,
        endpoints: Endpoints {
            tasks: "/v1/tasks",
            revocations: "/v1/revocations",
            clients: "/v1/clients",
        },
    };
    ([(CACHE_CONTROL, "public, max-age=60")], Json(description))
}
