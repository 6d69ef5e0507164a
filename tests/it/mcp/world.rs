//! A gateway in front of one such server, and a caller.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hardtack::config::SystemClock;
use hardtack::config::gateway::{Denials, Limits};
use hardtack::gateway::{
    McpOptions, McpProxy, McpServer, McpUpstream, ToolFacts, Tools, Upstream as Up,
};
use hardtack::guard::{Guard, LocalReplays, Refusal};
use hardtack::keys::TrustedRoots;
use hardtack::mcp::{Listed, mirrors};
use hardtack::mint::{self, Task};
use hardtack::model::{Args, Clock, Json, JsonProfile, Tool};
use hardtack::record::{MemorySink, Record, Sink};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{DangerUnrevoked, RevocationView};
use hardtack::vocabulary::grant::grants_from_json;
use http::{Response, StatusCode};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::upstream::{Arrived, Upstream};
use crate::support_guard::{client, root, serve};

/// Everything of server `s`.
pub(super) const ALL: &str = r#"[{"tool":"s/*"}]"#;

pub(super) const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{}}"#
);

pub(super) fn token(grants: &str, seed: u64) -> UnverifiedToken {
    let task =
        Task::new(grants_from_json(grants.as_bytes()).unwrap(), Some(["gw".to_owned()].into()));
    let mut rng = StdRng::seed_from_u64(seed);
    mint::mint(&task, &root(), SystemClock.now(), &mut rng).unwrap().token
}

/// A tool `changed` is not what it was, one called `picky` takes no `bad`, and `mirrored` repeats an
/// argument in a header.
struct Known;

impl Tools for Known {
    fn check(&self, tool: &Tool, args: &Args) -> Result<(), Refusal> {
        let bad = tool.name() == "picky" && args.value().member("bad").is_some();
        match bad || tool.name() == "changed" {
            true => Err(Refusal::malformed(StatusCode::BAD_REQUEST, "not of the form it takes")),
            false => Ok(()),
        }
    }

    fn facts(&self, tool: &Tool) -> ToolFacts {
        let mut facts = ToolFacts::default();
        if tool.name() == "mirrored" {
            let schema = r#"{"properties":{"r":{"type":"string","x-mcp-header":"R"}}}"#;
            let schema = Json::parse(schema.as_bytes(), JsonProfile::default()).unwrap();
            facts.mirrors = mirrors(&schema).unwrap();
        }
        facts
    }

    fn is_shown(&self, _: &str, listed: &Listed<'_>) -> bool {
        listed.name != "changed"
    }
}

pub(super) struct World {
    pub(super) base: String,
    pub(super) upstream: Upstream,
    pub(super) sink: Arc<MemorySink>,
    pub(super) guard: Guard,
    pub(super) bearer: String,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) denials: Denials,
    pub(super) roots: Vec<String>,
    pub(super) sessions_max: usize,
    pub(super) origins: Vec<String>,
    pub(super) body_bytes_max: usize,
    pub(super) body_timeout: Duration,
    pub(super) list_bytes_max: usize,
    pub(super) sink: Option<Arc<dyn Sink>>,
    pub(super) limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            denials: Denials::Error,
            roots: Vec::new(),
            sessions_max: 8,
            origins: Vec::new(),
            body_bytes_max: 1 << 20,
            body_timeout: Duration::from_secs(5),
            list_bytes_max: 1 << 20,
            sink: None,
            limits: Limits::default(),
        }
    }
}

