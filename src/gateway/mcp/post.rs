//! One request of a caller: from its token to the server's answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use tokio::time::timeout;

use super::InProcess;
use super::call::{Call, Changes};
use super::caller::{accept, against, era, mirrored, untold};
use super::door;
use super::http::SESSION;
use super::narrowing::{Joined, Narrowing};
use super::service::{Served, not_allowed};
use super::session::Session;
use super::stop::{Stop, Told, json};
use super::tools::ToolFacts;
use super::traced;
use crate::gateway::credential::Credential;
use crate::gateway::ops::{Flight, until_sent};
use crate::guard::{Admitted, Circumstances, Owner, ToolCall};
use crate::mcp::{
    self, Asked, Era, Fault, Kind, ListKind, Message, Mirror, SESSION_END, SESSION_LISTEN, code,
};
use crate::model::{Args, Tool};

/// How long requests of a session wait for one that began to listen before them.
const BEGINS_MAX: Duration = Duration::from_millis(500);
const ROOTS_LIST: &str = "roots/list";
const ROOTS_CHANGED: &str = "notifications/roots/list_changed";

impl Served {
    /// Takes one message.
    pub(super) async fn post(
        &self,
        parts: Parts,
        body: Body,
        told: &mut Told,
    ) -> Result<Response<Body>, Stop> {
        let (admitted, message) = self.options.arrived(&parts, body, self.profile, told).await?;
        self.taken(parts, admitted, message, told, None).await
    }

    /// Takes one message of a caller that was taken in; where the server is one of several behind one
    /// endpoint, its lists are joined.
    pub(super) async fn taken(
        &self,
        mut parts: Parts,
        mut admitted: Admitted,
        message: Message,
        told: &mut Told,
        joined: Option<Joined>,
    ) -> Result<Response<Body>, Stop> {
        told.denials = self.denials;
        let in_process = parts.extensions.get::<InProcess>().is_some();
        let headers = mirrored(&parts.headers);
        let era = era(&admitted, &headers, &message, in_process).await?;
        (told.era, told.calls_tool) = (Some(era), message.method() == Some("tools/call"));
        let asked = match mcp::asked(&self.name, &message, self.profile) {
            Ok(asked) => asked,
            Err(error) => {
                let fault = Fault::new(code::INVALID_PARAMS, error.to_string());
                return Err(against(&admitted, fault).await);
            }
        };
        let owner = admitted.owner();
        let session = self.session(&parts.headers, &message, era, &owner)?;
        if message.names_roots() {
            let why = "roots are not the caller's to name";
            return Err(against(&admitted, Fault::new(code::INVALID_PARAMS, why)).await);
        }
        let parent = traced::parent(&parts.headers, &message);
        let transport = if in_process { "pipe" } else { "tcp" };
        let task = admitted.task();
        told.span = traced::begin(&self.options.traces, &message, parent, task, transport);
        let place = told.span.context().or(parent);
        let tenure = admitted.tenure();
        let mut changes = Changes::default();
        message.take_credentials(&mut changes.splice);
        message.take_roots(!self.roots.is_empty(), &mut changes.splice);
        let (narrowing, credential, flight) = match asked {
            Asked::Decided(tool, args) => {
                let facts = self.options.tools.facts(&tool);
                let mirrored = headers.agree_with_arguments(&message, &facts.mirrors, era);
                if let (Err(fault), false) = (mirrored, in_process) {
                    return Err(against(&admitted, Fault::from(&fault)).await);
                }
                keep_judged(&mut parts.headers, &facts.mirrors);
                let trace = place.map(|place| place.trace_id());
                let named = tool.clone();
                let (credential, flight) = self.decide(admitted, tool, args, facts, trace).await?;
                traced::allowed(&mut told.span, &message, &named);
                (None, credential, Some(flight))
            }
            Asked::Accepted(tool, args) => {
                accept(&mut admitted, tool, args).await?;
                keep_judged(&mut parts.headers, &[]);
                let flight = self.begin(&admitted, &message).await?;
                if message.method() == Some(ROOTS_CHANGED) {
                    return Ok(json(StatusCode::ACCEPTED, Vec::new()));
                }
                changes.own = match self.answered(&message, session.as_deref()) {
                    Ok(own) => own,
                    Err(fault) => return Err(against(&admitted, fault).await),
                };
                let list = message.method().and_then(ListKind::of);
                let narrowing = match list {
                    Some(kind) => Some(self.narrowing(&admitted, Some(kind), era, joined).await?),
                    None => None,
                };
                (narrowing, self.credential.clone(), flight)
            }
        };
        if let Some(session) = &session {
            session.heard().await;
        }
        let mut headers = parts.headers;
        let mut up = traced::up(&told.span, &message, &mut changes.splice, &mut headers);
        let call =
            Call { message, changes, era, headers, owner, session, credential, narrowing, tenure };
        let answer = self.exchange(call).await.inspect_err(|stop| stop.end(&mut up))?;
        if !answer.status().is_success() {
            up.fail(answer.status().as_str());
            told.span.fail(answer.status().as_str());
        }
        // Dropped in this order: the span of the call ends last.
        let kept = (flight, up, std::mem::take(&mut told.span));
        Ok(match kept {
            (None, _, span) if span.context().is_none() => answer,
            kept => until_sent(answer, kept),
        })
    }

