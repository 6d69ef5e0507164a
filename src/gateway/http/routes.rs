//! Which request is a call of which tool.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use http::request::Parts;

use crate::config::gateway::{BodyKind, Route as RouteSettings};
use crate::gateway::upstream::Upstream;
use crate::guard::path::{self, Template};
use crate::model::{JsonProfile, Tool, ToolError};

/// Paths that are the gateway's own.
const OWN: &[&str] = &["mcp", ".well-known"];

/// Why a gateway cannot be made of these servers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpServerError {
    /// The method is none that a route can have.
    #[error("`{0}` is no method that a route can have")]
    Method(String),
    /// The path is no template.
    #[error("the route `{path}`: {why}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The tool's name is none.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Another route takes the same requests.
    #[error("two routes take `{0}`")]
    Twice(String),
    /// A route that carries a body which its method does not have, or changes a protocol that way.
    #[error("the route `{0}`: only `GET` can change the protocol, and only without a body")]
    Upgrade(String),
}

/// The routes of all servers.
#[derive(Default)]
pub(super) struct Routes {
    by_method: BTreeMap<String, Vec<Route>>,
}

/// What serves a route.
pub(super) struct Served {
    /// None where another proxy sends its requests up.
    pub(super) upstream: Option<Upstream>,
    pub(super) profile: JsonProfile,
}

/// One route.
pub(super) struct Route {
    template: Template,
    /// The template, as it is written.
    pub(super) path: String,
    pub(super) tool: Tool,
    pub(super) body: BodyKind,
    pub(super) upgrade: bool,
    pub(super) server: Arc<Served>,
}

/// The route that takes a request.
pub(super) struct Found<'a> {
    pub(super) route: &'a Route,
    /// What its path captures: names and values.
    pub(super) captures: Vec<(String, String)>,
}

impl Routes {
    /// Adds a route of this server.
    pub(super) fn add(
        &mut self,
        name: &str,
        settings: &RouteSettings,
        server: Arc<Served>,
    ) -> Result<(), HttpServerError> {
        let RouteSettings { method, path, tool, body, upgrade } = settings;
        let named = || format!("{method} {path}");
        match Method::from_bytes(method.as_bytes()) {
            Ok(known) if ![Method::CONNECT, Method::TRACE, Method::HEAD].contains(&known) => {}
            _ => return Err(HttpServerError::Method(method.chars().take(32).collect())),
        }
        let wrong = |why| HttpServerError::Path { path: path.clone(), why };
        let template = Template::parse(path).map_err(wrong)?;
        if path.split('/').nth(1).is_some_and(|first| OWN.contains(&first)) {
            return Err(wrong("the gateway itself answers there"));
        }
        if *upgrade && (method != "GET" || *body != BodyKind::Json) {
            return Err(HttpServerError::Upgrade(named()));
        }
        let routes = self.by_method.entry(method.clone()).or_default();
        if routes.iter().any(|other| other.template.form() == template.form()) {
            return Err(HttpServerError::Twice(named()));
        }
        let tool = Tool::new(name, tool)?;
        let path = path.clone();
        routes.push(Route { template, path, tool, body: *body, upgrade: *upgrade, server });
        routes.sort_by_cached_key(|route| route.template.rank());
        Ok(())
    }

    /// The route that takes a request; none where no route does.
    ///
    /// *Errors*: a path that two readers could read differently.
    pub(super) fn find(&self, parts: &Parts) -> Result<Option<Found<'_>>, &'static str> {
        let segments = path::segments(parts.uri.path())?;
        // `HEAD` asks for what `GET` would answer.
        let method = if parts.method == Method::HEAD { "GET" } else { parts.method.as_str() };
        let routes = self.by_method.get(method).into_iter().flatten();
        let mut found =
            routes.filter_map(|route| Some((route, route.template.captures(&segments)?)));
        let Some((route, captures)) = found.next() else { return Ok(None) };
        let read = |(name, value): (&str, &str)| Ok((name.to_owned(), path::decoded(value)?));
        let captures = captures.into_iter().map(read).collect::<Result<_, &'static str>>()?;
        Ok(Some(Found { route, captures }))
    }
}
