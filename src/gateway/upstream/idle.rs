use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long something has been waited for. Time in which nobody asks is not counted.
pub(super) struct Idle {
    max: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Idle {
    /// Without a bound it is never over.
    pub(super) fn new(max: Option<Duration>) -> Self {
        Self { max, timer: None, waiting: false }
    }

    /// What was waited for came.
    pub(super) fn went_on(&mut self) {
        self.waiting = false;
    }

    /// Ready when it has been waited for too long, from the first such question on.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(max) = self.max else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + max)));
        if !self.waiting {
            timer.as_mut().reset(Instant::now() + max);
            self.waiting = true;
        }
        timer.as_mut().poll(cx)
    }
}
