//! A server of tools over standard input and output, with the gateway inside.
//!
//! For agents that can only start a server: each line is a message, which is put through the proxy in
//! this process as if it had come over HTTP, with the token and, for a bound one, a proof that the
//! holder's key makes for it. What the server says comes out as lines.

mod caller;
mod lines;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tower::ServiceExt;

pub use self::caller::{Caller, CallerError};
use self::lines::{Line, Lines};
use crate::gateway::mcp::InProcess;
use crate::mcp::{
    Events, Fault, Id, Kind, META_VERSION, Message, SESSION_END, SESSION_LISTEN, code,
};
use crate::model::limits;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Longest event of an answer, in bytes: a line is written whole.
const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Lines that may wait to be written.
const WAITING_MAX: usize = 64;

/// Messages that may be under way at once.
const UNDER_WAY_MAX: usize = 256;

/// How long what is under way may take once the agent has gone.
const END: Duration = Duration::from_secs(5);

/// The gateway inside a server.
pub struct Wrap {
    /// The server's name.
    pub server: String,
    /// What serves `/mcp/NAME`.
    pub router: Router,
    /// Who calls.
    pub caller: Caller,
}

/// What the messages of one agent share.
struct Shared {
    wrap: Wrap,
    session: Mutex<Option<HeaderValue>>,
    under_way: Mutex<HashMap<Id, AbortHandle>>,
    out: mpsc::Sender<Vec<u8>>,
}

impl Wrap {
    /// Serves one agent, until it says no more.
    ///
    /// *Errors*: what reading or writing its pipes says.
    pub async fn serve(
        self,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Unpin + Send + 'static,
    ) -> std::io::Result<()> {
        let (out, waiting) = mpsc::channel(WAITING_MAX);
        let writing = tokio::spawn(lines::write(output, waiting));
        let shared = Arc::new(Shared {
            wrap: self,
            session: Mutex::default(),
            under_way: Mutex::default(),
            out,
        });
        let (mut lines, mut tasks) = (Lines::new(input), JoinSet::new());
        while let Some(line) = lines.next().await? {
            while tasks.len() >= UNDER_WAY_MAX || tasks.try_join_next().is_some() {
                if tasks.len() >= UNDER_WAY_MAX {
                    tasks.join_next().await;
                }
            }
            match line {
                Line::Whole(line) => shared.take(line, &mut tasks).await,
                Line::TooLong => {
                    let why =
                        format!("the message is longer than {} bytes", limits::MESSAGE_BYTES_MAX);
                    shared.fail(None, code::INVALID_REQUEST, &why).await;
                }
            }
        }
        let ending = async { while tasks.join_next().await.is_some() {} };
        drop(tokio::time::timeout(END, ending).await);
        shared.end().await;
        drop((tasks, shared));
        writing.await.unwrap_or(Ok(()))
    }
}

