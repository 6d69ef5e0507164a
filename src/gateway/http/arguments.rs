//! The arguments of a request, and what of its body goes up.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::Limited;

use crate::config::gateway::BodyKind;
use crate::guard::{Guard, Refusal, arguments, path};
use crate::model::{Args, Json, JsonProfile};

/// What is read of a request before it is decided.
pub(super) struct Read {
    pub(super) args: Args,
    /// The bytes that were judged, or the stream that is not.
    pub(super) body: Body,
}

/// What a route says of bodies.
pub(super) struct Reading<'a> {
    pub(super) guard: &'a Guard,
    pub(super) kind: BodyKind,
    pub(super) profile: JsonProfile,
    /// Longest opaque body, in bytes.
    pub(super) upload_bytes_max: u64,
}

impl Reading<'_> {
    /// The arguments of path, query and body.
    pub(super) async fn read(
        &self,
        parts: &Parts,
        captures: Vec<(String, String)>,
        body: Body,
    ) -> Result<Read, Refusal> {
        let mut strings = captures;
        strings.extend(path::query(parts.uri.query().unwrap_or_default()).map_err(bad)?);
        match self.kind {
            BodyKind::Opaque => {
                let (args, body) = self.opaque(parts, strings, body)?;
                Ok(Read { args, body })
            }
            BodyKind::Json => {
                as_it_is(&parts.headers)?;
                let bytes = self.guard.read(body).await?;
                let args = arguments::collect(parts, &bytes, strings, self.profile)?;
                Ok(Read { args, body: Body::from(bytes) })
            }
            BodyKind::Form => {
                as_it_is(&parts.headers)?;
                let bytes = self.guard.read(body).await?;
                strings.extend(fields(parts, &bytes)?);
                let args = arguments::collect(parts, &Bytes::new(), strings, self.profile)?;
                Ok(Read { args, body: Body::from(bytes) })
            }
        }
    }

    /// A body that is not read: that there is one is an argument.
    fn opaque(
        &self,
        parts: &Parts,
        strings: Vec<(String, String)>,
        body: Body,
    ) -> Result<(Args, Body), Refusal> {
        let length = parts.headers.get(CONTENT_LENGTH).map(|value| value.to_str().unwrap_or(""));
        let length = length.map(str::parse::<u64>).transpose().map_err(|_| bad("bad length"))?;
        let is_chunked = parts.headers.contains_key(TRANSFER_ENCODING);
        if length.is_some_and(|length| length > self.upload_bytes_max) {
            let why = format!("the body is longer than {} bytes", self.upload_bytes_max);
            return Err(Refusal::malformed(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        if !is_chunked && length.unwrap_or(0) == 0 {
            let args = arguments::collect(parts, &Bytes::new(), strings, self.profile)?;
            return Ok((args, Body::empty()));
        }
        has_body(&parts.method)?;
        let strings = strings.into_iter().map(|(name, value)| (name, Json::String(value)));
        let members = strings.chain([("body".to_owned(), Json::Bool(true))]).collect();
        let text = Json::Object(members).to_string();
        let args = Args::parse(text, self.profile).map_err(|error| {
            bad(&format!("path, query and body do not make one set of arguments: {error}"))
        })?;
        let max = usize::try_from(self.upload_bytes_max).unwrap_or(usize::MAX);
        Ok((args, Body::new(Limited::new(body, max))))
    }
}

/// The fields of a form, of which nobody downstream reads others.
fn fields(parts: &Parts, bytes: &Bytes) -> Result<Vec<(String, String)>, Refusal> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    has_body(&parts.method)?;
    let mut kinds = parts.headers.get_all(CONTENT_TYPE).iter();
    let kind = match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind.to_str().unwrap_or_default().to_ascii_lowercase(),
        _ => String::new(),
    };
    let (kind, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    let plain = matches!(parameters.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    if kind.trim() != "application/x-www-form-urlencoded" || !plain {
        let why = "a body has to say once that it is `application/x-www-form-urlencoded`";
        return Err(Refusal::malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| bad("the form is not UTF-8"))?;
    // What some readers trim or take for a line's end.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(bad("the form holds blanks that are not escaped"));
    }
    path::query(text).map_err(|why| bad(&format!("the form is malformed: {why}")))
}

/// Refuses a body that is compressed, which cannot be judged.
fn as_it_is(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        true => Ok(()),
        false => {
            let why = "an encoded body cannot be judged: send it as it is";
            Err(Refusal::malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
        }
    }
}

fn has_body(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => {
            Err(bad(&format!("a `{method}` request has no body")))
        }
        _ => Ok(()),
    }
}

fn bad(why: &str) -> Refusal {
    Refusal::malformed(StatusCode::BAD_REQUEST, why)
}
