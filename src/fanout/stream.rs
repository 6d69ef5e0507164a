//! `GET /v1/revocations/stream`: every message, as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Extension;
use axum::body::{Body, HttpBody};
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::query::{self, Named};
use super::refusal::Refusal;
use super::{Ending, Fanout, Held, ended};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies to pass on each event at once.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What one reader still has to be told.
struct Reader {
    first: Option<Bytes>,
    live: broadcast::Receiver<Bytes>,
    closed: watch::Receiver<bool>,
    ending: Option<Ending>,
    held: Held,
}

/// A body that ends when its reader lags behind, or the service ends.
struct Events(Option<Next>);

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Reader)>> + Send>>;

pub(super) async fn open(
    State(fanout): State<Fanout>,
    ending: Option<Extension<Ending>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let from = query::stream(query.as_deref().unwrap_or_default())?;
    let from = last_event(&headers)?.or(from);
    let held = fanout.hold()?;
    // Under one lock: what is published before it is caught up with, the rest is heard.
    let (told, live) = {
        let state = fanout.read();
        (state.catch_up(from), fanout.0.live.subscribe())
    };
    let first = told.and_then(|told| told.into_event().ok()).ok_or(Refusal::NoHead)?;
    let closed = fanout.0.closed.subscribe();
    let ending = ending.map(|Extension(ending)| ending);
    let reader = Reader { first: Some(first), live, closed, ending, held };
    let headers =
        [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (UNBUFFERED, "no")];
    Ok((headers, Body::new(Events(Some(Box::pin(reader.next()))))).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<Named>, Refusal> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    query::place("Last-Event-ID", value.to_str().unwrap_or_default()).map(Some)
}

impl Reader {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        let heard = tokio::select! {
            biased;
            () = ended(self.closed.clone(), self.ending.clone()) => return None,
            heard = self.live.recv() => heard,
        };
        match heard {
            Ok(event) => Some((event, self)),
            Err(RecvError::Closed) => None,
            // It would miss some: it comes back and says where it is.
            Err(RecvError::Lagged(_)) => {
                self.held.metrics.lagged.inc();
                None
            }
        }
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = self.0.as_mut() else { return Poll::Ready(None) };
        match ready!(next.as_mut().poll(cx)) {
            None => {
                self.0 = None;
                Poll::Ready(None)
            }
            Some((event, reader)) => {
                self.0 = Some(Box::pin(reader.next()));
                Poll::Ready(Some(Ok(Frame::data(event))))
            }
        }
    }
}