impl World {
    pub(super) async fn new(
        answer: impl Fn(&Arrived) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Settings::default(), DangerUnrevoked, answer).await
    }

    pub(super) async fn with(
        settings: Settings,
        view: impl RevocationView + 'static,
        answer: impl Fn(&Arrived) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let upstream = Upstream::start(answer).await;
        Self::before(settings, view, upstream).await
    }

    /// One whose server is not there.
    pub(super) async fn nowhere() -> Self {
        let mut upstream = Upstream::start(super::upstream::plain).await;
        // Nobody listens on this port of a host that only loopback has.
        upstream.url = "http://127.0.0.1:1/mcp".to_owned();
        Self::before(Settings::default(), DangerUnrevoked, upstream).await
    }

    async fn before(
        settings: Settings,
        view: impl RevocationView + 'static,
        upstream: Upstream,
    ) -> Self {
        let up = Up::new("s", &upstream.url, Default::default()).unwrap();
        Self::behind(settings, view, upstream, McpUpstream::Http(Box::new(up))).await
    }

    /// One in front of a server `s`, which answers so, and another `t`.
    pub(super) async fn joined(
        other: Upstream,
        answer: impl Fn(&Arrived) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let upstream = Upstream::start(answer).await;
        let up = |of: &Upstream| Up::new("x", &of.url, Default::default()).unwrap();
        let servers = [("s", up(&upstream)), ("t", up(&other))];
        let servers = servers.map(|(name, up)| (name, McpUpstream::Http(Box::new(up))));
        Self::of(Settings::default(), DangerUnrevoked, upstream, servers.to_vec()).await
    }

    /// One in front of this server.
    pub(super) async fn behind(
        settings: Settings,
        view: impl RevocationView + 'static,
        upstream: Upstream,
        server: McpUpstream,
    ) -> Self {
        Self::of(settings, view, upstream, vec![("s", server)]).await
    }

    async fn of(
        settings: Settings,
        view: impl RevocationView + 'static,
        upstream: Upstream,
        servers: Vec<(&str, McpUpstream)>,
    ) -> Self {
        let sink = Arc::new(MemorySink::new());
        let guard = Guard::builder("gw")
            .roots(TrustedRoots::one(root().public()))
            .tools(hardtack::guard::ToolMap::new())
            .sink(settings.sink.clone().unwrap_or(Arc::clone(&sink) as _))
            .revocations(view)
            // Nothing was ever proved to a gateway at this port.
            .replays(Arc::new(LocalReplays::of_new_address(1000)))
            .build()
            .unwrap();
        let mut options =
            McpOptions::new("gw", guard.clone(), Arc::new(Known), Arc::new(SystemClock));
        options.origins = settings.origins.clone();
        options.body_bytes_max = settings.body_bytes_max;
        options.body_timeout = settings.body_timeout;
        options.limits = settings.limits;
        options.list_bytes_max = settings.list_bytes_max;
        options.tenure_every = Duration::from_millis(20);
        let servers = servers.into_iter().map(|(name, upstream)| McpServer {
            name: name.to_owned(),
            upstream,
            credential: None,
            profile: JsonProfile::default(),
            denials: settings.denials,
            roots: settings.roots.clone(),
            sessions_max: settings.sessions_max,
        });
        let proxy = McpProxy::new(options, servers).unwrap();
        let base = serve(proxy.router()).await;
        Self { base, upstream, sink, guard, bearer: token(ALL, 1).to_text() }
    }

    pub(super) fn holding(self, grants: &str) -> Self {
        Self { bearer: token(grants, 1).to_text(), ..self }
    }

    pub(super) fn url(&self) -> String {
        format!("{}/mcp/s", self.base)
    }

    /// A request as a client of the legacy era makes it.
    pub(super) fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = client().post(self.url()).bearer_auth(&self.bearer);
        request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body)
    }

    /// A request as a client of the modern era makes it.
    pub(super) fn modern(
        &self,
        method: &str,
        name: Option<&str>,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::RequestBuilder {
        let request = self.post(body).header("mcp-protocol-version", "2026-07-28");
        let request = request.header("mcp-method", method);
        match name {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    /// A modern call of a tool.
    pub(super) fn call(&self, name: &str, arguments: &str) -> reqwest::RequestBuilder {
        self.modern("tools/call", Some(name), call(name, arguments))
    }

    /// A session of the legacy era.
    pub(super) async fn session(&self) -> String {
        let answer = self.post(INITIALIZE).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers()["mcp-session-id"].to_str().unwrap().to_owned()
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.sink.records()
    }
}

pub(super) const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{"roots":{"listChanged":true},"sampling":{}},"clientInfo":{"name":"c","version":"1"}}}"#
);

pub(super) fn call(name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},{META}}}}}"#
    )
}

/// Status and JSON of an answer.
pub(super) async fn told(request: reqwest::RequestBuilder) -> (u16, serde_json::Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
}
