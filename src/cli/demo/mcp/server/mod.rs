//! A small MCP server with a toy world, for trying out what stands in front of it.
//!
//! Speaks both eras of the protocol, over stdio and over streamable HTTP. It trusts everybody and
//! resolves paths as carelessly as most; what it was asked is in its log, so that whoever put a
//! gateway in front can show what did not arrive.
//!
//! *Source*: MCP 2025-11-25 and 2026-07-28.

mod args;
mod era;
mod headers;
mod http;
mod log;
mod message;
mod shelf;
mod stdio;
mod stream;
mod tools;
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};

pub(in crate::cli) use self::args::Args;

use self::era::Era;
use self::message::{Fault, INVALID_PARAMS, METHOD_NOT_FOUND, Members, Request, notification};
use self::tools::{Called, Change};
use self::world::World;

/// Changes that a slow listener may be behind.
const CHANGES_MAX: usize = 64;
/// Where progress and subscriptions name what they belong to.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The server, whatever it is reached by.
#[derive(Debug)]
pub(super) struct Server {
    world: Mutex<World>,
    changes: broadcast::Sender<Change>,
}

/// What a session of the era with sessions remembers.
#[derive(Debug, Default)]
struct Session {
    /// The resources whose changes are to be told.
    watched: Mutex<BTreeSet<String>>,
}

/// What a request comes to.
enum Answer {
    Now(Value),
    /// A result after so many steps, each of which takes so long.
    Slow(Value, u64, Duration),
    /// Notifications of changes to these, until somebody ends it.
    Listen(Filter),
}

/// Which changes are to be told.
#[derive(Debug)]
struct Filter {
    tools: bool,
    watched: BTreeSet<String>,
}

/// The server over streamable HTTP, at `/mcp`; what arrives is written down in this file.
pub(super) fn router(log: &Path) -> anyhow::Result<axum::Router> {
    Ok(http::router(Server::new(), log::Log::open(Some(log))?))
}

impl Server {
    pub(super) fn new() -> Arc<Self> {
        let changes = broadcast::Sender::new(CHANGES_MAX);
        Arc::new(Self { world: Mutex::new(World::new()), changes })
    }

    /// Answers a request: sends what comes of it, the response last. Dropping the future cancels.
    async fn respond(
        &self,
        request: &Request,
        era: Era,
        session: &Session,
        out: &mpsc::Sender<Value>,
    ) {
        // Before the request is looked at, so that no change is missed.
        let changes = self.changes.subscribe();
        // Nobody is told where nobody listens any more.
        match self.answer(request, era, session) {
            Err(fault) => drop(out.send(request.answered(Err(fault))).await),
            Ok(Answer::Now(result)) => drop(out.send(request.answered(Ok(result))).await),
            Ok(Answer::Slow(result, steps, pause)) => {
                let token = request.meta("progressToken");
                for step in 1..=steps {
                    tokio::time::sleep(pause).await;
                    if let Some(token) = token {
                        let done =
                            json!({ "progressToken": token, "progress": step, "total": steps });
                        drop(out.send(notification("notifications/progress", &done)).await);
                    }
                }
                drop(out.send(request.answered(Ok(result))).await);
            }
            Ok(Answer::Listen(filter)) => listen(&request.id, &filter, changes, out).await,
        }
    }

    fn answer(&self, request: &Request, era: Era, session: &Session) -> Result<Answer, Fault> {
        if era == Era::Modern {
            era::check_modern(request)?;
        }
        let method = request.method.as_str();
        let result = match (era, method) {
            (Era::Legacy, "initialize") => era::initialized(request)?,
            (Era::Legacy, "ping" | "logging/setLevel") => json!({}),
            (Era::Legacy, "resources/subscribe" | "resources/unsubscribe") => {
                session.watch(request.text("uri")?, method == "resources/subscribe");
                json!({})
            }
            (Era::Modern, "server/discover") => era::discovered(),
            (Era::Modern, "subscriptions/listen") => {
                return Ok(Answer::Listen(Filter::of(request)?));
            }
            (_, "tools/list") => {
                tools::list(&self.world(), request.params.get("cursor").and_then(Value::as_str))?
            }
            (_, "tools/call") => match self.call(request)? {
                Called::Done(result) => result,
                Called::Slow(result, steps, pause) => {
                    return Ok(Answer::Slow(era::finished(era, method, result), steps, pause));
                }
            },
            (_, "resources/list") => shelf::resources(),
            (_, "resources/templates/list") => shelf::templates(),
            (_, "resources/read") => shelf::read(&self.world(), request)?,
            (_, "prompts/list") => shelf::prompts(),
            (_, "prompts/get") => shelf::prompt(&self.world(), request)?,
            (_, "completion/complete") => shelf::complete(&self.world(), request)?,
            _ => return Err(Fault::new(METHOD_NOT_FOUND, format!("there is no `{method}`"))),
        };
        Ok(Answer::Now(era::finished(era, method, result)))
    }

