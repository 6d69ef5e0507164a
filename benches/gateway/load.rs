//! A closed loop: so many connections, each with one call at a time.

use std::time::{Duration, Instant};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What is called.
#[derive(Clone, Debug)]
pub(super) struct Target {
    address: String,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// How long each call took, in seconds, shortest first.
pub(super) struct Sample {
    times: Vec<f64>,
    /// How long all of it took.
    secs: f64,
}

impl Target {
    /// A `POST` of a small document to a URL of plain HTTP.
    pub(super) fn post(url: &str, bearer: Option<&str>) -> Self {
        Self::new(Method::POST, url, bearer).with_body(r#"{"amount":20,"currency":"usd"}"#)
    }

    /// A `GET`.
    pub(super) fn get(url: &str, bearer: Option<&str>) -> Self {
        Self::new(Method::GET, url, bearer)
    }

    /// A call of an MCP tool, without a session.
    pub(super) fn tool(url: &str, name: &str, bearer: Option<&str>) -> Self {
        let meta = "io.modelcontextprotocol/";
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"folder":"/notes"}},"_meta":{{"{meta}protocolVersion":"2026-07-28","{meta}clientCapabilities":{{}}}}}}}}"#
        );
        Self::new(Method::POST, url, bearer)
            .with_body(&body)
            .with("mcp-protocol-version", "2026-07-28")
            .with("mcp-method", "tools/call")
            .with("mcp-name", name)
    }

    fn new(method: Method, url: &str, bearer: Option<&str>) -> Self {
        let rest = url.strip_prefix("http://").expect("plain HTTP");
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (address, path) = (address.to_owned(), format!("/{path}"));
        let target = Self { address, method, path, headers: Vec::new(), body: Bytes::new() };
        match bearer {
            Some(bearer) => target.with(AUTHORIZATION.as_str(), &format!("Bearer {bearer}")),
            None => target,
        }
    }

    fn with_body(self, body: &str) -> Self {
        Self { body: body.to_owned().into(), ..self }
            .with(CONTENT_TYPE.as_str(), "application/json")
            .with(ACCEPT.as_str(), "application/json, text/event-stream")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(&self.method).uri(&self.path);
        request = request.header(HOST, &self.address);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).expect("a request")
    }

    /// A connection.
    pub(super) async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        let task = tokio::spawn(async move { drop(connection.await) });
        Connection { sender, task }
    }
}

/// A connection, closed when dropped.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: tokio::task::JoinHandle<()>,
}

impl Connection {
    /// One call, which has to go well; gives the length of the answer.
    pub(super) async fn call(&mut self, target: &Target) -> usize {
        let response = self.sender.send_request(target.request()).await.expect("an answer");
        let status = response.status();
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.expect("a whole answer");
            let Some(data) = frame.data_ref() else { continue };
            assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(data));
            length += data.len();
        }
        length
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Calls for a while, over so many connections.
pub(super) async fn run(target: &Target, connections: usize, time: Duration) -> Sample {
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut connection = target.connect().await;
        connection.call(target).await;
        open.push(connection);
    }
    let begin = Instant::now();
    let workers: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let target = target.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < time {
                    let at = Instant::now();
                    connection.call(&target).await;
                    times.push(at.elapsed().as_secs_f64());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.expect("a worker"));
    }
    let secs = begin.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    Sample { times, secs }
}

/// Calls at a steady rate, spread over so many connections. A call counts from when it was to be made
/// where its connection was still busy then.
pub(super) async fn paced(
    target: &Target,
    connections: usize,
    rate: f64,
    time: Duration,
) -> Sample {
    let begin = Instant::now() + Duration::from_millis(50);
    let step = Duration::from_secs_f64(connections as f64 / rate);
    let mut workers = Vec::new();
    for at in 0..connections {
        let mut connection = target.connect().await;
        connection.call(target).await;
        let target = target.clone();
        let first = begin + step.mul_f64(at as f64 / connections as f64);
        workers.push(tokio::spawn(async move {
            let (mut times, mut due) = (Vec::new(), first);
            while due < begin + time {
                let is_late = Instant::now() > due;
                tokio::time::sleep_until(due.into()).await;
                let from = if is_late { due } else { Instant::now() };
                connection.call(&target).await;
                times.push(from.elapsed().as_secs_f64());
                due += step;
            }
            times
        }));
    }
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.expect("a worker"));
    }
    times.sort_by(f64::total_cmp);
    Sample { times, secs: time.as_secs_f64() }
}

impl Sample {
    /// The time within which so many of a thousand calls were answered, in seconds.
    pub(super) fn within(&self, thousandths: usize) -> f64 {
        let at = self.times.len() * thousandths / 1000;
        self.times[at.min(self.times.len() - 1)]
    }

    /// Calls a second.
    pub(super) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.secs
    }
}
