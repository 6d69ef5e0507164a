use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::check::within;
use super::listen::Listen;
use super::records::Records;
use super::secret::Secret;
use super::server::{Server, Variable};
use super::traces::Traces;
use super::trust::Authority;
use crate::mint::is_plain_text;
use crate::model::TargetUri;

/// Longest file of settings, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The settings of a gateway.
///
/// *Shape*: TOML; a field that is left out has its default, an unknown one is refused. Paths are
/// relative to the folder that the file is in.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// The gateway's name, which tokens have as their audience.
    pub gateway: String,
    /// The address under which callers reach it: proofs name it, and so do the metadata of MCP.
    #[serde(default, deserialize_with = "uri")]
    #[schemars(with = "Option<String>")]
    pub public_uri: Option<TargetUri>,
    /// Where it listens.
    #[serde(default)]
    pub listen: Listen,
    /// Whose tokens are accepted.
    pub authority: Authority,
    /// What it asks besides the token.
    #[serde(default)]
    pub policy: PolicyFiles,
    /// Where decisions are recorded.
    #[serde(default)]
    pub records: Records,
    /// How proofs of holders are asked for.
    #[serde(default)]
    pub proofs: Proofs,
    /// Where other proxies ask about requests.
    #[serde(default)]
    pub doors: Doors,
    /// Where traces of calls are sent.
    #[serde(default)]
    pub traces: Traces,
    /// What all callers together may take.
    #[serde(default)]
    pub limits: Limits,
    /// The file with the definitions of tools that a person approved; without one, none is asked for.
    #[serde(default)]
    pub approved: Option<PathBuf>,
    /// The servers.
    #[serde(default, rename = "server")]
    pub servers: Vec<Server>,
}

/// The gateway's own policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyFiles {
    /// Files of Datalog, read in this order; without any, what the token grants is allowed.
    pub files: Vec<PathBuf>,
}

/// How proofs of holders are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Proofs {
    /// Ask every proof for a nonce of the gateway's.
    pub nonces: bool,
    /// The URL of a Redis that remembers used proofs, for gateways that share an address: a secret.
    pub redis: Option<Secret>,
}

/// Where other proxies ask about requests before they send them up. Whoever reaches these addresses is
/// believed to be such a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Doors {
    /// For nginx (`/auth-request`), Traefik (`/forward-auth`) and Envoy over HTTP (`/ext-authz`).
    pub http: Option<SocketAddr>,
    /// For Envoy over gRPC.
    pub grpc: Option<SocketAddr>,
}

/// What all callers together may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls at once.
    pub calls_max: usize,
    /// Calls of one task at once.
    pub task_calls_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls_max: 4096, task_calls_max: 256 }
    }
}

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("`{path}`: {why}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file makes no sense.
    #[error("`{path}`: {why}")]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What is wrong, with the line or the field.
        why: String,
    },
}

impl GatewaySettings {
    /// Reads the file, and makes its paths absolute or relative to where the process runs.
    ///
    /// *Errors*: [`SettingsError`].
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let failed = |why: std::io::Error| {
            let why = why.to_string();
            let why = why.split(" (os error").next().unwrap_or_default().to_lowercase();
            SettingsError::Read { path: path.to_owned(), why }
        };
        if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
            return Err(failed(std::io::Error::other("is longer than 4 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let wrong = |why| SettingsError::Wrong { path: path.to_owned(), why };
        let settings = Self::from_toml(&text).map_err(wrong)?;
        Ok(settings.within_folder(path.parent().unwrap_or(Path::new(""))))
    }

    /// Reads settings from text.
    ///
    /// *Errors*: a sentence that names the line or the field.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text)
            .map_err(|error| crate::config::sentence_without_values(text, &error))?;
        settings.validate()?;
        Ok(settings)
    }

    /// The same settings, where they make sense.
    ///
    /// *Errors*: a sentence that names the field.
    pub fn checked(self) -> Result<Self, String> {
        self.validate().map(|()| self)
    }

    fn validate(&self) -> Result<(), String> {
        if !is_plain_text(&self.gateway) {
            return Err("`gateway` is empty, too long or holds control characters".to_owned());
        }
        self.listen.validate()?;
        self.authority.validate()?;
        self.traces.validate()?;
        within("limits.calls_max", self.limits.calls_max as u64, 1, 1_000_000)?;
        within("limits.task_calls_max", self.limits.task_calls_max as u64, 1, 1_000_000)?;
        let mut names = BTreeSet::new();
        for server in &self.servers {
            server.validate()?;
            if !names.insert(&server.name) {
                return Err(format!("two servers are called `{}`", server.name));
            }
        }
        Ok(())
    }

    fn within_folder(mut self, folder: &Path) -> Self {
        let place = |path: &mut PathBuf| *path = folder.join(&*path);
        let files = self.policy.files.iter_mut().chain(&mut self.records.file);
        let trust = self.authority.saved.iter_mut().chain(&mut self.authority.bundle);
        let folders = self.servers.iter_mut().filter_map(|server| server.cwd.as_mut());
        files.chain(trust).chain(&mut self.approved).chain(folders).for_each(place);
        let secrets = self.proofs.redis.iter_mut().chain(self.traces.headers.values_mut());
        secrets.for_each(|secret| secret.within(folder));
        for server in &mut self.servers {
            let of_tools = server.tools.values_mut().filter_map(|tool| tool.credential.as_mut());
            let all = server.credential.iter_mut().chain(of_tools);
            all.for_each(|credential| credential.within(folder));
            for variable in server.env.values_mut() {
                if let Variable::Secret(secret) = variable {
                    secret.within(folder);
                }
            }
        }
        self
    }

    /// The JSON schema of the file.
    ///
    /// *Source*: JSON Schema 2020-12.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

fn uri<'de, D: Deserializer<'de>>(text: D) -> Result<Option<TargetUri>, D::Error> {
    String::deserialize(text)?.parse().map(Some).map_err(de::Error::custom)
}
