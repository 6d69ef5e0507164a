use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{is_label, is_server_name, within};
use super::credential::CredentialConfig;
use super::secret::{Secret, SecretError, SecretText};

/// A server of tools that the gateway stands in front of.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name in grants, records and paths: lower case letters, digits and `-`, at most 32.
    pub name: String,
    /// What it speaks.
    pub kind: ServerKind,
    /// Where it answers: for `mcp-http` its endpoint, for `http` what paths are put after.
    #[serde(default)]
    pub url: Option<String>,
    /// For `mcp-stdio`: the program and its arguments; no shell.
    #[serde(default)]
    pub command: Vec<String>,
    /// For `mcp-stdio`: its environment, besides `PATH` and `HOME`.
    #[serde(default)]
    pub env: BTreeMap<String, Variable>,
    /// For `mcp-stdio`: the folder that it runs in.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// For `mcp-stdio`: the roots that it is told; an agent can never name any.
    #[serde(default)]
    pub roots: Vec<String>,
    /// What calls go up with, for tools without one of their own.
    #[serde(default)]
    pub credential: Option<CredentialConfig>,
    /// Labels of every tool.
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// What is said of single tools.
    #[serde(default, rename = "tool")]
    pub tools: BTreeMap<String, ToolSettings>,
    /// For `http`: which request is which tool.
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
    /// How a refused MCP call is told.
    #[serde(default)]
    pub denials: Denials,
    /// Take whole numbers of 64 bits in arguments, where the server reads them exactly.
    #[serde(default)]
    pub integers64: bool,
    /// How long connecting may take.
    #[serde(default = "connect_secs")]
    pub connect_timeout_secs: u64,
    /// How long the server may take to begin its answer.
    #[serde(default = "answer_secs")]
    pub answer_timeout_secs: u64,
    /// How long an answer may pause, once begun.
    #[serde(default = "idle_secs")]
    pub idle_timeout_secs: u64,
    /// Calls to this server at once.
    #[serde(default = "calls")]
    pub calls_max: usize,
    /// Sessions, or children of `mcp-stdio`, at once.
    #[serde(default = "sessions")]
    pub sessions_max: usize,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    /// The Model Context Protocol over streamable HTTP.
    McpHttp,
    /// The Model Context Protocol over standard input and output of a child process.
    McpStdio,
    /// Plain HTTP.
    Http,
    /// Plain HTTP that another proxy sends up, after it has asked the gateway: see `doors`.
    External,
}

/// A variable of a child's environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Variable {
    /// As written.
    Plain(String),
    /// Found elsewhere.
    Secret(Secret),
}

/// How a refused MCP call is told to the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Denials {
    /// As a JSON-RPC error with the problem document.
    #[default]
    Error,
    /// As a tool result with `isError` and one sentence.
    Result,
}

/// What is said of one tool.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolSettings {
    /// Its labels, besides the server's.
    pub labels: BTreeSet<String>,
    /// What its arguments are; a name may be a path such as `files/*`.
    pub arguments: BTreeMap<String, ArgumentKind>,
    /// What its calls go up with.
    pub credential: Option<CredentialConfig>,
}

/// What an argument is: held to one spelling, whatever a token says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArgumentKind {
    /// A path in its one canonical form: no `.` or `..`, no doubled or last slash, no `~`, no
    /// escapes, look-alikes, backslashes or control characters.
    Path,
    /// A path on this machine that goes through no symbolic link.
    LocalPath,
    /// An absolute URL without a user.
    Url,
    /// An absolute URL of a host that is reached in public.
    PublicUrl,
}

/// Which request is a call of which tool.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The method.
    pub method: String,
    /// The path, such as `/refunds/{id}`: captures, query and body are the arguments.
    pub path: String,
    /// The tool's name on this server.
    pub tool: String,
    /// What the body is.
    #[serde(default)]
    pub body: BodyKind,
    /// Let the connection change its protocol, as WebSocket does; what follows is not judged.
    #[serde(default)]
    pub upgrade: bool,
}

/// What a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyKind {
    /// JSON, whose members are arguments.
    #[default]
    Json,
    /// A form, whose fields are arguments.
    Form,
    /// Anything, streamed up without being judged.
    Opaque,
}

fn connect_secs() -> u64 {
    5
}

fn answer_secs() -> u64 {
    60
}

fn idle_secs() -> u64 {
    300
}

fn calls() -> usize {
    256
}

fn sessions() -> usize {
    256
}

