//! Servers that are reached over streamable HTTP.

use std::sync::Arc;

use axum::body::Body;
use http::header::HeaderName;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};

use super::begun::begun;
use super::call::Call;
use super::narrowing::Narrowing;
use super::passing::Passing;
use super::service::Served;
use super::session::Session;
use super::steps::{Listening, Narrowed, Noting, Whole, identifier, unreadable};
use super::stop::{Stop, json};
use crate::gateway::upstream::Upstream;
use crate::guard::Tenure;
use crate::mcp::{self, Era, Events, Fault, Id, Kind, PARAM, Reply, Scan, code};

/// What names a session.
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
/// Longest error that is passed on, in bytes.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// Headers of an answer that go down.
const DOWN: &[&str] = &["cache-control", "x-accel-buffering", "retry-after"];

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
        let room = if opens { Some(self.make_room(owner)?) } else { None };
        let mut request = request(upstream, Method::POST, Body::from(bytes), &headers);
        name_session(request.headers_mut(), session.as_deref());
        let answer = upstream.send(request, credential.as_ref()).await?;
        let named = answer.headers().get(&SESSION).cloned();
        let (status, form) = (answer.status(), form(answer.headers()));
        if let (StatusCode::NOT_FOUND, Some(session)) = (status, &session) {
            self.sessions.end(session);
        }
        let (head, body) = down(answer)?;
        let id = match message.kind() {
            Kind::Request { id, .. } => Some(id.clone()),
            Kind::Notification { .. } | Kind::Response { .. } => None,
        };
        let Some(id) = id.filter(|_| status.is_success()) else {
            return Ok(unanswered(head, body, message.id_text()).await);
        };
        let every = self.options.tenure_every;
        let session = match room {
            Some(room) => Some(self.sessions.open(room, named, None, Arc::default())),
            None => session,
        };
        let lasting = session.as_ref().map(|session| self.sessions.last(session));
        let begun = match (form, &narrowing) {
            (Form::Other, _) => {
                Err(Stop::internal("the server's answer is neither JSON nor events"))
            }
            (Form::Json, None) => begun(body, &id, &tenure, every).await,
            _ => Ok((body, false)),
        };
        let (body, is_checked) = begun.inspect_err(|_| {
            // Nobody will be told of this session.
            if let (true, Some(session)) = (opens, &session) {
                self.sessions.end(session);
                self.let_go(session);
            }
        })?;
        let body = match (narrowing, form == Form::Stream) {
            (Some(narrowing), true) => {
                let written = message.id_text().to_vec();
                let events = self.events(narrowing, session.clone(), Some((id, written)));
                let events = Noting::new(events, session.clone());
                Passing::events(body, events, tenure, every, lasting)
            }
            (Some(narrowing), false) => {
                return Ok(self.whole_list(head, body, narrowing, id, message.id_text()).await);
            }
            (None, true) => {
                let scan = Scan::default();
                let listening = Listening { scan, session: session.clone(), id };
                let events = Noting::new(listening, session.clone());
                Passing::events(body, events, tenure, every, lasting)
            }
            (None, false) if is_checked => body,
            (None, false) => Passing::body(body, Whole::new(id), tenure, every, lasting),
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
        let mut request = request(upstream, Method::GET, Body::empty(), headers);
        if let Some(last) = headers.get(LAST_EVENT) {
            // Of another's the server may know; whoever names it hears what comes from now on.
            if session.events.has(last.as_bytes()) {
                request.headers_mut().insert(LAST_EVENT, last.clone());
            }
        }
        name_session(request.headers_mut(), Some(&session));
        let answer = upstream.listen(request, self.credential.as_ref()).await?;
        let is_stream = form(answer.headers()) == Form::Stream;
        let (head, body) = down(answer)?;
        match (head.status().is_success(), is_stream) {
            (true, true) => {}
            (true, false) => {
                return Err(Stop::internal("the server's answer is no event stream"));
            }
            (false, _) => return Ok(unanswered(head, body, &[]).await),
        }
        let lasting = Some(self.sessions.listen(&session));
        let every = self.options.tenure_every;
        let events = self.events(narrowing, Some(Arc::clone(&session)), None);
        let events = Noting::new(events, Some(session));
        Ok(head.map(|()| Passing::events(body, events, tenure, every, lasting)))
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
        let mut request = request(upstream, Method::DELETE, Body::empty(), headers);
        name_session(request.headers_mut(), Some(session));
        let answer = upstream.send(request, self.credential.as_ref()).await?;
        let (head, _) = down(answer)?;
        Ok(head.map(|()| Body::empty()))
    }

    /// Ends a session at the server, in the background.
    pub(super) fn end_quietly(&self, upstream: &Upstream, session: &Session) {
        if session.upstream.is_none() {
            return;
        }
        let headers = HeaderMap::new();
        let mut request = request(upstream, Method::DELETE, Body::empty(), &headers);
        name_session(request.headers_mut(), Some(session));
        let (upstream, credential) = (upstream.clone(), self.credential.clone());
        // Nobody waits for the answer; a failure has been logged.
        tokio::spawn(async move { drop(upstream.send(request, credential.as_ref()).await) });
    }

    fn events(
        &self,
        narrowing: Narrowing,
        session: Option<Arc<Session>>,
        id: Option<(Id, Vec<u8>)>,
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
        id: Id,
        written: &[u8],
    ) -> Response<Body> {
        let whole = Limited::new(body, self.options.list_bytes_max).collect().await;
        let whole = whole.ok().map(|whole| whole.to_bytes());
        let own = whole.filter(|whole| {
            Reply::read(whole).is_ok_and(|reply| identifier(&reply).as_ref() == Some(&id))
        });
        match own.and_then(|whole| narrowing.of(&whole).ok()) {
            Some(list) => head.map(|()| Body::from(list)),
            None => json(StatusCode::OK, unreadable(written)),
        }
    }
}

