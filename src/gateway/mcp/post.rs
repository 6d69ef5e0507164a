//! One request of a caller: from its token to the server's answer.

use std::sync::Arc;

use axum::body::Body;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::InProcess;
use super::call::{Call, Changes};
use super::door;
use super::http::SESSION;
use super::narrowing::Narrowing;
use super::service::{Served, not_allowed};
use super::session::Session;
use super::stop::{Stop, Told, json};
use super::tools::ToolFacts;
use crate::gateway::credential::Credential;
use crate::gateway::ops::Flight;
use crate::guard::{Admitted, Circumstances, Refusal, ToolCall};
use crate::mcp::{
    self, Asked, Era, Fault, Headers, Kind, ListKind, Message, SESSION_END, SESSION_LISTEN, Splice,
    code,
};
use crate::model::{Args, Code, Reason, Tool};
use crate::present::Credentials;

const DPOP: HeaderName = HeaderName::from_static("dpop");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
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
        door::takes_message(&parts.headers)?;
        let in_process = parts.extensions.get::<InProcess>().is_some();
        // A body is not read for a token in the headers that is of no use.
        let early = match has_credentials(&parts.headers) {
            true => Some(self.admit_by_headers(&parts).await?),
            false => None,
        };
        let message = Message::parse(self.read(body).await?, self.profile);
        let mut admitted = match (early, &message) {
            (Some(admitted), Ok(message)) if message.has_credentials() => {
                let why = "the call carries a token in its headers and one in `_meta`";
                return Err(refused(&admitted, Code::TokenMalformed, why).await);
            }
            (Some(admitted), _) => admitted,
            (None, message) => {
                let meta = message.as_ref().ok().and_then(Message::meta);
                let missing = || Reason::new(Code::TokenMissing, "the call carries no token");
                let found = meta.ok_or_else(missing);
                let found = found.and_then(|meta| Credentials::from_meta(meta.value()));
                self.options.guard.admit(found, &parts).await.map_err(untold)?
            }
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => return Err(against(&admitted, Fault::from(&error)).await),
        };
        told.id = message.id().map(|_| message.id_text().to_vec());
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers = Headers::new(headers);
        let era = match headers.era(&message) {
            Ok(era) if in_process => Ok(era),
            Ok(era) => headers.agree(&message, era).map(|()| era),
            Err(fault) => Err(fault),
        };
        let era = match era {
            Ok(era) => era,
            Err(fault) => return Err(against(&admitted, Fault::from(&fault)).await),
        };
        if message.method() == Some("tools/call") {
            told.calls_tool = Some(era);
        }
        let asked = match mcp::asked(&self.name, &message, self.profile) {
            Ok(asked) => asked,
            Err(error) => {
                let fault = Fault::new(code::INVALID_PARAMS, error.to_string());
                return Err(against(&admitted, fault).await);
            }
        };
        let owner = admitted.owner();
        let session = self.session(&parts.headers, &message, era, &owner)?;
        let changes = match self.changes(&message, session.as_deref()) {
            Ok(Some(changes)) => changes,
            Ok(None) => return Ok(json(StatusCode::ACCEPTED, Vec::new())),
            Err(fault) => return Err(against(&admitted, fault).await),
        };
        let tenure = admitted.tenure();
        let (narrowing, credential, flight) = match asked {
            Asked::Decided(tool, args) => {
                let facts = self.options.tools.facts(&tool);
                let mirrored = headers.agree_with_arguments(&message, &facts.mirrors, era);
                if let (Err(fault), false) = (mirrored, in_process) {
                    return Err(against(&admitted, Fault::from(&fault)).await);
                }
                let (credential, flight) =
                    self.decide(admitted, tool, args, facts, &parts.headers).await?;
                (None, credential, Some(flight))
            }
            Asked::Accepted(tool, args) => {
                self.accept(&mut admitted, tool, args).await?;
                let list = message.method().and_then(ListKind::of);
                let narrowing = match list {
                    Some(kind) => Some(self.narrowing(&admitted, Some(kind), era).await?),
                    None => None,
                };
                (narrowing, self.credential.clone(), None)
            }
        };
        let headers = parts.headers;
        let call =
            Call { message, changes, era, headers, owner, session, credential, narrowing, tenure };
        let answer = self.exchange(call).await?;
        Ok(match flight {
            Some(flight) => flight.until_sent(answer),
            None => answer,
        })
    }

    /// Listens for what the server tells in a session.
    pub(super) async fn get(&self, parts: Parts) -> Result<Response<Body>, Stop> {
        door::takes_events(&parts.headers)?;
        let (admitted, session) = self.of_session(&parts, SESSION_LISTEN).await?;
        let narrowing = self.narrowing(&admitted, None, Era::Legacy).await?;
        self.listen(&parts.headers, session, narrowing, admitted.tenure()).await
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
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let version = Headers::new(headers).version();
        let mut admitted = self.admit_by_headers(parts).await?;
        match version {
            Ok(Some(version)) if version.era() == Era::Modern => return Err(not_allowed()),
            Ok(_) => {}
            Err(fault) => return Err(against(&admitted, Fault::from(&fault)).await),
        }
        let session = self.named_session(&parts.headers, &admitted.owner())?;
        let tool =
            Tool::new(&self.name, name).map_err(|error| Stop::internal(error.to_string()))?;
        self.accept(&mut admitted, tool, Args::none()).await?;
        Ok((admitted, session))
    }

    async fn admit_by_headers(&self, parts: &Parts) -> Result<Admitted, Stop> {
        let values = |name| parts.headers.get_all(name).iter().map(|value| value.as_bytes());
        let credentials = Credentials::from_headers(values(AUTHORIZATION), values(DPOP));
        self.options.guard.admit(credentials, parts).await.map_err(untold)
    }

    /// The whole message, once.
    async fn read(&self, body: Body) -> Result<Vec<u8>, Stop> {
        let max = self.options.body_bytes_max;
        let stop = |status, why: String| Err(Stop::fault(status, code::INVALID_REQUEST, why));
        let whole = Limited::new(body, max).collect();
        match tokio::time::timeout(self.options.body_timeout, whole).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes().into()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let why = format!("the message is longer than {max} bytes");
                stop(StatusCode::PAYLOAD_TOO_LARGE, why)
            }
            Ok(Err(_)) => {
                stop(StatusCode::BAD_REQUEST, "the message did not arrive whole".to_owned())
            }
            Err(_) => {
                stop(StatusCode::REQUEST_TIMEOUT, "the message did not arrive in time".to_owned())
            }
        }
    }

    /// The session that a message belongs to. In the modern era there are none, and what names one
    /// means nothing.
    fn session(
        &self,
        headers: &HeaderMap,
        message: &Message,
        era: Era,
        owner: &[u8; 32],
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

    fn named_session(&self, headers: &HeaderMap, owner: &[u8; 32]) -> Result<Arc<Session>, Stop> {
        let Some(id) = door::one(headers, &SESSION)? else {
            let why = "the request names no session: open one with `initialize`";
            return Err(Stop::bad(code::INVALID_REQUEST, why));
        };
        self.sessions.find(id, owner).ok_or_else(|| Stop::not_found("no such session"))
    }

    /// What is cut out of the message before it goes up, and what goes up instead; `None` where
    /// nothing does.
    fn changes(
        &self,
        message: &Message,
        session: Option<&Session>,
    ) -> Result<Option<Changes>, Fault> {
        if message.names_roots() {
            let why = "roots are not the caller's to name";
            return Err(Fault::new(code::INVALID_PARAMS, why));
        }
        if message.method() == Some(ROOTS_CHANGED) {
            return Ok(None);
        }
        if let Kind::Response { id } = message.kind() {
            let asked = session.and_then(|session| session.questions.answered(id));
            let Some(method) = asked else {
                let why = "the server asked nothing under this `id`";
                return Err(Fault::new(code::INVALID_REQUEST, why));
            };
            if method == ROOTS_LIST {
                let own = roots(message.id_text(), &self.roots);
                return Ok(Some(Changes { own: Some(own), ..Changes::default() }));
            }
        }
        let mut splice = Splice::new();
        message.take_credentials(&mut splice);
        message.take_roots(!self.roots.is_empty(), &mut splice);
        Ok(Some(Changes { splice, own: None }))
    }

    /// Decides a call, and gives what it goes up with.
    async fn decide(
        &self,
        admitted: Admitted,
        tool: Tool,
        args: Args,
        facts: ToolFacts,
        headers: &HeaderMap,
    ) -> Result<(Option<Credential>, Flight), Stop> {
        let credential = facts.credential.or_else(|| self.credential.clone());
        let trace = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let circumstances = Circumstances {
            labels: facts.labels,
            credential: credential.as_ref().map(|credential| credential.name().to_owned()),
            trace: trace.map(|trace| trace.chars().take(128).collect()),
        };
        let begun = self.options.flights.begin(admitted.owner(), &self.options.limits);
        let begun = begun.and_then(|flight| {
            self.options.tools.check(&tool, &args)?;
            Ok(flight)
        });
        let (call, named) = (ToolCall { tool: tool.clone(), args }, Some(tool));
        let judged = match begun {
            Ok(flight) => admitted.judge(call, circumstances).await.map(|_| flight),
            Err(refusal) => Err(admitted.refuse_call(call, &circumstances, refusal).await),
        };
        match judged {
            Ok(flight) => Ok((credential, flight)),
            Err(refusal) => Err(Stop::Refused { refusal, tool: named }),
        }
    }

    async fn accept(&self, admitted: &mut Admitted, tool: Tool, args: Args) -> Result<(), Stop> {
        let named = tool.clone();
        let accepted = admitted.accept(tool, args).await;
        accepted.map_err(|refusal| Stop::Refused { refusal, tool: Some(named) })
    }

    async fn narrowing(
        &self,
        admitted: &Admitted,
        kind: Option<ListKind>,
        era: Era,
    ) -> Result<Narrowing, Stop> {
        let listing = admitted.outline().await.map_err(untold)?;
        let (server, tools) = (self.name.clone(), Arc::clone(&self.options.tools));
        Ok(Narrowing { server, kind, era, listing, tools })
    }
}

fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(DPOP)
}

fn untold(refusal: Refusal) -> Stop {
    Stop::Refused { refusal, tool: None }
}

/// A refusal of the gateway's own, recorded.
async fn refused(admitted: &Admitted, code: Code, why: &str) -> Stop {
    untold(admitted.refuse(Reason::new(code, why).into()).await)
}

/// A message against the protocol; the record says so.
async fn against(admitted: &Admitted, fault: Fault) -> Stop {
    let refusal = Refusal::malformed(StatusCode::BAD_REQUEST, fault.message.clone());
    let refusal = admitted.refuse(refusal).await;
    match refusal.code() {
        Code::RequestMalformed => Stop::Fault(StatusCode::BAD_REQUEST, fault),
        _ => untold(refusal),
    }
}

/// The gateway's own answer to the server's question for roots.
fn roots(id: &[u8], roots: &[String]) -> Vec<u8> {
    let roots: Vec<_> = roots.iter().map(|uri| serde_json::json!({ "uri": uri })).collect();
    mcp::result(id, serde_json::json!({ "roots": roots }))
}
