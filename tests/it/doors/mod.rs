//! Other proxies ask the gateway about requests: nginx itself, and what Traefik and Envoy would send.

#[cfg(feature = "envoy")]
mod envoy;
mod nginx;

use std::path::Path;
use std::sync::Arc;

use hardtack::config::SystemClock;
use hardtack::config::gateway::GatewaySettings;
use hardtack::gateway::doors;
use hardtack::gateway::service::Gateway;
use hardtack::mint::{self, Task};
use hardtack::model::{Clock, Timestamp};
use hardtack::record::MemorySink;
use hardtack::vocabulary::grant::grants_from_json;
use rand::SeedableRng;

use crate::raw_http::header;
use crate::support_guard::{client, root, serve};

const SETTINGS: &str = include_str!("../../../examples/proxies/gateway.toml");

/// A gateway that is asked, and the records of what it decided.
struct World {
    gateway: Gateway,
    sink: Arc<MemorySink>,
    doors: String,
}

impl World {
    async fn new() -> Self {
        Self::with("").await
    }

    /// The example's gateway, with more routes.
    async fn with(routes: &str) -> Self {
        let roots = format!("roots = [\"{}\"]", root().public());
        let settings: String = SETTINGS
            .lines()
            .map(|line| if line.starts_with("roots") { roots.clone() } else { line.to_owned() })
            .map(|line| format!("{line}\n"))
            .collect();
        let settings = GatewaySettings::from_toml(&(settings + routes)).unwrap();
        let sink = Arc::<MemorySink>::default();
        let gateway = Gateway::of(settings, sink.clone(), Path::new(""), true).unwrap();
        // Nobody answers where the settings say that revocations come from.
        gateway.guard().publish(Fresh);
        let doors = serve(doors::router(gateway.clone())).await;
        Self { gateway, sink, doors }
    }

    /// What was decided since the last time: tool and code.
    fn decided(&self, since: usize) -> Vec<String> {
        let records = self.sink.records();
        let text = |record: &hardtack::record::Record| {
            let tool = record.tool.as_ref().map(ToString::to_string).unwrap_or_default();
            let code = record.decision.code().map_or("allow", |code| code.as_str());
            format!("{tool} {code}")
        };
        records.iter().skip(since).map(text).collect()
    }
}

struct Fresh;

impl hardtack::verify::RevocationView for Fresh {
    fn age_millis(&self, _: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, _: &hardtack::model::Key16) -> bool {
        false
    }
}

fn bearer(grants: &str) -> String {
    let grants = grants_from_json(grants.as_bytes()).unwrap();
    let task = Task::new(grants, Some(["tools".to_owned()].into()));
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let token = mint::mint(&task, &root(), SystemClock.now(), &mut rng).unwrap().token;
    format!("Bearer {}", token.to_text())
}

/// Routes that the example has not: one that changes things without a body, and one for WebSockets.
const MORE: &str = r#"
[[server.route]]
method = "DELETE"
path = "/files/{name}"
tool = "delete"

[[server.route]]
method = "GET"
path = "/live"
tool = "live"
upgrade = true
"#;

const READ_A: &str = r#"[{"tool":"files/read","args":{"name":{"eq":"a"}}},{"tool":"files/write"}]"#;

const ALL: &str = r#"[{"tool":"files/*"}]"#;

