//! Messages as server-sent events, for as long as somebody reads.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body, Frame};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// The stream; who drops it cancels what feeds it.
pub(super) struct Events {
    first: Option<Value>,
    messages: mpsc::Receiver<Value>,
    source: AbortHandle,
}

impl Events {
    pub(super) fn new(
        first: Option<Value>,
        messages: mpsc::Receiver<Value>,
        source: AbortHandle,
    ) -> Self {
        Self { first, messages, source }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.messages.poll_recv(cx),
        };
        next.map(|next| {
            next.map(|message| {
                Ok(Frame::data(format!("event: message\ndata: {message}\n\n").into()))
            })
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.source.abort();
    }
}
