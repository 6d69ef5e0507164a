//! Every refusal of the service, and what it looks like on the wire: RFC 9457.

use std::any::Any;

use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response as HttpResponse, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::mint::MintError;
use crate::model::Reason;
use crate::store::StoreError;
use crate::token::TokenError;
use crate::verify::ProofFault;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this needs a client key: `authorization: Bearer htc_…`")]
    NoKey,
    #[error("the client key is malformed, unknown or disabled")]
    BadKey,
    #[error("only an administrator's key may do this")]
    NotAdmin,
    #[error("{0}")]
    BeyondCeiling(String),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("there is nothing at this path")]
    NoRoute,
    #[error("this path does not take this method")]
    NoMethod,
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Invalid(String),
    #[error("the body must be JSON, with `content-type: application/json`")]
    MediaType,
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    #[error("this request made task `{0}` before; its token is not kept and cannot be shown again")]
    Repeated(String),
    #[error("the idempotency key came with another body before")]
    KeyReused,
    #[error("a client with this name exists already")]
    NameTaken,
    #[error("a client cannot disable itself")]
    OwnClient,
    #[error("{1}")]
    Token(&'static str, String),
    #[error("{0}")]
    NoProof(&'static str),
    #[error("{0}")]
    Proof(ProofFault),
    #[error("the proof's `htu` is not the address of the request, which is `{0}`")]
    ProofAddress(String),
    #[error("the proof was used before")]
    ProofUsed,
    #[error("{0}")]
    NotHolder(&'static str),
    #[error("too many blocks of this task's tokens are revoked; revoke one above, or the task")]
    TooManyRevocations,
    #[error("the store is unavailable; nothing is known to have been changed")]
    Store,
    #[error("no head of the revocation log is being signed")]
    Unpublished,
    #[error("the request took too long; whether it took effect is not known")]
    Timeout,
    #[error("something went wrong here; it has been logged")]
    Internal,
}

/// The body of a refusal.
#[derive(Debug, Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
}

impl Refusal {
    /// Status, stable word and title.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::NoKey => (S::UNAUTHORIZED, "client-key-missing", "Client key missing"),
            Self::BadKey => (S::UNAUTHORIZED, "client-key-invalid", "Client key not accepted"),
            Self::NotAdmin => (S::FORBIDDEN, "admin-required", "Not an administrator"),
            Self::BeyondCeiling(_) => (S::FORBIDDEN, "beyond-ceiling", "Beyond the ceiling"),
            Self::NotFound(_) => (S::NOT_FOUND, "not-found", "Not found"),
            Self::NoRoute => (S::NOT_FOUND, "route-unknown", "Not found"),
            Self::NoMethod => (S::METHOD_NOT_ALLOWED, "method-unknown", "Method not allowed"),
            Self::Malformed(_) => (S::BAD_REQUEST, "request-malformed", "Malformed request"),
            Self::Invalid(_) => (S::UNPROCESSABLE_ENTITY, "request-invalid", "Invalid request"),
            Self::MediaType => (S::UNSUPPORTED_MEDIA_TYPE, "media-type-unknown", "Not JSON"),
            Self::TooLarge(_) => (S::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Self::Repeated(_) => (S::CONFLICT, "request-repeated", "Done before"),
            Self::KeyReused => {
                (S::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency key reused")
            }
            Self::NameTaken => (S::CONFLICT, "name-taken", "Name taken"),
            Self::OwnClient => (S::CONFLICT, "own-client", "Own client"),
            Self::Token(code, _) => (S::UNPROCESSABLE_ENTITY, code, "Token not accepted"),
            Self::NoProof(_) => (S::UNAUTHORIZED, "proof-missing", "Proof of a key missing"),
            Self::Proof(_) | Self::ProofAddress(_) => {
                (S::UNAUTHORIZED, "proof-invalid", "Proof of a key not accepted")
            }
            Self::ProofUsed => (S::UNAUTHORIZED, "proof-replayed", "Proof of a key used before"),
            Self::NotHolder(_) => (S::FORBIDDEN, "not-the-holder", "Signed by another key"),
            Self::TooManyRevocations => {
                (S::TOO_MANY_REQUESTS, "too-many-revocations", "Too many revocations")
            }
            Self::Store => (S::SERVICE_UNAVAILABLE, "store-unavailable", "Store unavailable"),
            Self::Unpublished => {
                (S::SERVICE_UNAVAILABLE, "feed-unpublished", "Revocations not published")
            }
            Self::Timeout => (S::SERVICE_UNAVAILABLE, "timeout", "Took too long"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoKey => Some("Bearer realm=\"hardtack\""),
            Self::BadKey => Some("Bearer realm=\"hardtack\", error=\"invalid_token\""),
            Self::NoProof(_) => Some("DPoP realm=\"hardtack\", algs=\"EdDSA\""),
            Self::Proof(_) | Self::ProofAddress(_) | Self::ProofUsed => {
                Some("DPoP realm=\"hardtack\", error=\"invalid_dpop_proof\", algs=\"EdDSA\"")
            }
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, title) = self.kind();
        let challenge = self.challenge();
        let problem = Problem {
            kind: format!("urn:hardtack:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            task: match self {
                Self::Repeated(task) => Some(task),
                _ => None,
            },
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::Store
    }
}

impl From<MintError> for Refusal {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Build => Self::Internal,
            error => Self::Invalid(error.to_string()),
        }
    }
}

impl From<ProofFault> for Refusal {
    fn from(fault: ProofFault) -> Self {
        Self::Proof(fault)
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::Token(error.code.as_str(), error.message)
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Token(reason.code.as_str(), reason.message)
    }
}

/// The answer at a path that nothing is at.
pub(super) async fn no_route() -> Refusal {
    Refusal::NoRoute
}

/// The answer to a method that a path does not take.
pub(super) async fn no_method() -> Refusal {
    Refusal::NoMethod
}

/// The answer where an endpoint panicked. What it said may hold anything, so it is left out.
pub(super) fn panicked(_what: Box<dyn Any + Send>) -> HttpResponse<Body> {
    tracing::error!("an endpoint panicked");
    Refusal::Internal.into_response()
}
