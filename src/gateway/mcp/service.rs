use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::{any, get};
use http::header::{ALLOW, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::aggregate::Aggregate;
use super::call::Call;
use super::door::Door;
use super::metadata::{Metadata, WELL_KNOWN};
use super::narrowing::Narrowing;
use super::options::{McpOptions, McpServer, McpServerError, McpUpstream};
use super::session::{Room, Session, Sessions};
use super::stop::{Stop, Told, json};
use crate::config::gateway::Denials;
use crate::gateway::credential::Credential;
use crate::guard::{Challenge, Owner, Tenure};
use crate::mcp::code;
use crate::model::JsonProfile;

/// The gateway's endpoints for the Model Context Protocol.
///
/// *Shape*: cheap to clone; all clones share the sessions.
#[derive(Clone)]
pub struct McpProxy {
    shared: Arc<Shared>,
}

struct Shared {
    options: Arc<McpOptions>,
    door: Door,
    servers: BTreeMap<String, Arc<Served>>,
    aggregate: Aggregate,
}

/// One server, as it is served.
pub(super) struct Served {
    pub(super) name: String,
    pub(super) upstream: McpUpstream,
    pub(super) credential: Option<Credential>,
    pub(super) profile: JsonProfile,
    pub(super) denials: Denials,
    pub(super) roots: Vec<String>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) options: Arc<McpOptions>,
}

/// The addresses of an endpoint, as its callers know them.
struct Addresses {
    resource: String,
    metadata: String,
}

impl McpProxy {
    /// The endpoints of these servers.
    ///
    /// *Errors*: [`McpServerError`].
    pub fn new(
        options: McpOptions,
        servers: impl IntoIterator<Item = McpServer>,
    ) -> Result<Self, McpServerError> {
        Self::build(options, servers, None)
    }

    /// The endpoints of these servers, with the sessions that this proxy has with those of the same
    /// name and connections.
    ///
    /// *Errors*: [`McpServerError`].
    pub fn after(
        &self,
        options: McpOptions,
        servers: impl IntoIterator<Item = McpServer>,
    ) -> Result<Self, McpServerError> {
        Self::build(options, servers, Some(&self.shared))
    }

    fn build(
        options: McpOptions,
        servers: impl IntoIterator<Item = McpServer>,
        before: Option<&Shared>,
    ) -> Result<Self, McpServerError> {
        let (door, options) = (Door::new(&options), Arc::new(options));
        let mut all = BTreeMap::new();
        for server in servers {
            let name = server.name.clone();
            let mut served = Served::new(server, Arc::clone(&options));
            let known = before.and_then(|before| before.servers.get(&name));
            if let Some(before) = known.filter(|before| before.is_like(&served)) {
                served.sessions = Arc::clone(&before.sessions);
            }
            let served = Arc::new(served);
            if all.insert(name.clone(), served).is_some() {
                return Err(McpServerError::Twice(name));
            }
        }
        let sessions = before.map(|before| before.aggregate.sessions());
        let aggregate = Aggregate::new(Arc::clone(&options), all.clone(), sessions);
        Ok(Self { shared: Arc::new(Shared { options, door, servers: all, aggregate }) })
    }

    /// The routes: `/mcp/NAME` for one server, `/mcp` for all, and where their metadata are.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/mcp", any(all))
            .route("/mcp/{name}", any(one))
            .route(&format!("{WELL_KNOWN}/{{*path}}"), get(metadata))
            .with_state(Arc::clone(&self.shared))
    }
}

impl Served {
    fn new(server: McpServer, options: Arc<McpOptions>) -> Self {
        let clock = Arc::clone(&options.clock);
        let sessions = Arc::new(Sessions::new(server.sessions_max, options.session_idle, clock));
        Self {
            name: server.name,
            upstream: server.upstream,
            credential: server.credential,
            profile: server.profile,
            denials: server.denials,
            roots: server.roots,
            sessions,
            options,
        }
    }

    /// Whether the sessions of one are those of the other.
    fn is_like(&self, other: &Self) -> bool {
        self.upstream.is_same(&other.upstream)
    }

    /// Sends a message up, and gives the answer.
    pub(super) async fn exchange(&self, call: Call) -> Result<Response<Body>, Stop> {
        match &self.upstream {
            McpUpstream::Http(upstream) => self.exchange_http(upstream, call).await,
            McpUpstream::Stdio(server) => self.exchange_stdio(server, call).await,
        }
    }

    /// Listens for a session's messages.
    pub(super) async fn listen(
        &self,
        headers: &HeaderMap,
        session: Arc<Session>,
        narrowing: Narrowing,
        tenure: Tenure,
    ) -> Result<Response<Body>, Stop> {
        match &self.upstream {
            McpUpstream::Http(upstream) => {
                self.listen_http(upstream, headers, session, narrowing, tenure).await
            }
            McpUpstream::Stdio(_) => self.listen_stdio(&session, tenure),
        }
    }

