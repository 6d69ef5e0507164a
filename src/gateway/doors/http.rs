use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::any;
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};

use super::{Asked, Told, about};
use crate::gateway::service::Gateway;
use crate::guard::{Allowed, Challenge, Refusal};
use crate::model::limits;

/// Set by Envoy where it shows the beginning of a body alone.
const PARTIAL: &str = "x-envoy-auth-partial-body";

/// The doors over HTTP.
///
/// *Shape*: `/auth-request` for nginx, which learns of the request by `X-Original-Method`,
/// `X-Original-URI`, `X-Original-Content-Length` and `X-Original-Transfer-Encoding`; `/forward-auth`
/// for Traefik, by `X-Forwarded-Method`, `X-Forwarded-Uri` and `X-Forwarded-Host`; `/ext-authz/…` for
/// Envoy, which asks with the method and the path of the request. 200 says that the request may go up,
/// with `X-Hardtack-Tool`, `-Task` and `-Principal`.
pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/auth-request", any(auth_request))
        .route("/forward-auth", any(forward_auth))
        .route("/ext-authz", any(ext_authz))
        .route("/ext-authz/{*path}", any(ext_authz))
        .with_state(gateway)
}

/// nginx takes 401 and 403 for a refusal, and everything else for a failure of its own.
async fn auth_request(State(gateway): State<Gateway>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let text = |name| text(&parts.headers, name);
    let body = match text("x-original-transfer-encoding") {
        Some(_) => Told::There,
        None => Told::by_length(text("x-original-content-length").as_deref()),
    };
    let asked = Asked {
        method: text("x-original-method").unwrap_or_default(),
        target: text("x-original-uri").unwrap_or_default(),
        host: text("x-original-host").or_else(|| text(HOST.as_str())),
        headers: parts.headers.clone(),
        body,
    };
    let mut answer = answer(&gateway, asked.decide(&gateway).await);
    if answer.status().is_client_error() && answer.status() != StatusCode::UNAUTHORIZED {
        *answer.status_mut() = StatusCode::FORBIDDEN;
    }
    answer
}

async fn forward_auth(State(gateway): State<Gateway>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let text = |name| text(&parts.headers, name);
    let body = match shown(&parts, body).await {
        Ok(body) => body,
        Err(refusal) => return answer(&gateway, Err(refusal)),
    };
    let asked = Asked {
        method: text("x-forwarded-method").unwrap_or_default(),
        target: text("x-forwarded-uri").unwrap_or_default(),
        host: text("x-forwarded-host"),
        headers: parts.headers.clone(),
        body,
    };
    answer(&gateway, asked.decide(&gateway).await)
}

async fn ext_authz(State(gateway): State<Gateway>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = match shown(&parts, body).await {
        Ok(body) => body,
        Err(refusal) => return answer(&gateway, Err(refusal)),
    };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let target = target.strip_prefix("/ext-authz").unwrap_or_default();
    let asked = Asked {
        method: parts.method.to_string(),
        target: if target.starts_with('/') { target.to_owned() } else { format!("/{target}") },
        host: text(&parts.headers, HOST.as_str()),
        headers: parts.headers.clone(),
        body,
    };
    answer(&gateway, asked.decide(&gateway).await)
}

/// What the asking itself has as its body is that of the request, if it has one.
async fn shown(parts: &Parts, body: Body) -> Result<Told, Refusal> {
    if text(&parts.headers, PARTIAL).is_some_and(|partial| partial != "false") {
        return Ok(Told::There);
    }
    let whole = Limited::new(body, limits::ARGS_BYTES_MAX).collect().await;
    let whole = whole.map_err(|_| {
        let why = "the body is longer than any that is judged, or did not arrive whole";
        Refusal::malformed(StatusCode::PAYLOAD_TOO_LARGE, why)
    })?;
    let bytes = whole.to_bytes();
    let is_told = parts.headers.contains_key(CONTENT_LENGTH) && !bytes.is_empty();
    Ok(match is_told || !bytes.is_empty() {
        true => Told::Whole(bytes),
        false => Told::Nothing,
    })
}

/// The one value of a header, if it is there and not empty.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let (value, more) = (values.next()?, values.next());
    // Of two nobody knows which one the proxy wrote.
    let value = if more.is_some() { "\u{0}" } else { value.to_str().unwrap_or("\u{0}") };
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

fn answer(gateway: &Gateway, decided: Result<Allowed, Refusal>) -> Response<Body> {
    match decided {
        Ok(allowed) => {
            let mut response = Response::new(Body::empty());
            response.headers_mut().extend(about(&allowed));
            response
        }
        Err(refusal) => refusal.response(&Challenge::of(gateway.guard().gateway())),
    }
}
