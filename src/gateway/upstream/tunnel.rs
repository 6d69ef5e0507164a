//! A connection that became a WebSocket: bytes both ways, those that come down without the credential.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::error::ReplyError;
use super::needles::Scanner;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 16 * 1024;

/// The upstream's side of a connection that changed its protocol.
pub(in crate::gateway) struct Tunnel {
    pub(super) upstream: OnUpgrade,
    pub(super) scanner: Option<Scanner>,
    pub(super) idle: Option<Duration>,
    pub(super) turn: Option<OwnedSemaphorePermit>,
    pub(super) name: Arc<str>,
}

/// When bytes last went either way.
struct Active(Mutex<Instant>);

impl Active {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_idle(&self, max: Option<Duration>) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        max.is_some_and(|max| last.elapsed() > max)
    }
}

impl Tunnel {
    /// Passes bytes both ways until one side ends it, nothing went on for too long, or the caller may
    /// no longer, which is asked every so often.
    pub(in crate::gateway) async fn pass(
        self,
        caller: OnUpgrade,
        every: Duration,
        may: impl Fn() -> bool,
    ) {
        let Self { upstream, scanner, idle, turn, name } = self;
        let (Ok(caller), Ok(server)) = (caller.await, upstream.await) else { return };
        let active = Active(Mutex::new(Instant::now()));
        let (from_caller, to_caller) = split(TokioIo::new(caller));
        let (from_server, to_server) = split(TokioIo::new(server));
        let passed = async {
            tokio::try_join!(
                pump(from_caller, to_server, &active, None),
                pump(from_server, to_caller, &active, scanner),
            )
        };
        let ended = async {
            let mut tick = interval(every);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while may() && !active.is_idle(idle) {
                tick.tick().await;
            }
        };
        tokio::select! {
            passed = passed => if let Err(error) = passed {
                tracing::info!(upstream = &*name, %error, "a connection was cut");
            },
            () = ended => {
                tracing::info!(upstream = &*name, "a connection was cut: idle, or its token ended");
            }
        }
        drop(turn);
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    active: &Active,
    mut scanner: Option<Scanner>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        let is_over = from.read_buf(&mut buffer).await? == 0;
        active.note();
        let mut bytes = buffer.split().freeze();
        if let Some(scanner) = &mut scanner {
            bytes = scanner.push(bytes).map_err(|_| io::Error::other(ReplyError::Echoed))?;
        }
        to.write_all(&bytes).await?;
        if is_over {
            if let Some(scanner) = scanner {
                to.write_all(&scanner.finish()).await?;
            }
            return to.shutdown().await;
        }
        to.flush().await?;
        active.note();
    }
}
