//! All servers behind one endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json as value};
use tokio::time::timeout;

use super::InProcess;
use super::call::{Call, Changes};
use super::caller::{accept, against, era, mirrored};
use super::door;
use super::http::SESSION;
use super::narrowing::Joined;
use super::options::McpOptions;
use super::service::{Served, not_allowed};
use super::session::{Opened, Session, Sessions};
use super::stop::{Stop, Told, json};
use crate::guard::{Admitted, Owner, Tenure};
use crate::mcp::{
    self, Aim, Asked, Era, Events, Fault, Join, Kind, ListKind, Message, Reply, SESSION_END, code,
};
use crate::model::{Args, JsonProfile, Tool};

/// The endpoint's own name, where a proof names what is not for one server.
const OWN: &str = "gateway";
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The version that is spoken with callers that name none that is known.
const VERSION: &str = "2025-11-25";
/// Longest that a caller may say of itself, in bytes: it is kept as long as its session.
const CLIENT_BYTES_MAX: usize = 8 * 1024;
/// How long opening a session with one server may take in all.
const OPEN_MAX: Duration = Duration::from_secs(30);

/// The endpoint of all servers.
///
/// *Shape*: in the legacy era a session of its own opens one with each server that it comes to; no
/// server can ask its caller anything then.
pub(super) struct Aggregate {
    options: Arc<McpOptions>,
    servers: BTreeMap<String, Arc<Served>>,
    sessions: Arc<Sessions>,
}

impl Aggregate {
    pub(super) fn new(
        options: Arc<McpOptions>,
        servers: BTreeMap<String, Arc<Served>>,
        sessions: Option<Arc<Sessions>>,
    ) -> Self {
        let sessions = sessions.unwrap_or_else(|| {
            let max = servers.values().map(|server| server.sessions.max()).max().unwrap_or(0);
            Arc::new(Sessions::new(max, options.session_idle, Arc::clone(&options.clock)))
        });
        Self { options, servers, sessions }
    }

