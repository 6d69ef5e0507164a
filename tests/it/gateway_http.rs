//! The gateway for plain HTTP over loopback: what was judged is what goes up, and nothing else does.

mod bodies;
mod requests;
mod websockets;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hardtack::config::SystemClock;
use hardtack::config::gateway::Route;
use hardtack::gateway::ops::Flights;
use hardtack::gateway::{
    Credential, HttpOptions, HttpProxy, HttpServer, HttpServerError, ToolFacts, Tools, Upstream,
    UpstreamOptions,
};
use hardtack::guard::{Guard, Refusal};
use hardtack::mcp::Listed;
use hardtack::mint::{self, Task};
use hardtack::model::{Args, Clock, JsonProfile, Key16, Timestamp, Tool};
use hardtack::record::{MemorySink, Record};
use hardtack::verify::{DangerUnrevoked, RevocationView};
use hardtack::vocabulary::grant::grants_from_json;
use http::StatusCode;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;

use crate::raw_http::{RawServer, Step, exchange, header, ok, send};
use crate::support_guard::{builder, root};

const SECRET: &str = "upstream-secret";

const ROUTES: &str = r#"
    [[route]]
    method = "POST"
    path = "/refunds/{id}"
    tool = "refund"
    [[route]]
    method = "GET"
    path = "/accounts/{id}"
    tool = "get_account"
    [[route]]
    method = "POST"
    path = "/forms"
    tool = "form"
    body = "form"
    [[route]]
    method = "PUT"
    path = "/files/{name}"
    tool = "upload"
    body = "opaque"
    [[route]]
    method = "GET"
    path = "/live"
    tool = "live"
    upgrade = true
    [[route]]
    method = "GET"
    path = "/withheld"
    tool = "withheld"
"#;

#[derive(Deserialize)]
struct Settings {
    route: Vec<Route>,
}

fn routes(text: &str) -> Vec<Route> {
    toml::from_str::<Settings>(text).unwrap().route
}

/// Every tool is labelled, goes up with one credential, and takes no argument `forbidden`.
struct Known(Credential);

impl Tools for Known {
    fn check(&self, tool: &Tool, args: &Args) -> Result<(), Refusal> {
        let bad = tool.name() == "withheld" || args.value().to_string().contains("forbidden");
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        if bad { Err(Refusal::malformed(status, "not in the catalogue")) } else { Ok(()) }
    }

    fn facts(&self, _: &Tool) -> ToolFacts {
        let labels = BTreeSet::from(["write".to_owned()]);
        ToolFacts { labels, credential: Some(self.0.clone()), mirrors: Vec::new() }
    }

    fn is_shown(&self, _: &str, _: &Listed<'_>) -> bool {
        true
    }
}

/// Whatever is asked for is revoked.
struct AllRevoked;

impl RevocationView for AllRevoked {
    fn age_millis(&self, _: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, _: &Key16) -> bool {
        true
    }
}

/// A gateway in front of one server.
struct Gateway {
    base: String,
    guard: Guard,
    sink: Arc<MemorySink>,
    flights: Flights,
    _secret: tempfile::NamedTempFile,
}

impl Gateway {
    async fn before(server: &RawServer) -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), SECRET).unwrap();
        let file = secret.path().to_str().unwrap();
        let config = format!("name = \"crm-write\"\nbearer = {{ file = {file:?} }}");
        let credential = Credential::new(toml::from_str(&config).unwrap(), "crm").unwrap();
        let sink = Arc::new(MemorySink::new());
        let guard = builder(sink.clone()).revocations(DangerUnrevoked).build().unwrap();
        let mut options = HttpOptions::new("gw", guard.clone(), Arc::new(Known(credential)));
        options.public_uri = Some("https://tools.example.com".parse().unwrap());
        options.upload_bytes_max = 100_000;
        options.tenure_every = Duration::from_millis(20);
        let flights = options.flights.clone();
        let proxy = HttpProxy::new(options, [crm(&server.base, routes(ROUTES))]).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let service = proxy.router().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { base, guard, sink, flights, _secret: secret }
    }

    /// Sends a head with a token, and a body.
    async fn send(&self, line: &str, headers: &str, body: &str) -> String {
        exchange(&self.base, request(line, headers, body)).await
    }

    fn last(&self) -> Record {
        self.sink.records().pop().unwrap()
    }
}

fn crm(base: &str, routes: Vec<Route>) -> HttpServer {
    // What ends here does so for another reason than a pause.
    let options = UpstreamOptions { idle_timeout: None, ..UpstreamOptions::default() };
    let upstream = Upstream::new("crm", &format!("{base}/v1"), options);
    let profile = JsonProfile::Interoperable;
    HttpServer { name: "crm".to_owned(), upstream: Some(upstream.unwrap()), profile, routes }
}

/// What ends at all.
async fn ended<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), coming).await.expect("it goes on and on")
}

fn token_for(grants: &str) -> String {
    let grants = grants_from_json(grants.as_bytes()).unwrap();
    let task = Task::new(grants, Some(["gw".to_owned()].into()));
    let mut rng = StdRng::seed_from_u64(1);
    mint::mint(&task, &root(), SystemClock.now(), &mut rng).unwrap().token.to_text()
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let token = token_for(r#"[{"tool":"crm/*"}]"#);
    format!(
        "{line} HTTP/1.1\r\nhost: tools.example.com\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\n{headers}\r\n{body}"
    )
}

fn json(body: &str) -> String {
    format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn args(gateway: &Gateway, tool: &str) -> String {
    let record = gateway.last();
    assert_eq!(record.tool.as_ref().map(Tool::to_string).as_deref(), Some(tool), "{record:?}");
    record.args_digest.unwrap()
}

fn digest(args: &str) -> String {
    hex::encode(Args::parse(args, JsonProfile::Interoperable).unwrap().digest())
}

#[test]
fn routes_that_cannot_be_are_refused() {
    let route = |method: &str, path: &str, more: &str| {
        format!("[[route]]\nmethod = \"{method}\"\npath = \"{path}\"\ntool = \"t\"\n{more}\n")
    };
    let good = route("GET", "/a/{id}", "");
    for (text, says) in [
        (route("CONNECT", "/a", ""), "`CONNECT` is no method that a route can have"),
        (route("TRACE", "/a", ""), "`TRACE` is no method"),
        (route("HEAD", "/a", ""), "`HEAD` is no method"),
        (route("GE T", "/a", ""), "`GE T` is no method"),
        (route("GET", "a", ""), "the route `a`: a path starts with `/`"),
        (route("GET", "/a/{}", ""), "the route `/a/{}`: a capture is"),
        (route("GET", "/mcp/x", ""), "the route `/mcp/x`: the gateway itself answers there"),
        (route("GET", "/.well-known/x", ""), "the gateway itself answers there"),
        (format!("{good}{}", route("GET", "/a/{other}", "")), "two routes take `GET /a/{other}`"),
        (route("POST", "/a", "upgrade = true"), "only `GET` can change the protocol"),
        (route("GET", "/a", "upgrade = true\nbody = \"opaque\""), "only `GET` can change"),
        (good.replace("\"t\"", "\"a b\""), "`crm/a b` holds a part"),
    ] {
        let guard = builder(Arc::default()).build().unwrap();
        let config = toml::from_str("bearer = { env = \"N\" }").unwrap();
        let tools = Arc::new(Known(Credential::new(config, "crm").unwrap()));
        let options = HttpOptions::new("gw", guard, tools);
        let made = HttpProxy::new(options, [crm("http://127.0.0.1:1", routes(&text))]);
        let error: HttpServerError = made.map(drop).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}
