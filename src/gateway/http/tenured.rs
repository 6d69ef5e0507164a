//! An answer, which ends with its caller's token at the latest.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::guard::Tenure;

/// A body that is cut when its token does not hold any more.
pub(super) struct Tenured {
    body: Body,
    tenure: Tenure,
    tick: Interval,
    is_cut: bool,
}

impl Tenured {
    /// Asks every so often.
    pub(super) fn new(body: Body, tenure: Tenure, every: Duration) -> Self {
        Self { body, tenure, tick: ticking(every), is_cut: false }
    }
}

/// A tick every so often; those that were missed are not made up for.
pub(super) fn ticking(every: Duration) -> Interval {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    tick
}

impl http_body::Body for Tenured {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while !this.is_cut && this.tick.poll_tick(cx).is_ready() {
            this.is_cut = !this.tenure.holds();
        }
        if this.is_cut {
            return Poll::Ready(Some(Err("the token does not hold any more".into())));
        }
        Pin::new(&mut this.body).poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame?)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