impl Server {
    /// A child process with this command, and nothing else said of it.
    pub fn stdio(name: &str, command: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            kind: ServerKind::McpStdio,
            url: None,
            command,
            env: BTreeMap::new(),
            cwd: None,
            roots: Vec::new(),
            credential: None,
            labels: BTreeSet::new(),
            tools: BTreeMap::new(),
            routes: Vec::new(),
            denials: Denials::default(),
            integers64: false,
            connect_timeout_secs: connect_secs(),
            answer_timeout_secs: answer_secs(),
            idle_timeout_secs: idle_secs(),
            calls_max: calls(),
            sessions_max: sessions(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let name = &self.name;
        if !is_server_name(name) {
            return Err(format!(
                "a server is called `{}`: a name is 1 to 32 lower case letters, digits and `-`",
                name.chars().take(64).collect::<String>()
            ));
        }
        self.of_its_kind().map_err(|why| format!("server `{name}` {why}"))?;
        let labels = self.labels.iter().chain(self.tools.values().flat_map(|tool| &tool.labels));
        if let Some(label) = labels.clone().find(|label| !is_label(label)) {
            return Err(format!(
                "server `{name}` has the label `{label}`: lower case letters, digits, `-` and `_`"
            ));
        }
        let field = |field: &str| format!("server.{field}` of `{name}");
        within(&field("connect_timeout_secs"), self.connect_timeout_secs, 1, 300)?;
        within(&field("answer_timeout_secs"), self.answer_timeout_secs, 1, 86_400)?;
        within(&field("idle_timeout_secs"), self.idle_timeout_secs, 1, 86_400)?;
        within(&field("calls_max"), self.calls_max as u64, 1, 100_000)?;
        within(&field("sessions_max"), self.sessions_max as u64, 1, 100_000)
    }

    fn of_its_kind(&self) -> Result<(), String> {
        let is_stdio = self.kind == ServerKind::McpStdio;
        let of_child = !self.command.is_empty() || !self.env.is_empty() || self.cwd.is_some();
        match (is_stdio, &self.url) {
            (true, _) if self.command.first().is_none_or(String::is_empty) => {
                return Err("is `mcp-stdio` and names no `command`".to_owned());
            }
            (true, Some(_)) => return Err("is `mcp-stdio` and has a `url`".to_owned()),
            (true, None) if self.credential.is_some() => {
                return Err("is `mcp-stdio`: give its credential in `env`".to_owned());
            }
            (false, Some(_)) if self.kind == ServerKind::External => {
                return Err("is `external`: another proxy knows its `url`".to_owned());
            }
            (false, None) if self.kind == ServerKind::External => {
                let has_credential = self.tools.values().any(|tool| tool.credential.is_some());
                if self.credential.is_some() || has_credential || of_child {
                    return Err("is `external`: another proxy gives its credential".to_owned());
                }
            }
            (false, None) => return Err("names no `url`".to_owned()),
            (false, Some(_)) if of_child => {
                return Err("has a `url`, so no `command`, `env` or `cwd`".to_owned());
            }
            (false, Some(url)) => plain_url(url)?,
            (true, None) => {}
        }
        match (self.kind, self.routes.is_empty()) {
            (ServerKind::Http, true) => {
                Err("names no `route`, so no call could reach it".to_owned())
            }
            (ServerKind::McpHttp | ServerKind::McpStdio, false) => {
                Err("speaks MCP and has a `route`, which is for `http`".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Nothing in it is a secret, and nothing is lost where a path comes after it.
fn plain_url(url: &str) -> Result<(), String> {
    let parsed = url::Url::parse(url).map_err(|_| format!("has no URL in `url`: `{url}`"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("has a `url` that is neither `http` nor `https`".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("has a user in its `url`: give a `credential`".to_owned());
    }
    match parsed.query().is_some() || parsed.fragment().is_some() {
        true => Err("has a query or fragment in its `url`".to_owned()),
        false => Ok(()),
    }
}

/// The environment of a server's child: what settings name, and the gateway's own `PATH` and `HOME`.
///
/// *Errors*: [`SecretError`] where a value cannot be had.
pub async fn child_env(server: &Server) -> Result<BTreeMap<String, SecretText>, SecretError> {
    let mut env = BTreeMap::new();
    for name in ["PATH", "HOME"] {
        if let Ok(value) = Secret::Env(name.to_owned()).read().await {
            env.insert(name.to_owned(), value);
        }
    }
    for (name, value) in &server.env {
        let value = match value {
            Variable::Plain(text) => SecretText::new(text.clone()),
            Variable::Secret(secret) => secret.read().await?,
        };
        env.insert(name.clone(), value);
    }
    Ok(env)
}