#[tokio::test]
async fn traefik_asks_by_forwarded_headers() {
    let (world, bearer) = (World::new().await, bearer(READ_A));
    let ask = |method: &'static str, uri: &'static str, body: &'static str| {
        let request = client().get(format!("{}/forward-auth", world.doors));
        let request = request.header("x-forwarded-method", method).header("x-forwarded-uri", uri);
        let request = request.header("authorization", bearer.clone());
        let request = request.header("x-forwarded-host", "127.0.0.1:8080");
        let json = request.header("content-type", "application/json").body(body);
        async move { json.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(ask("GET", "/files/a", "").await, 200);
    assert_eq!(ask("GET", "/files/b", "").await, 403);
    assert_eq!(ask("GET", "/elsewhere", "").await, 404);
    assert_eq!(ask("GET", "/files/%2e%2e", "").await, 400);
    assert_eq!(ask("PUT", "/files/a", "").await, 200);
    // A search is judged by its body, which Traefik may keep to itself.
    assert_eq!(ask("POST", "/search", "").await, 400);
    assert_eq!(ask("POST", "/search", r#"{"q":1}"#).await, 403);
    let decided = world.decided(0);
    assert_eq!(decided.len(), 7, "{decided:?}");
    assert_eq!(decided[0], "files/read allow");
    assert_eq!(decided[6], "files/search not-granted");
}

#[tokio::test]
async fn envoy_asks_with_the_request_itself() {
    let (world, bearer) = (World::new().await, bearer(READ_A));
    let send = |method: &str, path: &str| {
        let method = method.parse().unwrap();
        let request = client().request(method, format!("{}/ext-authz{path}", world.doors));
        request.header("authorization", bearer.clone())
    };
    let allowed = send("GET", "/files/a").send().await.unwrap();
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["x-hardtack-tool"], "files/read");
    assert_eq!(send("GET", "/files/b").send().await.unwrap().status(), 403);
    let body = send("POST", "/search").header("content-type", "application/json").body("{\"q\":1}");
    let partial = body.try_clone().unwrap().header("x-envoy-auth-partial-body", "true");
    assert_eq!(body.send().await.unwrap().status(), 403);
    assert_eq!(partial.send().await.unwrap().status(), 400);
    let bare = client().get(format!("{}/ext-authz/files/a", world.doors)).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert!(bare.headers().contains_key("www-authenticate"));
}

/// A request to `/forward-auth` about another: its method, its target and more headers.
async fn forwarded(world: &World, bearer: &str, told: (&str, &str), more: &[(&str, &str)]) -> u16 {
    let request = client().get(format!("{}/forward-auth", world.doors));
    let request = request.header("x-forwarded-method", told.0).header("x-forwarded-uri", told.1);
    let request = request.header("authorization", bearer).header("x-forwarded-host", "127.0.0.1");
    let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_target_is_a_path_and_a_query_to_the_last_byte() {
    let (world, bearer) = (World::with(MORE).await, bearer(ALL));
    let ask = async |target: &str| forwarded(&world, &bearer, ("GET", target), &[]).await;
    assert_eq!(ask("/files/a").await, 200);
    assert_eq!(ask("/files/a?x=1").await, 200);
    for target in [
        "/files/a#/../../secret",
        "/files/a#",
        "/files/a?x=1#?name=b",
        "http://127.0.0.1/files/a",
        "*",
    ] {
        assert_eq!(ask(target).await, 400, "{target}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_told_of_may_be_in_whatever_does_not_only_read() {
    let (world, bearer) = (World::with(MORE).await, bearer(ALL));
    let ask =
        async |method: &str, target: &str| forwarded(&world, &bearer, (method, target), &[]).await;
    assert_eq!(ask("GET", "/files/a").await, 200);
    assert_eq!(ask("HEAD", "/files/a").await, 200);
    assert_eq!(ask("DELETE", "/files/a").await, 400);
    assert_eq!(ask("POST", "/search").await, 400);
    assert_eq!(ask("PUT", "/files/a").await, 200);
}

#[tokio::test]
async fn headers_that_name_another_request_are_refused() {
    let (world, bearer) = (World::with(MORE).await, bearer(ALL));
    for (name, value) in [
        ("X-HTTP-Method-Override", "PUT"),
        ("X-HTTP-Method", "PUT"),
        ("X-Method-Override", "PUT"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X_Rewrite_URL", "/admin"),
    ] {
        let status = forwarded(&world, &bearer, ("GET", "/files/a"), &[(name, value)]).await;
        assert_eq!(status, 400, "{name}");
        let asked = client().get(format!("{}/ext-authz/files/a", world.doors));
        let asked = asked.header("authorization", &bearer).header(name, value).send().await;
        assert_eq!(asked.unwrap().status(), 400, "{name}");
    }
}

#[tokio::test]
async fn a_connection_changes_its_protocol_only_where_the_route_says_so() {
    let (world, bearer) = (World::with(MORE).await, bearer(ALL));
    let ask = async |path: &str, more: &[(&str, &str)]| {
        forwarded(&world, &bearer, ("GET", path), more).await
    };
    for (name, value, on_live) in [
        ("upgrade", "websocket", 200),
        ("upgrade", "h2c", 400),
        ("x-forwarded-proto", "ws", 200),
        ("x-forwarded-proto", "WSS", 200),
    ] {
        assert_eq!(ask("/files/a", &[(name, value)]).await, 400, "{name}: {value}");
        assert_eq!(ask("/live", &[(name, value)]).await, on_live, "{name}: {value}");
    }
    assert_eq!(ask("/files/a", &[("x-forwarded-proto", "https")]).await, 200);
}

#[tokio::test]
async fn what_a_proxy_says_twice_or_wrongly_is_no_request() {
    let (world, bearer) = (World::new().await, bearer(READ_A));
    let ask = async |door: &str, headers: &[(&str, &str)]| {
        let request = client().get(format!("{}{door}", world.doors));
        let request = request.header("authorization", &bearer);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    };
    let forwarded = |uri| [("x-forwarded-method", "GET"), ("x-forwarded-uri", uri)];
    assert_eq!(ask("/forward-auth", &forwarded("/files/a")).await, 200);
    for uri in ["", "files/a", "http://127.0.0.1:8080/files/a", "*", "/files/a b"] {
        assert_eq!(ask("/forward-auth", &forwarded(uri)).await, 400, "{uri}");
    }
    let [method, uri] = forwarded("/files/a");
    for headers in [
        vec![uri],
        vec![method],
        vec![method, uri, uri],
        vec![method, method, uri],
        vec![method, uri, ("x-forwarded-host", "a"), ("x-forwarded-host", "b")],
    ] {
        assert_eq!(ask("/forward-auth", &headers).await, 400, "{headers:?}");
    }
    // To nginx everything but 401 and 403 is a failure of its own.
    let original = |uri| {
        let protocol = ("x-original-protocol", "HTTP/1.1");
        [("x-original-method", "GET"), ("x-original-uri", uri), protocol]
    };
    assert_eq!(ask("/auth-request", &original("/files/a")).await, 200);
    for uri in ["/elsewhere", "/files/%2e%2e", "files/a"] {
        assert_eq!(ask("/auth-request", &original(uri)).await, 403, "{uri}");
    }
}

/// The connection of the asking is not that of the request.
#[tokio::test]
async fn headers_of_the_asking_are_none_of_the_requests() {
    let (world, bearer) = (World::new().await, bearer(READ_A));
    let host = world.doors.strip_prefix("http://").unwrap();
    for headers in ["connection: close\r\nte: trailers\r\n", "connection: close, x\r\nx: y\r\n"] {
        let request = format!(
            "GET /forward-auth HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\n\
             x-forwarded-method: GET\r\nx-forwarded-uri: /files/a\r\n{headers}\r\n"
        );
        let answer = crate::raw_http::exchange(&world.doors, request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{headers} {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_shown_is_of_bounded_length() {
    let (world, bearer) = (World::new().await, bearer(READ_A));
    let ask = async |length: usize| {
        let request = client().post(format!("{}/ext-authz/search", world.doors));
        let request = request.header("authorization", &bearer);
        let body = format!(r#"{{"q":"{}"}}"#, "x".repeat(length));
        let request = request.header("content-type", "application/json").body(body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((ask(1000).await, ask(1 << 20).await), (403, 413));
}
