//! A body that comes part by part.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Sleep, sleep};

struct Slow<F> {
    next: F,
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What this gives, with a pause before each part; no length is told.
pub(crate) fn body_of(
    pause: Duration,
    next: impl FnMut() -> Option<Result<Bytes, &'static str>> + Send + Unpin + 'static,
) -> Body {
    Body::new(Slow { next, pause, timer: None })
}

impl<F> http_body::Body for Slow<F>
where
    F: FnMut() -> Option<Result<Bytes, &'static str>> + Unpin,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if !self.pause.is_zero() {
            let pause = self.pause;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
        let part = (self.next)();
        Poll::Ready(part.map(|part| part.map(Frame::data).map_err(Into::into)))
    }
}
