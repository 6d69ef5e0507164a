//! What stands behind the gateway: answers at once.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Length of the long answer.
pub(super) const LARGE_BYTES: usize = 512 << 20;
const PART: usize = 64 << 10;

const REFUND: &str = r#"{"refunded":20,"currency":"usd","for":"ch_1"}"#;
const TOOL: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"/notes/plan.txt\n/notes/todo.txt"}],"isError":false,"resultType":"complete"}}"#;

/// Starts it on a thread of its own; gives its address.
pub(super) fn start() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(serve(listener));
    });
    format!("http://{address}")
}

async fn serve(listener: std::net::TcpListener) {
    listener.set_nonblocking(true).expect("a listener");
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let served =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move { drop(served.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    // Read to its end, as a tool would.
    drop(request.into_body().collect().await);
    let full = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes())).boxed();
    let (kind, body) = match path.as_str() {
        "/large" => ("application/octet-stream", Large(LARGE_BYTES).boxed()),
        "/mcp" => ("application/json", full(TOOL)),
        _ => ("application/json", full(REFUND)),
    };
    let response = Response::builder().header(CONTENT_TYPE, kind).body(body);
    Ok(response.expect("a response"))
}

/// So many bytes.
struct Large(usize);

static ZEROS: [u8; PART] = [0; PART];

impl Body for Large {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.0.min(PART);
        self.0 -= part;
        let frame = (part > 0).then(|| Ok(Frame::data(Bytes::from_static(&ZEROS[..part]))));
        Poll::Ready(frame)
    }
}
