//! Messages to and from a child.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::{Answers, Asking, Heard, narrowed};
use super::pending::{Pending, Told};
use super::pipe::{LYING_MAX, Pipe, Unread};
use super::pool::{StdioServer, unavailable};
use crate::gateway::mcp::call::Call;
use crate::gateway::mcp::http::SESSION;
use crate::gateway::mcp::passing::{AsItIs, Passing};
use crate::gateway::mcp::service::Served;
use crate::gateway::mcp::session::{Questions, Session};
use crate::gateway::mcp::stop::{Stop, json};
use crate::guard::Tenure;
use crate::mcp::{Era, Id, Kind, Message, Reply, code};

/// After so long without a word a caller is told that it is still waited for.
const PATIENCE: Duration = Duration::from_secs(15);

impl Served {
    /// Sends a message to a child, and gives the answer.
    pub(in crate::gateway::mcp) async fn exchange_stdio(
        &self,
        server: &StdioServer,
        call: Call,
    ) -> Result<Response<Body>, Stop> {
        let opens = call.message.method() == Some("initialize");
        let questions = Arc::<Questions>::default();
        let mut room = None;
        let pipe = match (call.era, opens, &call.session) {
            (Era::Modern, _, _) => server.of_caller(call.owner).await?,
            (Era::Legacy, true, _) => {
                room = Some(self.make_room(call.owner)?);
                let idle = self.options.session_idle;
                server.of_session(call.owner, Arc::clone(&questions), idle).await?
            }
            (Era::Legacy, false, session) => self.child_of(session.as_ref())?,
        };
        let id = match call.message.kind() {
            Kind::Request { id, .. } => id.clone(),
            Kind::Notification { .. } | Kind::Response { .. } => {
                return told(&pipe, call).await;
            }
        };
        let (mut answer, is_refusal) = self.ask(server, &pipe, &id, call).await?;
        if let (Some(room), false) = (room, is_refusal) {
            let session = self.sessions.open(room, None, Some(pipe), questions);
            if let Ok(id) = HeaderValue::try_from(session.id()) {
                answer.headers_mut().insert(SESSION, id);
            }
        }
        Ok(answer)
    }

    /// Listens for what a session's child says by itself.
    pub(in crate::gateway::mcp) fn listen_stdio(
        &self,
        session: &Arc<Session>,
        tenure: Tenure,
    ) -> Result<Response<Body>, Stop> {
        let (kept, from) = self.child_of(Some(session))?.listen();
        let heard = Heard { kept: kept.into_iter(), from, has_begun: false };
        let lasting = Some(self.sessions.last(session));
        let every = self.options.tenure_every;
        Ok(stream(Passing::events(Body::new(heard), AsItIs, tenure, every, lasting)))
    }

    /// The child of a session; where it has ended, so has the session.
    fn child_of(&self, session: Option<&Arc<Session>>) -> Result<Arc<Pipe>, Stop> {
        let child = session.and_then(|session| session.child.clone());
        match (child.filter(|child| !child.is_over()), session) {
            (Some(child), _) => Ok(child),
            (None, session) => {
                session.inspect(|session| self.sessions.end(session));
                Err(Stop::not_found("no such session"))
            }
        }
    }

    /// Asks a child, and waits for the first that it says; tells whether that is an error.
    async fn ask(
        &self,
        server: &StdioServer,
        pipe: &Arc<Pipe>,
        id: &Id,
        call: Call,
    ) -> Result<(Response<Body>, bool), Stop> {
        let (to, mut from) = mpsc::channel(LYING_MAX);
        let gone = |Unread| unavailable("the server does not read what it is sent");
        let number = pipe.begin(Pending::of(&call.message, id, to)).map_err(gone)?;
        let asking = Asking { pipe: Arc::clone(pipe), number };
        let line = numbered(&call, number).ok_or_else(|| Stop::internal("no such message"))?;
        pipe.write(line).await.map_err(gone)?;
        let Call { message, era, narrowing, tenure, session, .. } = call;
        let written = message.id_text().to_vec();
        let lasts = message.method() == Some("subscriptions/listen");
        let limit = server.inner.options.answer_timeout;
        let first = match timeout(limit.min(PATIENCE), from.recv()).await {
            Ok(Some(Told::Answer(answer))) => {
                let answer = narrowed(answer, narrowing.as_ref(), &written);
                let number = error_number(&answer);
                let status = status(number, &message, era);
                return Ok((json(status, answer), number.is_some()));
            }
            Ok(Some(Told::Before(first))) => Bytes::from(crate::mcp::event(&first)),
            Ok(None) => return Err(Stop::internal("the server ended before it answered")),
            Err(_) if limit <= PATIENCE && !lasts => return Err(slow()),
            Err(_) => Bytes::from_static(b": \n\n"),
        };
        let lasting = session.as_ref().map(|session| self.sessions.last(session));
        let limit = (!lasts).then_some(limit);
        let answers = Answers::new(first, from, narrowing, written, limit, asking);
        let every = self.options.tenure_every;
        let body = Passing::events(Body::new(answers), AsItIs, tenure, every, lasting);
        Ok((stream(body), false))
    }
}

/// Tells a child what asks for no answer.
async fn told(pipe: &Pipe, call: Call) -> Result<Response<Body>, Stop> {
    let accepted = || Ok(json(StatusCode::ACCEPTED, Vec::new()));
    let mut splice = call.changes.splice.clone();
    if call.message.method() == Some("notifications/cancelled") {
        let Some(place) = call.message.param("requestId") else { return accepted() };
        let id = Id::read(place.value(), call.message.at(place));
        // What is over, or another's, cannot be cancelled.
        let Some(number) = id.and_then(|id| pipe.forget(&id)) else { return accepted() };
        splice.replace(place.span(), number.to_string());
    }
    let bytes = call.bytes(splice).ok_or_else(|| Stop::internal("no such message"))?;
    drop(call);
    match pipe.write(bytes).await {
        Ok(()) => accepted(),
        Err(Unread) => Err(unavailable("the server does not read what it is sent")),
    }
}

/// The request under its number, its progress token too.
fn numbered(call: &Call, number: u64) -> Option<Vec<u8>> {
    let mut splice = call.changes.splice.clone();
    splice.replace(call.message.member("id")?.span(), number.to_string());
    if let Some(token) = call.message.meta().and_then(|meta| meta.member("progressToken")) {
        splice.replace(token.span(), number.to_string());
    }
    call.bytes(splice)
}

/// The status of a response that carries this answer.
///
/// *Source*: Model Context Protocol 2026-07-28, "Streamable HTTP". A server of the legacy era does
/// not know `server/discover`; callers take 400 to mean that.
fn status(error: Option<i64>, message: &Message, era: Era) -> StatusCode {
    match (era, error) {
        (Era::Modern, Some(_)) if message.method() == Some("server/discover") => {
            StatusCode::BAD_REQUEST
        }
        (Era::Modern, Some(code::METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
        (Era::Modern, Some(-32022..=-32020)) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// The number of an error; 0 where it has none that can be read.
fn error_number(answer: &[u8]) -> Option<i64> {
    let reply = Reply::read(answer).ok()?;
    reply.place("error")?;
    let number = reply.find(&["error", "code"]).map(|place| reply.at(place));
    let number = number.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
    Some(number.unwrap_or_default())
}

fn slow() -> Stop {
    let status = StatusCode::GATEWAY_TIMEOUT;
    Stop::fault(status, code::refusal(504), "the server did not answer in time")
}

/// A response of events that nobody keeps or gathers.
fn stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    headers.insert(unbuffered, HeaderValue::from_static("no"));
    response
}
