use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::super::serve::{log_to_stderr, runtime};
use super::super::{Exit, Output, output, roots};
use crate::config::gateway::{
    Authority, Doors, GatewaySettings, Limits, Listen, PolicyFiles, Proofs, Records, Secret,
    Server, ServerKind, Traces,
};
use crate::config::{env, keyfile};
use crate::gateway::service::{Gateway, sink};
use crate::gateway::wrap::{Caller, Wrap};
use crate::keys::HolderKey;
use crate::model::JsonProfile;

/// How often, and how many times, it is looked whether revocations are known.
const LOOK: Duration = Duration::from_millis(20);
const WAITS: u32 = 250;

/// The variable that the token is in.
const TOKEN: &str = "HARDTACK_TOKEN";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in crate::cli) struct Args {
    /// The server's name, in grants and records.
    #[arg(long, value_name = "NAME")]
    server: String,
    /// The file of the token, read anew for each call; HARDTACK_TOKEN without it.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// The file of its holder's key, where it is bound to one; HARDTACK_HOLDER_KEY without it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The settings of a gateway that has this server; the options below are for where there is none.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["gateway", "root", "from", "revoked", "policy", "traces"])]
    config: Option<PathBuf>,
    /// The gateway's name, which tokens have as their audience.
    #[arg(long, value_name = "NAME", default_value = "local")]
    gateway: String,
    /// A root key whose tokens are accepted, or a file of them.
    #[arg(long, value_name = "KEY")]
    root: Vec<String>,
    /// The authority whose revocations are followed, or a relay; repeat it for more.
    #[arg(long, value_name = "URL", conflicts_with = "revoked")]
    from: Vec<String>,
    /// A file of revocations, instead.
    #[arg(long, value_name = "FILE")]
    revoked: Option<PathBuf>,
    /// A file of the gateway's own policy.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Where decisions are recorded, or a folder for a file of each process; stderr without it.
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// The address of an OpenTelemetry collector that takes OTLP over HTTP, to tell of calls.
    #[arg(long, value_name = "URL")]
    traces: Option<String>,
    /// The server: its program and arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const EXAMPLE: &str = "\
Example, as an agent's configuration would have it:
  HARDTACK_TOKEN=… hardtack mcp wrap --server files --root root.pub \\
    --from http://127.0.0.1:8787 --records records/ -- \\
    npx -y @modelcontextprotocol/server-filesystem /data

Messages go over stdin and stdout; its log goes to stderr. The token never reaches the server.";

impl Args {
    pub(super) fn run(self, _out: &mut Output) -> anyhow::Result<Exit> {
        log_to_stderr()?;
        runtime()?.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<Exit> {
        let settings = self.settings()?;
        let server = settings.servers.first().context("no server")?;
        let profile = match server.integers64 {
            true => JsonProfile::Integers64,
            false => JsonProfile::Interoperable,
        };
        let caller = self.caller(profile)?;
        caller.check().await?;
        let sink = sink(&settings.records, output::records_beside())?;
        let name = server.name.clone();
        let gateway = Gateway::of(settings, sink, Path::new(""), true)?;
        let wrap = Wrap { server: name, router: gateway.router(), caller };
        wait(&gateway).await;
        let (input, said) = output::agent();
        wrap.serve(input, said).await?;
        gateway.close().await;
        // Reading stdin holds a thread up until a line comes.
        std::process::exit(0);
    }

    fn caller(&self, profile: JsonProfile) -> anyhow::Result<Caller> {
        let token = match &self.token {
            Some(path) => Secret::File(path.clone()),
            None => Secret::Env(TOKEN.to_owned()),
        };
        let holder: Option<HolderKey> = match &self.key {
            Some(path) => Some(keyfile::read(path)?),
            None => match env::holder_key() {
                Some(text) => Some(keyfile::parse("HARDTACK_HOLDER_KEY", &text)?),
                None => None,
            },
        };
        Ok(Caller::new(token, holder, profile))
    }

    fn settings(&self) -> anyhow::Result<GatewaySettings> {
        let mut settings = match &self.config {
            Some(path) => GatewaySettings::read(path)?,
            None => self.own()?,
        };
        settings.servers.retain(|server| server.name == self.server);
        let Some(server) = settings.servers.first_mut() else {
            bail!("the settings name no server `{}`", self.server);
        };
        if !self.command.is_empty() {
            if server.kind != ServerKind::McpStdio {
                bail!("server `{}` is not `mcp-stdio`: it takes no command", self.server);
            }
            server.command.clone_from(&self.command);
        }
        // Nobody but this process reaches it.
        settings.listen = Listen::default();
        settings.public_uri = None;
        settings.proofs = Proofs::default();
        if let Some(records) = &self.records {
            settings.records.file = Some(records.clone());
        }
        Ok(settings)
    }

    /// Settings of nothing but the options.
    fn own(&self) -> anyhow::Result<GatewaySettings> {
        if self.command.is_empty() {
            bail!("name the server's command after `--`");
        }
        if self.root.is_empty() {
            bail!("name a root key with `--root`, or settings with `--config`");
        }
        if self.from.is_empty() && self.revoked.is_none() {
            bail!("name where revocations come from with `--from` or `--revoked`");
        }
        let authority = Authority {
            sources: self.from.clone(),
            roots: roots::trusted(&self.root)?.iter().map(|root| root.key).collect(),
            bundle: self.revoked.clone(),
            ..Authority::default()
        };
        let settings = GatewaySettings {
            gateway: self.gateway.clone(),
            public_uri: None,
            listen: Listen::default(),
            authority,
            policy: PolicyFiles { files: self.policy.clone() },
            records: Records::default(),
            proofs: Proofs::default(),
            doors: Doors::default(),
            traces: Traces { url: self.traces.clone(), ..Traces::default() },
            limits: Limits::default(),
            approved: None,
            servers: vec![Server::stdio(&self.server, self.command.clone())],
        };
        settings.checked().map_err(anyhow::Error::msg)
    }
}

/// An agent speaks at once: waits until something is known of revocations, as long as it would wait.
async fn wait(gateway: &Gateway) {
    for _ in 0..WAITS {
        if gateway.guard().readiness().values().any(|is_fresh| *is_fresh) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    tracing::warn!("revocations are not known yet: calls are refused until they are");
}
