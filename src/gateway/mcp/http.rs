//! Servers that are reached over streamable HTTP.

use std::sync::Arc;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http::header::HeaderName;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};

use super::call::Call;
use super::narrowing::Narrowing;
use super::passing::{AsItIs, Passing, Step};
use super::service::Served;
use super::session::Session;
use super::stop::{Stop, json};
use crate::gateway::upstream::Upstream;
use crate::guard::Tenure;
use crate::mcp::{self, Era, EventTooLong, Events, Fault, Kind, Reply, Scan, code};

/// What names a session.
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const EVENTS: &str = "text/event-stream";

/// Headers of an answer that go down.
const DOWN: &[&str] = &["content-type", "cache-control", "x-accel-buffering", "retry-after"];

impl Served {
    /// Sends a message up, and gives the answer.
    pub(super) async fn exchange_http(
        &self,
        upstream: &Upstream,
        call: Call,
    ) -> Result<Response<Body>, Stop> {
        let bytes = call.bytes(call.changes.splice.clone());
        let bytes = bytes.ok_or_else(|| Stop::internal("the message cannot be passed on"))?;
        let Call { message, era, headers, owner, session, credential, narrowing, tenure, .. } =
            call;
        let opens = era == Era::Legacy && message.method() == Some("initialize");
        if opens {
            self.make_room(&owner)?;
        }
        let mut request = request(upstream, Method::POST, Body::from(bytes), &headers, era);
        name_session(request.headers_mut(), session.as_deref());
        let answer = upstream.send(request, credential.as_ref()).await?;
        let named = answer.headers().get(&SESSION).cloned();
        let (status, is_stream) = (answer.status(), is_stream(answer.headers()));
        if let (StatusCode::NOT_FOUND, Some(session)) = (status, &session) {
            self.sessions.end(session);
        }
        let is_request = matches!(message.kind(), Kind::Request { .. });
        let session = match opens && status.is_success() {
            true => Some(self.sessions.open(owner, named, None, Arc::default())),
            false => session,
        };
        let (head, body) = down(answer)?;
        let every = self.options.tenure_every;
        let lasting = session.as_ref().map(|session| self.sessions.last(session));
        let body = match (narrowing, is_stream) {
            (Some(narrowing), true) => {
                let id = message.id_text().to_vec();
                let events = self.events(narrowing, session.clone(), Some(id));
                Passing::body(body, events, tenure, every, lasting)
            }
            (Some(narrowing), false) if status.is_success() => {
                return Ok(self.whole_list(head, body, narrowing, message.id_text()).await);
            }
            (_, true) if era == Era::Legacy && is_request => {
                let listening = Listening { scan: Scan::default(), session: session.clone() };
                Passing::body(body, listening, tenure, every, lasting)
            }
            _ => Passing::body(body, AsItIs, tenure, every, lasting),
        };
        let mut response = head.map(|()| body);
        let id = session.filter(|_| opens).map(|session| HeaderValue::try_from(session.id()));
        if let Some(Ok(id)) = id {
            response.headers_mut().insert(SESSION, id);
        }
        Ok(response)
    }

    /// Listens for a session's messages.
    pub(super) async fn listen_http(
        &self,
        upstream: &Upstream,
        headers: &HeaderMap,
        session: Arc<Session>,
        narrowing: Narrowing,
        tenure: Tenure,
    ) -> Result<Response<Body>, Stop> {
        let mut request = request(upstream, Method::GET, Body::empty(), headers, Era::Legacy);
        if let Some(last) = headers.get(LAST_EVENT) {
            request.headers_mut().insert(LAST_EVENT, last.clone());
        }
        name_session(request.headers_mut(), Some(&session));
        let answer = upstream.send(request, self.credential.as_ref()).await?;
        let is_stream = is_stream(answer.headers());
        let (head, body) = down(answer)?;
        if head.status().is_success() && !is_stream {
            return Err(Stop::internal("the server's answer is no event stream"));
        }
        let lasting = Some(self.sessions.last(&session));
        let every = self.options.tenure_every;
        let events = self.events(narrowing, Some(session), None);
        Ok(head.map(|()| match is_stream {
            true => Passing::body(body, events, tenure, every, lasting),
            false => Passing::body(body, AsItIs, tenure, every, lasting),
        }))
    }

    /// Ends a session at the server.
    pub(super) async fn end_http(
        &self,
        upstream: &Upstream,
        headers: &HeaderMap,
        session: &Session,
    ) -> Result<Response<Body>, Stop> {
        if session.upstream.is_none() {
            return Ok(json(StatusCode::OK, Vec::new()));
        }
        let mut request = request(upstream, Method::DELETE, Body::empty(), headers, Era::Legacy);
        name_session(request.headers_mut(), Some(session));
        let answer = upstream.send(request, self.credential.as_ref()).await?;
        let (head, body) = down(answer)?;
        Ok(head.map(|()| body))
    }

    /// Ends a session at the server, in the background.
    pub(super) fn end_quietly(&self, upstream: &Upstream, session: &Session) {
        if session.upstream.is_none() {
            return;
        }
        let headers = HeaderMap::new();
        let mut request = request(upstream, Method::DELETE, Body::empty(), &headers, Era::Legacy);
        name_session(request.headers_mut(), Some(session));
        let (upstream, credential) = (upstream.clone(), self.credential.clone());
        // Nobody waits for the answer; a failure has been logged.
        tokio::spawn(async move { drop(upstream.send(request, credential.as_ref()).await) });
    }

