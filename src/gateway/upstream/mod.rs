//! The servers behind a gateway: requests go up within bounds, with the gateway's own credential,
//! and answers come down without it.
//!
//! Paths and queries go up byte for byte. Bodies are streamed both ways and never held whole. No
//! redirect is followed, and no proxy used.
//!
//! *What the search for the credential is worth.* It keeps a tool that repeats its request, in an
//! error page or a log, from handing the gateway's credential to callers. It is no defence against an
//! upstream that means to give it away: that one was shown the credential, and can encode it in any
//! way, or tell it in pieces.

mod address;
mod connector;
mod error;
pub(super) mod hop;
mod idle;
mod needles;
mod options;
mod reply;
mod sent;
#[cfg(test)]
mod tests;
mod tunnel;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, SEC_WEBSOCKET_EXTENSIONS};
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

pub(super) use address::Address;
pub use address::AddressError;
pub use error::UpstreamError;
use needles::Scanner;
pub(super) use needles::{Needles, SECRET_BYTES_MIN, percent_encoded};
pub use options::UpstreamOptions;
use reply::Reply;
pub(super) use tunnel::Tunnel;
pub(super) use wire::{Change, Wire};

use super::credential::{Credential, Value};
use super::ops::Metrics;

/// A server behind the gateway.
///
/// *Shape*: cheap to clone; all clones share the connections and the bound of concurrent requests.
#[derive(Clone)]
pub struct Upstream {
    name: Arc<str>,
    wire: Wire,
    options: UpstreamOptions,
    turns: Arc<Semaphore>,
    metrics: Metrics,
}

impl Upstream {
    /// A server at an `http` or `https` address, with the name that logs call it by.
    ///
    /// *Errors*: [`AddressError`].
    pub fn new(name: &str, address: &str, options: UpstreamOptions) -> Result<Self, AddressError> {
        let wire = Wire::new(Address::parse(address)?, &options)?;
        let turns = Arc::new(Semaphore::new(options.requests_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self { name: name.into(), wire, options, turns, metrics: Metrics::default() })
    }

    /// The same server, whose answers and failures are counted here.
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The same server with other times, for requests that take longer than most. The number of
    /// requests and of connections stays as it is.
    pub fn with_times(self, options: UpstreamOptions) -> Self {
        let UpstreamOptions { connect_timeout, requests_max, idle_connections_max, .. } =
            self.options;
        let kept =
            UpstreamOptions { connect_timeout, requests_max, idle_connections_max, ..options };
        Self { options: kept, ..self }
    }

    /// Whether both share their connections.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.turns, &other.turns)
    }

    /// The path and query of the address itself, as a request's URI.
    pub fn target(&self) -> &PathAndQuery {
        self.wire.address().target()
    }

    /// A path and query below the address, joined byte for byte.
    ///
    /// *Errors*: [`UpstreamError::Target`] where that makes no URI.
    pub fn below(&self, path_and_query: &str) -> Result<PathAndQuery, UpstreamError> {
        self.wire.address().below(path_and_query).ok_or(UpstreamError::Target)
    }

    /// Sends a request and gives the answer, whose body is still to come.
    ///
    /// *Shape*: of the request's URI, path and query are what the upstream is asked for
    /// ([`Upstream::target`], [`Upstream::below`]); its host is replaced. The credential takes the
    /// place of whatever the caller put there. An answer that holds the credential is refused; where
    /// its beginning went down already, its body ends with an error.
    ///
    /// *Errors*: [`UpstreamError`], as which the caller gets [`UpstreamError::response`].
    pub async fn send(
        &self,
        request: Request<Body>,
        credential: Option<&Credential>,
    ) -> Result<Response<Body>, UpstreamError> {
        let sent = match self.turn().await {
            Ok(turn) => self.exchange(request, credential, Change::None, Some(turn)).await,
            Err(error) => Err(error),
        };
        self.answered(sent).await
    }

    /// As [`Upstream::send`], for an answer that may last for hours: it takes no turn. Whoever asks
    /// bounds how many there are.
    ///
    /// *Errors*: [`UpstreamError`].
    pub async fn listen(
        &self,
        request: Request<Body>,
        credential: Option<&Credential>,
    ) -> Result<Response<Body>, UpstreamError> {
        self.answered(self.exchange(request, credential, Change::None, None).await).await
    }

    async fn answered(
        &self,
        sent: Result<Answer, UpstreamError>,
    ) -> Result<Response<Body>, UpstreamError> {
        let sent = match sent {
            Ok(answer) => self.passed_on(answer).await,
            Err(error) => Err(error),
        };
        self.told(sent)
    }

