//! What surrounds every request: its span, its deadline, and the end of the service.

use std::future::Future;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use axum::{Extension, Router};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::AppState;
use super::problem::Refusal;
use crate::fanout::Ending;

/// How long requests under way may go on once the service is told to end.
const GRACE: Duration = Duration::from_secs(10);

/// How long a connection may go without its peer taking what was sent, or saying that it is there.
const STALLED: Duration = Duration::from_secs(10);

/// Serves until `shutdown` is ready, then ends streams and lets requests under way finish for ten
/// seconds.
///
/// *Errors*: what the listener says when it can accept no more.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (told, ending) = oneshot::channel();
    let (ends, streams_end) = watch::channel(false);
    let router = router.layer(Extension(Ending(streams_end)));
    let listener = listener.tap_io(|stream| {
        if let Err(error) = hold_to_account(stream) {
            tracing::warn!(%error, "a connection could not be set up");
        }
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        ends.send_replace(true);
        // Nobody listens once the server has ended by itself.
        let _ = told.send(());
    });
    let deadline = async {
        match ending.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = server => ended,
        () = deadline => {
            tracing::warn!("requests still under way were cut off");
            Ok(())
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

/// A request's span: its method and route. Neither its headers nor its address, which may hold
/// secrets.
pub(super) fn span(request: &Request) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    tracing::info_span!("request", method = %request.method(), route)
}

/// Gives each request a deadline, and keeps answers out of caches unless they say otherwise.
pub(super) async fn bounded(
    State(authority): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let deadline = Duration::from_secs(authority.settings.request_timeout_secs);
    let mut response = match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::Timeout.into_response(),
    };
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
