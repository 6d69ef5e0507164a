use std::collections::BTreeMap;

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::Secret;

/// Where traces of calls are sent.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// The whole address of an OpenTelemetry collector that takes OTLP over HTTP, such as
    /// `http://127.0.0.1:4318/v1/traces`; without one, no traces are made.
    pub url: Option<String>,
    /// How many of the traces that begin here are collected, from 0 to 1. Of those that callers name,
    /// all are that they say are.
    pub share: f64,
    /// Headers that the collector asks for: secrets.
    pub headers: BTreeMap<String, Secret>,
}

impl Default for Traces {
    fn default() -> Self {
        Self { url: None, share: 1.0, headers: BTreeMap::new() }
    }
}

impl Traces {
    pub(super) fn validate(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(format!("`traces.share` is {}, and must be from 0 to 1", self.share));
        }
        let is_address = |url: &&String| {
            let url = url::Url::parse(url).ok();
            url.is_some_and(|url| {
                let is_plain = url.username().is_empty() && url.password().is_none();
                let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
                is_http && is_plain && url.fragment().is_none() && url.query().is_none()
            })
        };
        if self.url.iter().any(|url| !is_address(&url)) {
            return Err("`traces.url` is not an absolute `http` or `https` URL without user, query and fragment".to_owned());
        }
        let is_name = |name: &&String| HeaderName::try_from(name.as_str()).is_ok();
        match self.headers.keys().find(|name| !is_name(name)) {
            Some(name) => Err(format!("`traces.headers`: `{name}` is no name of a header")),
            None => Ok(()),
        }
    }
}