    pub(super) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }

    /// Takes one message.
    pub(super) async fn post(
        &self,
        parts: Parts,
        body: Body,
        told: &mut Told,
    ) -> Result<Response<Body>, Stop> {
        let profile = JsonProfile::default();
        let (admitted, message) = self.options.arrived(&parts, body, profile, told).await?;
        let in_process = parts.extensions.get::<InProcess>().is_some();
        let era = era(&admitted, &mirrored(&parts.headers), &message, in_process).await?;
        let session = match (era, message.method()) {
            (Era::Modern, _) | (Era::Legacy, Some("initialize")) => None,
            _ => Some(self.named_session(&parts.headers, &admitted.owner())?),
        };
        match mcp::aim(&message) {
            Aim::Endpoint => self.own(admitted, &message, era).await,
            Aim::Server { server, splice } => {
                let Some(served) = self.servers.get(&server) else {
                    return Err(unknown(&admitted, era).await);
                };
                let bytes = splice.apply(message.bytes()).unwrap_or_default();
                self.pass(served, parts, admitted, bytes, era, session, told).await
            }
            Aim::List(_) => match self.servers.values().next() {
                Some(first) => {
                    let bytes = message.bytes().to_vec();
                    self.pass(first, parts, admitted, bytes, era, session, told).await
                }
                None => Err(unknown(&admitted, era).await),
            },
            Aim::Nobody => Err(unknown(&admitted, era).await),
        }
    }

    /// Ends a session, with each server too.
    pub(super) async fn delete(&self, parts: Parts) -> Result<Response<Body>, Stop> {
        let mut admitted = self.options.admit_by_headers(&parts).await?;
        let owner = admitted.owner();
        let session = self.named_session(&parts.headers, &owner)?;
        let tool =
            Tool::new(OWN, SESSION_END).map_err(|error| Stop::internal(error.to_string()))?;
        accept(&mut admitted, tool, Args::none()).await?;
        self.sessions.end(&session);
        let all = session.opened.get().map(Opened::take).unwrap_or_default();
        for (name, inner) in all {
            // One that is being opened ends when it is idle.
            let Some(id) = inner.try_lock().ok().and_then(|mut id| id.take()) else { continue };
            let served = self.servers.get(&name);
            let found =
                served.and_then(|served| Some((served, served.sessions.find(&id, &owner)?)));
            if let Some((served, inner)) = found {
                served.sessions.end(&inner);
                served.let_go(&inner);
            }
        }
        Ok(json(StatusCode::OK, Vec::new()))
    }

    /// Hands a message on to its server, as that knows it.
    #[expect(clippy::too_many_arguments, reason = "everything that there is of one request")]
    async fn pass(
        &self,
        served: &Served,
        mut parts: Parts,
        admitted: Admitted,
        bytes: Vec<u8>,
        era: Era,
        session: Option<Arc<Session>>,
        told: &mut Told,
    ) -> Result<Response<Body>, Stop> {
        let message = match Message::parse(bytes, served.profile) {
            Ok(message) => message,
            Err(error) => return Err(against(&admitted, Fault::from(&error)).await),
        };
        rename(&mut parts.headers, &message);
        parts.headers.remove(SESSION);
        let list = message.method().and_then(ListKind::of);
        let next = self.servers.range(served.name.clone()..).nth(1).map(|(name, _)| name.clone());
        let page = list.map(|kind| (kind, message.id_text().to_vec(), next.clone()));
        let answer = match self.inner(served, &admitted, session.as_deref()).await {
            Ok(id) => {
                if let Some(Ok(id)) = id.map(HeaderValue::try_from) {
                    parts.headers.insert(SESSION, id);
                }
                let joined = list.is_some().then_some(Joined { next });
                served.taken(parts, admitted, message, told, joined).await
            }
            Err(stop) => Err(stop),
        };
        let failed = match &answer {
            Ok(answer) => !answer.status().is_success(),
            Err(Stop::Fault(..)) => true,
            Err(Stop::Refused { .. }) => false,
        };
        match page {
            // A server that is out of order does not keep the lists of the others from being seen.
            Some((kind, id, next)) if failed => {
                let join = Join { server: &served.name, next: next.as_deref() };
                Ok(json(StatusCode::OK, join.nothing(&id, kind, era)))
            }
            _ => answer,
        }
    }

    /// The session with one server that goes with this session, opened where there is none.
    async fn inner(
        &self,
        served: &Served,
        admitted: &Admitted,
        session: Option<&Session>,
    ) -> Result<Option<String>, Stop> {
        let Some(opened) = session.and_then(|session| session.opened.get()) else {
            return Ok(None);
        };
        let owner = admitted.owner();
        let inner = opened.with(&served.name);
        // Only those wait here for whom this very session is being opened.
        let mut inner = inner.lock().await;
        let known = inner.as_ref().filter(|id| served.sessions.find(id, &owner).is_some());
        if let Some(id) = known {
            return Ok(Some(id.clone()));
        }
        let opening = open(served, opened, owner, admitted.tenure());
        let id = timeout(OPEN_MAX, opening).await.map_err(|_| {
            let why = "the server takes too long to open a session";
            Stop::fault(StatusCode::GATEWAY_TIMEOUT, code::refusal(504), why)
        })??;
        *inner = Some(id.clone());
        Ok(Some(id))
    }

    /// Answers for the endpoint itself.
    async fn own(
        &self,
        mut admitted: Admitted,
        message: &Message,
        era: Era,
    ) -> Result<Response<Body>, Stop> {
        let (tool, args) = match mcp::asked(OWN, message, JsonProfile::default()) {
            Ok(Asked::Accepted(tool, args)) => (tool, args),
            Ok(Asked::Decided(..)) => return Err(unknown(&admitted, era).await),
            Err(error) => {
                let fault = Fault::new(code::INVALID_PARAMS, error.to_string());
                return Err(against(&admitted, fault).await);
            }
        };
        accept(&mut admitted, tool, args).await?;
        if let Kind::Response { .. } = message.kind() {
            return Err(Stop::bad(code::INVALID_REQUEST, "no server asked anything"));
        }
        let answer = |result| Ok(json(StatusCode::OK, mcp::result(message.id_text(), result)));
        match (message.method(), era) {
            (Some("server/discover"), Era::Modern) => answer(self.discovered()),
            (Some("initialize"), Era::Legacy) => self.initialize(message, admitted.owner()),
            (Some("ping" | "logging/setLevel"), Era::Legacy) => answer(value!({})),
            _ if matches!(message.kind(), Kind::Notification { .. }) => {
                Ok(json(StatusCode::ACCEPTED, Vec::new()))
            }
            _ => Err(unknown(&admitted, era).await),
        }
    }

    /// What the endpoint says of itself.
    ///
    /// *Source*: Model Context Protocol 2026-07-28, "Discovery".
    fn discovered(&self) -> Value {
        let known = mcp::Version::ALL.iter().filter(|version| version.era() == Era::Modern);
        let versions: Vec<_> = known.map(|version| version.as_str()).collect();
        value!({
            "resultType": "complete",
            "supportedVersions": versions,
            "capabilities": capabilities(),
            "serverInfo": self.info(),
            "ttlMs": 0,
            "cacheScope": "private",
        })
    }

    fn initialize(&self, message: &Message, owner: Owner) -> Result<Response<Body>, Stop> {
        let asked = message.param("protocolVersion").and_then(|place| place.text());
        let asked = asked.and_then(|text| text.parse::<mcp::Version>().ok());
        let version = asked.filter(|version| version.era() == Era::Legacy);
        let version = version.map_or(VERSION, mcp::Version::as_str);
        let client = message.param("clientInfo").map(|place| message.at(place));
        let client = client.and_then(|bytes| serde_json::from_slice(bytes).ok());
        if client.as_ref().is_some_and(|client: &Value| client.to_string().len() > CLIENT_BYTES_MAX)
        {
            return Err(Stop::bad(code::INVALID_PARAMS, "`clientInfo` is too long"));
        }
        let Some(room) = self.sessions.make_room(owner).0 else {
            let why = "the gateway has as many sessions as it may";
            return Err(Stop::fault(StatusCode::SERVICE_UNAVAILABLE, code::refusal(503), why));
        };
        let session = self.sessions.open(room, None, None, Arc::default());
        let opened = Opened {
            version: version.to_owned(),
            client: client.unwrap_or_else(|| self.info()),
            sessions: Default::default(),
        };
        // It is new: nothing is there yet.
        let _ = session.opened.set(opened);
        let result = value!({
            "protocolVersion": version,
            "capabilities": capabilities(),
            "serverInfo": self.info(),
        });
        let mut answer = json(StatusCode::OK, mcp::result(message.id_text(), result));
        if let Ok(id) = HeaderValue::try_from(session.id()) {
            answer.headers_mut().insert(SESSION, id);
        }
        Ok(answer)
    }

    fn info(&self) -> Value {
        value!({ "name": self.options.gateway, "version": env!("CARGO_PKG_VERSION") })
    }

    fn named_session(&self, headers: &HeaderMap, owner: &Owner) -> Result<Arc<Session>, Stop> {
        let Some(id) = door::one(headers, &SESSION)? else {
            let why = "the request names no session: open one with `initialize`";
            return Err(Stop::bad(code::INVALID_REQUEST, why));
        };
        self.sessions.find(id, owner).ok_or_else(|| Stop::not_found("no such session"))
    }

    /// There is nothing to listen for: no server asks or tells anything here.
    pub(super) async fn get(&self, parts: Parts) -> Result<Response<Body>, Stop> {
        self.options.admit_by_headers(&parts).await?;
        Err(not_allowed())
    }
}

