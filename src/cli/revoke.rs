//! `hardtack revoke`: end a task, or a block and every token that contains it.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::api::Server;
use super::usage::usage;
use super::{Exit, Output, input};
use crate::config::keyfile;
use crate::keys::HolderKey;
use crate::mint::is_task_id;
use crate::model::RevocationId;
use crate::token::UnverifiedToken;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
#[command(group = clap::ArgGroup::new("subject").required(true).args(["token", "task", "block"]))]
pub(super) struct Args {
    /// A token, or `-` for stdin: its last block is revoked. Needs no client key, and a bearer
    /// token must be unsealed.
    token: Option<String>,
    /// For a bound token: the private key of whoever holds it, or held it before.
    #[arg(long, value_name = "FILE", requires = "token")]
    key: Option<PathBuf>,
    /// The task to end.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// The revocation identifier of the block to revoke, whole.
    #[arg(long, value_name = "REVOCATION_ID")]
    block: Option<RevocationId>,
    /// Why, in words.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
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
  hardtack revoke - --key agent.key --server http://127.0.0.1:8787 < sub.token";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let entry = match (&self.token, &self.task, &self.block) {
            (Some(token), _, _) => {
                let token: UnverifiedToken = input::token(token)?;
                let is_bound = token.chain()?.current().is_some();
                let key = match (&self.key, is_bound) {
                    (Some(path), true) => Some(keyfile::read::<HolderKey>(path)?),
                    (None, true) => {
                        return usage("the token is bound: name a holder's key with `--key`");
                    }
                    (_, false) => None,
                };
                let body = self.body("token", json!(token.to_text()));
                self.server.call_anonymously("v1/revocations", Some(body), key.as_ref())?
            }
            (None, Some(task), _) if !is_task_id(task) => {
                return usage("a task id is a UUID, such as 01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11");
            }
            (None, Some(task), _) => self.call(self.body("task", json!(task)))?,
            (None, None, Some(id)) => self.call(self.body("revocation_id", json!(id)))?,
            (None, None, None) => return usage("name a token, `--task` or `--block`"),
        };
        if self.json {
            out.json(&entry)?;
        } else {
            let text = |name| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let seq = entry.get("seq").and_then(Value::as_u64).unwrap_or_default();
            out.line(format!("revoked: {} {}, entry {seq}", text("kind"), text("key16")))?;
        }
        Ok(Exit::Done)
    }

    fn call(&self, body: Value) -> anyhow::Result<Value> {
        self.server.call(Method::POST, "v1/revocations", Some(body), None)
    }

    fn body(&self, name: &str, subject: Value) -> Value {
        match &self.reason {
            Some(reason) => json!({ name: subject, "reason": reason }),
            None => json!({ name: subject }),
        }
    }
}
