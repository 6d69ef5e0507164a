//! `hardtack task`: tasks of an authority.

use std::path::PathBuf;

use clap::Subcommand;
use comfy_table::{Table, presets};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::Server;
use super::input::{self, Source};
use super::inspect::page;
use super::usage::usage;
use super::{Exit, Output, duration};
use crate::config::keyfile;
use crate::keys::HolderKey;
use crate::mint::is_task_id;
use crate::vocabulary::grant::grants_from_json;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask for a task, and print its token.
    New(New),
    /// List tasks, newest first.
    #[command(after_help = LIST)]
    List {
        /// Only those in this state: active, completed, revoked or expired.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Show a task, without its token.
    #[command(after_help = SHOW)]
    Show(One),
    /// Say that a task is done, which ends its tokens.
    #[command(after_help = COMPLETE)]
    Complete {
        #[command(flatten)]
        one: One,
        /// The private key that the task's tokens are bound to, instead of a client key.
        #[arg(long, value_name = "FILE", conflicts_with = "client_key")]
        key: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = NEW)]
pub(super) struct New {
    /// What the task may do: grants as JSON or TOML; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    grants: Source,
    /// On whose behalf.
    #[arg(long, value_name = "NAME")]
    principal: String,
    /// A gateway that may accept the token; repeat it for more.
    #[arg(long, value_name = "GATEWAY", required = true)]
    audience: Vec<String>,
    /// The agent that the token is issued to.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The private key that the token is to be bound to; its public half is sent, with a proof.
    /// Without it the token is a bearer token, if the client may have one.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What the task is for, in words.
    #[arg(long, value_name = "TEXT")]
    intent: Option<String>,
    /// How long the token lives: 90s, 15m, 2h, 1d.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    ttl_secs: Option<u64>,
    /// How many times the token may be narrowed and handed on.
    #[arg(long, value_name = "HOPS")]
    depth: Option<u32>,
    /// Print JSON: the token, its task and its end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// One task, by its id.
#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// The task's id.
    task: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

const NEW: &str = "\
Example:
  hardtack task new --server http://127.0.0.1:8787 --client-key client.key \\
    --grants grants.toml --principal user:alice@example.com --audience payments-gateway";
const LIST: &str = "\
Example:
  hardtack task list --state active --client-key client.key --server http://127.0.0.1:8787";
const SHOW: &str = "\
Example:
  HARDTACK_URL=http://127.0.0.1:8787 \\
    hardtack task show 01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11 --client-key client.key";
const COMPLETE: &str = "\
Example:
  HARDTACK_URL=http://127.0.0.1:8787 \\
    hardtack task complete 01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11 --key agent.key";

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::New(new) => new.run(out),
            Self::List { state, limit, json, server } => {
                list(state.as_deref(), limit, json, &server, out)
            }
            Self::Show(one) => one.run(Method::GET, "", out),
            Self::Complete { one, key: None } => one.run(Method::POST, "/complete", out),
            Self::Complete { one, key: Some(path) } => {
                let (url, key) = (one.path("/complete")?, keyfile::read(&path)?);
                let task = one.server.call_anonymously(&url, None, Some(&key))?;
                one.print(&task, out)
            }
        }
    }
}

impl New {
    fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let mut grants = Vec::new();
        for grant in input::grants(&self.grants)? {
            grants.push(serde_json::from_str::<Value>(&grant.to_string())?);
        }
        let holder = self.key.as_deref().map(keyfile::read::<HolderKey>).transpose()?;
        let fields = [
            ("grants", json!(grants)),
            ("principal", json!(self.principal)),
            ("audience", json!(self.audience)),
            ("agent", json!(self.agent)),
            ("holder", json!(holder.as_ref().map(HolderKey::public))),
            ("intent", json!(self.intent)),
            ("ttl_secs", json!(self.ttl_secs)),
            ("depth", json!(self.depth)),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_null());
        let body: Map<String, Value> = given.map(|(name, v)| (name.to_owned(), v)).collect();
        let body = Some(Value::Object(body));
        let issued = self.server.call(Method::POST, "v1/tasks", body, holder.as_ref())?;
        if self.json {
            out.json(&issued)?;
        } else {
            out.say(&format!("task {}, until {}", text(&issued, "task"), text(&issued, "expires")));
            out.line(text(&issued, "token"))?;
        }
        Ok(Exit::Done)
    }
}

impl One {
    fn run(self, method: Method, verb: &str, out: &mut Output) -> anyhow::Result<Exit> {
        let task = self.server.call(method, &self.path(verb)?, None, None)?;
        self.print(&task, out)
    }

    fn path(&self, verb: &str) -> anyhow::Result<String> {
        match is_task_id(&self.task) {
            true => Ok(format!("v1/tasks/{}{verb}", self.task)),
            false => usage("a task id is a UUID, such as 01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11"),
        }
    }

    fn print(&self, task: &Value, out: &mut Output) -> anyhow::Result<Exit> {
        match self.json {
            true => out.json(task)?,
            false => show(task, out)?,
        }
        Ok(Exit::Done)
    }
}

/// A task for people; its grants last.
fn show(task: &Value, out: &mut Output) -> anyhow::Result<()> {
    for (name, value) in task.as_object().into_iter().flatten() {
        let value = match value {
            Value::Array(_) if name == "grants" => continue,
            Value::Array(items) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        out.field(0, name.strip_suffix("_id").unwrap_or(name), &value)?;
    }
    let grants = task.get("grants").map(Value::to_string).unwrap_or_default();
    for (place, grant) in grants_from_json(grants.as_bytes())?.iter().enumerate() {
        out.line(format!("grant {place}"))?;
        page::lines(grant, true, out)?;
    }
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list(
    state: Option<&str>,
    limit: usize,
    json: bool,
    server: &Server,
    out: &mut Output,
) -> anyhow::Result<Exit> {
    let mut tasks = Vec::new();
    let mut cursor: Option<String> = None;
    while tasks.len() < limit {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &(limit - tasks.len()).min(200).to_string());
        query.extend_pairs(state.map(|state| ("state", state)));
        query.extend_pairs(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = server.call(Method::GET, &format!("v1/tasks?{}", query.finish()), None, None)?;
        let items = page.get("items").and_then(Value::as_array);
        tasks.extend(items.into_iter().flatten().cloned());
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if json {
        out.json(&tasks)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["TASK", "STATE", "FOR", "ENDS", "INTENT"]);
    for task in &tasks {
        let cell = |name| super::text::visible(text(task, name));
        table.add_row(["task", "state", "principal", "expires", "intent"].map(cell));
    }
    table.lines().try_for_each(|line| out.line(line.trim_end()))?;
    if cursor.is_some() {
        out.say("note: there are more; name a higher `--limit`");
    }
    Ok(Exit::Done)
}
