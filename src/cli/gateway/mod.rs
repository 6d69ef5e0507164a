//! `hardtack gateway`: run a gateway, or look at what one would do.

mod approve;
mod discover;
mod explain;

use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;

use super::listen::listen;
use super::serve::{log_to_stderr, runtime, shutdown};
use super::{Exit, Output, output};
use crate::config::gateway::GatewaySettings;
use crate::gateway::doors;
use crate::gateway::ops::serve;
use crate::gateway::service::{Gateway, threads};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The settings, in TOML.
    #[arg(default_value = "gateway.toml")]
    file: PathBuf,
    /// Read the settings and all that they name, and say what they mean; start nothing.
    #[arg(long, conflicts_with_all = ["schema", "explain"])]
    check: bool,
    /// Print the JSON schema of the settings.
    #[arg(long, conflicts_with = "explain")]
    schema: bool,
    /// Decide one request from stdin as this gateway would, and say why; start nothing.
    #[arg(long)]
    explain: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask the servers for their tools, and write a draft of what settings could say of them.
    Discover(discover::Args),
    /// Compare the servers' definitions of tools with those that were approved, and approve them.
    Approve(approve::Args),
}

const EXAMPLE: &str = "\
Example: one server of tools behind a gateway
  cat >gateway.toml <<'TOML'
  gateway = \"tools\"
  [authority]
  sources = [\"http://127.0.0.1:8787\"]
  roots = [\"ed25519/…\"]
  [records]
  file = \"records.jsonl\"
  [[server]]
  name = \"files\"
  kind = \"mcp-http\"
  url = \"http://127.0.0.1:3001/mcp\"
  TOML
  hardtack gateway gateway.toml --check
  hardtack gateway gateway.toml

Agents then reach it at http://127.0.0.1:8080/mcp/files. SIGHUP, or a change
of the file, has it take new settings; SIGTERM or ctrl-c ends it, after the
calls under way. Its log goes to stderr; HARDTACK_LOG=debug adds decisions.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self.command {
            Some(Command::Discover(args)) => return args.run(out),
            Some(Command::Approve(args)) => return args.run(out),
            None => {}
        }
        if self.schema {
            let schema = serde_json::to_string_pretty(&GatewaySettings::schema())?;
            out.raw(&format!("{schema}\n"))?;
            return Ok(Exit::Done);
        }
        if self.check {
            let settings = Gateway::check(&self.file)?;
            summary(&settings).into_iter().try_for_each(|line| out.line(line))?;
            return Ok(Exit::Done);
        }
        if self.explain {
            return explain::run(&self.file, out);
        }
        log_to_stderr()?;
        runtime()?.block_on(self.serve(out))
    }

    async fn serve(self, out: &mut Output) -> anyhow::Result<Exit> {
        let gateway = Gateway::open(&self.file, output::records())?;
        let settings = gateway.settings();
        let listener = listen(settings.listen.address)?;
        let address = listener.local_addr().context("the address is not known")?;
        let operations = match settings.listen.operations {
            Some(address) => Some(listen(address)?),
            None => None,
        };
        let asked = match &operations {
            Some(listener) => format!(", operations on http://{}", listener.local_addr()?),
            None => String::new(),
        };
        out.say(&format!("gateway `{}`, listening on http://{address}{asked}", settings.gateway));
        if let Some(listener) = operations {
            let router = gateway.operations();
            // It ends with the process; a failure shows where it is asked.
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        if let Some(address) = settings.doors.http {
            let listener = listen(address)?;
            out.say(&format!("other proxies ask at http://{}", listener.local_addr()?));
            let router = doors::router(gateway.clone());
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        if let Some(address) = settings.doors.grpc {
            self::grpc(listen(address)?, &gateway, out)?;
        }
        let (watched, told) = (gateway.clone(), gateway.clone());
        let watching = tokio::spawn(async move { watched.watch().await });
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        let reloading = tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                // What went wrong was logged.
                drop(told.reload().await);
            }
        });
        let (router, ended) = (gateway.router(), shutdown()?);
        serve(threads(), listener, router, &settings.listen, ended).await?;
        watching.abort();
        reloading.abort();
        gateway.close().await;
        Ok(Exit::Done)
    }
}

#[cfg(feature = "envoy")]
fn grpc(listener: TcpListener, gateway: &Gateway, out: &mut Output) -> anyhow::Result<()> {
    out.say(&format!("Envoy asks at {}", listener.local_addr()?));
    let gateway = gateway.clone();
    // It ends with the process.
    tokio::spawn(doors::serve_grpc(listener, gateway, std::future::pending()));
    Ok(())
}

#[cfg(not(feature = "envoy"))]
fn grpc(_: TcpListener, _: &Gateway, _: &mut Output) -> anyhow::Result<()> {
    anyhow::bail!("this build has no `doors.grpc`: it takes the feature `envoy`")
}

/// What the settings mean, one line each; no secret, and not where one is found by a command.
fn summary(settings: &GatewaySettings) -> Vec<String> {
    let mut lines = vec![
        format!("gateway `{}` on {}", settings.gateway, settings.listen.address),
        format!("trusts {} root key(s)", settings.authority.roots.len()),
    ];
    lines.push(match &settings.authority.bundle {
        Some(path) => format!("revocations from `{}`", path.display()),
        None => format!("revocations from {}", settings.authority.sources.join(", ")),
    });
    lines.push(match &settings.records.file {
        Some(path) => format!("records to `{}`", path.display()),
        None => "records to standard output".to_owned(),
    });
    lines.extend(settings.traces.url.iter().map(|url| format!("traces to {url}")));
    if settings.approved.is_none() {
        lines.push("definitions of tools are not held to any that were approved".to_owned());
    }
    for server in &settings.servers {
        let place = server
            .url
            .clone()
            .unwrap_or_else(|| server.command.first().cloned().unwrap_or_default());
        let credential = match &server.credential {
            Some(credential) => format!(", {credential:?}"),
            None => String::new(),
        };
        lines.push(format!("server `{}`: {:?} at {place}{credential}", server.name, server.kind));
    }
    lines.push("the settings can be used".to_owned());
    lines
}
