//! `hardtack attenuate`: narrow a token, offline.

mod expression;
mod narrowing;

use rand::rngs::OsRng;
use serde_json::json;

pub(super) use self::narrowing::Options;
use super::usage::usage;
use super::{Exit, Output, input};
use crate::attenuate::{Narrowing, attenuate, seal};
use crate::token::UnverifiedToken;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The token, or `-` for stdin.
    token: String,
    #[command(flatten)]
    narrowing: Options,
    /// Seal the token: whoever holds it can use it, and nobody can narrow it further.
    #[arg(long)]
    seal: bool,
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
        if self.token == "-" && self.narrowing.takes_stdin() {
            return usage("stdin can give the token or the grants, not both");
        }
        let narrowing = self.narrowing.narrowing()?;
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
}

/// Prints a new token.
pub(super) fn print(out: &mut Output, token: &UnverifiedToken, json: bool) -> anyhow::Result<Exit> {
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
