//! The listener: so many connections, each held to account, and an orderly end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

use crate::config::gateway::Listen;

/// How long a connection may go without its peer taking what was sent, or saying that it is there.
const STALLED: Duration = Duration::from_secs(30);

/// The longest head of a request, in bytes. A token takes up to 16 KiB of it, a proof 4 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// After a failure to accept a connection, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// Records that are being forced to the disk at once, and other work that blocks, of all threads.
const BLOCKING_MAX: usize = 512;

/// Serves until `shutdown` is ready, then lets what is under way finish within the time for that.
///
/// *Shape*: a connection that is one too many waits to be accepted. A head that does not arrive in
/// time ends its connection; so does a peer that takes nothing for 30 s. Each request has a
/// [`ConnectInfo`] with its peer's address. Each thread has a runtime of its own: a connection stays where
/// it was accepted, and no other thread is woken for it.
///
/// *Errors*: threads that cannot be started.
pub async fn serve(
    threads: usize,
    listener: TcpListener,
    router: Router,
    listen: &Listen,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stop, stopping) = watch::channel(false);
    // What one thread has under way may need what another one runs, so that they end together.
    let (end, ending) = watch::channel(false);
    let connections = Connections::new(listen, router, stopping);
    let listener = listener.into_std()?;
    let mut workers = Vec::new();
    for _ in 0..threads.max(1) {
        let mut runtime = runtime::Builder::new_current_thread();
        runtime.enable_all().max_blocking_threads(BLOCKING_MAX.div_ceil(threads.max(1)).max(16));
        let runtime = runtime.build()?;
        let (connections, listener) = (connections.clone(), listener.try_clone()?);
        let (mut stopping, mut ending) = (connections.stopping.clone(), ending.clone());
        let work = async move {
            let listener = TcpListener::from_std(listener)?;
            tokio::select! {
                () = connections.accept(&listener) => {}
                () = told(&mut stopping) => {}
            }
            drop(listener);
            told(&mut ending).await;
            Ok::<_, io::Error>(())
        };
        let run = move || {
            if let Err(error) = runtime.block_on(work) {
                tracing::error!(%error, "a thread cannot listen");
            }
            runtime.shutdown_background();
        };
        workers.push(thread::Builder::new().name("hardtack-calls".to_owned()).spawn(run)?);
    }
    drop(listener);
    shutdown.await;
    stop.send_replace(true);
    connections.drained().await;
    end.send_replace(true);
    // A thread that panicked has nothing left to do.
    let joining = move || workers.into_iter().for_each(|worker| drop(worker.join()));
    drop(tokio::task::spawn_blocking(joining).await);
    Ok(())
}

/// The connections of one listener.
#[derive(Clone)]
struct Connections {
    http: http1::Builder,
    router: Router,
    turns: Arc<Semaphore>,
    most: u32,
    drain: Duration,
    stopping: watch::Receiver<bool>,
}

impl Connections {
    fn new(listen: &Listen, router: Router, stopping: watch::Receiver<bool>) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(listen.head_timeout_secs))
            .max_buf_size(HEAD_BYTES_MAX);
        Self {
            http,
            router,
            turns: Arc::new(Semaphore::new(listen.connections_max)),
            most: u32::try_from(listen.connections_max).unwrap_or(u32::MAX),
            drain: Duration::from_secs(listen.drain_secs),
            stopping,
        }
    }

    /// Accepts connections for ever.
    async fn accept(&self, listener: &TcpListener) {
        loop {
            let (stream, peer, turn) = accept(listener, &self.turns).await;
            let router = self.router.clone();
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().oneshot(request.map(axum::body::Body::new))
            });
            let connection = self.http.serve_connection(TokioIo::new(stream), service);
            let connection = connection.with_upgrades();
            let mut stopping = self.stopping.clone();
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
    }

    /// Waits until all have ended, as long as there is time for it.
    async fn drained(&self) {
        if tokio::time::timeout(self.drain, self.turns.acquire_many(self.most)).await.is_err() {
            tracing::warn!("requests still under way were cut off");
        }
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
fn hold_to_account(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(STALLED).with_interval(STALLED))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(STALLED))?;
    Ok(())
}
