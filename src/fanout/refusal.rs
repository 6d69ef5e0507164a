//! What a fan-out refuses, as RFC 9457 has it.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Malformed(String),
    #[error("there is no such file, or it is not kept any more")]
    NoFile,
    #[error("nothing was signed yet, or nothing can be signed now")]
    NoHead,
    #[error("too many read at once; try again soon")]
    TooMany,
}

#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
}

impl Refusal {
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Malformed(_) => (S::BAD_REQUEST, "request-malformed", "Malformed request"),
            Self::NoFile => (S::NOT_FOUND, "file-unknown", "Not found"),
            Self::NoHead => (S::SERVICE_UNAVAILABLE, "head-missing", "No signed head"),
            Self::TooMany => (S::SERVICE_UNAVAILABLE, "too-many-readers", "Too many readers"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, title) = self.kind();
        let kind = format!("urn:hardtack:problem:{code}");
        let (detail, number) = (self.to_string(), status.as_u16());
        let problem = Problem { kind, title, status: number, detail, code };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
