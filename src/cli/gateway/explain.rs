use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::input::{Source, TEXT_BYTES_MAX};
use super::super::{Exit, Output};
use crate::config::SystemClock;
use crate::config::gateway::GatewaySettings;
use crate::decide::Decision;
use crate::gateway::service::explain;
use crate::model::{Args, Clock, JsonProfile, Tool};

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    token: String,
    tool: Tool,
    args: Option<Box<RawValue>>,
}

/// Decides the request on stdin, `{"token", "tool", "args"}`, and prints the decision as JSON.
pub(super) fn run(file: &Path, out: &mut Output) -> anyhow::Result<Exit> {
    let settings = GatewaySettings::read(file)?;
    let text = Source::Stdin.bytes(TEXT_BYTES_MAX)?;
    let asked: Asked = match serde_json::from_slice(&text) {
        Ok(asked) => asked,
        // What it says might quote the token.
        Err(error) => bail!(
            "stdin is not `{{\"token\", \"tool\", \"args\"}}`: line {}, column {}",
            error.line(),
            error.column()
        ),
    };
    let Some(server) = settings.servers.iter().find(|found| found.name == asked.tool.server())
    else {
        bail!("the settings name no server `{}`", asked.tool.server());
    };
    let profile = match server.integers64 {
        true => JsonProfile::Integers64,
        false => JsonProfile::Interoperable,
    };
    let args = asked.args.map_or("{}".to_owned(), |args| args.get().to_owned());
    let args = Args::parse(args, profile).context("`args`")?;
    let now = SystemClock.now();
    let explained = explain(&settings, asked.token.trim(), asked.tool, args, now)?;
    if !explained.knows_revocations {
        out.say("revocations were not asked for: a running gateway follows them");
    }
    out.json(&explained)?;
    Ok(match explained.decision {
        Decision::Allow { .. } => Exit::Done,
        Decision::Deny { .. } => Exit::Denied,
    })
}