impl Shared {
    /// Takes one message. What opens a session, and what takes no answer, is done before the next.
    async fn take(self: &Arc<Self>, line: Vec<u8>, tasks: &mut JoinSet<()>) {
        let message = Message::parse(line, Default::default());
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                let fault = Fault::from(&error);
                return self.fail(None, fault.code, &fault.message).await;
            }
        };
        let is_request = matches!(message.kind(), Kind::Request { .. });
        if !is_request || message.method() == Some("initialize") {
            let opens = is_request;
            if let Some(id) = cancelled(&message) {
                self.cancel(&id);
            }
            Arc::clone(self).exchange(message).await;
            if opens && self.session().is_some() {
                let shared = Arc::clone(self);
                tasks.spawn(async move { shared.listen().await });
            }
            return;
        }
        let id = message.id().cloned();
        let mut under_way = self.under_way();
        let task = tasks.spawn(Arc::clone(self).exchange(message));
        if let Some(id) = id {
            under_way.retain(|_, task| !task.is_finished());
            under_way.insert(id, task);
        }
    }

    /// Forgets a request: no answer to it is missed. In the modern era nothing but the end of the
    /// exchange tells a server to stop.
    fn cancel(&self, id: &Id) {
        let task = self.under_way().remove(id);
        if let (Some(task), None) = (task, self.session()) {
            task.abort();
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Id, AbortHandle>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Option<HeaderValue> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn exchange(self: Arc<Self>, message: Message) {
        let id = message.id().map(|_| message.id_text().to_vec());
        let id = id.filter(|_| matches!(message.kind(), Kind::Request { .. }));
        let Ok(mut request) = self.request(Method::POST, Some(&message)).await else {
            let why = "the gateway has no token to call with";
            return self.fail(id.as_deref(), code::refusal(401), why).await;
        };
        *request.body_mut() = Body::from(message.bytes().to_vec());
        let Err(status) = self.pass_on(request, id.as_deref()).await else { return };
        let opens = message.method() == Some("initialize");
        let waits = message.id().is_some_and(|id| opens || self.under_way().contains_key(id));
        if id.is_some() && waits {
            let why = format!("the server gave no answer (status {})", status.as_u16());
            self.fail(id.as_deref(), code::INTERNAL, &why).await;
        }
    }

    /// Passes on what the server says of itself.
    async fn listen(self: Arc<Self>) {
        let Ok(request) = self.request(Method::GET, None).await else { return };
        // A stream is no answer to anything.
        let _ = self.pass_on(request, None).await;
    }

    async fn end(&self) {
        if self.session().is_none() {
            return;
        }
        if let Ok(request) = self.request(Method::DELETE, None).await {
            drop(tokio::time::timeout(END, self.wrap.router.clone().oneshot(request)).await);
        }
    }

    /// A request as it would come over HTTP.
    async fn request(
        &self,
        method: Method,
        message: Option<&Message>,
    ) -> Result<Request<Body>, CallerError> {
        let mut request = Request::new(Body::empty());
        let path = format!("/mcp/{}", self.wrap.server);
        *request.uri_mut() = path.parse().map_err(|_| CallerError::Address)?;
        let what = match (&method, message) {
            (_, Some(message)) => caller::Calls::Message(message),
            (&Method::GET, None) => caller::Calls::Named(SESSION_LISTEN),
            (_, None) => caller::Calls::Named(SESSION_END),
        };
        let shown = self.wrap.caller.present(&self.wrap.server, &method, &path, what).await?;
        *request.method_mut() = method;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static(caller::HOST));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, both);
        headers.insert(AUTHORIZATION, shown.authorization);
        if let Some(proof) = shown.proof {
            headers.insert(DPOP, proof);
        }
        let meta = message.and_then(Message::meta);
        let version = meta.and_then(|meta| meta.member(META_VERSION)?.text());
        if let Some(version) = version.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(VERSION, version);
        }
        let opens = message.and_then(Message::method) == Some("initialize");
        if let Some(session) = self.session().filter(|_| !opens) {
            headers.insert(SESSION, session);
        }
        request.extensions_mut().insert(InProcess);
        Ok(request)
    }

    /// Sends a request and writes what comes back.
    ///
    /// *Errors*: the status, where that is no answer.
    async fn pass_on(&self, request: Request<Body>, id: Option<&[u8]>) -> Result<(), StatusCode> {
        let response = match self.wrap.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Some(session) = response.headers().get(SESSION) {
            let mut known = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(session.clone());
        }
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let answered = match kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            true => self.events(response.into_body()).await,
            false => self.whole(response.into_body(), id).await,
        };
        if answered { Ok(()) } else { Err(status) }
    }

    async fn events(&self, mut body: Body) -> bool {
        let (mut events, mut answered) = (Events::new(EVENT_BYTES_MAX), false);
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            let Ok(found) = events.read(&data) else { return answered };
            for text in found.iter().filter_map(crate::mcp::SseEvent::data) {
                if !text.is_empty() {
                    answered |= is_answer(&text);
                    self.write(text).await;
                }
            }
        }
        answered
    }

    async fn whole(&self, body: Body, id: Option<&[u8]>) -> bool {
        let body = http_body_util::Limited::new(body, EVENT_BYTES_MAX).collect().await;
        let Ok(body) = body else { return false };
        let text = body.to_bytes();
        if text.is_empty() {
            return false;
        }
        if id.is_none() {
            // Nobody waits for it on a pipe.
            tracing::warn!(answer = %String::from_utf8_lossy(&text), "a message was not taken");
            return true;
        }
        if !is_answer(&text) {
            return false;
        }
        self.write(text.to_vec()).await;
        true
    }

    async fn fail(&self, id: Option<&[u8]>, code: i64, why: &str) {
        self.write(crate::mcp::error(id, &Fault::new(code, why))).await;
    }

    /// One line. A line break within JSON stands between its parts, where a space says the same.
    async fn write(&self, mut text: Vec<u8>) {
        for byte in &mut text {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        text.push(b'\n');
        // The agent may be gone.
        drop(self.out.send(text).await);
    }
}

/// Whether the text is a response with an identifier.
fn is_answer(text: &[u8]) -> bool {
    let reply = crate::mcp::Reply::read(text);
    reply.is_ok_and(|reply| reply.place("id").is_some() && reply.place("method").is_none())
}

/// The request that a message cancels.
fn cancelled(message: &Message) -> Option<Id> {
    if message.method() != Some("notifications/cancelled") {
        return None;
    }
    let id = message.param("requestId")?;
    Id::read(id.value(), message.at(id))
}
