use std::sync::Arc;
use std::time::Duration;

use crate::config::gateway::{Denials, Limits};
use crate::gateway::credential::Credential;
use crate::gateway::ops::Flights;
use crate::gateway::trace::Traces;
use crate::gateway::upstream::Upstream;
use crate::guard::Guard;
use crate::model::{Clock, JsonProfile, TargetUri};

use super::stdio::StdioServer;
use super::tools::Tools;

/// What a gateway for the Model Context Protocol takes, and from whom.
#[derive(Clone)]
pub struct McpOptions {
    /// The gateway's identifier, which challenges name as the realm.
    pub gateway: String,
    /// Decides every call.
    pub guard: Guard,
    /// What is known of the servers' tools.
    pub tools: Arc<dyn Tools>,
    /// Where calls are told of.
    pub traces: Traces,
    /// The calls in flight.
    pub flights: Flights,
    /// How many there may be.
    pub limits: Limits,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The gateway's own address, as its callers know it.
    pub public_uri: Option<TargetUri>,
    /// Hosts that requests may name, each with a port or with any.
    pub hosts: Vec<String>,
    /// Origins of web pages that may send requests, besides pages of the hosts themselves.
    pub origins: Vec<String>,
    /// Longest message, in bytes; at most `limits::MESSAGE_BYTES_MAX`.
    pub body_bytes_max: usize,
    /// How long a message may take to arrive.
    pub body_timeout: Duration,
    /// Longest list of a server, and longest event that is read whole, in bytes: 8 MiB.
    pub list_bytes_max: usize,
    /// How long a session may be idle: an hour.
    pub session_idle: Duration,
    /// How often a lasting answer is asked whether its token still holds: each second.
    pub tenure_every: Duration,
}

/// One server behind the gateway.
#[derive(Clone)]
pub struct McpServer {
    /// Its name in grants, records and paths.
    pub name: String,
    /// Where it answers.
    pub upstream: McpUpstream,
    /// What everything that is no call of a tool goes up with.
    pub credential: Option<Credential>,
    /// Which whole numbers it reads exactly.
    pub profile: JsonProfile,
    /// How a refused call is told.
    pub denials: Denials,
    /// The roots that it is told, in place of its callers'.
    pub roots: Vec<String>,
    /// Sessions at once.
    pub sessions_max: usize,
}

/// Where a server answers.
#[derive(Clone, Debug)]
pub enum McpUpstream {
    /// Over streamable HTTP.
    Http(Box<Upstream>),
    /// As child processes.
    Stdio(StdioServer),
}

impl McpUpstream {
    /// Whether both share their connections, or their children.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(one), Self::Http(other)) => one.is_same(other),
            (Self::Stdio(one), Self::Stdio(other)) => one.is_same(other),
            _ => false,
        }
    }
}

/// Why a gateway cannot be made of these servers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McpServerError {
    /// Two servers of one name.
    #[error("two servers are called `{0}`")]
    Twice(String),
}

impl McpOptions {
    /// A gateway with this guard and this knowledge of tools, the rest by default; on loopback alone.
    pub fn new(gateway: &str, guard: Guard, tools: Arc<dyn Tools>, clock: Arc<dyn Clock>) -> Self {
        let hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
        Self {
            gateway: gateway.to_owned(),
            guard,
            tools,
            flights: Flights::default(),
            traces: Traces::default(),
            limits: Limits::default(),
            clock,
            public_uri: None,
            hosts,
            origins: Vec::new(),
            body_bytes_max: crate::model::limits::MESSAGE_BYTES_MAX,
            body_timeout: Duration::from_secs(30),
            list_bytes_max: 8 * 1024 * 1024,
            session_idle: Duration::from_secs(60 * 60),
            tenure_every: Duration::from_secs(1),
        }
    }
}
