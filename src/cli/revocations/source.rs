use std::time::Duration;

use anyhow::Context;

use super::super::roots;
use super::super::usage::usage;
use crate::config::env;
use crate::gateway::Authority;
use crate::keys::TrustedRoots;

/// How long the authority may take to begin an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whose log.
#[derive(Debug, clap::Args)]
pub(super) struct From {
    /// The authority, or a relay of its log; HARDTACK_URL without it.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A root key of the authority, or a file of them.
    #[arg(long, value_name = "KEY", required = true)]
    root: Vec<String>,
}

impl From {
    pub(super) fn authority(&self) -> anyhow::Result<Authority> {
        let Some(address) = self.server.clone().or_else(env::server_url) else {
            return usage("name the authority with `--server`, or set HARDTACK_URL");
        };
        Authority::new(&address, TIMEOUT).with_context(|| format!("`{address}` is refused"))
    }

    pub(super) fn roots(&self) -> anyhow::Result<TrustedRoots> {
        roots::trusted(&self.root)
    }
}