    /// Sends a request that asks for a WebSocket. Where the upstream agrees, there is a tunnel besides
    /// the answer, which then has no body.
    pub(super) async fn change(
        &self,
        request: Request<Body>,
        credential: Option<&Credential>,
    ) -> Result<(Response<Body>, Option<Tunnel>), UpstreamError> {
        let turn = Some(self.told(self.turn().await)?);
        let sent = match self.exchange(request, credential, Change::WebSocket, turn).await {
            Ok(answer) if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                self.changed(answer).map(|(response, tunnel)| (response, Some(tunnel)))
            }
            Ok(answer) => self.passed_on(answer).await.map(|response| (response, None)),
            Err(error) => Err(error),
        };
        self.told(sent)
    }

    fn told<T>(&self, sent: Result<T, UpstreamError>) -> Result<T, UpstreamError> {
        if let Err(error) = &sent {
            self.metrics.failed(&self.name, error.code());
            tracing::warn!(upstream = &*self.name, code = error.code(), %error, "no answer");
        }
        sent
    }

    async fn exchange(
        &self,
        request: Request<Body>,
        credential: Option<&Credential>,
        change: Change,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Answer, UpstreamError> {
        let began = Instant::now();
        let (mut parts, body) = request.into_parts();
        // Before the credential is put in, so that no caller has it taken out again.
        hop::strip(&mut parts.headers);
        let mut shown = None;
        if let Some(credential) = credential {
            let value = credential.current().await?;
            value.put_into(&mut parts)?;
            // What comes back must be searched as it is.
            parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            parts.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
            shown = Some(value);
        }
        let response = self.wire.exchange(parts, body, &self.options, change).await?;
        self.metrics.took("upstream", began.elapsed().as_secs_f64());
        if let (Some(credential), Some(value)) = (credential, &shown)
            && response.status() == StatusCode::UNAUTHORIZED
        {
            credential.was_refused(value);
            return Err(UpstreamError::CredentialRefused);
        }
        let left = self.options.total_timeout.map(|total| total.saturating_sub(began.elapsed()));
        Ok(Answer { response, shown, left, turn })
    }

    /// Waits for one of the requests that are with the upstream to end.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match timeout(self.options.queue_timeout, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(UpstreamError::Busy),
        }
    }

    /// The answer as it goes down.
    async fn passed_on(&self, answer: Answer) -> Result<Response<Body>, UpstreamError> {
        let Answer { response, shown, left, turn } = answer;
        let (mut parts, body) = response.into_parts();
        let scanner = searched(&parts.headers, shown)?;
        // A reason phrase is in there, which nobody searches.
        parts.extensions = Extensions::new();
        let waits = scanner.is_some() && !is_event_stream(&parts.headers);
        let (idle, name) = (self.options.idle_timeout, Arc::clone(&self.name));
        let mut reply = Reply::new(body, scanner, idle, left, turn, name);
        if waits {
            reply.begin().await?;
        }
        Ok(Response::from_parts(parts, Body::new(reply)))
    }

    /// The answer that ends a connection's HTTP, and what follows it.
    fn changed(&self, answer: Answer) -> Result<(Response<Body>, Tunnel), UpstreamError> {
        let Answer { mut response, shown, turn, .. } = answer;
        let scanner = searched(response.headers(), shown)?;
        let upstream = hyper::upgrade::on(&mut response);
        let (idle, name) = (self.options.idle_timeout, Arc::clone(&self.name));
        let (mut parts, _) = response.into_parts();
        parts.extensions = Extensions::new();
        let tunnel = Tunnel { upstream, scanner, idle, turn, name };
        Ok((Response::from_parts(parts, Body::empty()), tunnel))
    }
}

/// An answer whose head is there.
struct Answer {
    response: Response<Incoming>,
    shown: Option<Arc<Value>>,
    /// Of the time for the whole exchange.
    left: Option<Duration>,
    turn: Option<OwnedSemaphorePermit>,
}

/// Searches the head of an answer to a request with a credential, and gives what searches the rest.
fn searched(
    headers: &HeaderMap,
    shown: Option<Arc<Value>>,
) -> Result<Option<Scanner>, UpstreamError> {
    let Some(value) = shown else { return Ok(None) };
    if is_encoded(headers) {
        return Err(UpstreamError::Encoded);
    }
    match value.needles().within_headers(headers) {
        true => Err(UpstreamError::Echoed),
        false => Ok(Some(Scanner::new(Arc::clone(value.needles())))),
    }
}

/// Whether the body is something else than it says it is.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the head is waited for though nothing may follow it for long.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"))
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("address", self.wire.address())
            .finish_non_exhaustive()
    }
}
