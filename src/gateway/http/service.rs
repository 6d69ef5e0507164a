use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HeaderName, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::upgrade::OnUpgrade;

use super::arguments::{Read, Reading};
use super::forward;
use super::routes::{Found, HttpServerError, Route, Routes, Served};
use super::tenured::Tenured;
use super::traced;
use crate::config::gateway::{BodyKind, Limits, Route as RouteSettings};
use crate::gateway::credential::Credential;
use crate::gateway::mcp::{ToolFacts, Tools};
use crate::gateway::ops::{Flight, Flights, until_sent};
use crate::gateway::trace::{Span, Traces};
use crate::gateway::upstream::{Upstream, UpstreamError};
use crate::guard::{Admitted, Allowed, Challenge, Circumstances, Guard, Refusal, Tenure, ToolCall};
use crate::model::{Args, JsonProfile, TargetUri, Tool};
use crate::present::Credentials;

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Longest opaque body where nothing else is said, in bytes.
const UPLOAD_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What a gateway for plain HTTP takes.
#[derive(Clone)]
pub struct HttpOptions {
    /// The gateway's identifier, which challenges name as the realm.
    pub gateway: String,
    /// Decides every call; bodies that are judged are held to its bounds.
    pub guard: Guard,
    /// What is known of the servers' tools.
    pub tools: Arc<dyn Tools>,
    /// Where calls are told of.
    pub traces: Traces,
    /// The calls in flight.
    pub flights: Flights,
    /// How many there may be.
    pub limits: Limits,
    /// The gateway's own address, as its callers know it.
    pub public_uri: Option<TargetUri>,
    /// Longest opaque body, in bytes: 1 GiB.
    pub upload_bytes_max: u64,
    /// How often a lasting answer is asked whether its token still holds: each second.
    pub tenure_every: Duration,
}

impl HttpOptions {
    /// A gateway with this guard and this knowledge of tools, the rest by default.
    pub fn new(gateway: &str, guard: Guard, tools: Arc<dyn Tools>) -> Self {
        Self {
            gateway: gateway.to_owned(),
            guard,
            tools,
            traces: Traces::default(),
            flights: Flights::default(),
            limits: Limits::default(),
            public_uri: None,
            upload_bytes_max: UPLOAD_BYTES_MAX,
            tenure_every: Duration::from_secs(1),
        }
    }
}

/// One server of plain HTTP behind the gateway.
#[derive(Clone)]
pub struct HttpServer {
    /// Its name in grants and records.
    pub name: String,
    /// Where it answers; none where another proxy sends its requests up.
    pub upstream: Option<Upstream>,
    /// Which whole numbers it reads exactly.
    pub profile: JsonProfile,
    /// Which request is which tool.
    pub routes: Vec<RouteSettings>,
}

/// The gateway's endpoints for plain HTTP.
///
/// *Shape*: cheap to clone.
#[derive(Clone)]
pub struct HttpProxy {
    shared: Arc<Shared>,
}

struct Shared {
    options: HttpOptions,
    routes: Routes,
}

/// A call that may go up.
struct Call {
    body: Body,
    credential: Option<Credential>,
    /// Whether the connection may become a WebSocket.
    changes: bool,
    tenure: Tenure,
    flight: Flight,
    span: Span,
}

impl HttpProxy {
    /// The endpoints of these servers.
    ///
    /// *Errors*: [`HttpServerError`].
    pub fn new(
        options: HttpOptions,
        servers: impl IntoIterator<Item = HttpServer>,
    ) -> Result<Self, HttpServerError> {
        let mut routes = Routes::default();
        for server in servers {
            let HttpServer { name, upstream, profile, routes: own } = server;
            let served = Arc::new(Served { upstream, profile });
            for route in &own {
                routes.add(&name, route, Arc::clone(&served))?;
            }
        }
        Ok(Self { shared: Arc::new(Shared { options, routes }) })
    }

    /// Every request that no other route of the router takes.
    pub fn router(&self) -> Router {
        Router::new().fallback(endpoint).with_state(Arc::clone(&self.shared))
    }
}