    /// Listens for what the server tells in a session.
    pub(super) async fn get(&self, parts: Parts) -> Result<Response<Body>, Stop> {
        door::takes_events(&parts.headers)?;
        let (admitted, session) = self.of_session(&parts, SESSION_LISTEN).await?;
        let begins = Arc::clone(&session.begins).write_owned().await;
        let narrowing = self.narrowing(&admitted, None, Era::Legacy, None).await?;
        let listening = self.listen(&parts.headers, session, narrowing, admitted.tenure());
        let mut listening = std::pin::pin!(listening);
        match timeout(BEGINS_MAX, &mut listening).await {
            Ok(heard) => heard,
            // Some servers say nothing at all before there is something to say.
            Err(_) => {
                drop(begins);
                listening.await
            }
        }
    }

    /// Ends a session.
    pub(super) async fn delete(&self, parts: Parts) -> Result<Response<Body>, Stop> {
        let (_, session) = self.of_session(&parts, SESSION_END).await?;
        self.end(&parts.headers, &session).await
    }

    /// The caller and the session of a request that has no message.
    async fn of_session(
        &self,
        parts: &Parts,
        name: &str,
    ) -> Result<(Admitted, Arc<Session>), Stop> {
        let version = mirrored(&parts.headers).version();
        let mut admitted = self.options.admit_by_headers(parts).await?;
        match version {
            Ok(Some(version)) if version.era() == Era::Modern => return Err(not_allowed()),
            Ok(_) => {}
            Err(fault) => return Err(against(&admitted, Fault::from(&fault)).await),
        }
        let session = self.named_session(&parts.headers, &admitted.owner())?;
        let tool =
            Tool::new(&self.name, name).map_err(|error| Stop::internal(error.to_string()))?;
        accept(&mut admitted, tool, Args::none()).await?;
        Ok((admitted, session))
    }

    /// The session that a message belongs to. In the modern era there are none, and what names one
    /// means nothing.
    fn session(
        &self,
        headers: &HeaderMap,
        message: &Message,
        era: Era,
        owner: &Owner,
    ) -> Result<Option<Arc<Session>>, Stop> {
        let opens = message.method() == Some("initialize");
        match (era, opens) {
            (Era::Modern, _) => Ok(None),
            (Era::Legacy, true) if headers.contains_key(SESSION) => {
                let why = "a session has begun: `initialize` names none";
                Err(Stop::bad(code::INVALID_REQUEST, why))
            }
            (Era::Legacy, true) => Ok(None),
            (Era::Legacy, false) => self.named_session(headers, owner).map(Some),
        }
    }

