//! Upstreams over loopback: what goes up is what was sent and the credential; what comes down is never
//! the credential, and never looks whole when it is not.

mod bounds;
mod credentials;
mod echoes;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hardtack::config::gateway::CredentialConfig;
use hardtack::gateway::{Credential, Upstream, UpstreamError, UpstreamOptions};
use hardtack::model::{Clock, ManualClock};
use http::{Request, Response};
use http_body_util::BodyExt;
use tempfile::NamedTempFile;

use crate::raw_http::{RawServer, header, ok, send};
use crate::support::now;

/// A secret that has to be escaped in a URL, and that JSON writers write in several ways.
const SECRET: &str = "s3cr3t/key+with=odd";

fn upstream(server: &RawServer) -> Upstream {
    Upstream::new("crm", &server.base, UpstreamOptions::default()).unwrap()
}

/// A credential as settings would have it, and the file that its secret is in.
struct Shown {
    credential: Credential,
    file: NamedTempFile,
    clock: Arc<ManualClock>,
}

impl Shown {
    fn later(&self, secs: u64) {
        self.clock.set(self.clock.now().plus_secs(secs));
    }
}

/// A credential of this kind; `SECRET` in the text is where its secret is found.
fn shown(kind: &str) -> Shown {
    shown_with(kind, SECRET)
}

fn shown_with(kind: &str, secret: &str) -> Shown {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), secret).unwrap();
    let place = format!("{{ file = {:?} }}", file.path().to_str().unwrap());
    let config = config(&kind.replace("SECRET", &place)).unwrap();
    let clock = Arc::new(ManualClock::at(now()));
    let credential = Credential::with_clock(config, "crm", clock.clone()).unwrap();
    Shown { credential, file, clock }
}

fn config(text: &str) -> Result<CredentialConfig, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

fn bearer() -> Shown {
    shown("bearer = SECRET")
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn text(response: Response<Body>) -> Result<String, String> {
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn what_is_sent_arrives_byte_for_byte() {
    let server = RawServer::answering(ok("done")).await;
    let upstream = upstream(&server);
    for path in ["/", "/a%2Fb/../c//d;e=1?x=%41&&y=%ff&z", "/?", "/%7E~/%e2%82%ac?a=b?c"] {
        let answer = upstream.send(get(path), None).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(text(answer).await.unwrap(), "done");
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.lines().next().unwrap(), format!("GET {path} HTTP/1.1"));
    }
    let below =
        Upstream::new("crm", &format!("{}/v1%2f/", server.base), UpstreamOptions::default());
    let target = below.as_ref().unwrap().below("/a%2Fb?c").unwrap();
    assert_eq!(target.as_str(), "/v1%2f/a%2Fb?c");
    assert_eq!(below.unwrap().target().as_str(), "/v1%2f/");
}

#[tokio::test]
async fn what_is_for_one_connection_stays_there() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close, X-Down\r\nX-Down: 1\r\nKeep-Alive: 5\r\n\
        Proxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Kept: 1\r\n\
        Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n4\r\ndone\r\n0\r\nX-Late: 1\r\n\r\n";
    let server = RawServer::answering(vec![send(answer)]).await;
    let request = Request::post("/")
        .header("connection", "keep-alive, X-Up")
        .header("connection", "x-also")
        .header("x-up", "1")
        .header("x-also", "1")
        .header("x-kept", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("trailer", "x-late")
        .header("upgrade", "websocket")
        .header("proxy-authorization", "Basic x")
        .header("proxy-connection", "close")
        .header("transfer-encoding", "chunked")
        .header("content-length", "7000")
        .header("expect", "100-continue")
        .header("host", "elsewhere.example")
        .body(Body::from("four"));
    let answer = upstream(&server).send(request.unwrap(), None).await.unwrap();
    let asked = server.only();
    for name in [
        "connection",
        "x-up",
        "x-also",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "proxy-connection",
        "transfer-encoding",
        "expect",
    ] {
        assert_eq!(header(&asked, name), None, "{name}");
    }
    assert_eq!(header(&asked, "x-kept").as_deref(), Some("1"));
    assert_eq!(header(&asked, "content-length").as_deref(), Some("4"));
    assert_eq!(header(&asked, "host"), Some(server.base.replace("http://", "")));
    for name in [
        "connection",
        "x-down",
        "keep-alive",
        "proxy-authenticate",
        "transfer-encoding",
        "trailer",
        "x-late",
    ] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(answer.headers()["x-kept"], "1");
    let body = answer.into_body().collect().await.unwrap();
    assert!(body.trailers().is_none());
    assert_eq!(body.to_bytes(), "done");
}

#[tokio::test]
async fn answers_that_two_readers_would_read_differently_are_refused() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\ndone",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ndone",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\ndone",
        "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\ndone",
        "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\ndone",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 4\r\n\r\ndone",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "done",
        "",
    ] {
        let server = RawServer::answering(vec![send(answer)]).await;
        let refused = upstream(&server).send(get("/"), None).await;
        assert_eq!(refused.map(drop), Err(UpstreamError::Broken), "{answer}");
    }
    // What comes before the answer is no part of it.
    let informed = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\
        content-length: 4\r\n\r\ndone";
    let server = RawServer::answering(vec![send(informed)]).await;
    let answer = upstream(&server).send(get("/"), None).await.unwrap();
    assert!(!answer.headers().contains_key("link"));
    assert_eq!(text(answer).await.unwrap(), "done");
}

#[test]
fn addresses_are_taken_as_written_or_not_at_all() {
    for (address, taken) in [
        ("http://crm:3001/mcp?x=1", true),
        ("https://crm.example.com", true),
        ("http://[::1]:80", true),
        ("ftp://crm", false),
        ("crm:3001", false),
        ("/mcp", false),
        ("http://", false),
        ("http://user:pass@crm", false),
        ("http://crm/#part", false),
        ("http://crm/a b", false),
    ] {
        let made = Upstream::new("crm", address, UpstreamOptions::default());
        assert_eq!(made.is_ok(), taken, "{address}");
    }
}