/// What another proxy says of the body of a request that it asks about.
pub(in crate::gateway) enum Shown {
    /// This is all of it.
    Whole(Bytes),
    /// There is one, and it is not told.
    Hidden,
}

impl HttpProxy {
    /// Decides a request that another proxy asks about, and will send up itself.
    ///
    /// *Errors*: a refusal, which has been recorded.
    pub(in crate::gateway) async fn ask(
        &self,
        parts: &Parts,
        shown: Shown,
    ) -> Result<Allowed, Refusal> {
        let shared = &self.shared;
        let values = |name| parts.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let credentials = Credentials::from_headers(values(AUTHORIZATION), values(DPOP));
        let admitted = shared.options.guard.admit(credentials, parts).await?;
        let body = match shown {
            Shown::Whole(bytes) => Body::from(bytes),
            Shown::Hidden if shared.takes_hidden(parts) => Body::empty(),
            Shown::Hidden => {
                let why = "the proxy does not show the request's body, or whether there is one";
                let refusal = Refusal::malformed(StatusCode::BAD_REQUEST, why);
                return Err(admitted.refuse(refusal).await);
            }
        };
        Ok(shared.decide(admitted, parts, body).await?.2)
    }
}

async fn endpoint(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let values = |name| parts.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
    let (authorization, proofs) = (values(AUTHORIZATION), values(DPOP));
    let credentials = Credentials::from_headers(
        authorization.iter().map(HeaderValue::as_bytes),
        proofs.iter().map(HeaderValue::as_bytes),
    );
    let decided = match shared.options.guard.admit(credentials, &parts).await {
        Ok(admitted) => shared.decide(admitted, &parts, body).await,
        Err(refusal) => Err(refusal),
    };
    match decided {
        Ok((call, server, _)) => shared.pass(&mut parts, call, &server).await,
        Err(refusal) => refusal.response(&Challenge::of(&shared.options.gateway)),
    }
}

impl Shared {
    /// Reads a request as a call of a tool, and decides it.
    async fn decide(
        &self,
        admitted: Admitted,
        parts: &Parts,
        body: Body,
    ) -> Result<(Call, Arc<Served>, Allowed), Refusal> {
        let (Found { route, captures }, changes) = match self.find(parts) {
            Ok(found) => found,
            Err(refusal) => return Err(admitted.refuse(refusal).await),
        };
        let mut span = traced::begin(&self.options.traces, parts, route);
        if let Some(task) = admitted.task() {
            span.set("hardtack.task", task);
        }
        let decided = self.judge(admitted, parts, body, (route, captures), &mut span).await;
        let (body, credential, tenure, flight, allowed) =
            decided.inspect_err(|refusal| traced::refused(&mut span, refusal))?;
        let call = Call { body, credential, changes, tenure, flight, span };
        Ok((call, Arc::clone(&route.server), allowed))
    }

    /// Decides a call of this route.
    async fn judge(
        &self,
        admitted: Admitted,
        parts: &Parts,
        body: Body,
        (route, captures): (&Route, Vec<(String, String)>),
        span: &mut Span,
    ) -> Result<(Body, Option<Credential>, Tenure, Flight, Allowed), Refusal> {
        let reading = Reading {
            guard: &self.options.guard,
            kind: route.body,
            profile: route.server.profile,
            upload_bytes_max: self.options.upload_bytes_max,
        };
        let Read { args, body } = match reading.read(parts, captures, body).await {
            Ok(read) => read,
            Err(refusal) => return Err(admitted.refuse(refusal).await),
        };
        let ToolFacts { labels, credential, .. } = self.options.tools.facts(&route.tool);
        let place = span.context().or_else(|| traced::parent(parts));
        let circumstances = Circumstances {
            labels,
            credential: credential.as_ref().map(|credential| credential.name().to_owned()),
            trace: place.map(|place| place.trace_id()),
        };
        let begun = self.options.flights.begin(admitted.owner().task, &self.options.limits);
        let call = ToolCall { tool: route.tool.clone(), args };
        let flight = match begun {
            Ok(flight) => flight,
            Err(refusal) => {
                return Err(admitted.refuse_call(call, &circumstances, refusal).await);
            }
        };
        let tenure = admitted.tenure();
        let check = |tool: &Tool, args: &Args| self.options.tools.check(tool, args);
        let allowed = admitted.judge_and(call, circumstances, check).await?;
        Ok((body, credential, tenure, flight, allowed))
    }

