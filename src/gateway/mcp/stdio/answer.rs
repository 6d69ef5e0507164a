use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::pending::Told;
use super::pipe::{Pipe, fault};
use crate::gateway::mcp::narrowing::Narrowing;
use crate::mcp;

/// A request that is with a child: whoever lets it go before the answer came cancels it.
pub(super) struct Asking {
    pub(super) pipe: Arc<Pipe>,
    pub(super) number: u64,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.pipe.cancel(self.number);
    }
}

/// An event stream of what a child says of one request.
pub(super) struct Answers {
    first: Option<Bytes>,
    from: mpsc::Receiver<Told>,
    narrowing: Option<Narrowing>,
    id: Vec<u8>,
    /// How long the child may say nothing, where that has a bound.
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Let go as soon as the request is over.
    asking: Option<Asking>,
}

impl Answers {
    pub(super) fn new(
        first: Bytes,
        from: mpsc::Receiver<Told>,
        narrowing: Option<Narrowing>,
        id: Vec<u8>,
        limit: Option<Duration>,
        asking: Asking,
    ) -> Self {
        let (first, asking) = (Some(first), Some(asking));
        Self { first, from, narrowing, id, limit, timer: None, asking }
    }

    /// The next message, or that none came for too long.
    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        if let Poll::Ready(told) = self.from.poll_recv(cx) {
            self.timer = None;
            return Poll::Ready(told);
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        let fault = fault(&self.id, "the server did not answer in time");
        self.narrowing = None;
        Poll::Ready(Some(Told::Answer(fault)))
    }
}

impl Body for Answers {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.asking.is_none() {
            return Poll::Ready(None);
        }
        let message = match ready!(self.poll_told(cx)) {
            Some(Told::Before(message)) => message,
            Some(Told::Answer(answer)) => {
                self.asking = None;
                narrowed(answer, self.narrowing.as_ref(), &self.id)
            }
            None => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(Frame::data(mcp::event(&message).into()))))
    }
}

/// An answer without what its caller could not call, where it is a list.
pub(super) fn narrowed(answer: Vec<u8>, narrowing: Option<&Narrowing>, id: &[u8]) -> Vec<u8> {
    match narrowing.map(|narrowing| narrowing.of(&answer)) {
        None => answer,
        Some(Ok(list)) => list,
        Some(Err(_)) => fault(id, "the server's list cannot be read"),
    }
}

/// An event stream of what a child says by itself.
pub(super) struct Heard {
    pub(super) kept: std::vec::IntoIter<Vec<u8>>,
    pub(super) from: mpsc::Receiver<Vec<u8>>,
    pub(super) has_begun: bool,
}

impl Body for Heard {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let bytes = match (std::mem::replace(&mut self.has_begun, true), self.kept.next()) {
            // Something goes down at once, so that the caller knows that it is heard.
            (false, None) => b": \n\n".to_vec(),
            (_, Some(message)) => mcp::event(&message),
            (true, None) => match ready!(self.from.poll_recv(cx)) {
                Some(message) => mcp::event(&message),
                None => return Poll::Ready(None),
            },
        };
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }
}