/// What goes down where the server took a message that has no answer, or refused one: of what it says
/// nothing but an error.
async fn unanswered(head: Response<()>, body: Body, id: &[u8]) -> Response<Body> {
    if head.status().is_success() {
        return head.map(|()| Body::empty());
    }
    let whole = Limited::new(body, ERROR_BYTES_MAX).collect().await;
    let whole = whole.map(|whole| whole.to_bytes()).unwrap_or_default();
    let is_error = Reply::read(&whole).is_ok_and(|reply| {
        let named = reply.place("id").map(|place| reply.at(place));
        reply.place("error").is_some() && named.is_none_or(|named| named == b"null" || named == id)
    });
    if is_error {
        let mut answer = head.map(|()| Body::from(whole));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        return answer;
    }
    let fault = Fault::new(code::INTERNAL, "the server refused the request");
    json(head.status(), mcp::error(Some(id).filter(|id| !id.is_empty()), &fault))
}

/// Whether a header of the caller goes up: what the protocol has, and the trace.
fn is_for_server(name: &HeaderName) -> bool {
    match name.as_str() {
        "traceparent" | "tracestate" | "mcp-protocol-version" | "mcp-method" | "mcp-name" => true,
        // Of these only those are left that were held against the arguments.
        name => name.starts_with(PARAM),
    }
}

fn name_session(headers: &mut HeaderMap, session: Option<&Session>) {
    if let Some(id) = session.and_then(|session| session.upstream.clone()) {
        headers.insert(SESSION, id);
    }
}

/// A request to the server's endpoint, with those of the caller's headers that are meant for it.
fn request(upstream: &Upstream, method: Method, body: Body, from: &HeaderMap) -> Request<Body> {
    let mut request = Request::new(body);
    *request.uri_mut() = Uri::from(upstream.target().clone());
    let headers = request.headers_mut();
    for (name, value) in from {
        if is_for_server(name) {
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
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
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
    // Never as it came: a reader could take another form, or another charset, out of it.
    let kind = match form(&parts.headers) {
        Form::Stream => Some(EVENTS),
        Form::Json => Some(JSON),
        Form::Other => None,
    };
    if let Some(kind) = kind {
        head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
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

/// What a server's answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Events, in UTF-8.
    Stream,
    /// One message, in UTF-8.
    Json,
    /// Nothing that is known, or that all readers take alike.
    Other,
}

fn form(headers: &HeaderMap) -> Form {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return Form::Other };
    let mut parts = kind.to_str().unwrap_or_default().split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_utf8 = parts.all(|part| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    match is_utf8 {
        true if essence.eq_ignore_ascii_case(EVENTS) => Form::Stream,
        true if essence.eq_ignore_ascii_case(JSON) => Form::Json,
        _ => Form::Other,
    }
}
