use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::within;
use crate::model::limits;

/// Where the gateway listens, and what it takes from whoever connects.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Where callers connect. Beyond loopback, put TLS in front.
    pub address: SocketAddr,
    /// Where metrics and health are served, if anywhere; not for callers.
    pub operations: Option<SocketAddr>,
    /// Hosts that requests may name, besides that of `public_uri` and, on loopback, `localhost`.
    pub hosts: Vec<String>,
    /// Origins of web pages that may send requests; none by default.
    pub origins: Vec<String>,
    /// Connections at once.
    pub connections_max: usize,
    /// How long the head of a request may take to arrive.
    pub head_timeout_secs: u64,
    /// How long the body of a request may take to arrive.
    pub body_timeout_secs: u64,
    /// The longest body of a request.
    pub body_bytes_max: usize,
    /// How long calls in flight may take to end when the gateway stops.
    pub drain_secs: u64,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            operations: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            connections_max: 20_000,
            head_timeout_secs: 10,
            body_timeout_secs: 30,
            body_bytes_max: limits::ARGS_BYTES_MAX,
            drain_secs: 30,
        }
    }
}

impl Listen {
    pub(super) fn validate(&self) -> Result<(), String> {
        within("listen.connections_max", self.connections_max as u64, 1, 1_000_000)?;
        within("listen.head_timeout_secs", self.head_timeout_secs, 1, 300)?;
        within("listen.body_timeout_secs", self.body_timeout_secs, 1, 3600)?;
        let longest = limits::ARGS_BYTES_MAX as u64;
        within("listen.body_bytes_max", self.body_bytes_max as u64, 1024, longest)?;
        within("listen.drain_secs", self.drain_secs, 0, 3600)
    }
}
