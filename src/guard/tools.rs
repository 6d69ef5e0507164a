use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::MatchedPath;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};

use super::arguments;
use super::path::{self, Template};
use super::refusal::Refusal;
use crate::model::{Args, JsonProfile, Reason, Tool, ToolError};

/// A call as it will be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// What is called.
    pub tool: Tool,
    /// With which arguments.
    pub args: Args,
}

/// Which request is a call of which tool, with which arguments.
///
/// *Shape*: a request's arguments are the captures of its path, the parameters of its query, both
/// as strings, and the members of its JSON body. A name that comes from two of them, or twice in
/// the query, is refused. A request that no route takes is refused with 404. `HEAD` is judged as
/// the `GET` that a router answers it with.
///
/// *Example*:
///
/// ```
/// # fn main() -> Result<(), hardtack::guard::RouteError> {
/// use hardtack::guard::ToolMap;
///
/// let tools = ToolMap::new()
///     .route("POST", "/refunds", "stripe/refund")?
///     .route("GET", "/accounts/{id}", "crm/get_account")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ToolMap {
    routes: BTreeMap<String, Vec<Route>>,
    open: Vec<(String, Template)>,
    closure: Option<Closure>,
    profile: JsonProfile,
}

type Closure = Arc<dyn Fn(&Parts, &Bytes) -> Result<ToolCall, Reason> + Send + Sync>;

#[derive(Clone, Debug)]
struct Route {
    template: Template,
    tool: Tool,
}

/// Why a route is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The method is none, or `CONNECT`.
    #[error("`{0}` is no method that a route can have")]
    Method(String),
    /// The path is no template.
    #[error("`{path}`: {why}")]
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
}

impl ToolMap {
    /// A map without routes: every call is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests are judged as this closure says.
    ///
    /// *Shape*: it sees the request's head, without the token, and the bytes that are forwarded.
    /// What it makes the arguments of must be what the handler reads.
    pub fn from_fn(
        call: impl Fn(&Parts, &Bytes) -> Result<ToolCall, Reason> + Send + Sync + 'static,
    ) -> Self {
        Self { closure: Some(Arc::new(call)), ..Self::default() }
    }

    /// Requests with this method, whose path has this form, are calls of this tool.
    ///
    /// *Errors*: [`RouteError`].
    pub fn route(mut self, method: &str, path: &str, tool: &str) -> Result<Self, RouteError> {
        let (method, template) = self.free(method, path)?;
        let routes = self.routes.entry(method).or_default();
        routes.push(Route { template, tool: tool.parse()? });
        routes.sort_by_cached_key(|route| route.template.rank());
        Ok(self)
    }

    /// Requests with this method, whose path has this form, go through without a token, undecided
    /// and unrecorded.
    ///
    /// *Errors*: [`RouteError`].
    pub fn danger_open(mut self, method: &str, path: &str) -> Result<Self, RouteError> {
        let open = self.free(method, path)?;
        self.open.push(open);
        Ok(self)
    }

    /// Takes integers of 64 bits, for handlers that read them exactly.
    pub fn integers64(self) -> Self {
        Self { profile: JsonProfile::Integers64, ..self }
    }

    /// A method and a template that no route has yet.
    fn free(&self, method: &str, path: &str) -> Result<(String, Template), RouteError> {
        match Method::from_bytes(method.as_bytes()) {
            Ok(known) if known != Method::CONNECT => {}
            _ => return Err(RouteError::Method(method.chars().take(32).collect())),
        }
        let template =
            Template::parse(path).map_err(|why| RouteError::Path { path: path.to_owned(), why })?;
        let form = template.form();
        let routes = self.routes.get(method).into_iter().flatten().map(|route| &route.template);
        let open = self.open.iter().filter(|open| open.0 == method).map(|open| &open.1);
        match routes.chain(open).any(|other| other.form() == form) {
            true => Err(RouteError::Twice(format!("{method} {path}"))),
            false => Ok((method.to_owned(), template)),
        }
    }

    /// Whether the request needs no token.
    pub(super) fn is_open(&self, parts: &Parts) -> bool {
        let Ok(segments) = path::segments(parts.uri.path()) else { return false };
        let method = as_routed(&parts.method);
        let takes = |template: &Template| template.captures(&segments).is_some();
        let open = self.open.iter().find(|open| open.0 == method && takes(&open.1));
        // A tool's route that takes it too would be served without a decision.
        let mut tools = self.routes.get(method).into_iter().flatten();
        open.is_some_and(|open| serves(parts, &open.1))
            && !tools.any(|route| takes(&route.template))
    }

    /// The call that a request makes.
    pub(super) fn call(&self, parts: &Parts, body: &Bytes) -> Result<ToolCall, Refusal> {
        arguments::plain_request(parts)?;
        if let Some(closure) = &self.closure {
            return Ok(closure(parts, body)?);
        }
        let bad = |why: &str| Refusal::malformed(StatusCode::BAD_REQUEST, why);
        let segments = path::segments(parts.uri.path()).map_err(bad)?;
        let routes = self.routes.get(as_routed(&parts.method)).into_iter().flatten();
        let mut found =
            routes.filter_map(|route| Some((route, route.template.captures(&segments)?)));
        let Some((route, captures)) = found.next() else {
            let why = "no tool has this method and path";
            return Err(Refusal::malformed(StatusCode::NOT_FOUND, why));
        };
        if !serves(parts, &route.template) {
            let why = "the route that serves this request is not the one it is judged by";
            return Err(Refusal::malformed(StatusCode::NOT_FOUND, why));
        }
        let mut strings = Vec::new();
        for (name, value) in captures {
            strings.push((name.to_owned(), path::decoded(value).map_err(bad)?));
        }
        strings.extend(path::query(parts.uri.query().unwrap_or_default()).map_err(bad)?);
        let args = arguments::collect(parts, body, strings, self.profile)?;
        Ok(ToolCall { tool: route.tool.clone(), args })
    }
}

/// Where the router says which of its routes will serve the request, whether that is this one:
/// otherwise a call would be judged as one tool and served by another.
fn serves(parts: &Parts, template: &Template) -> bool {
    let matched = parts.extensions.get::<MatchedPath>();
    matched.is_none_or(|path| path::router_form(path.as_str()).ends_with(&template.form()))
}

/// The method whose route serves the request.
fn as_routed(method: &Method) -> &str {
    if *method == Method::HEAD { "GET" } else { method.as_str() }
}

impl fmt::Debug for ToolMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolMap")
            .field("routes", &self.routes)
            .field("open", &self.open)
            .field("closure", &self.closure.is_some())
            .finish_non_exhaustive()
    }
}
