//! Refusals as HTTP responses: problem+json and challenges.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::model::{Code, Reason};

/// Longest text in a challenge, in characters.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// The challenge that says how a bound token is sent.
const DPOP: &str = "DPoP algs=\"EdDSA\"";

/// A call that is refused: why, and the status where it is not the code's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) reasons: Vec<Reason>,
    pub(super) status: Option<StatusCode>,
    /// The nonce that the next proof must carry.
    pub(super) nonce: Option<String>,
}

impl Refusal {
    /// A call that cannot be judged, with the status that says why.
    pub fn malformed(status: StatusCode, message: impl Into<String>) -> Self {
        let reason = Reason::new(Code::RequestMalformed, message);
        Self { status: Some(status), ..reason.into() }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        vec![reason].into()
    }
}

impl From<Vec<Reason>> for Refusal {
    fn from(reasons: Vec<Reason>) -> Self {
        Self { reasons, status: None, nonce: None }
    }
}

/// The body of a refusal.
///
/// *Source*: RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: Code,
    detail: &'a str,
    reasons: &'a [Reason],
}

/// What a refused caller is told besides the problem: the parameters of its challenge.
///
/// *Source*: RFC 6750 section 3; RFC 9728 section 5.1 for `resource_metadata`.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The gateway.
    pub realm: &'a str,
    /// Where the metadata of the protected resource is, where there are any.
    pub resource_metadata: Option<&'a str>,
    /// What a token would have to grant.
    pub scope: Option<&'a str>,
}

impl<'a> Challenge<'a> {
    /// A challenge that names the gateway alone.
    pub fn of(realm: &'a str) -> Self {
        Self { realm, resource_metadata: None, scope: None }
    }
}

impl Refusal {
    /// The code, as the caller is told.
    pub fn code(&self) -> Code {
        self.reasons.first().map_or(Code::NotGranted, |reason| reason.code)
    }

    /// The status of a response that carries it.
    pub fn status(&self) -> StatusCode {
        let status = self.status.or(StatusCode::from_u16(self.code().http_status()).ok());
        status.unwrap_or(StatusCode::FORBIDDEN)
    }

    /// Why, for the record: more than the caller is told.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The same refusal with another status.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// What the caller is told in one sentence.
    pub fn detail(&self) -> String {
        self.reasons.first().map(told).map_or_else(String::new, |reason| reason.message)
    }

    /// The problem document: the code, and of the caller's own token which check failed on what. Of
    /// the gateway's policy and state it has the code alone.
    ///
    /// *Source*: RFC 9457.
    pub fn problem(&self) -> serde_json::Value {
        let told: Vec<Reason> = self.reasons.iter().map(told).collect();
        serde_json::to_value(self.document(&told)).unwrap_or_default()
    }

    /// The refusal as a response, with its challenges.
    pub fn response(&self, challenge: &Challenge<'_>) -> Response<Body> {
        let told: Vec<Reason> = self.reasons.iter().map(told).collect();
        let problem = serde_json::to_vec(&self.document(&told)).unwrap_or_default();
        let mut response = Response::new(Body::from(problem));
        *response.status_mut() = self.status();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        self.describe(response.headers_mut(), challenge);
        response
    }

    /// Puts the headers that go with the refusal beside a body of another form.
    pub fn describe(&self, headers: &mut HeaderMap, challenge: &Challenge<'_>) {
        let (status, code) = (self.status(), self.code());
        let nonce = self.nonce.as_deref().and_then(|nonce| HeaderValue::try_from(nonce).ok());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let detail = self.detail();
        if let Some(value) = self::challenge(status, code, &detail, challenge, nonce.is_some()) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        if let Some(nonce) = nonce {
            headers.insert(HeaderName::from_static("dpop-nonce"), nonce);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if code == Code::TokenMissing {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(DPOP));
        }
    }

    fn document<'a>(&self, told: &'a [Reason]) -> Problem<'a> {
        let code = self.code();
        Problem {
            r#type: format!("urn:hardtack:problem:{code}"),
            title: title(code),
            status: self.status().as_u16(),
            code,
            detail: told.first().map_or("", |reason| reason.message.as_str()),
            reasons: told,
        }
    }
}

