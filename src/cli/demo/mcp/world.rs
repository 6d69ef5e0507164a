//! Where the story happens: an authority, an MCP server, and a gateway in front of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::office::{DEADLINE, Office};
use super::server;
use crate::config::SystemClock;
use crate::config::gateway::GatewaySettings;
use crate::gateway::catalogue::{Approved, Definition};
use crate::gateway::discover;
use crate::gateway::ops;
use crate::gateway::service::Gateway;
use crate::model::{Clock, Tool};
use crate::record::{MemorySink, Record};

/// The gateway's name, which tokens have as their audience.
pub(super) const AUDIENCE: &str = "notes-gateway";
/// The server's name in grants.
pub(super) const SERVER: &str = "notes";
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Everything that runs.
pub(super) struct World {
    pub(super) office: Office,
    /// Where the server is, for those who go around the gateway.
    pub(super) server: String,
    /// Where it is behind the gateway.
    pub(super) guarded: String,
    gateway: Gateway,
    sink: Arc<MemorySink>,
    arrived: PathBuf,
    serving: JoinHandle<()>,
    guarding: JoinHandle<std::io::Result<()>>,
    stop: oneshot::Sender<()>,
}

impl World {
    /// Starts everything, with what has to be kept in this directory.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let office = Office::start(dir).await?;
        let arrived = dir.join("arrived.jsonl");
        let (listener, at) = listening().await?;
        let router = server::router(&arrived)?;
        let serving = tokio::spawn(async move {
            // It is served until the task is aborted; a failure shows in the calls.
            let _ = axum::serve(listener, router).await;
        });
        let server = format!("{at}/mcp");
        let (listener, at) = listening().await?;
        let mut settings = settings(&office, &at, &server).await?;
        settings.approved = Some(approved(&settings, dir).await?);
        let sink = Arc::new(MemorySink::new());
        let kept: Arc<MemorySink> = Arc::clone(&sink);
        let gateway = Gateway::of(settings.clone(), kept, Path::new(""), true)?;
        let router = gateway.router();
        let (stop, stopped) = oneshot::channel::<()>();
        let guarding = tokio::spawn(async move {
            // Its end is asked for, or this world is no more.
            let stopped = async { drop(stopped.await) };
            ops::serve(1, listener, router, &settings.listen, stopped).await
        });
        let guarded = format!("{at}/mcp/{SERVER}");
        let world =
            Self { office, server, guarded, gateway, sink, arrived, serving, guarding, stop };
        world.until_fresh().await?;
        Ok(world)
    }

    /// Every decision so far.
    pub(super) fn records(&self) -> Vec<Record> {
        self.sink.records()
    }

    /// The names of the tools that the server was asked to call, in order.
    pub(super) fn arrived(&self) -> anyhow::Result<Vec<String>> {
        let text = std::fs::read_to_string(&self.arrived).context("what arrived")?;
        let mut tools = Vec::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line)?;
            let message = line.get("message").and_then(Value::as_str).unwrap_or_default();
            let message: Value = serde_json::from_str(message).unwrap_or_default();
            let name = message.pointer("/params/name").and_then(Value::as_str);
            if message.get("method") == Some(&Value::from("tools/call")) {
                tools.extend(name.map(str::to_owned));
            }
        }
        Ok(tools)
    }

    async fn until_fresh(&self) -> anyhow::Result<()> {
        let is_fresh = || {
            let classes = self.gateway.guard().readiness();
            !classes.is_empty() && classes.values().all(|is_fresh| *is_fresh)
        };
        let fresh = async {
            while !is_fresh() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let arrived = tokio::time::timeout(DEADLINE, fresh).await;
        ensure!(arrived.is_ok(), "revocations did not arrive within {DEADLINE:?}");
        Ok(())
    }

    /// Ends everything.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.guarding.await??;
        self.serving.abort();
        // It was aborted, or has ended before: either way it is over.
        let _ = self.serving.await;
        self.gateway.close().await;
        self.office.end().await
    }
}

/// A free port, and its URL.
async fn listening() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

async fn settings(office: &Office, at: &str, server: &str) -> anyhow::Result<GatewaySettings> {
    let roots = office.reached()?.danger_fetch_roots().await?;
    let root = roots.iter().next().context("the authority has no root key")?.key;
    let (source, address) = (&office.url, at.trim_start_matches("http://"));
    let text = format!(
        r#"
gateway = "{AUDIENCE}"
public_uri = "{at}"
[listen]
address = "{address}"
[authority]
sources = ["{source}"]
roots = ["{root}"]
[[server]]
name = "{SERVER}"
kind = "mcp-http"
url = "{server}"
labels = ["write"]
[server.tool.read_file]
arguments = {{ path = "path" }}
"#
    );
    GatewaySettings::from_toml(&text).map_err(|why| anyhow!(why))
}

/// Approves what the server says of its tools now; gives the file.
async fn approved(settings: &GatewaySettings, dir: &Path) -> anyhow::Result<PathBuf> {
    let mut approved = Approved::default();
    for server in &settings.servers {
        for offered in discover::tools(server).await? {
            let (name, definition) =
                Definition::of(&offered.definition).map_err(|why| anyhow!(why))?;
            let tool = Tool::new(&server.name, &name)?;
            let now = SystemClock.now();
            approved = approved.with(tool, definition, now).map_err(|why| anyhow!(why))?;
        }
    }
    let path = dir.join("approved.json");
    approved.write(&path).map_err(|why| anyhow!(why))?;
    Ok(path)
}
