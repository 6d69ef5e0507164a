use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{READ_A, World, bearer, header, http2};
use crate::raw_http::{RawServer, exchange, ok};

const CONF: &str = include_str!("../../../examples/proxies/nginx.conf");

/// A real nginx with the example's configuration, on free ports. Killed when dropped.
struct Nginx {
    child: Child,
    base: String,
    _dir: tempfile::TempDir,
}

impl Nginx {
    /// nginx, or `None` where there is none: never so where `CI` is set.
    async fn start(doors: &str, upstream: &str) -> Option<Self> {
        Self::speaking("", doors, upstream).await
    }

    async fn speaking(protocol: &str, doors: &str, upstream: &str) -> Option<Self> {
        let found = Command::new("nginx").arg("-v").stderr(Stdio::null()).status();
        if found.is_err() {
            assert!(std::env::var_os("CI").is_none(), "there is no `nginx`");
            println!("skipped: there is no `nginx`");
            return None;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let dir = tempfile::tempdir().unwrap();
        let conf = CONF
            .replace("127.0.0.1:8080", &format!("{address}{protocol}"))
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
        Some(Self { child, base: format!("http://{address}"), _dir: dir })
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
        ("GET /files/a", &bearer, chunked, "403"),
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

/// In HTTP/2 a body needs no length, and nginx tells of none.
#[tokio::test]
async fn a_body_without_a_length_goes_up_where_none_is_judged_and_nowhere_else() {
    let world = World::new().await;
    let upstream = RawServer::answering(ok("file")).await;
    let nginx = Nginx::speaking(" http2", &world.doors, &upstream.base).await;
    let Some(nginx) = nginx else { return };
    let bearer = bearer(r#"[{"tool":"files/search"},{"tool":"files/write"}]"#);
    let address = nginx.base.strip_prefix("http://").unwrap();
    let send = async |method: &str, path: &str, body: &str| {
        let fields = [
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "127.0.0.1:8080"),
            ("authorization", &*bearer),
            ("content-type", "application/json"),
        ];
        http2::send(address, &fields, body).await;
    };
    send("PUT", "/files/a", "bytes").await;
    assert!(upstream.only().ends_with("bytes"));
    send("POST", "/search", r#"{"q":1}"#).await;
    assert_eq!(upstream.asked().len(), 1, "{:?}", upstream.asked());
    assert_eq!(world.decided(0), ["files/write allow", " request-malformed"]);
}