/// The part of a reason that its caller may know.
fn told(reason: &Reason) -> Reason {
    match reason.code {
        Code::PolicyDenied
        | Code::ApprovalRequired
        | Code::BudgetExhausted
        | Code::RevocationStale
        | Code::ProofStoreUnavailable
        | Code::RecordUnavailable => Reason::new(reason.code, title(reason.code)),
        // An expression of the policy belongs to no block of the token.
        Code::EvaluationError if reason.block.is_none() => {
            Reason::new(reason.code, title(reason.code))
        }
        _ => reason.clone(),
    }
}

/// The challenge that goes with a status.
///
/// *Source*: RFC 6750 section 3: no error where the call carried no token. RFC 9449 section 7.1 for
/// the faults of proofs, section 9 for the nonce that a proof is asked for.
fn challenge(
    status: StatusCode,
    code: Code,
    detail: &str,
    told: &Challenge<'_>,
    wants_nonce: bool,
) -> Option<HeaderValue> {
    let proof = |error| ("DPoP", error, ", algs=\"EdDSA\"");
    let (scheme, error, rest) = match (status, code) {
        (StatusCode::UNAUTHORIZED, Code::TokenMissing) => ("Bearer", "", ""),
        (StatusCode::UNAUTHORIZED, Code::ProofMissing | Code::ProofInvalid) if wants_nonce => {
            proof("use_dpop_nonce")
        }
        (
            StatusCode::UNAUTHORIZED,
            Code::ProofMissing | Code::ProofInvalid | Code::ProofReplayed,
        ) => proof("invalid_dpop_proof"),
        (StatusCode::UNAUTHORIZED, _) => ("Bearer", "invalid_token", ""),
        (StatusCode::FORBIDDEN, _) => ("Bearer", "insufficient_scope", ""),
        _ => return None,
    };
    let (realm, detail) = (plain(told.realm), plain(detail));
    let error = match error {
        "" => String::new(),
        error => format!(", error=\"{error}\", error_description=\"{code}: {detail}\""),
    };
    let parameter = |name: &str, value: Option<&str>| {
        value.map_or_else(String::new, |value| format!(", {name}=\"{}\"", plain(value)))
    };
    let scope = parameter("scope", told.scope.filter(|_| status == StatusCode::FORBIDDEN));
    let metadata = parameter("resource_metadata", told.resource_metadata);
    let text = format!("{scheme} realm=\"{realm}\"{error}{rest}{scope}{metadata}");
    HeaderValue::try_from(text).ok()
}

/// The text without any character that a quoted `error_description` may not hold.
fn plain(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    let texts = text.chars().take(DESCRIPTION_CHARS_MAX);
    texts
        .map(|c| {
            if allowed(c) {
                c
            } else if c == '"' || c == '`' {
                '\''
            } else {
                '?'
            }
        })
        .collect()
}

/// One sentence for each code, the same for every call.
fn title(code: Code) -> &'static str {
    match code {
        Code::TokenMissing => "The call carries no token",
        Code::TokenMalformed => "The token is malformed",
        Code::TokenTooLarge => "The token is too large",
        Code::TokenTooComplex => "The token is too complex",
        Code::SignatureInvalid => "The token is not genuine",
        Code::RootUnknown => "The token's root key is not trusted here",
        Code::VocabularyUnknown => "The token uses words that are not known here",
        Code::Revoked => "The token is revoked",
        Code::RevocationStale => "The gateway does not know recent revocations",
        Code::ProofMissing => "The call carries no proof of the token's holder",
        Code::ProofInvalid => "The proof of the token's holder is not valid",
        Code::ProofReplayed => "The proof of the token's holder was used before",
        Code::ProofStoreUnavailable => "The gateway does not know which proofs were used before",
        Code::ChainTooLong => "The delegation chain is too long",
        Code::Expired => "The token has expired",
        Code::AudienceMismatch => "The token is meant for another gateway",
        Code::NotGranted => "The token does not grant the call",
        Code::CheckFailed => "A check of the token does not hold",
        Code::PolicyDenied => "The gateway's policy refuses the call",
        Code::ApprovalRequired => "The call needs approval",
        Code::BudgetExhausted => "The task's budget is spent",
        Code::TooManyCalls => "Too many calls are in flight",
        Code::DefinitionUnapproved => "The tool's definition is not one that was approved",
        Code::EvaluationError => "The call could not be evaluated",
        Code::RequestMalformed => "The request cannot be judged",
        Code::RecordUnavailable => "The decision could not be recorded",
    }
}
