//! The arguments of a request: read once, from where its handler will read them.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::refusal::Refusal;
use crate::model::{Args, Json, JsonProfile};

/// Headers that never reach a handler: the caller's credentials, and what describes the framing of
/// the body before it was read.
const STRIPPED: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "dpop",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
];

/// Headers that make some frameworks see another request than the one that was judged.
pub(crate) const OVERRIDES: &[&str] = &[
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// Takes out the headers that a handler must not see.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in STRIPPED.iter().chain(OVERRIDES) {
        headers.remove(*name);
    }
}

/// Describes the body that is forwarded.
pub(super) fn describe(headers: &mut HeaderMap, body: &Bytes) {
    if !body.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
}

/// Refuses what would let bytes past that nobody judged.
pub(super) fn plain_request(parts: &Parts) -> Result<(), Refusal> {
    if parts.headers.contains_key(UPGRADE) || parts.method == Method::CONNECT {
        let why = "a connection that changes its protocol cannot be judged";
        return Err(Refusal::malformed(StatusCode::BAD_REQUEST, why));
    }
    let mut encodings = parts.headers.get_all(CONTENT_ENCODING).iter();
    match encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        true => Ok(()),
        false => {
            let why = "an encoded body cannot be judged: send it as it is";
            Err(Refusal::malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
        }
    }
}

/// The arguments made of the strings of path and query and of the members of the body.
pub(crate) fn collect(
    parts: &Parts,
    body: &Bytes,
    strings: Vec<(String, String)>,
    profile: JsonProfile,
) -> Result<Args, Refusal> {
    let body = from_body(parts, body, profile)?;
    if strings.is_empty() {
        return Ok(body.unwrap_or_else(Args::none));
    }
    let mut members: Vec<(String, Json)> =
        strings.into_iter().map(|(name, value)| (name, Json::String(value))).collect();
    if let Some(Json::Object(own)) = body.as_ref().map(Args::value) {
        members.extend(own.iter().cloned());
    }
    // Parsing finds a name that comes from two places.
    Args::parse(Json::Object(members).to_string(), profile).map_err(|error| {
        let why = format!("path, query and body do not make one set of arguments: {error}");
        Refusal::malformed(StatusCode::BAD_REQUEST, why)
    })
}

fn from_body(parts: &Parts, body: &Bytes, profile: JsonProfile) -> Result<Option<Args>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    let bad = |why: String| Refusal::malformed(StatusCode::BAD_REQUEST, why);
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return Err(bad(format!("a `{}` request has no body", parts.method)));
    }
    is_json(&parts.headers)?;
    Args::parse(body.to_vec(), profile).map(Some).map_err(|error| bad(error.to_string()))
}

/// Whether the one `Content-Type` says JSON in UTF-8.
fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let text = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default().to_ascii_lowercase(),
        _ => String::new(),
    };
    let (kind, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let kind = kind.trim();
    let subtype = kind.strip_prefix("application/");
    let json = subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"));
    let parameters = parameters.trim();
    match json && matches!(parameters, "" | "charset=utf-8" | "charset=\"utf-8\"") {
        true => Ok(()),
        false => {
            let why = "a body has to say once that it is `application/json`";
            Err(Refusal::malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
        }
    }
}
