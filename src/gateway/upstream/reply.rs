//! An upstream's answer on its way down.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::error::ReplyError;
use super::idle::Idle;
use super::needles::Scanner;

/// How long an answer's head waits for the first part of its body.
const FIRST_PART: Duration = Duration::from_secs(1);

/// A body that goes down as it comes, without its trailers, and without the credential.
///
/// *Shape*: whatever goes wrong ends it with an error, never as if it were whole.
pub(super) struct Reply {
    body: Incoming,
    /// What was read before it was asked for.
    first: Option<Bytes>,
    state: State,
    scanner: Option<Scanner>,
    idle: Idle,
    total: Idle,
    /// The request counts as being with the upstream until here.
    turn: Option<OwnedSemaphorePermit>,
    upstream: Arc<str>,
}

#[derive(Clone, Copy)]
enum State {
    Going,
    Ended,
    Failed(ReplyError),
}

impl Reply {
    pub(super) fn new(
        body: Incoming,
        scanner: Option<Scanner>,
        idle: Option<Duration>,
        left: Option<Duration>,
        turn: Option<OwnedSemaphorePermit>,
        upstream: Arc<str>,
    ) -> Self {
        let (idle, total) = (Idle::new(idle), Idle::new(left));
        let (first, state) = (None, State::Going);
        Self { body, first, state, scanner, idle, total, turn, upstream }
    }

    /// Reads the first part, so that what is wrong with it can still be told in the head. One that
    /// takes its time is not waited for.
    pub(super) async fn begin(&mut self) -> Result<(), ReplyError> {
        match timeout(FIRST_PART, poll_fn(|cx| self.poll_data(cx))).await {
            Ok(Some(Ok(first))) => self.first = Some(first),
            Ok(Some(Err(error))) => return Err(error),
            Ok(None) | Err(_) => {}
        }
        Ok(())
    }

    /// The next bytes that may go down; never none at all.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReplyError>>> {
        match self.state {
            State::Going => {}
            State::Ended => return Poll::Ready(None),
            State::Failed(error) => return Poll::Ready(Some(Err(error))),
        }
        let data = ready!(self.poll_going(cx));
        if let Some(Err(error)) = data {
            tracing::warn!(upstream = &*self.upstream, %error, "an answer was cut");
            (self.state, self.turn) = (State::Failed(error), None);
        }
        Poll::Ready(data)
    }

    fn poll_going(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReplyError>>> {
        if self.total.poll_over(cx).is_ready() {
            return Poll::Ready(Some(Err(ReplyError::Slow)));
        }
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                ready!(self.idle.poll_over(cx));
                return Poll::Ready(Some(Err(ReplyError::Slow)));
            };
            self.idle.went_on();
            let data = match frame {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Poll::Ready(Some(Err(ReplyError::Broken))),
                None => {
                    (self.state, self.turn) = (State::Ended, None);
                    let rest = self.scanner.take().map(Scanner::finish);
                    return Poll::Ready(rest.filter(|rest| !rest.is_empty()).map(Ok));
                }
            };
            let data = match &mut self.scanner {
                Some(scanner) => scanner.push(data).map_err(|_| ReplyError::Echoed),
                None => Ok(data),
            };
            match data {
                Ok(data) if data.is_empty() => {}
                data => return Poll::Ready(Some(data)),
            }
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        let is_over = match self.state {
            State::Going => {
                self.scanner.as_ref().is_none_or(Scanner::is_empty) && self.body.is_end_stream()
            }
            State::Ended => true,
            State::Failed(_) => false,
        };
        self.first.is_none() && is_over
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