    /// Whether the request's body is not judged anyway.
    fn takes_hidden(&self, parts: &Parts) -> bool {
        let found = self.routes.find(parts).ok().flatten();
        found.is_some_and(|found| found.route.body == BodyKind::Opaque)
    }

    /// The route that takes a request, and whether the connection becomes a WebSocket.
    fn find(&self, parts: &Parts) -> Result<(Found<'_>, bool), Refusal> {
        forward::has_one_reading(parts)?;
        let changes = forward::asks_for_websocket(parts)?;
        let bad = |why| Refusal::malformed(StatusCode::BAD_REQUEST, why);
        let Some(found) = self.routes.find(parts).map_err(bad)? else {
            let why = "no tool has this method and path";
            return Err(Refusal::malformed(StatusCode::NOT_FOUND, why));
        };
        match changes && !found.route.upgrade {
            true => Err(bad("a connection that changes its protocol cannot be judged")),
            false => Ok((found, changes)),
        }
    }

    /// Sends a decided call up, and the answer down.
    async fn pass(&self, parts: &mut Parts, call: Call, served: &Served) -> Response<Body> {
        let Call { body, credential, changes, tenure, flight, span } = call;
        let caller = changes.then(|| parts.extensions.remove::<OnUpgrade>()).flatten();
        let Some(upstream) = &served.upstream else { return UpstreamError::Target.response() };
        let mut request = match self.request(parts, body, upstream) {
            Ok(request) => request,
            Err(error) => return error.response(),
        };
        let mut up = traced::up(&span, &mut request);
        let every = self.options.tenure_every;
        let answer = match changes {
            true => match upstream.change(request, credential.as_ref()).await {
                Ok((answer, Some(tunnel))) => {
                    let Some(caller) = caller else { return UpstreamError::Broken.response() };
                    let mut kept = (flight, up, span);
                    for span in [&mut kept.1, &mut kept.2] {
                        traced::answered(span, answer.status());
                    }
                    let passing = tunnel.pass(caller, every, move || tenure.holds());
                    tokio::spawn(async move {
                        passing.await;
                        drop(kept);
                    });
                    return joined(answer);
                }
                Ok((answer, None)) => Ok(answer),
                Err(error) => Err(error),
            },
            false => upstream.send(request, credential.as_ref()).await,
        };
        // Nothing says of an answer how long it will go on.
        let answer = match answer {
            Ok(answer) => answer.map(|body| Body::new(Tenured::new(body, tenure, every))),
            Err(error) => {
                up.fail(error.code());
                error.response()
            }
        };
        // Dropped in this order: the span of the call ends last.
        let mut kept = (flight, up, span);
        for span in [&mut kept.1, &mut kept.2] {
            traced::answered(span, answer.status());
        }
        until_sent(answer, kept)
    }

    /// The request as it goes up: path and query as they came, below the upstream's own.
    fn request(
        &self,
        parts: &mut Parts,
        body: Body,
        upstream: &Upstream,
    ) -> Result<Request<Body>, UpstreamError> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let target = upstream.below(target)?;
        let public = self.options.public_uri.as_ref().map_or("http:", TargetUri::as_str);
        let scheme = if public.starts_with("https:") { "https" } else { "http" };
        forward::prepare(parts, scheme);
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = std::mem::take(&mut parts.headers);
        Ok(request)
    }
}

/// The answer after which bytes pass both ways.
fn joined(mut answer: Response<Body>) -> Response<Body> {
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProxy").field("gateway", &self.shared.options.gateway).finish()
    }
}
