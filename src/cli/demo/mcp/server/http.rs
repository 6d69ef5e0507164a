//! The server over streamable HTTP, at `/mcp`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request as HttpRequest, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};
use rand::RngCore;
use rand::rngs::OsRng;
use serde_json::Value;
use tokio::sync::mpsc;

use super::era::{Era, MODERN};
use super::headers;
use super::log::Log;
use super::message::{
    Fault, HEADER_MISMATCH, INVALID_REQUEST, METHOD_NOT_FOUND, Message, Request,
    UNSUPPORTED_VERSION,
};
use super::stream::Events;
use super::{Server, Session};

const SESSION: &str = "mcp-session-id";
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
const SESSIONS_MAX: usize = 1024;
/// Messages that wait for whoever reads.
const QUEUE: usize = 16;

struct Endpoint {
    server: Arc<Server>,
    log: Log,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

type Shared = State<Arc<Endpoint>>;

pub(super) fn router(server: Arc<Server>, log: Log) -> Router {
    let endpoint = Arc::new(Endpoint { server, log, sessions: Mutex::default() });
    Router::new()
        .route("/mcp", post(take).get(tell).delete(end))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(of_this_machine))
        .with_state(endpoint)
}

/// Browsers on other pages, and names that lead here, are refused.
///
/// *Source*: MCP 2026-07-28, Streamable HTTP, Security.
async fn of_this_machine(request: HttpRequest, next: Next) -> Response {
    let is_allowed = is_of_this_machine(request.headers());
    match is_allowed {
        true => next.run(request).await,
        false => StatusCode::FORBIDDEN.into_response(),
    }
}

fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_local = |authority: &str| {
        let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) { host } else { authority }
        });
        matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    };
    let page = |origin: &str| origin.strip_prefix("http://").is_some_and(is_local);
    header(HOST).is_none_or(is_local) && header(ORIGIN).is_none_or(page)
}

async fn take(State(endpoint): Shared, headers: HeaderMap, body: Bytes) -> Response {
    endpoint.note(&headers, &body);
    if !headers::has(&headers, CONTENT_TYPE, &[JSON]) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    if !headers::has(&headers, ACCEPT, &[JSON, EVENTS]) {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    match Message::read(&body) {
        Err(fault) => refused(&fault),
        Ok(Message::Notification(..) | Message::Response) => StatusCode::ACCEPTED.into_response(),
        Ok(Message::Request(request)) => match endpoint.session_of(&request, &headers) {
            Ok(opened) => endpoint.answer(request, opened).await,
            Err(response) => response,
        },
    }
}

/// The stream of a session.
async fn tell(State(endpoint): Shared, headers: HeaderMap) -> Response {
    endpoint.note(&headers, b"");
    let Some(session) = endpoint.session(&headers) else {
        return absent(&headers);
    };
    let (out, messages) = mpsc::channel(QUEUE);
    let server = Arc::clone(&endpoint.server);
    let told = tokio::spawn(async move { server.tell(&session, &out).await });
    events(Events::new(None, messages, told.abort_handle()))
}

async fn end(State(endpoint): Shared, headers: HeaderMap) -> Response {
    endpoint.note(&headers, b"");
    let id = id_of(&headers).unwrap_or_default();
    match endpoint.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => absent(&headers),
    }
}

/// What a request belongs to.
struct Opened {
    era: Era,
    session: Arc<Session>,
    /// The identifier of the session, where it is new.
    id: Option<String>,
}

impl Endpoint {
    fn note(&self, headers: &HeaderMap, body: &[u8]) {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let pairs: Vec<(&str, String)> =
            headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.log.note(&pairs, body);
    }

    fn session(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        let id = id_of(headers)?;
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The era and the session of a request; or what to answer instead.
    fn session_of(&self, request: &Request, headers: &HeaderMap) -> Result<Opened, Response> {
        let fault = |fault: Fault| refused(&fault.of(request));
        if headers::is_modern(request, headers) {
            headers::agree(request, headers).map_err(fault)?;
            return Ok(Opened { era: Era::Modern, session: Arc::default(), id: None });
        }
        if request.method == "initialize" && id_of(headers).is_none() {
            let (id, session) = (new_id(), Arc::<Session>::default());
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if sessions.len() >= SESSIONS_MAX {
                return Err(StatusCode::SERVICE_UNAVAILABLE.into_response());
            }
            sessions.insert(id.clone(), Arc::clone(&session));
            return Ok(Opened { era: Era::Legacy, session, id: Some(id) });
        }
        match self.session(headers) {
            Some(session) => Ok(Opened { era: Era::Legacy, session, id: None }),
            None if id_of(headers).is_some() => Err(absent(headers)),
            None => {
                Err(fault(Fault::new(INVALID_REQUEST, format!("no session, and not {MODERN}"))))
            }
        }
    }

    async fn answer(&self, request: Request, opened: Opened) -> Response {
        let Opened { era, session, id } = opened;
        let streams =
            request.meta("progressToken").is_some() || request.method == "subscriptions/listen";
        let (out, mut messages) = mpsc::channel(QUEUE);
        let server = Arc::clone(&self.server);
        let task = tokio::spawn(async move { server.respond(&request, era, &session, &out).await });
        let Some(first) = messages.recv().await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = match streams && first.get("error").is_none() {
            true => events(Events::new(Some(first), messages, task.abort_handle())),
            false => {
                (status(&first, era), [(CONTENT_TYPE, JSON)], first.to_string()).into_response()
            }
        };
        if let Some(id) = id.and_then(|id| HeaderValue::try_from(id).ok()) {
            response.headers_mut().insert(SESSION, id);
        }
        response
    }
}

fn id_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION).map(|id| id.to_str().unwrap_or_default())
}

fn new_id() -> String {
    let mut id = [0; 16];
    OsRng.fill_bytes(&mut id);
    hex::encode(id)
}

/// There is no such session, or none was named.
fn absent(headers: &HeaderMap) -> Response {
    match headers.contains_key(SESSION) {
        true => StatusCode::NOT_FOUND.into_response(),
        // Without sessions there is nothing at this method.
        false => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn refused(fault: &Fault) -> Response {
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, JSON)], fault.to_json().to_string()).into_response()
}

/// The status of a response: sessions know one alone.
fn status(response: &Value, era: Era) -> StatusCode {
    let code = response.pointer("/error/code").and_then(Value::as_i64);
    match (era, code) {
        (Era::Legacy, _) | (_, None) => StatusCode::OK,
        (_, Some(METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
        (_, Some(HEADER_MISMATCH | UNSUPPORTED_VERSION)) => StatusCode::BAD_REQUEST,
        // Faults of the request itself, not of what it asks for, were told before.
        (_, Some(_)) => StatusCode::OK,
    }
}

fn events(stream: Events) -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), EVENTS),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
    ];
    (headers, Body::new(stream)).into_response()
}