    fn events(
        &self,
        narrowing: Narrowing,
        session: Option<Arc<Session>>,
        id: Option<Vec<u8>>,
    ) -> Narrowed {
        let events = Events::new(self.options.list_bytes_max);
        Narrowed { events, narrowing, session, id, is_over: false }
    }

    /// A list that is no stream.
    async fn whole_list(
        &self,
        head: Response<()>,
        body: Body,
        narrowing: Narrowing,
        id: &[u8],
    ) -> Response<Body> {
        let whole = Limited::new(body, self.options.list_bytes_max).collect().await;
        let narrowed = whole.ok().and_then(|whole| narrowing.of(&whole.to_bytes()).ok());
        match narrowed {
            Some(list) => head.map(|()| Body::from(list)),
            None => json(StatusCode::OK, unreadable(id)),
        }
    }
}

/// Whether a header of the caller goes up: what the protocol has, and the trace.
fn is_for_server(name: &HeaderName, era: Era) -> bool {
    let name = name.as_str();
    match name {
        "mcp-session-id" => false,
        "traceparent" | "tracestate" => true,
        "last-event-id" => era == Era::Legacy,
        name => name.starts_with("mcp-"),
    }
}

fn name_session(headers: &mut HeaderMap, session: Option<&Session>) {
    if let Some(id) = session.and_then(|session| session.upstream.clone()) {
        headers.insert(SESSION, id);
    }
}

/// A request to the server's endpoint, with those of the caller's headers that are meant for it.
fn request(
    upstream: &Upstream,
    method: Method,
    body: Body,
    from: &HeaderMap,
    era: Era,
) -> Request<Body> {
    let mut request = Request::new(body);
    *request.uri_mut() = Uri::from(upstream.target().clone());
    let headers = request.headers_mut();
    for (name, value) in from {
        if is_for_server(name, era) {
            headers.append(name.clone(), value.clone());
        }
    }
    let accept = match method {
        Method::POST => "application/json, text/event-stream",
        Method::GET => EVENTS,
        _ => "*/*",
    };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if method == Method::POST {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    *request.method_mut() = method;
    request
}

/// The head of an answer with those of its headers that go down, and its body.
fn down(answer: Response<Body>) -> Result<(Response<()>, Body), Stop> {
    let (parts, body) = answer.into_parts();
    let mut encodings = parts.headers.get_all(CONTENT_ENCODING).iter();
    if !encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Stop::internal("the server's answer is encoded"));
    }
    if parts.status.is_redirection() || parts.status == StatusCode::UNAUTHORIZED {
        return Err(Stop::internal("the server asks the gateway for something else"));
    }
    let mut head = Response::new(());
    *head.status_mut() = parts.status;
    for name in DOWN.iter().copied() {
        if let Some(value) = parts.headers.get(name) {
            head.headers_mut().insert(HeaderName::from_static(name), value.clone());
        }
    }
    let headers = head.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok((head, body))
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(EVENTS))
}

fn unreadable(id: &[u8]) -> Vec<u8> {
    mcp::error(Some(id), &Fault::new(code::INTERNAL, "the server's list cannot be read"))
}

/// A stream that is passed on as it is, while what the server asks on it is noted.
struct Listening {
    scan: Scan,
    session: Option<Arc<Session>>,
}

impl Step for Listening {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        for scanned in self.scan.read(&bytes) {
            if let (Some(session), Some(id), Some(method)) =
                (&self.session, scanned.id, scanned.method)
            {
                session.questions.ask(id, method);
            }
        }
        Ok(bytes)
    }
}

/// A stream of which each event is read whole, since lists may be among them.
struct Narrowed {
    events: Events,
    narrowing: Narrowing,
    session: Option<Arc<Session>>,
    /// The request that the list answers, where it is known.
    id: Option<Vec<u8>>,
    is_over: bool,
}

impl Step for Narrowed {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        let mut out = Vec::new();
        match (self.narrow(&bytes, &mut out), &self.id) {
            (Ok(()), _) => {}
            // Whoever waits for a list is told that there is none, once; then the stream is cut.
            (Err(_), Some(id)) if !std::mem::replace(&mut self.is_over, true) => {
                out.extend_from_slice(&mcp::event(&unreadable(id)));
            }
            (Err(error), _) => return Err(error),
        }
        Ok(out.into())
    }
}

impl Narrowed {
    fn narrow(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxError> {
        if self.is_over {
            return Err(EventTooLong.into());
        }
        for event in self.events.read(bytes)? {
            let data = event.data().filter(|data| !data.trim_ascii().is_empty());
            let text = data.map(|data| self.changed(&data)).transpose()?.flatten();
            let event = match text {
                Some(text) => event.with_data(&text),
                None => event,
            };
            out.extend_from_slice(&event.into_bytes());
        }
        Ok(())
    }

    /// What an event says instead; `None` where it stays as it is.
    fn changed(&self, data: &[u8]) -> Result<Option<Vec<u8>>, BoxError> {
        let reply = Reply::read(data)?;
        if let Some(method) = reply.text("method") {
            let id = reply.place("id").and_then(|place| mcp::Id::from_text(reply.at(place)));
            if let (Some(session), Some(id)) = (&self.session, id) {
                session.questions.ask(id, method);
            }
            return Ok(None);
        }
        Ok(Some(self.narrowing.of(data)?))
    }
}
