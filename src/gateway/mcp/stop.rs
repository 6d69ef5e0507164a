use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::config::gateway::Denials;
use crate::gateway::trace::Span;
use crate::gateway::upstream::UpstreamError;
use crate::guard::{Challenge, Refusal};
use crate::mcp::{self, Era, Fault, code};
use crate::model::{Code, Tool};

/// Why a request is not answered by its server.
pub(super) enum Stop {
    /// The guard refused it. It is recorded.
    Refused {
        refusal: Refusal,
        /// What was called.
        tool: Option<Tool>,
    },
    /// It is against the protocol, or the server failed.
    Fault(StatusCode, Fault),
}

/// What of a request decides how a stop is told.
#[derive(Default)]
pub(super) struct Told {
    /// The identifier, as it was written.
    pub(super) id: Option<Vec<u8>>,
    /// The era, once it is known.
    pub(super) era: Option<Era>,
    /// Whether it calls a tool.
    pub(super) calls_tool: bool,
    /// How its server has refusals told.
    pub(super) denials: Denials,
    /// Its span, until the answer has it.
    pub(super) span: Span,
}

impl Told {
    /// Whether a refusal is one of HTTP: another token would help, or the request is not well formed,
    /// or the gateway is not able. Clients of the older versions take every such status for the end
    /// of their session; to them only a token that is no good at all is one.
    fn is_of_http(&self, refusal: &Refusal) -> bool {
        let status = refusal.status();
        if let (Some(Era::Legacy), Some(_)) = (self.era, &self.id) {
            return status == StatusCode::UNAUTHORIZED;
        }
        would_help(refusal.code())
            || !matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS)
    }
}

impl Stop {
    /// Ends a span with the reason.
    pub(super) fn end(&self, span: &mut Span) {
        match self {
            Self::Refused { refusal, .. } => {
                span.fail(refusal.code().as_str());
                span.set("rpc.response.status_code", number(refusal).to_string());
            }
            Self::Fault(_, fault) => {
                span.fail(&fault.code.to_string());
                span.set("rpc.response.status_code", fault.code.to_string());
            }
        }
    }

    /// A request that is against the protocol.
    pub(super) fn bad(code: i64, message: impl Into<String>) -> Self {
        Self::fault(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn fault(status: StatusCode, code: i64, message: impl Into<String>) -> Self {
        Self::Fault(status, Fault::new(code, message))
    }

    /// No such thing, or none of this caller's.
    pub(super) fn not_found(message: &str) -> Self {
        Self::fault(StatusCode::NOT_FOUND, code::refusal(404), message)
    }

    /// The server's answer cannot be passed on; for the caller of a JSON-RPC request that is an answer.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::fault(StatusCode::BAD_GATEWAY, code::INTERNAL, message)
    }

    /// The response that tells of it.
    pub(super) fn response(self, told: &Told, challenge: &Challenge<'_>) -> Response<Body> {
        let id = told.id.as_deref();
        match self {
            Self::Fault(status, fault) => json(status, mcp::error(id, &fault)),
            Self::Refused { refusal, tool } => {
                let (status, problem) = (refusal.status(), refusal.problem());
                let may_be_result = told.calls_tool && is_decision(refusal.code());
                if let (Denials::Result, Some(era), Some(id), true) =
                    (told.denials, told.era, id, may_be_result)
                {
                    let body = mcp::tool_error(id, era, &refusal.detail(), problem);
                    return json(StatusCode::OK, body);
                }
                let fault = Fault {
                    code: number(&refusal),
                    message: refusal.detail(),
                    data: Some(problem),
                };
                let shown = match told.is_of_http(&refusal) {
                    true => status,
                    false => StatusCode::OK,
                };
                let mut response = json(shown, mcp::error(id, &fault));
                let scope = tool.as_ref().map(Tool::to_string);
                let challenge = Challenge { scope: scope.as_deref(), ..*challenge };
                if shown == status || would_help(refusal.code()) {
                    refusal.describe(response.headers_mut(), &challenge);
                }
                response
            }
        }
    }
}

/// Whether more authority would help.
fn would_help(code: Code) -> bool {
    matches!(code, Code::NotGranted | Code::CheckFailed)
}

/// Whether the call was judged, and the answer was no.
fn is_decision(code: Code) -> bool {
    code.http_status() == 403 || code == Code::BudgetExhausted || code == Code::RequestMalformed
}

fn number(refusal: &Refusal) -> i64 {
    match refusal.code() {
        Code::RequestMalformed => code::INVALID_PARAMS,
        _ => code::refusal(refusal.status().as_u16()),
    }
}

impl From<UpstreamError> for Stop {
    fn from(error: UpstreamError) -> Self {
        let status = error.status();
        let mut fault = Fault::new(code::refusal(status.as_u16()), error.title());
        fault.data = Some(serde_json::json!({ "code": error.code() }));
        Self::Fault(status, fault)
    }
}

/// A response of JSON that nobody keeps.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
