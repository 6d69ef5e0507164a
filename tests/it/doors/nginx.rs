#[cfg(feature = "envoy")]
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
#[cfg(feature = "envoy")]
use std::task::{Context, Poll};
use std::time::Duration;

use super::{ALL, MORE, READ_A, World, bearer, header};
use crate::raw_http::{RawServer, exchange, ok};

const CONF: &str = include_str!("../../../examples/proxies/nginx.conf");

/// A real nginx with the example's configuration, on free ports. Killed when dropped.
struct Nginx {
    child: Child,
    base: String,
    /// The same over HTTP/2 without TLS, where the client has to know that.
    #[cfg_attr(not(feature = "envoy"), expect(dead_code, reason = "there is no client"))]
    http2: String,
    _dir: tempfile::TempDir,
}

impl Nginx {
    /// nginx, or `None` where there is none: never so where `CI` is set.
    async fn start(doors: &str, upstream: &str) -> Option<Self> {
        let found = Command::new("nginx").arg("-v").stderr(Stdio::null()).status();
        if found.is_err() {
            assert!(std::env::var_os("CI").is_none(), "there is no `nginx`");
            println!("skipped: there is no `nginx`");
            return None;
        }
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, two) = (free(), free());
        let address = one.local_addr().unwrap().to_string();
        let http2 = two.local_addr().unwrap().to_string();
        drop((one, two));
        let listen = format!("listen {address};\n        listen {http2} http2;");
        let dir = tempfile::tempdir().unwrap();
        let conf = CONF
            .replace("listen 127.0.0.1:8080;", &listen)
            .replace("http://127.0.0.1:9091", doors)
            .replace("http://127.0.0.1:9000", upstream);
        std::fs::write(dir.path().join("nginx.conf"), conf).unwrap();
        let child = Command::new("nginx")
            .args(["-p", dir.path().to_str().unwrap(), "-c", "nginx.conf", "-e", "stderr"])
            .args(["-g", "daemon off; master_process off;"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(&address).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(Self { child, base: format!("http://{address}"), http2, _dir: dir })
    }

    /// The status and the whole answer.
    async fn ask(&self, head: &str, bearer: &str, rest: &str) -> (String, String) {
        let authorization = match bearer {
            "" => String::new(),
            bearer => format!("authorization: {bearer}\r\n"),
        };
        let request = format!(
            "{head} HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nconnection: close\r\n{authorization}{rest}"
        );
        let answer = exchange(&self.base, request).await;
        (answer.split(' ').nth(1).unwrap_or_default().to_owned(), answer)
    }
}

/// A body of no length that is told before.
#[cfg(feature = "envoy")]
struct Unannounced(Option<&'static str>);

#[cfg(feature = "envoy")]
impl http_body::Body for Unannounced {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|text| Ok(http_body::Frame::data(text.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// The status of an answer over HTTP/2, or 0 where the stream was reset; the body is sent after the head.
#[cfg(feature = "envoy")]
async fn over_http2(
    address: &str,
    line: (&str, &str),
    bearer: &str,
    more: &[(&str, &str)],
    body: Option<&'static str>,
) -> u16 {
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let opened = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut client, connection) = opened.await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::builder().method(line.0);
    let request = request.uri(format!("http://{address}{}", line.1));
    let request = request.header("authorization", bearer);
    let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.header("content-type", "application/json");
    let request = request.body(Unannounced(body)).unwrap();
    let answer = client.send_request(request).await;
    connection.abort();
    answer.map_or(0, |answer| answer.status().as_u16())
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn nginx_passes_on_what_the_gateway_allows_and_nothing_else() {
    let world = World::new().await;
    let upstream = RawServer::answering(ok("file")).await;
    let Some(nginx) = Nginx::start(&world.doors, &upstream.base).await else { return };
    let bearer = bearer(READ_A);

    let (status, answer) =
        nginx.ask("GET /files/a", &bearer, "x-hardtack-tool: forged\r\n\r\n").await;
    assert_eq!(status, "200", "{answer}");
    assert!(answer.ends_with("file"));
    let arrived = upstream.only();
    assert!(arrived.starts_with("GET /files/a HTTP/1."), "{arrived}");
    assert_eq!(header(&arrived, "x-hardtack-tool").as_deref(), Some("files/read"));
    assert_eq!(header(&arrived, "authorization"), None);

    let chunked =
        "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n";
    let body = "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    for (head, bearer, rest, expected) in [
        ("GET /files/b", &*bearer, "\r\n", "403"),
        ("GET /files/a?x=1", &bearer, "\r\n", "403"),
        ("GET /files/a/../b", &bearer, "\r\n", "403"),
        ("GET /files/%61%2f..%2fb", &bearer, "\r\n", "403"),
        ("GET //files/a", &bearer, "\r\n", "403"),
        ("DELETE /files/a", &bearer, "\r\n", "403"),
        ("GET /files/a", "", "\r\n", "401"),
        ("GET /files/a", "Bearer nonsense", "\r\n", "401"),
        // What nginx does not show cannot be judged, in whatever method it hides.
        ("POST /search", &bearer, body, "403"),
        ("POST /search", &bearer, chunked, "403"),
        ("GET /files/a", &bearer, body, "403"),
        // Callers cannot tell the gateway of another request than they send.
        ("GET /files/b", &bearer, "x-original-uri: /files/a\r\n\r\n", "403"),
        ("GET /files/b", &bearer, "x-original-method: PUT\r\n\r\n", "403"),
        (
            "POST /search",
            &bearer,
            "x-original-content-length: 0\r\ncontent-length: 2\r\n\r\n{}",
            "403",
        ),
        ("GET /hardtack", &bearer, "\r\n", "404"),
    ] {
        let (status, answer) = nginx.ask(head, bearer, rest).await;
        assert_eq!(status, expected, "{head} {rest}: {answer}");
        if expected == "401" {
            assert!(header(&answer, "www-authenticate").is_some(), "{answer}");
        }
    }
    assert_eq!(upstream.asked().len(), 1, "{:?}", upstream.asked());

    // A body that is not judged goes up where the route says so.
    let (status, answer) =
        nginx.ask("PUT /files/a", &bearer, "content-length: 5\r\n\r\nbytes").await;
    assert_eq!(status, "200", "{answer}");
    assert!(upstream.asked()[1].ends_with("bytes"));
    assert_eq!(world.decided(0).last().unwrap(), "files/write allow");
}

#[tokio::test]
async fn nginx_passes_on_nothing_where_the_gateway_is_gone() {
    let upstream = RawServer::answering(ok("file")).await;
    let Some(nginx) = Nginx::start("http://127.0.0.1:9", &upstream.base).await else { return };
    let (status, _) = nginx.ask("GET /files/a", &bearer(READ_A), "\r\n").await;
    assert_eq!((status.as_str(), upstream.asked().len()), ("500", 0));
}

#[tokio::test]
async fn nginx_sends_up_the_target_that_was_judged_and_no_other() {
    let world = World::with(MORE).await;
    let upstream = RawServer::answering(ok("file")).await;
    let Some(nginx) = Nginx::start(&world.doors, &upstream.base).await else { return };
    let bearer = bearer(ALL);
    for (head, rest) in [
        ("GET /files/a#/../../secret", "\r\n"),
        ("GET /files/a#", "\r\n"),
        ("GET /files/a?x=1#?name=b", "\r\n"),
        ("GET http://127.0.0.1:8080/files/a#b", "\r\n"),
        ("GET /files/a", "x-http-method-override: DELETE\r\n\r\n"),
        ("GET /files/a", "x-rewrite-url: /admin\r\n\r\n"),
        ("GET /files/a", "connection: upgrade\r\nupgrade: websocket\r\n\r\n"),
        ("GET /files/a", "x-original-body: dropped\r\ncontent-length: 2\r\n\r\n{}"),
        ("DELETE /files/a", "x-original-body: dropped\r\ncontent-length: 2\r\n\r\n{}"),
    ] {
        let (status, answer) = nginx.ask(head, &bearer, rest).await;
        assert_eq!(status, "403", "{head} {rest}: {answer}");
    }
    assert_eq!(upstream.asked(), Vec::<String>::new());
    for head in ["GET /files/a?x=%23", "HEAD /files/a%20b", "DELETE /files/a"] {
        let (status, answer) = nginx.ask(head, &bearer, "\r\n").await;
        assert_eq!(status, "200", "{head}: {answer}");
        let arrived = upstream.asked().pop().unwrap();
        assert!(arrived.starts_with(&format!("{head} HTTP/1.")), "{arrived}");
    }
}

#[cfg(feature = "envoy")]
#[tokio::test]
async fn nginx_sends_up_no_body_over_http2_that_nobody_judged() {
    let world = World::with(MORE).await;
    let upstream = RawServer::answering(ok("file")).await;
    let Some(nginx) = Nginx::start(&world.doors, &upstream.base).await else { return };
    let bearer = bearer(ALL);
    let ask = async |method: &str, path: &str, more: &[(&str, &str)], body| {
        over_http2(&nginx.http2, (method, path), &bearer, more, body).await
    };
    let evil = Some("{\"q\":\"evil\"}");
    for (method, path, body) in [
        ("POST", "/search", evil),
        ("DELETE", "/files/a", evil),
        // Nor can nginx tell these from the ones above.
        ("POST", "/search", None),
        ("DELETE", "/files/a", None),
    ] {
        assert_eq!(ask(method, path, &[], body).await, 403, "{method} {path} {body:?}");
        let forged = [("x-original-protocol", "HTTP/1.1"), ("x-original-body", "dropped")];
        assert_eq!(ask(method, path, &forged, body).await, 403, "{method} {path} {body:?}");
    }
    let short = ask("POST", "/search", &[("content-length", "0")], evil).await;
    assert_ne!(short, 200);
    assert_eq!(upstream.asked(), Vec::<String>::new());

    // What reads goes up without what came as its body.
    for (method, body) in [("GET", None), ("HEAD", None), ("GET", evil)] {
        assert_eq!(ask(method, "/files/a", &[], body).await, 200, "{method} {body:?}");
        let arrived = upstream.asked().pop().unwrap();
        assert!(arrived.starts_with(&format!("{method} /files/a HTTP/1.")), "{arrived}");
        assert!(arrived.ends_with("\r\n\r\n"), "{arrived}");
        assert_eq!(header(&arrived, "transfer-encoding"), None, "{arrived}");
    }
    assert_eq!(ask("PUT", "/files/a", &[], Some("bytes")).await, 200);
    assert!(upstream.asked().pop().unwrap().ends_with("bytes"));
    assert_eq!(ask("POST", "/search", &[("content-length", "0")], None).await, 200);
}

#[tokio::test]
async fn nginx_that_does_not_tell_its_protocol_has_told_of_no_body() {
    let world = World::with(MORE).await;
    let ask = async |more: &[(&str, &str)]| {
        let request = crate::support_guard::client().get(format!("{}/auth-request", world.doors));
        let request = request.header("authorization", bearer(ALL));
        let request = request.header("x-original-method", "DELETE");
        let request = request.header("x-original-uri", "/files/a");
        let request =
            more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    };
    for (more, expected) in [
        (vec![], 403),
        (vec![("x-original-protocol", "HTTP/2.0")], 403),
        (vec![("x-original-protocol", "HTTP/3.0")], 403),
        (vec![("x-original-protocol", "HTTP/1.0")], 200),
        (vec![("x-original-protocol", "HTTP/1.1")], 200),
        (vec![("x-original-protocol", "HTTP/1.1"), ("x-original-transfer-encoding", "x")], 403),
        (vec![("x-original-body", "dropped")], 200),
        (vec![("x-original-content-length", "0")], 200),
    ] {
        assert_eq!(ask(&more).await, expected, "{more:?}");
    }
}