    fn call(&self, request: &Request) -> Result<Called, Fault> {
        let arguments = match request.params.get("arguments") {
            None => Members::new(),
            Some(Value::Object(arguments)) => arguments.clone(),
            Some(_) => return Err(Fault::new(INVALID_PARAMS, "`arguments` has to be an object")),
        };
        let (called, change) = tools::call(&mut self.world(), request.text("name")?, &arguments)?;
        if let Some(change) = change {
            // It is an error that nobody listens.
            let _ = self.changes.send(change);
        }
        Ok(called)
    }

    /// What a session's own stream tells: until nobody listens any more.
    async fn tell(&self, session: &Session, out: &mpsc::Sender<Value>) {
        let mut changes = self.changes.subscribe();
        while let Some(change) = next(&mut changes).await {
            let watched = session.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let filter = Filter { tools: true, watched };
            if let Some((method, params)) = filter.told(&change)
                && out.send(notification(method, &params)).await.is_err()
            {
                return;
            }
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn watch(&self, uri: &str, on: bool) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        match on {
            true => drop(watched.insert(uri.to_owned())),
            false => drop(watched.remove(uri)),
        }
    }
}

impl Filter {
    fn of(request: &Request) -> Result<Self, Fault> {
        let Some(wanted) = request.members("notifications") else {
            return Err(Fault::new(INVALID_PARAMS, "`notifications` has to be an object"));
        };
        let uris = wanted.get("resourceSubscriptions").and_then(Value::as_array);
        let uris = uris.into_iter().flatten().filter_map(Value::as_str);
        Ok(Self {
            tools: wanted.get("toolsListChanged") == Some(&Value::Bool(true)),
            watched: uris.map(str::to_owned).collect(),
        })
    }

    fn honored(&self) -> Value {
        let mut honored = json!({});
        if let Some(members) = honored.as_object_mut() {
            if self.tools {
                members.insert("toolsListChanged".to_owned(), json!(true));
            }
            if !self.watched.is_empty() {
                members.insert("resourceSubscriptions".to_owned(), json!(self.watched));
            }
        }
        honored
    }

    /// The notification of a change, if it is wanted.
    fn told(&self, change: &Change) -> Option<(&'static str, Value)> {
        match change {
            Change::Tools => self.tools.then(|| ("notifications/tools/list_changed", json!({}))),
            Change::File(path) => {
                let uri = shelf::uri_of(path);
                let is_watched = self.watched.contains(&uri);
                is_watched.then(|| ("notifications/resources/updated", json!({ "uri": uri })))
            }
        }
    }
}

/// The next change; those that a slow listener missed are gone.
async fn next(changes: &mut broadcast::Receiver<Change>) -> Option<Change> {
    loop {
        match changes.recv().await {
            Ok(change) => return Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

async fn listen(
    id: &Value,
    filter: &Filter,
    mut changes: broadcast::Receiver<Change>,
    out: &mpsc::Sender<Value>,
) {
    let tagged = |mut params: Value| {
        if let Some(members) = params.as_object_mut() {
            members.insert("_meta".to_owned(), json!({ SUBSCRIPTION: id }));
        }
        params
    };
    let honored = tagged(json!({ "notifications": filter.honored() }));
    let mut told =
        out.send(notification("notifications/subscriptions/acknowledged", &honored)).await;
    while told.is_ok() {
        let Some(change) = next(&mut changes).await else { return };
        if let Some((method, params)) = filter.told(&change) {
            told = out.send(notification(method, &tagged(params))).await;
        }
    }
}