    /// Ends a session, at the server too.
    pub(super) async fn end(
        &self,
        headers: &HeaderMap,
        session: &Session,
    ) -> Result<Response<Body>, Stop> {
        self.sessions.end(session);
        match &self.upstream {
            McpUpstream::Http(upstream) => self.end_http(upstream, headers, session).await,
            McpUpstream::Stdio(_) => {
                session.child.as_ref().inspect(|child| child.close());
                Ok(json(StatusCode::OK, Vec::new()))
            }
        }
    }

    /// Makes room for one more session; those that end for it, end at the server too.
    pub(super) fn make_room(&self, owner: Owner) -> Result<Room, Stop> {
        let (room, ended) = self.sessions.make_room(owner);
        for session in &ended {
            self.let_go(session);
        }
        room.ok_or_else(|| {
            let why = "the server has as many sessions as it may";
            Stop::fault(StatusCode::SERVICE_UNAVAILABLE, code::refusal(503), why)
        })
    }

    /// Ends a session that has ended here, at the server too.
    pub(super) fn let_go(&self, session: &Session) {
        match &self.upstream {
            McpUpstream::Http(upstream) => self.end_quietly(upstream, session),
            McpUpstream::Stdio(_) => {
                session.child.as_ref().inspect(|child| child.close());
            }
        }
    }
}

async fn all(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    shared.answer(parts, body, None).await
}

async fn one(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    shared.answer(parts, body, Some(&name)).await
}

impl Shared {
    /// Answers a request to the endpoint of one server, or of all.
    async fn answer(&self, parts: Parts, body: Body, name: Option<&str>) -> Response<Body> {
        let path = name.map_or_else(|| "/mcp".to_owned(), |name| format!("/mcp/{name}"));
        let addresses = self.addresses(&parts, &path);
        let challenge = Challenge {
            resource_metadata: Some(&addresses.metadata),
            ..Challenge::of(&self.options.gateway)
        };
        let mut told = Told::default();
        let answer = match self.door.check(&parts) {
            Ok(()) => self.taken(parts, body, name, &mut told).await,
            Err(stop) => Err(stop),
        };
        let mut answer = answer.unwrap_or_else(|stop| {
            stop.end(&mut told.span);
            stop.response(&told, &challenge)
        });
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
        }
        answer
    }

    async fn taken(
        &self,
        parts: Parts,
        body: Body,
        name: Option<&str>,
        told: &mut Told,
    ) -> Result<Response<Body>, Stop> {
        let served = name.map(|name| self.servers.get(name));
        match (served, &parts.method) {
            (Some(None), _) => Err(Stop::not_found("no such server")),
            (Some(Some(served)), &Method::POST) => served.post(parts, body, told).await,
            (Some(Some(served)), &Method::GET) => served.get(parts).await,
            (Some(Some(served)), &Method::DELETE) => served.delete(parts).await,
            (None, &Method::POST) => self.aggregate.post(parts, body, told).await,
            (None, &Method::GET) => self.aggregate.get(parts).await,
            (None, &Method::DELETE) => self.aggregate.delete(parts).await,
            _ => Err(not_allowed()),
        }
    }
}

/// This endpoint, or this version of the protocol, has no such method.
pub(super) fn not_allowed() -> Stop {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Stop::fault(status, code::refusal(405), "the endpoint does not take this method")
}

async fn metadata(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let challenge = Challenge::of(&shared.options.gateway);
    let name = path.rsplit_once("mcp/").map(|(_, name)| name).unwrap_or_default();
    let is_all = path == "mcp" || path.ends_with("/mcp");
    let stop = match shared.door.check(&parts) {
        Err(stop) => stop,
        Ok(()) if is_all || shared.servers.contains_key(name) => {
            let path = if is_all { "/mcp".to_owned() } else { format!("/mcp/{name}") };
            let addresses = shared.addresses(&parts, &path);
            let name = if is_all { shared.options.gateway.as_str() } else { name };
            let metadata = Metadata::new(&addresses.resource, name);
            return json(StatusCode::OK, serde_json::to_vec(&metadata).unwrap_or_default());
        }
        Ok(()) => Stop::not_found("no such server"),
    };
    stop.response(&Told::default(), &challenge)
}

impl Shared {
    /// The addresses of an endpoint: below the gateway's own, or where that is not known, below the
    /// host that the request names.
    fn addresses(&self, parts: &Parts, path: &str) -> Addresses {
        let known = self.options.public_uri.as_ref().map(|uri| uri.as_str().to_owned());
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let base = known.unwrap_or_else(|| format!("http://{host}"));
        let base = base.trim_end_matches('/');
        let authority = base.find("://").map_or(0, |at| at.saturating_add(3));
        let end = base.get(authority..).and_then(|rest| rest.find('/'));
        let (origin, prefix) = base.split_at(end.map_or(base.len(), |end| authority + end));
        Addresses {
            resource: format!("{base}{path}"),
            metadata: format!("{origin}{WELL_KNOWN}{prefix}{path}"),
        }
    }
}

impl fmt::Debug for McpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpProxy").field("servers", &self.shared.servers.keys()).finish()
    }
}
