//! What a block takes away, as options of `attenuate` and `delegate`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::duration;
use super::super::input::{self, Source};
use super::super::usage::usage;
use super::expression;
use crate::attenuate::Narrowing;
use crate::config::SystemClock;
use crate::model::{Clock, Timestamp};
use crate::vocabulary::{Datalog, Grant};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
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
    /// The time that `--for` counts from, instead of now.
    #[arg(long, value_name = "RFC3339", requires = "ttl_secs")]
    time: Option<Timestamp>,
}

impl Options {
    /// Whether the grants are on stdin, where nothing else can be then.
    pub(in crate::cli) fn takes_stdin(&self) -> bool {
        self.grants == Some(Source::Stdin)
    }

    /// What the options say.
    pub(in crate::cli) fn narrowing(&self) -> anyhow::Result<Narrowing> {
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
