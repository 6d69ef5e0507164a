//! `hardtack delegate`: hand a bound token on to the next holder, offline.

use std::path::PathBuf;

use rand::rngs::OsRng;

use super::attenuate::{Options, print};
use super::usage::{Usage, usage};
use super::{Exit, Output, holder, input};
use crate::attenuate::{AttenuateError, delegate};
use crate::config::keyfile;
use crate::keys::HolderKey;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The token, or `-` for stdin.
    token: String,
    /// The file of your private key: that of the token's current holder.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The next holder's public key: `ed25519/HEX`, a JWK, or a file of either.
    #[arg(long, value_name = "KEY")]
    to: String,
    /// What you call the next holder: records and refusals name it so.
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    narrowing: Options,
    /// Print JSON: the token and its revocation identifiers.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example: a sub-agent makes a key; its parent hands it refunds up to 20
  hardtack key new --holder sub.key > sub.pub
  hardtack delegate - --key agent.key --to sub.pub --name agent:refunds \\
    --tool stripe/refund --arg 'amount<=20' --for 10m < task.token > sub.token

Only the next holder can use what this prints; your own token stays as it is.
`hardtack attenuate --help` has the expressions for --arg.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let stdin = [self.token == "-", self.to == "-", self.narrowing.takes_stdin()];
        if stdin.iter().filter(|takes| **takes).count() > 1 {
            return usage("stdin can give the token, the next key or the grants, one of them");
        }
        let narrowing = self.narrowing.narrowing()?;
        let next = holder::public("--to", &self.to)?;
        let key: HolderKey = keyfile::read(&self.key)?;
        let token = input::token(&self.token)?;
        let token = delegate(&token, &key, &next, &self.name, &narrowing, &mut OsRng);
        print(out, &token.map_err(blamed)?, self.json)
    }
}

/// A slip of the command line, or of a token or key.
fn blamed(error: AttenuateError) -> anyhow::Error {
    match error {
        AttenuateError::Name => Usage(error.to_string().replacen("the name", "`--name`", 1)).into(),
        error => error.into(),
    }
}
