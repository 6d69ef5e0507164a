use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::gateway::credential::CredentialError;

/// Why an upstream gave no answer, or none that may be passed on.
///
/// *Shape*: each has a status and a code in kebab case. Neither these nor its text say anything of
/// the credential's value or of what the upstream answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// As many requests as are allowed are with it already.
    #[error("too many requests are with the upstream")]
    Busy,
    /// No connection could be made.
    #[error("the upstream could not be reached")]
    Unreachable,
    /// It did not connect, or begin its answer, in time.
    #[error("the upstream did not answer in time")]
    Slow,
    /// It broke off, or what it answered is not plain HTTP/1.1.
    #[error("the upstream's answer is broken")]
    Broken,
    /// Its answer is compressed though that was not asked for, and so cannot be searched for the
    /// credential.
    #[error("the upstream's answer is encoded")]
    Encoded,
    /// Its answer holds the credential.
    #[error("the upstream's answer holds the credential")]
    Echoed,
    /// It answered 401 to the gateway's own credential.
    #[error("the upstream does not take the gateway's credential")]
    CredentialRefused,
    /// There is no credential to show.
    #[error("the credential `{name}` is not to be had: {why}")]
    Credential {
        /// Its name.
        name: String,
        /// What went wrong.
        why: CredentialError,
    },
    /// The caller set the parameter of the query that is the credential's.
    #[error("the parameter `{0}` of the query is not the caller's")]
    Parameter(String),
    /// Path and query do not make an address.
    #[error("the request's path and query make no address at the upstream")]
    Target,
    /// The caller's body did not arrive whole.
    #[error("the body did not arrive whole")]
    Body,
    /// The caller's body did not arrive in time.
    #[error("the body did not arrive in time")]
    BodySlow,
    /// The caller's body is longer than is taken.
    #[error("the body is longer than is taken")]
    BodyTooLong,
}

/// Why an answer ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyError {
    #[error("the upstream broke off")]
    Broken,
    #[error("the upstream paused for too long")]
    Slow,
    #[error("the upstream's answer holds the credential")]
    Echoed,
}

impl From<ReplyError> for UpstreamError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Broken => Self::Broken,
            ReplyError::Slow => Self::Slow,
            ReplyError::Echoed => Self::Echoed,
        }
    }
}

/// The body of an error.
///
/// *Source*: RFC 9457.
#[derive(Serialize)]
struct Problem {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
}

impl UpstreamError {
    /// The status for the caller.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable
            | Self::Broken
            | Self::Encoded
            | Self::Echoed
            | Self::CredentialRefused
            | Self::Credential { .. } => StatusCode::BAD_GATEWAY,
            Self::Parameter(_) | Self::Target | Self::Body => StatusCode::BAD_REQUEST,
            Self::BodySlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// The error in one word, for problems and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "upstream-busy",
            Self::Unreachable => "upstream-unreachable",
            Self::Slow => "upstream-slow",
            Self::Broken => "upstream-broken",
            Self::Encoded => "upstream-encoded",
            Self::Echoed => "credential-echoed",
            Self::CredentialRefused => "credential-refused",
            Self::Credential { .. } => "credential-unavailable",
            Self::Parameter(_) => "parameter-reserved",
            Self::Target => "target-malformed",
            Self::Body => "body-broken",
            Self::BodySlow => "body-slow",
            Self::BodyTooLong => "body-too-long",
        }
    }

    /// One sentence that is the same for every such error.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Busy => "Too many requests are with the upstream",
            Self::Unreachable => "The upstream could not be reached",
            Self::Slow => "The upstream did not answer in time",
            Self::Broken => "The upstream's answer is broken",
            Self::Encoded => "The upstream's answer cannot be checked",
            Self::Echoed => "The upstream's answer cannot be passed on",
            Self::CredentialRefused => "The upstream does not take the gateway's credential",
            Self::Credential { .. } => "The gateway has no credential for the upstream",
            Self::Parameter(_) => "The query has a parameter that is not the caller's",
            Self::Target => "Path and query make no address at the upstream",
            Self::Body => "The body did not arrive whole",
            Self::BodySlow => "The body did not arrive in time",
            Self::BodyTooLong => "The body is longer than is taken",
        }
    }

    /// The error as a response: a problem with the code and nothing more.
    pub fn response(&self) -> Response<Body> {
        let (status, code) = (self.status(), self.code());
        let problem = Problem {
            r#type: format!("urn:hardtack:problem:{code}"),
            title: self.title(),
            status: status.as_u16(),
            code,
        };
        let body = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
