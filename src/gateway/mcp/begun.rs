//! The beginning of an answer that is one message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::steps::Whole;
use super::stop::Stop;
use crate::guard::Tenure;
use crate::mcp::Id;

/// Longest answer that is looked at before any of it goes down, in bytes.
const SHORT_BYTES_MAX: usize = 64 * 1024;

/// Reads an answer to its end, if that comes soon: then it is one to the request, or an error is told in
/// its place. A long answer goes down as it comes.
///
/// *Shape*: the answer, and whether it was looked at. *Errors*: that it is none, or broke off, or that
/// the token ended before it did.
pub(super) async fn begun(
    mut body: Body,
    id: &Id,
    tenure: &Tenure,
    every: Duration,
) -> Result<(Body, bool), Stop> {
    let mut held = BytesMut::new();
    let mut next = Instant::now() + every;
    while held.len() <= SHORT_BYTES_MAX {
        match timeout_at(next, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                held.extend_from_slice(&data);
            }
            Ok(Some(Err(_))) => return Err(Stop::internal("the server's answer broke off")),
            Ok(None) if Whole::is_answer(&held, id) => {
                return Ok((Body::from(held.freeze()), true));
            }
            Ok(None) => {
                let why = "the server said something that is no answer to the request";
                return Err(Stop::internal(why));
            }
            Err(_) if tenure.holds() => next += every,
            // No status that has a client make the call again: it may have been carried out.
            Err(_) => return Err(Stop::internal("the token does not hold any more")),
        }
    }
    Ok((Body::new(Continued { begun: Some(held.freeze()), body }), false))
}

/// A body of which the beginning was read.
struct Continued {
    begun: Option<Bytes>,
    body: Body,
}

impl http_body::Body for Continued {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.begun.take() {
            Some(begun) => Poll::Ready(Some(Ok(Frame::data(begun)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }
}
