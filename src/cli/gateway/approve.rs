use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};

use super::super::serve::runtime;
use super::super::{Exit, Output};
use super::discover::chosen;
use crate::config::SystemClock;
use crate::config::gateway::{GatewaySettings, Server};
use crate::gateway::catalogue::{Approved, Definition};
use crate::gateway::discover;
use crate::model::{Clock, Tool, ToolPattern};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The settings of the gateway.
    file: PathBuf,
    /// The tools whose definitions are approved, `server/tool` or `server/*`; without any, only what
    /// differs is shown.
    tools: Vec<String>,
}

const EXAMPLE: &str = "\
Example: look at what is new or changed, then approve it
  hardtack gateway approve gateway.toml
  hardtack gateway approve gateway.toml files/read_file web/*

A running gateway takes the file of approvals as soon as it changes. Exit code 3 says that something
is not approved.";

/// How a tool stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Same,
    New,
    Changed,
    Gone,
}

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let settings = GatewaySettings::read(&self.file)?;
        let path = settings.approved.clone().with_context(
            || "the settings name no file of approvals: add `approved = \"approved.json\"`",
        )?;
        let wanted = self.tools.iter().map(|text| text.parse::<ToolPattern>());
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        let servers: Vec<_> = match wanted.is_empty() {
            true => chosen(&settings, &[])?,
            false => {
                let names = wanted.iter().map(|tool| tool.server().to_owned());
                let names: BTreeSet<String> = names.collect();
                chosen(&settings, &names.into_iter().collect::<Vec<_>>())?
            }
        };
        let mut approved = Approved::read(&path).map_err(|why| anyhow!(why))?;
        let (mut open, mut taken) = (0, 0);
        for server in servers {
            let offered = runtime()?.block_on(offered(server))?;
            for (tool, (found, definition)) in compared(server, &approved, offered) {
                let take = wanted.iter().any(|pattern| pattern.matches(&tool));
                show(out, &tool, found, definition.as_ref(), &approved)?;
                match (found, definition, take) {
                    (Found::Same, ..) => {}
                    (Found::Gone, _, true) => approved = approved.without(&tool),
                    (_, Some(definition), true) => {
                        let now = SystemClock.now();
                        approved =
                            approved.with(tool, definition, now).map_err(|why| anyhow!(why))?;
                    }
                    _ => {
                        open += 1;
                        continue;
                    }
                }
                taken += usize::from(take && found != Found::Same);
            }
        }
        if taken > 0 {
            approved.write(&path).map_err(|why| anyhow!(why))?;
            out.say(&format!("approved {taken}, in `{}`", path.display()));
        }
        Ok(if open > 0 { Exit::Denied } else { Exit::Done })
    }
}

async fn offered(server: &Server) -> anyhow::Result<BTreeMap<Tool, Definition>> {
    let tools = discover::tools(server).await;
    let tools = tools.with_context(|| format!("server `{}`", server.name))?;
    let mut found = BTreeMap::new();
    for offered in tools {
        let read = Definition::of(&offered.definition);
        let (Ok(tool), Ok((_, definition))) = (Tool::new(&server.name, &offered.name), read) else {
            continue;
        };
        if found.insert(tool.clone(), definition).is_some() {
            bail!("server `{}` offers two tools of the name `{}`", server.name, tool.name());
        }
    }
    Ok(found)
}

fn compared(
    server: &Server,
    approved: &Approved,
    offered: BTreeMap<Tool, Definition>,
) -> BTreeMap<Tool, (Found, Option<Definition>)> {
    let of_server = approved.tools().filter(|(tool, _)| tool.server() == server.name);
    let mut all: BTreeMap<_, _> =
        of_server.map(|(tool, _)| (tool.clone(), (Found::Gone, None))).collect();
    for (tool, definition) in offered {
        let found = match approved.tool(&tool) {
            None => Found::New,
            Some(entry) if entry.definition.digest == definition.digest => Found::Same,
            Some(_) => Found::Changed,
        };
        all.insert(tool, (found, Some(definition)));
    }
    all
}

fn show(
    out: &mut Output,
    tool: &Tool,
    found: Found,
    definition: Option<&Definition>,
    approved: &Approved,
) -> anyhow::Result<()> {
    let word = match found {
        Found::Same => "as approved",
        Found::New => "new",
        Found::Changed => "changed",
        Found::Gone => "gone",
    };
    out.line(format!("{tool}: {word}"))?;
    let Some(definition) = definition.filter(|_| found != Found::Same) else { return Ok(()) };
    let before = approved.tool(tool).map(|entry| &entry.definition.definition);
    let empty = serde_json::Map::new();
    let members = definition.definition.as_object().unwrap_or(&empty);
    let old = before.and_then(|before| before.as_object()).unwrap_or(&empty);
    for (name, value) in members {
        match old.get(name) {
            Some(before) if before == value => {}
            Some(before) => {
                out.field(2, name, &format!("was {before}"))?;
                out.field(2, "", &format!("is  {value}"))?;
            }
            None => out.field(2, name, &value.to_string())?,
        }
    }
    for name in old.keys().filter(|name| !members.contains_key(*name)) {
        out.field(2, name, "is no more")?;
    }
    Ok(())
}
