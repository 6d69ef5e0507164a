//! Refusals as HTTP responses: problem+json and challenges.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::model::{Code, Reason};

/// Longest text in a challenge, in characters.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// The challenge that says how a bound token is sent.
const DPOP: &str = "DPoP algs=\"EdDSA\"";

/// A call that is not forwarded, and the status where it is not the code's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reasons: Vec<Reason>,
    pub(super) status: Option<StatusCode>,
    /// The nonce that the next proof must carry.
    pub(super) nonce: Option<String>,
}

impl Refusal {
    /// A call that cannot be judged, with the status that says why.
    pub(super) fn malformed(status: StatusCode, message: impl Into<String>) -> Self {
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

/// What the caller of a refused call is told.
///
/// *Shape*: the code, and of its own token which check failed on what. Of the gateway's policy and
/// state it learns the code alone.
pub(super) fn response(refusal: &Refusal, realm: &str) -> Response<Body> {
    let told: Vec<Reason> = refusal.reasons.iter().map(told).collect();
    let code = told.first().map_or(Code::NotGranted, |reason| reason.code);
    let detail = told.first().map_or("", |reason| reason.message.as_str());
    let status = refusal.status.or(StatusCode::from_u16(code.http_status()).ok());
    let status = status.unwrap_or(StatusCode::FORBIDDEN);
    let problem = Problem {
        r#type: format!("urn:hardtack:problem:{code}"),
        title: title(code),
        status: status.as_u16(),
        code,
        detail,
        reasons: &told,
    };
    let mut response = Response::new(Body::from(serde_json::to_vec(&problem).unwrap_or_default()));
    *response.status_mut() = status;
    let nonce = refusal.nonce.as_deref().and_then(|nonce| HeaderValue::try_from(nonce).ok());
    let mut set = |name: HeaderName, value| response.headers_mut().insert(name, value);
    set(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = challenge(status, code, detail, realm, nonce.is_some()) {
        set(WWW_AUTHENTICATE, challenge);
    }
    if let Some(nonce) = nonce {
        set(HeaderName::from_static("dpop-nonce"), nonce);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        set(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if code == Code::TokenMissing {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(DPOP));
    }
    response
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
    realm: &str,
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
    let (realm, detail) = (plain(realm), plain(detail));
    let error = match error {
        "" => String::new(),
        error => format!(", error=\"{error}\", error_description=\"{code}: {detail}\""),
    };
    HeaderValue::try_from(format!("{scheme} realm=\"{realm}\"{error}{rest}")).ok()
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
        Code::EvaluationError => "The call could not be evaluated",
        Code::RequestMalformed => "The request cannot be judged",
        Code::RecordUnavailable => "The decision could not be recorded",
    }
}
