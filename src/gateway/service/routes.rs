//! Which request goes where.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tower::ServiceExt;

use super::known::KnownTools;
use super::{Gateway, OpenError};
use crate::config::SystemClock;
use crate::config::gateway::{GatewaySettings, Server, ServerKind, ToolSettings};
use crate::gateway::catalogue::Catalogue;
use crate::gateway::credential::Credential;
use crate::gateway::follow::METRICS_TYPE;
use crate::gateway::http::{HttpOptions, HttpProxy, HttpServer};
use crate::gateway::mcp::{
    McpOptions, McpProxy, McpServer, McpUpstream, StdioOptions, StdioServer, Tools,
};
use crate::gateway::ops::{Flights, Metrics};
use crate::gateway::trace::Traces;
use crate::gateway::upstream::{Upstream, UpstreamOptions};
use crate::guard::Guard;
use crate::model::{Clock, JsonProfile};

/// What all servers of a gateway share.
#[derive(Clone)]
pub(in crate::gateway) struct Shared {
    pub(in crate::gateway) guard: Guard,
    pub(in crate::gateway) catalogue: Arc<Catalogue>,
    pub(in crate::gateway) settings: Arc<GatewaySettings>,
    pub(in crate::gateway) flights: Flights,
    pub(in crate::gateway) traces: Traces,
    pub(in crate::gateway) metrics: Metrics,
}

/// The servers, with their connections.
#[derive(Default)]
pub(super) struct Servers {
    open: BTreeMap<String, Open>,
    mcp: Option<McpProxy>,
    http: Option<HttpProxy>,
    /// What other proxies ask about.
    external: Option<HttpProxy>,
}

/// One server: its connections outlive new settings that say the same of it.
#[derive(Clone)]
struct Open {
    settings: Server,
    upstream: Option<McpUpstream>,
    credentials: Credentials,
}

/// What calls go up with.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    server: Option<Credential>,
    tools: BTreeMap<String, Credential>,
}

impl Credentials {
    fn of(server: &Server) -> Result<Self, OpenError> {
        let name = &server.name;
        let open = |settings: &crate::config::gateway::CredentialConfig, own: &str| {
            let failed = |why| OpenError::Settings(format!("the credential of `{own}`: {why}"));
            Credential::new(settings.clone(), own).map_err(failed)
        };
        let own = server.credential.as_ref().map(|config| open(config, name)).transpose()?;
        let of_tool = |(tool, settings): (&String, &ToolSettings)| {
            let config = settings.credential.as_ref()?;
            Some(open(config, &format!("{name}/{tool}")).map(|found| (tool.clone(), found)))
        };
        let tools = server.tools.iter().filter_map(of_tool).collect::<Result<_, _>>()?;
        Ok(Self { server: own, tools })
    }

    /// What a call of this tool goes up with.
    pub(super) fn of_tool(&self, tool: &str) -> Option<&Credential> {
        self.tools.get(tool).or(self.server.as_ref())
    }
}

/// How many threads serve callers.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn options(server: &Server) -> UpstreamOptions {
    UpstreamOptions {
        connect_timeout: Duration::from_secs(server.connect_timeout_secs),
        head_timeout: Duration::from_secs(server.answer_timeout_secs),
        idle_timeout: Some(Duration::from_secs(server.idle_timeout_secs)),
        requests_max: server.calls_max,
        // Each thread has its own.
        idle_connections_max: server.calls_max.div_ceil(threads()),
        ..UpstreamOptions::default()
    }
}

fn stdio_options(server: &Server, metrics: Metrics) -> StdioOptions {
    StdioOptions {
        metrics,
        env: server.env.clone(),
        cwd: server.cwd.clone(),
        roots: server.roots.clone(),
        answer_timeout: Duration::from_secs(server.answer_timeout_secs),
        idle: Duration::from_secs(server.idle_timeout_secs),
        children_max: server.sessions_max,
        ..StdioOptions::new(server.command.clone())
    }
}

impl Open {
    fn new(server: &Server, metrics: Metrics) -> Result<Self, OpenError> {
        let name = &server.name;
        let failed = |why| OpenError::Settings(format!("server `{name}`: `url`: {why}"));
        let upstream = match &server.url {
            Some(url) => {
                let opened = Upstream::new(name, url, options(server));
                let opened = opened.map_err(|why| failed(why.to_string()))?;
                Some(McpUpstream::Http(Box::new(opened.counted_by(metrics))))
            }
            None if server.kind == ServerKind::McpStdio => {
                Some(McpUpstream::Stdio(StdioServer::new(name, stdio_options(server, metrics))))
            }
            None => None,
        };
        let credentials = Credentials::of(server)?;
        Ok(Self { settings: server.clone(), upstream, credentials })
    }
}

