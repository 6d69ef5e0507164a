//! `hardtack revoke`: end a task, a block and every token that contains it, or all tokens of an agent,
//! a key or of before a moment.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::Server;
use super::usage::usage;
use super::{Exit, Output, holder, input};
use crate::config::keyfile;
use crate::keys::{HolderKey, KeyId};
use crate::mint::is_task_id;
use crate::model::{RevocationId, Timestamp};
use crate::token::UnverifiedToken;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
#[command(group = clap::ArgGroup::new("subject")
    .args(["token", "token_file", "task", "block", "agent", "holder", "root", "before"]))]
pub(super) struct Args {
    /// A token, or `-` for stdin: its last block is revoked. Needs no client key, and a bearer
    /// token must be unsealed.
    token: Option<String>,
    /// The file of a token, instead.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// For a bound token: the private key of whoever holds it, or held it before.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["task", "block", "agent", "holder", "root", "before"])]
    key: Option<PathBuf>,
    /// The task to end.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// The revocation identifier of the block to revoke, whole.
    #[arg(long, value_name = "REVOCATION_ID")]
    block: Option<RevocationId>,
    /// The agent whose tokens are to end; it gets no new ones for a day.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The public key of a holder, a JWK or a file of one: every token that it held at any hop ends,
    /// and it gets no new ones for a day.
    #[arg(long, value_name = "PUBLIC_KEY")]
    holder: Option<String>,
    /// A root key of the authority, by its number, its public key or a file of that: all that it
    /// signed or signs ends, for good.
    #[arg(long, value_name = "KEY")]
    root: Option<String>,
    /// End every token issued before this moment.
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<String>,
    /// Why, in words.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Change nothing, and say what would be.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

const EXAMPLE: &str = "\
Example: take back what was handed to a sub-agent, and all that it made of it
  hardtack revoke - --server http://127.0.0.1:8787 < sub.token

Example: the same of a bound token, by the agent that handed it on
  hardtack revoke --token-file sub.token --key agent.key \\
    --server http://127.0.0.1:8787

Examples for an administrator: an agent gone wrong, a leaked key, a bad hour
  export HARDTACK_URL=http://127.0.0.1:8787
  hardtack revoke --agent agent:refunds --dry-run --client-key admin.key
  hardtack revoke --holder refunds.pub --client-key admin.key
  hardtack revoke --before 2026-11-22T10:00:00Z --client-key admin.key";

/// The text of a moment, which the authority rounds itself.
fn time(text: &str) -> Result<String, String> {
    match text.parse::<Timestamp>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let answer = match (&self.token, &self.token_file) {
            (Some(token), _) => self.by_token(&input::token_text(token)?)?,
            (None, Some(file)) => self.by_token(&input::token_file(file)?)?,
            (None, None) => {
                let (name, subject) = self.named()?;
                let body = self.body(name, subject);
                self.server.call(Method::POST, "v1/revocations", Some(body), None)?
            }
        };
        if self.json {
            out.json(&answer)?;
        } else {
            for line in self.told(&answer) {
                out.line(line)?;
            }
        }
        Ok(Exit::Done)
    }

    fn by_token(&self, text: &str) -> anyhow::Result<Value> {
        let token: UnverifiedToken = text.parse()?;
        let is_bound = token.chain()?.current().is_some();
        let key = match (&self.key, is_bound) {
            (Some(path), true) => Some(keyfile::read::<HolderKey>(path)?),
            (None, true) => return usage("the token is bound: name a holder's key with `--key`"),
            (_, false) => None,
        };
        let body = self.body("token", json!(token.to_text()));
        self.server.call_anonymously("v1/revocations", Some(body), key.as_ref())
    }

    /// What is to be revoked, as the authority takes it from a client.
    fn named(&self) -> anyhow::Result<(&'static str, Value)> {
        if let Some(task) = &self.task {
            return match is_task_id(task) {
                true => Ok(("task", json!(task))),
                false => usage("a task id is a UUID, such as 01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11"),
            };
        }
        if let Some(key) = &self.holder {
            return Ok(("holder", json!(holder::public("--holder", key)?)));
        }
        if let Some(root) = &self.root {
            return Ok((
                "root",
                match root.parse::<KeyId>() {
                    Ok(id) => json!(id),
                    Err(_) => json!(holder::public("--root", root)?),
                },
            ));
        }
        match (&self.block, &self.agent, &self.before) {
            (Some(id), _, _) => Ok(("revocation_id", json!(id))),
            (None, Some(agent), _) => Ok(("agent", json!(agent))),
            (None, None, Some(moment)) => Ok(("before", json!(moment))),
            (None, None, None) => usage(
                "name what to revoke: a token, `--task`, `--block`, `--agent`, `--holder`, `--root` or \
                 `--before`",
            ),
        }
    }

    fn body(&self, name: &str, subject: Value) -> Value {
        let mut body = Map::from_iter([(name.to_owned(), subject)]);
        body.extend(self.reason.iter().map(|reason| ("reason".to_owned(), json!(reason))));
        if self.dry_run {
            body.insert("dry_run".to_owned(), json!(true));
        }
        Value::Object(body)
    }

    /// What was done, or would be, for people.
    fn told(&self, answer: &Value) -> Vec<String> {
        let text = |name| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name| answer.get(name).and_then(Value::as_u64);
        let tasks = match number("live_tasks").unwrap_or_default() {
            1 => "1 live task".to_owned(),
            count => format!("{count} live tasks"),
        };
        let named = self.agent.as_deref().or(self.before.as_deref());
        let subject = format!("{} {}", text("kind"), named.unwrap_or(text("key16")));
        let seq = number("seq").map_or_else(String::new, |seq| format!(", entry {seq}"));
        if !self.dry_run {
            return vec![format!("revoked: {subject}{seq}; {tasks} ended")];
        }
        let until = text("not_after");
        let known = match answer.get("in_log").and_then(Value::as_bool) {
            Some(true) => format!("the log holds it already{seq}"),
            _ => "the log does not hold it yet".to_owned(),
        };
        vec![
            format!("would revoke: {subject}; {tasks} would end"),
            format!("until {until}; {known}"),
        ]
    }
}
