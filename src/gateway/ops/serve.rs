//! The listener: so many connections, each held to account, and an orderly end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

use crate::config::gateway::Listen;

/// How long a connection may go without its peer taking what was sent, or saying that it is there.
const STALLED: Duration = Duration::from_secs(30);

/// The longest head of a request, in bytes. A token takes up to 16 KiB of it, a proof 4 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// After a failure to accept a connection, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown` is ready, then lets what is under way finish within the time for that.
///
/// *Shape*: a connection that is one too many waits to be accepted. A head that does not arrive in
/// time ends its connection; so does a peer that takes nothing for 30 s. Each request has a
/// [`ConnectInfo`] with its peer's address.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    listen: &Listen,
    shutdown: impl Future<Output = ()>,
) {
    let turns = Arc::new(Semaphore::new(listen.connections_max));
    let (stop, stopping) = watch::channel(false);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(listen.head_timeout_secs))
        .max_buf_size(HEAD_BYTES_MAX);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer, turn) = tokio::select! {
            accepted = accept(&listener, &turns) => accepted,
            () = &mut shutdown => break,
        };
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut stopping = stopping.clone();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // What a peer does wrong on its connection ends that connection alone.
            tokio::select! {
                _ = &mut connection => {}
                () = told(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    drop(connection.await);
                }
            }
            drop(turn);
        });
    }
    drop(listener);
    stop.send_replace(true);
    let drain = Duration::from_secs(listen.drain_secs);
    let every = u32::try_from(listen.connections_max).unwrap_or(u32::MAX);
    if tokio::time::timeout(drain, turns.acquire_many(every)).await.is_err() {
        tracing::warn!("requests still under way were cut off");
    }
}

async fn told(stopping: &mut watch::Receiver<bool>) {
    // The sender going away is an end as well.
    drop(stopping.wait_for(|stops| *stops).await);
}

async fn accept(
    listener: &TcpListener,
    turns: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let turn = Arc::clone(turns).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = hold_to_account(&stream) {
                    tracing::debug!(%error, "a connection could not be set up");
                    continue;
                }
                return (stream, peer, turn);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Has the system give up a connection whose peer stalls or is gone, and send small parts at once.
fn hold_to_account(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(STALLED).with_interval(STALLED))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(STALLED))?;
    Ok(())
}
