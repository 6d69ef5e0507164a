//! A caller's body on its way up.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::LengthLimitError;
use tokio::time::Instant;

use super::idle::Idle;

/// What is known of a request that is being sent.
#[derive(Debug)]
pub(super) struct Progress(Mutex<(Instant, Option<Fault>)>);

/// Why a body did not go up whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ended early.
    Broken,
    /// It paused for too long.
    Slow,
    /// It is longer than it may be.
    TooLong,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new((Instant::now(), None)))
    }

    /// When the request last went on.
    pub(super) fn last(&self) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What was wrong with the caller's body.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn note(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), fault);
    }
}

/// A body that goes up as it comes, without its trailers.
pub(super) struct Sent {
    body: Body,
    idle: Idle,
    progress: Arc<Progress>,
}

impl Sent {
    pub(super) fn new(body: Body, idle: Option<Duration>, progress: Arc<Progress>) -> Self {
        Self { body, idle: Idle::new(idle), progress }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
                ready!(this.idle.poll_over(cx));
                this.progress.note(Some(Fault::Slow));
                return Poll::Ready(Some(Err("the body paused for too long".into())));
            };
            this.idle.went_on();
            this.progress.note(None);
            match frame {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let error = error.into_inner();
                    let fault = match error.is::<LengthLimitError>() {
                        true => Fault::TooLong,
                        false => Fault::Broken,
                    };
                    this.progress.note(Some(fault));
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
