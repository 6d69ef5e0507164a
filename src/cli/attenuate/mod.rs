//! `hardtack attenuate`: narrow a token, offline.

mod expression;

use std::collections::BTreeSet;
use std::path::PathBuf;

use rand::rngs::OsRng;
use serde_json::json;

use super::input::{self, Source};
use super::usage::usage;
use super::{Exit, Output, duration};
use crate::attenuate::{Narrowing, attenuate, seal};
use crate::config::SystemClock;
use crate::model::{Clock, Timestamp};
use crate::token::UnverifiedToken;
use crate::vocabulary::{Datalog, Grant};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The token, or `-` for stdin.
    token: String,
    /// Leave only this tool, `server/tool` or `server/*`; repeat it for more.
    #[arg(long = "tool", value_name = "TOOL")]
    tools: Vec<String>,
    /// What an argument of the tools must be, such as 'amount<=20'; repeat it for more.
    #[arg(long = "arg", value_name = "EXPR", requires = "tools")]
    args: Vec<String>,
    /// Refuse arguments that no `--arg` names, instead of leaving them as they were.
    #[arg(long, requires = "tools")]
    closed: bool,
    /// Leave only what these grants cover: JSON or TOML; `-` for stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "tools")]
    grants: Option<Source>,
    /// End after so long: 90s, 15m, 2h, 1d.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    #[arg(conflicts_with = "expires")]
    ttl_secs: Option<u64>,
    /// End at this time.
    #[arg(long, value_name = "RFC3339")]
    expires: Option<Timestamp>,
    /// Leave only this gateway; repeat it for more.
    #[arg(long, value_name = "GATEWAY")]
    audience: Vec<String>,
    /// Allow so many hops, counted from the authority; this one counts.
    #[arg(long, value_name = "HOPS")]
    depth: Option<u32>,
    /// Add a check in Datalog; repeat it for more.
    #[arg(long = "check", value_name = "DATALOG")]
    checks: Vec<String>,
    /// Add the facts, rules and checks of a file.
    #[arg(long, value_name = "FILE")]
    datalog: Option<PathBuf>,
    /// Seal the token: whoever holds it can use it, and nobody can narrow it further.
    #[arg(long)]
    seal: bool,
    /// The time that `--for` counts from, instead of now.
    #[arg(long, value_name = "RFC3339", requires = "ttl_secs")]
    time: Option<Timestamp>,
    /// Print JSON: the token and its revocation identifiers.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example: hand a sub-agent refunds up to 20, for ten minutes
  hardtack attenuate - --tool stripe/refund --arg 'amount<=20' --for 10m <in >out

Expressions for --arg:
  amount<=20            amount>=5             currency=usd         currency!=usd
  currency in usd,eur   path under /data      url host a.com,b.com
  to domain example.com      note max_length 200       note any
  items/*/price<=9           customer/id prefix cus_   dry_run=true
Values are numbers, true and false where they read as such, texts otherwise; \"20\" is a text.
Any constraint of grants works: NAME CONSTRAINT VALUE.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        if self.token == "-" && self.grants == Some(Source::Stdin) {
            return usage("stdin can give the token or the grants, not both");
        }
        let narrowing = self.narrowing()?;
        let is_sealing_alone = self.seal && narrowing == Narrowing::default();
        let mut token = input::token(&self.token)?;
        if !is_sealing_alone {
            token = attenuate(&token, &narrowing, &mut OsRng)?;
        }
        if self.seal {
            token = seal(&token)?;
        }
        print(out, &token, self.json)
    }

    fn narrowing(&self) -> anyhow::Result<Narrowing> {
        let from = || self.time.unwrap_or_else(|| SystemClock.now());
        let audience: BTreeSet<String> = self.audience.iter().cloned().collect();
        if audience.iter().any(|gateway| !crate::mint::is_plain_text(gateway)) {
            return usage(
                "`--audience` is empty, longer than 512 bytes or holds control characters",
            );
        }
        Ok(Narrowing {
            grants: self.grants()?,
            expires: self.expires.or_else(|| self.ttl_secs.map(|secs| from().plus_secs(secs))),
            audience: if audience.is_empty() { None } else { Some(audience) },
            depth: self.depth,
            datalog: self.datalog()?,
        })
    }

    fn grants(&self) -> anyhow::Result<Vec<Grant>> {
        match &self.grants {
            Some(source) => input::grants(source),
            None if self.tools.is_empty() => Ok(Vec::new()),
            None => Ok(vec![expression::grant(&self.tools, &self.args, self.closed)?]),
        }
    }

    fn datalog(&self) -> anyhow::Result<Datalog> {
        let mut all = match &self.datalog {
            Some(path) => input::datalog(path)?,
            None => Datalog::default(),
        };
        for text in &self.checks {
            let parsed = match Datalog::parse(text) {
                Ok(parsed) => parsed,
                Err(error) => return usage(format!("`--check`: {error}")),
            };
            let Datalog { facts, rules, checks, policies } = parsed;
            if !facts.is_empty() || !rules.is_empty() || !policies.is_empty() || checks.is_empty() {
                return usage("`--check` takes a check, such as 'check if audience(\"crm\")'");
            }
            all.checks.extend(checks);
        }
        Ok(all)
    }
}

fn print(out: &mut Output, token: &UnverifiedToken, json: bool) -> anyhow::Result<Exit> {
    if json {
        out.json(&json!({
            "token": token.to_text(),
            "sealed": token.is_sealed(),
            "revocation_ids": token.revocation_ids(),
        }))?;
    } else {
        out.line(token.to_text())?;
    }
    Ok(Exit::Done)
}
