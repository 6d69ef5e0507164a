use std::path::PathBuf;

use anyhow::{Context, bail};

use super::super::serve::runtime;
use super::super::{Exit, Output};
use crate::config::gateway::{GatewaySettings, Server, ServerKind};
use crate::gateway::discover;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The settings of the gateway.
    #[arg(default_value = "gateway.toml")]
    file: PathBuf,
    /// Only this server; repeat it for more.
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,
}

const EXAMPLE: &str = "\
Example:
  hardtack gateway discover gateway.toml --server files >draft.toml

The draft is made of what servers say of themselves. Read it before any of it becomes settings.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let settings = GatewaySettings::read(&self.file)?;
        let servers = chosen(&settings, &self.server)?;
        runtime()?.block_on(async {
            let mut failed = false;
            for server in servers {
                match discover::tools(server).await {
                    Ok(tools) => out.raw(&discover::draft(&server.name, &tools))?,
                    Err(error) => {
                        failed = true;
                        out.say(&format!("server `{}` {error}", server.name));
                    }
                }
            }
            Ok(if failed { Exit::Failure } else { Exit::Done })
        })
    }
}

/// The servers that speak MCP, or those of them that are named.
pub(super) fn chosen<'a>(
    settings: &'a GatewaySettings,
    names: &[String],
) -> anyhow::Result<Vec<&'a Server>> {
    let speaks =
        |server: &&Server| matches!(server.kind, ServerKind::McpHttp | ServerKind::McpStdio);
    if names.is_empty() {
        let all: Vec<_> = settings.servers.iter().filter(speaks).collect();
        return match all.is_empty() {
            true => bail!("the settings name no server that speaks MCP"),
            false => Ok(all),
        };
    }
    let find = |name: &String| {
        let found = settings.servers.iter().find(|server| server.name == *name);
        let found = found.with_context(|| format!("the settings name no server `{name}`"))?;
        match speaks(&found) {
            true => Ok(found),
            false => bail!("server `{name}` does not speak MCP: its tools are its routes"),
        }
    };
    names.iter().map(find).collect()
}
