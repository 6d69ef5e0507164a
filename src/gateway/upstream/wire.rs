//! One exchange with an upstream over its pooled connections, without credentials.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version, request, response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thread_local::ThreadLocal;
use tokio::time::{Instant, timeout_at};

use super::address::{Address, AddressError};
use super::connector::{ConnectSlow, Connector};
use super::error::UpstreamError;
use super::hop;
use super::options::UpstreamOptions;
use super::sent::{Fault, Progress, Sent};

/// How long an idle connection is kept: less than servers commonly do.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// Longest head of an answer, and most of a body that is read ahead, in bytes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Most headers of an answer.
const HEADERS_MAX: usize = 200;

/// What is far enough away to be never, and still a moment.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The one protocol that a connection may change to.
const WEBSOCKET: &str = "websocket";

/// Whether a request asks for another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Change {
    /// It does not.
    None,
    /// For a WebSocket (RFC 6455).
    WebSocket,
}

/// The connections to one upstream, of which each thread has its own: an answer wakes no other one.
#[derive(Clone)]
pub(in crate::gateway) struct Wire {
    clients: Arc<ThreadLocal<Client<Connector, Sent>>>,
    connector: Connector,
    idle_connections_max: usize,
    address: Arc<Address>,
}

impl Wire {
    pub(in crate::gateway) fn new(
        address: Address,
        options: &UpstreamOptions,
    ) -> Result<Self, AddressError> {
        let connector = Connector::new(address.is_https(), options.connect_timeout)?;
        Ok(Self {
            clients: Arc::default(),
            connector,
            idle_connections_max: options.idle_connections_max,
            address: Arc::new(address),
        })
    }

    /// The connections of this thread.
    fn client(&self) -> &Client<Connector, Sent> {
        self.clients.get_or(|| {
            Client::builder(TokioExecutor::new())
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_CONNECTION)
                .pool_max_idle_per_host(self.idle_connections_max)
                .http1_max_buf_size(BUFFER_BYTES_MAX)
                .http1_max_headers(HEADERS_MAX)
                .set_host(false)
                .build(self.connector.clone())
        })
    }

    pub(in crate::gateway) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// *Shape*: of the request's URI, path and query go up as they are. What is for one connection is
    /// taken out of its headers, and of the answer's.
    pub(in crate::gateway) async fn exchange(
        &self,
        mut parts: request::Parts,
        body: Body,
        options: &UpstreamOptions,
        change: Change,
    ) -> Result<Response<Incoming>, UpstreamError> {
        hop::strip(&mut parts.headers);
        if change == Change::WebSocket {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
        }
        let target = parts.uri.path_and_query().cloned().ok_or(UpstreamError::Target)?;
        parts.uri = self.address.whole(target).ok_or(UpstreamError::Target)?;
        parts.version = Version::HTTP_11;
        parts.extensions = http::Extensions::new();
        parts.headers.insert(HOST, self.address.host().clone());
        // The length is told anew from the body; nobody waits for `100 Continue`.
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.remove(EXPECT);
        let progress = Arc::new(Progress::new());
        let sent = Sent::new(body, options.idle_timeout, Arc::clone(&progress));
        let response = self.head(Request::from_parts(parts, sent), &progress, options).await?;
        let (mut head, body) = response.into_parts();
        if !hop::is_plainly_framed(head.version, &head.headers) {
            return Err(UpstreamError::Broken);
        }
        if head.status.is_informational() && !has_changed(&head, change) {
            return Err(UpstreamError::Broken);
        }
        hop::strip(&mut head.headers);
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, body))
    }

    /// The head of the answer, within the time from when the request last went on.
    async fn head(
        &self,
        request: Request<Sent>,
        progress: &Progress,
        options: &UpstreamOptions,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let end = Instant::now() + options.total_timeout.unwrap_or(NEVER);
        let mut coming = std::pin::pin!(self.client().request(request));
        loop {
            let until = (progress.last() + options.head_timeout).min(end);
            match timeout_at(until, &mut coming).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(told(&error, progress)),
                Err(_) if until < end && progress.last() + options.head_timeout > until => {}
                Err(_) => return Err(UpstreamError::Slow),
            }
        }
    }
}

/// Whether the connection became what it was asked to be.
fn has_changed(head: &response::Parts, change: Change) -> bool {
    let mut protocols = head.headers.get_all(UPGRADE).iter();
    let is_websocket =
        |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes());
    change == Change::WebSocket
        && head.status == StatusCode::SWITCHING_PROTOCOLS
        && protocols.next().is_some_and(is_websocket)
        && protocols.next().is_none()
}

/// What a client's error means. Its text is told to nobody.
fn told(error: &hyper_util::client::legacy::Error, progress: &Progress) -> UpstreamError {
    match progress.fault() {
        Some(Fault::Broken) => return UpstreamError::Body,
        Some(Fault::Slow) => return UpstreamError::BodySlow,
        Some(Fault::TooLong) => return UpstreamError::BodyTooLong,
        None => {}
    }
    if !error.is_connect() {
        return UpstreamError::Broken;
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<ConnectSlow>() {
            return UpstreamError::Slow;
        }
        cause = error.source();
    }
    UpstreamError::Unreachable
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("address", &self.address).finish_non_exhaustive()
    }
}