impl Servers {
    /// Opens the servers, but for those that are open already.
    pub(super) fn open(shared: &Shared, before: &Self) -> Result<Self, OpenError> {
        let mut open = BTreeMap::new();
        for server in &shared.settings.servers {
            let known = before.open.get(&server.name);
            let known = known.filter(|known| known.settings == *server).cloned();
            let opened = known.map_or_else(|| Open::new(server, shared.metrics.clone()), Ok)?;
            open.insert(server.name.clone(), opened);
        }
        let credentials =
            open.iter().map(|(name, open)| (name.clone(), open.credentials.clone())).collect();
        let tools = KnownTools { catalogue: Arc::clone(&shared.catalogue), credentials };
        let tools: Arc<dyn Tools> = Arc::new(tools);
        let mcp = mcp(shared, &open, Arc::clone(&tools), before.mcp.as_ref())?;
        let external = http(shared, &open, Arc::clone(&tools), ServerKind::External)?;
        let http = http(shared, &open, tools, ServerKind::Http)?;
        Ok(Self { open, mcp: Some(mcp), http: Some(http), external: Some(external) })
    }

    /// What other proxies ask about.
    pub(super) fn external(&self) -> Option<&HttpProxy> {
        self.external.as_ref()
    }

    pub(super) fn router(&self) -> Router {
        let mcp = self.mcp.as_ref().map(McpProxy::router).unwrap_or_default();
        let http = self.http.as_ref().map(HttpProxy::router).unwrap_or_default();
        mcp.fallback_service(http)
    }
}

fn mcp(
    shared: &Shared,
    open: &BTreeMap<String, Open>,
    tools: Arc<dyn Tools>,
    before: Option<&McpProxy>,
) -> Result<McpProxy, OpenError> {
    let settings = &shared.settings;
    let listen = &settings.listen;
    let clock = Arc::new(SystemClock);
    let mut options = McpOptions::new(&settings.gateway, shared.guard.clone(), tools, clock);
    if !listen.address.ip().is_loopback() {
        options.hosts.clear();
    }
    let own = settings.public_uri.as_ref().and_then(|uri| url::Url::parse(uri.as_str()).ok());
    options.hosts.extend(own.iter().filter_map(authority));
    options.hosts.extend(listen.hosts.iter().cloned());
    options.origins.extend(listen.origins.iter().cloned());
    options.flights = shared.flights.clone();
    options.traces = shared.traces.clone();
    options.limits = settings.limits;
    options.public_uri.clone_from(&settings.public_uri);
    options.body_bytes_max = listen.body_bytes_max;
    options.body_timeout = Duration::from_secs(listen.body_timeout_secs);
    let servers = open.values().filter_map(mcp_server);
    let proxy = match before {
        Some(before) => before.after(options, servers),
        None => McpProxy::new(options, servers),
    };
    proxy.map_err(|why| OpenError::Settings(why.to_string()))
}

fn http(
    shared: &Shared,
    open: &BTreeMap<String, Open>,
    tools: Arc<dyn Tools>,
    kind: ServerKind,
) -> Result<HttpProxy, OpenError> {
    let settings = &shared.settings;
    let mut options = HttpOptions::new(&settings.gateway, shared.guard.clone(), tools);
    options.public_uri.clone_from(&settings.public_uri);
    options.flights = shared.flights.clone();
    options.traces = shared.traces.clone();
    options.limits = settings.limits;
    let servers = open.values().filter(|open| open.settings.kind == kind);
    let servers = servers.map(|open| HttpServer {
        name: open.settings.name.clone(),
        upstream: match &open.upstream {
            Some(McpUpstream::Http(upstream)) => Some((**upstream).clone()),
            _ => None,
        },
        profile: profile(&open.settings),
        routes: open.settings.routes.clone(),
    });
    HttpProxy::new(options, servers).map_err(|why| OpenError::Settings(why.to_string()))
}

fn profile(settings: &Server) -> JsonProfile {
    match settings.integers64 {
        true => JsonProfile::Integers64,
        false => JsonProfile::Interoperable,
    }
}

fn authority(url: &url::Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn mcp_server(open: &Open) -> Option<McpServer> {
    let settings = &open.settings;
    matches!(settings.kind, ServerKind::McpHttp | ServerKind::McpStdio).then_some(())?;
    Some(McpServer {
        name: settings.name.clone(),
        upstream: open.upstream.clone()?,
        credential: open.credentials.server.clone(),
        profile: profile(settings),
        denials: settings.denials,
        roots: settings.roots.clone(),
        sessions_max: settings.sessions_max,
    })
}

/// One request, by the routes of the moment.
pub(super) async fn serve(
    router: Router,
    metrics: Metrics,
    request: Request,
) -> Result<Response, Infallible> {
    let began = SystemClock.micros();
    let response = router.oneshot(request).await;
    metrics.took("answer", SystemClock.micros().saturating_sub(began) as f64 / 1e6);
    response
}

/// What operators ask.
pub(super) fn operations(gateway: Gateway) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(gateway)
}

async fn ready(State(gateway): State<Gateway>) -> Response<Body> {
    let classes = gateway.guard().readiness();
    let ready = !classes.is_empty() && classes.values().all(|is_fresh| *is_fresh);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = axum::Json(serde_json::json!({ "ready": ready, "classes": classes }));
    (status, [(CACHE_CONTROL, "no-store")], body).into_response()
}

async fn metrics(State(gateway): State<Gateway>) -> Response<Body> {
    let headers = [(CONTENT_TYPE, METRICS_TYPE), (CACHE_CONTROL, "no-store")];
    (headers, gateway.metrics()).into_response()
}
