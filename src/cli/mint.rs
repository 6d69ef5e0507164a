//! `hardtack mint`: grants to a token, with a root key at hand.

use std::path::PathBuf;

use rand::rngs::OsRng;
use serde_json::json;

use super::input::{self, Source};
use super::usage::{Usage, usage};
use super::{Exit, Output, duration, holder};
use crate::config::{SystemClock, keyfile};
use crate::keys::RootKey;
use crate::mint::{MintError, Task, mint};
use crate::model::{Clock, Timestamp, limits};
use crate::vocabulary::Datalog;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The file of the root key that signs.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What the task may do: grants as JSON or TOML; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    grants: Source,
    /// On whose behalf.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// The agent that the token is issued to.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// What the task is for, in words.
    #[arg(long, value_name = "TEXT")]
    intent: Option<String>,
    /// A gateway that may accept the token; repeat it for more. Every gateway without it.
    #[arg(long, value_name = "GATEWAY")]
    audience: Vec<String>,
    /// How long the token lives: 90s, 15m, 2h, 1d.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    #[arg(default_value = "15m")]
    ttl_secs: u64,
    /// How many times the token may be narrowed and handed on.
    #[arg(long, value_name = "HOPS", default_value_t = limits::DEPTH_DEFAULT)]
    depth: u32,
    /// Bind the token to a holder's public key, so that each call needs the holder's proof:
    /// `ed25519/HEX`, a JWK, or a file of either.
    #[arg(long, value_name = "KEY")]
    holder: Option<String>,
    /// Further facts, rules and checks for block 0.
    #[arg(long, value_name = "FILE")]
    datalog: Option<PathBuf>,
    /// The time to mint at, instead of now.
    #[arg(long, value_name = "RFC3339")]
    time: Option<Timestamp>,
    /// Print JSON: the token, its task, its end and its revocation identifiers.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example:
  cat > grants.toml <<END
  [[grants]]
  tool = \"stripe/refund\"
  args.amount = { max = 50 }
  args.currency = { one_of = [\"usd\", \"eur\"] }
  END
  hardtack mint --key root.key --grants grants.toml --audience payments-gateway \\
    --principal user:alice@example.com --intent 'refund case 1042' --for 10m";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        if self.grants == Source::Stdin && self.holder.as_deref() == Some("-") {
            return usage("stdin can give the grants or the holder's key, not both");
        }
        let key: RootKey = keyfile::read(&self.key)?;
        let holder = self.holder.map(|text| holder::public("--holder", &text)).transpose()?;
        let grants = input::grants(&self.grants)?;
        let datalog = match &self.datalog {
            Some(path) => input::datalog(path)?,
            None => Datalog::default(),
        };
        let audience = match self.audience.is_empty() {
            true => None,
            false => Some(self.audience.into_iter().collect()),
        };
        let is_for_all = audience.is_none();
        let task = Task {
            principal: self.principal,
            agent: self.agent,
            intent: self.intent,
            ttl_secs: self.ttl_secs,
            depth: self.depth,
            holder,
            datalog,
            ..Task::new(grants, audience)
        };
        let now = self.time.unwrap_or_else(|| SystemClock.now());
        let minted = mint(&task, &key, now, &mut OsRng).map_err(blamed)?;
        if is_for_all {
            out.say(
                "note: every gateway that trusts this key may accept the token; \
                 name the ones meant with `--audience`",
            );
        }
        if self.json {
            out.json(&json!({
                "token": minted.token.to_text(),
                "task": minted.task,
                "holder": holder.map(|key| key.thumbprint()),
                "expires": minted.expires,
                "revocation_ids": minted.token.revocation_ids(),
            }))?;
        } else {
            out.line(minted.token.to_text())?;
        }
        Ok(Exit::Done)
    }
}

/// A slip of the command line, or of a file.
fn blamed(error: MintError) -> anyhow::Error {
    match error {
        MintError::Ttl => Usage(format!("`--for`: {error}")).into(),
        MintError::Depth => Usage(format!("`--depth`: {error}")).into(),
        MintError::Text(name) => {
            Usage(error.to_string().replacen(name, &format!("--{name}"), 1)).into()
        }
        error => error.into(),
    }
}
