//! Answers on their way down.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::session::Lasting;
use crate::guard::Tenure;
use crate::mcp::LineEnds;

/// What happens to an answer as it passes.
pub(super) trait Step: Send + Unpin {
    /// What goes down for these bytes.
    ///
    /// *Errors*: why the answer is cut here.
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError>;

    /// What goes down last, once the answer has ended.
    ///
    /// *Errors*: why the answer is not one: it is cut instead of ended.
    fn end(&mut self) -> Result<Bytes, BoxError> {
        Ok(Bytes::new())
    }
}

/// Everything goes down as it comes.
pub(super) struct AsItIs;

impl Step for AsItIs {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        Ok(bytes)
    }
}

/// The token of an answer's caller does not hold any more, or its caller listens elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the token does not hold any more, or another stream took the place of this one")]
struct Ended;

/// A body that goes down step by step, for as long as its caller's token holds.
pub(super) struct Passing<S> {
    inner: Body,
    step: S,
    tenure: Tenure,
    every: Duration,
    tick: Option<Interval>,
    is_over: bool,
    lasting: Option<Lasting>,
    /// Of a stream of events.
    ends: Option<LineEnds>,
}

impl<S: Step + 'static> Passing<S> {
    /// The body of an answer that is one message.
    pub(super) fn body(
        inner: Body,
        step: S,
        tenure: Tenure,
        every: Duration,
        lasting: Option<Lasting>,
    ) -> Body {
        Body::new(Self::new(inner, step, tenure, every, lasting))
    }

    /// The body of a stream of events.
    pub(super) fn events(
        inner: Body,
        step: S,
        tenure: Tenure,
        every: Duration,
        lasting: Option<Lasting>,
    ) -> Body {
        let passing = Self::new(inner, step, tenure, every, lasting);
        Body::new(Self { ends: Some(LineEnds::default()), ..passing })
    }

    fn new(
        inner: Body,
        step: S,
        tenure: Tenure,
        every: Duration,
        lasting: Option<Lasting>,
    ) -> Self {
        let (tick, is_over, ends) = (None, false, None);
        Self { inner, step, tenure, every, tick, is_over, lasting, ends }
    }

    /// The end of what passes; a stream ends with what was held back of it.
    fn last(&mut self) -> Result<Bytes, BoxError> {
        let last = self.step.end()?;
        let Some(ends) = &mut self.ends else { return Ok(last) };
        let mut rest = ends.read(&last).unwrap_or_else(|| last.to_vec());
        rest.extend_from_slice(ends.end());
        Ok(rest.into())
    }

    fn passed(&mut self, data: Bytes) -> Result<Bytes, BoxError> {
        let data = self.step.pass(data)?;
        let changed = self.ends.as_mut().and_then(|ends| ends.read(&data));
        Ok(changed.map_or(data, Bytes::from))
    }

    /// Wakes once in a while, to ask whether the token still holds.
    fn poll_tenure(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        let every = self.every;
        let tick = self.tick.get_or_insert_with(|| {
            let mut tick = interval(every);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            tick.reset();
            tick
        });
        while tick.poll_tick(cx).is_ready() {
            let is_replaced = self.lasting.as_ref().is_some_and(Lasting::is_replaced);
            if is_replaced || !self.tenure.holds() {
                return Err(Ended);
            }
        }
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            if let Err(ended) = self.poll_tenure(cx) {
                tracing::info!(%ended, "an answer was cut");
                return Poll::Ready(Some(Err(ended.into())));
            }
            let data = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                None => {
                    self.is_over = true;
                    let last = self.last().map(|last| (!last.is_empty()).then_some(last));
                    return Poll::Ready(last.transpose());
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let passed = self.passed(data);
            if passed.as_ref().is_ok_and(Bytes::is_empty) {
                continue;
            }
            return Poll::Ready(Some(passed));
        }
    }
}

impl<S: Step + 'static> HttpBody for Passing<S> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let data = ready!(self.poll(cx));
        if matches!(data, Some(Err(_))) {
            // What it holds of the server's answer is let go at once.
            (self.is_over, self.inner) = (true, Body::empty());
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }
}