fn capabilities() -> Value {
    value!({ "tools": {}, "prompts": {}, "resources": {}, "completions": {} })
}

/// Puts the name by which the server knows it into the header that repeats it.
fn rename(headers: &mut HeaderMap, message: &Message) {
    if !headers.contains_key(NAME) {
        return;
    }
    let text = |name| message.param(name).and_then(|place| place.text());
    let name = text("name").or_else(|| text("uri")).map(mcp::header_text);
    match name.map(HeaderValue::try_from) {
        Some(Ok(name)) => {
            headers.insert(NAME, name);
        }
        _ => {
            headers.remove(NAME);
        }
    }
}

/// Opens a session with one server, on behalf of a caller whose token was taken.
async fn open(
    served: &Served,
    opened: &Opened,
    owner: Owner,
    tenure: Tenure,
) -> Result<String, Stop> {
    let failed = || Stop::internal("the server opens no session");
    let call = |text: Value, session: Option<Arc<Session>>| {
        let message = Message::parse(text.to_string(), served.profile).map_err(|_| failed())?;
        let credential = served.credential.clone();
        let (changes, headers, narrowing) = (Changes::default(), HeaderMap::new(), None);
        let (era, tenure) = (Era::Legacy, tenure.clone());
        Ok::<_, Stop>(Call {
            message,
            changes,
            era,
            headers,
            owner,
            session,
            credential,
            narrowing,
            tenure,
        })
    };
    let initialize = value!({
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": opened.version,
            "capabilities": {},
            "clientInfo": opened.client,
        },
    });
    let answer = served.exchange(call(initialize, None)?).await?;
    let (parts, body) = answer.into_parts();
    let id = parts.headers.get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let whole = Limited::new(body, served.options.list_bytes_max).collect().await;
    let whole = whole.map_err(|_| failed())?.to_bytes();
    let session = id.as_deref().and_then(|id| served.sessions.find(id, &owner));
    let (Some(id), Some(session), true) = (id, session, is_result(&whole)) else {
        return Err(failed());
    };
    let initialized = value!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    served.exchange(call(initialized, Some(session))?).await?;
    Ok(id)
}

/// Whether an answer, or one among events, is a result.
fn is_result(answer: &[u8]) -> bool {
    let has_result =
        |text: &[u8]| Reply::read(text).is_ok_and(|reply| reply.place("result").is_some());
    let events = Events::new(answer.len().saturating_add(1)).read(answer).unwrap_or_default();
    has_result(answer)
        || events.iter().filter_map(mcp::SseEvent::data).any(|text| has_result(&text))
}

/// A message that is for no server; the record says so.
async fn unknown(admitted: &Admitted, era: Era) -> Stop {
    let why = "no server is named that there is, or none has this method";
    let stop = against(admitted, Fault::new(code::METHOD_NOT_FOUND, why)).await;
    match (stop, era) {
        (Stop::Fault(_, fault), Era::Modern) => Stop::Fault(StatusCode::NOT_FOUND, fault),
        (Stop::Fault(_, fault), Era::Legacy) => Stop::Fault(StatusCode::OK, fault),
        (stop, _) => stop,
    }
}
