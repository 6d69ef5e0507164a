use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;

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
    /// The definitions that are approved, `server/tool@sha256:…` as they were shown; without any,
    /// only what differs is shown. A tool that is gone is named without a digest.
    tools: Vec<Wanted>,
    /// Approve the tools named `server/tool` or `server/*` as their servers define them now, whether
    /// or not anybody has seen that.
    #[arg(long)]
    as_it_is_now: bool,
}

/// A tool, or all of a server, and the one definition that is meant.
#[derive(Clone, Debug)]
struct Wanted {
    tools: ToolPattern,
    digest: Option<String>,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tools, digest) = match text.rsplit_once("@sha256:") {
            Some((tools, digest)) => (tools, Some(format!("sha256:{digest}"))),
            None => (text, None),
        };
        let tools = tools.parse::<ToolPattern>().map_err(|why| why.to_string())?;
        match (&tools, &digest) {
            (ToolPattern::Server(_), Some(_)) => Err("a digest is of one tool".to_owned()),
            _ => Ok(Self { tools, digest }),
        }
    }
}

impl Wanted {
    /// Whether this approves what a tool is now.
    fn approves(&self, definition: Option<&Definition>, as_it_is_now: bool) -> bool {
        match (&self.digest, definition) {
            (Some(digest), Some(definition)) => *digest == definition.digest.to_string(),
            (Some(_), None) => false,
            // That a tool is no more takes away only.
            (None, None) => true,
            (None, Some(_)) => as_it_is_now,
        }
    }
}

const EXAMPLE: &str = "\
Example: look at what is new or changed, then approve what was shown
  hardtack gateway approve gateway.toml
  hardtack gateway approve gateway.toml files/read_file@sha256:…

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
        let wanted = &self.tools;
        let servers: Vec<_> = match wanted.is_empty() {
            true => chosen(&settings, &[])?,
            false => {
                let names = wanted.iter().map(|wanted| wanted.tools.server().to_owned());
                let names: BTreeSet<String> = names.collect();
                chosen(&settings, &names.into_iter().collect::<Vec<_>>())?
            }
        };
        let mut approved = Approved::read(&path).map_err(|why| anyhow!(why))?;
        let (mut open, mut taken) = (0, 0);
        for server in servers {
            let offered = runtime()?.block_on(offered(server))?;
            let rows = compared(server, &approved, offered);
            for tool in self.named(server).filter(|tool| !rows.contains_key(tool)) {
                out.say(&format!("not approved: the server has no tool `{tool}`"));
                open += 1;
            }
            for (tool, (found, definition)) in rows {
                let definition = definition.as_ref();
                show(out, &tool, found, definition, &approved)?;
                let mut meant =
                    wanted.iter().filter(|wanted| wanted.tools.matches(&tool)).peekable();
                let is_meant = meant.peek().is_some();
                let approves = meant.any(|wanted| wanted.approves(definition, self.as_it_is_now));
                let is_other = is_meant && !approves && self.names_digest_of(&tool);
                match (found, definition) {
                    (Found::Same, _) if !is_other => continue,
                    (_, None) if approves => approved = approved.without(&tool),
                    (_, Some(definition)) if approves => {
                        let now = SystemClock.now();
                        let with = approved.with(tool, definition.clone(), now);
                        approved = with.map_err(|why| anyhow!(why))?;
                    }
                    _ => {
                        open += 1;
                        refuse(out, &tool, is_meant, is_other);
                        continue;
                    }
                }
                taken += 1;
            }
        }
        if taken > 0 {
            approved.write(&path).map_err(|why| anyhow!(why))?;
            out.say(&format!("approved {taken}, in `{}`", path.display()));
        }
        Ok(if open > 0 { Exit::Denied } else { Exit::Done })
    }

    /// The tools of a server that are named one by one.
    fn named(&self, server: &Server) -> impl Iterator<Item = &Tool> {
        self.tools.iter().filter_map(|wanted| match &wanted.tools {
            ToolPattern::One(tool) if tool.server() == server.name => Some(tool),
            _ => None,
        })
    }

    fn names_digest_of(&self, tool: &Tool) -> bool {
        self.tools.iter().any(|wanted| wanted.tools.matches(tool) && wanted.digest.is_some())
    }
}

/// Says why a tool that was named is not approved.
fn refuse(out: &mut Output, tool: &Tool, is_meant: bool, is_other: bool) {
    if is_other {
        out.say(&format!("not approved: `{tool}` is not as that digest says"));
    } else if is_meant {
        out.say(&format!(
            "not approved: `{tool}` is named without the digest of what you have seen"
        ));
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
    let Some(definition) = definition.filter(|_| found != Found::Same) else {
        return out.line(format!("{tool}: {word}"));
    };
    out.line(format!("{tool}@{}: {word}", definition.digest))?;
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