    fn named_session(&self, headers: &HeaderMap, owner: &Owner) -> Result<Arc<Session>, Stop> {
        let Some(id) = door::one(headers, &SESSION)? else {
            let why = "the request names no session: open one with `initialize`";
            return Err(Stop::bad(code::INVALID_REQUEST, why));
        };
        self.sessions.find(id, owner).ok_or_else(|| Stop::not_found("no such session"))
    }

    /// What goes up in place of a caller's answer, which must be one to what the server asked in this
    /// session: roots are the gateway's to name.
    fn answered(
        &self,
        message: &Message,
        session: Option<&Session>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Kind::Response { id } = message.kind() else { return Ok(None) };
        match session.and_then(|session| session.questions.answered(id)).as_deref() {
            Some(ROOTS_LIST) => Ok(Some(roots(message.id_text(), &self.roots))),
            Some(_) => Ok(None),
            None => {
                let why = "the server asked nothing under this `id`";
                Err(Fault::new(code::INVALID_REQUEST, why))
            }
        }
    }

    /// Counts what is not decided among the calls in flight, where it waits for an answer.
    async fn begin(&self, admitted: &Admitted, message: &Message) -> Result<Option<Flight>, Stop> {
        if !matches!(message.kind(), Kind::Request { .. }) {
            return Ok(None);
        }
        match self.options.flights.begin(admitted.owner().task, &self.options.limits) {
            Ok(flight) => Ok(Some(flight)),
            Err(refusal) => Err(untold(admitted.refuse(refusal).await)),
        }
    }

    /// Decides a call, and gives what it goes up with.
    async fn decide(
        &self,
        admitted: Admitted,
        tool: Tool,
        args: Args,
        facts: ToolFacts,
        trace: Option<String>,
    ) -> Result<(Option<Credential>, Flight), Stop> {
        let credential = facts.credential.or_else(|| self.credential.clone());
        let circumstances = Circumstances {
            labels: facts.labels,
            credential: credential.as_ref().map(|credential| credential.name().to_owned()),
            trace,
        };
        let begun = self.options.flights.begin(admitted.owner().task, &self.options.limits);
        let (call, named) = (ToolCall { tool: tool.clone(), args }, Some(tool));
        let check = |tool: &Tool, args: &Args| self.options.tools.check(tool, args);
        let judged = match begun {
            Ok(flight) => admitted.judge_and(call, circumstances, check).await.map(|_| flight),
            Err(refusal) => Err(admitted.refuse_call(call, &circumstances, refusal).await),
        };
        match judged {
            Ok(flight) => Ok((credential, flight)),
            Err(refusal) => Err(Stop::Refused { refusal, tool: named }),
        }
    }

    async fn narrowing(
        &self,
        admitted: &Admitted,
        kind: Option<ListKind>,
        era: Era,
        joined: Option<Joined>,
    ) -> Result<Narrowing, Stop> {
        let listing = admitted.outline().await.map_err(untold)?;
        let (server, tools) = (self.name.clone(), Arc::clone(&self.options.tools));
        Ok(Narrowing { server, kind, era, listing, tools, joined })
    }
}

/// Takes out the headers that repeat arguments, but for those that were held against them.
fn keep_judged(headers: &mut HeaderMap, mirrors: &[Mirror]) {
    let judged = |name: &str| mirrors.iter().any(|mirror| mirror.header() == name);
    let unjudged = headers.keys().filter(|name| {
        let name = name.as_str().strip_prefix(mcp::PARAM);
        name.is_some_and(|name| !judged(name))
    });
    for name in unjudged.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// The gateway's own answer to the server's question for roots.
fn roots(id: &[u8], roots: &[String]) -> Vec<u8> {
    let roots: Vec<_> = roots.iter().map(|uri| serde_json::json!({ "uri": uri })).collect();
    mcp::result(id, serde_json::json!({ "roots": roots }))
}
