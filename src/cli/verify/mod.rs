//! `hardtack verify`: decide as a gateway would, offline.

mod batch;
mod judge;
mod request;
mod revoked;
mod verdict;

use std::path::PathBuf;

use super::input::{self, Source, TEXT_BYTES_MAX};
use super::usage::usage;
use super::{Exit, Output, duration, policy, roots};
use crate::decide::Decision;
use crate::model::JsonProfile;

use self::judge::{Judge, Sent};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The token, or `-` for stdin. A request without one is denied.
    #[arg(conflicts_with = "batch")]
    token: Option<String>,
    /// A public key that is trusted, or a file of such keys; repeat it for more.
    #[arg(long = "root", value_name = "KEY", required = true)]
    roots: Vec<String>,
    /// The request, a JSON file, or `-` for stdin.
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    request: Option<Source>,
    /// Decide many: JSON lines of `{"token": …, "request": {…}}`, with `proof`, `url` and `method`
    /// for bound tokens; one decision a line.
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    batch: Option<Source>,
    /// The proof that came with the call of a bound token; `@FILE` reads a file, `-` stdin.
    #[arg(long, value_name = "PROOF", requires = "url", conflicts_with = "batch")]
    proof: Option<String>,
    /// The method that the call came with.
    #[arg(long, default_value = "POST", requires = "proof")]
    method: String,
    /// The address that the call came to.
    #[arg(long, requires = "proof")]
    url: Option<String>,
    /// A gateway policy, or a directory of them; repeat it for more. Without it, what the token
    /// grants is allowed.
    #[arg(long = "policy", value_name = "FILE|DIR")]
    policies: Vec<PathBuf>,
    /// What is revoked: revocation identifiers and task ids, one a line, or a file that
    /// `hardtack revocations fetch` wrote.
    #[arg(long, value_name = "FILE")]
    revoked: Option<Source>,
    /// How old a fetched file may be before every call is denied.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1m")]
    revoked_age: u64,
    /// Take whole numbers of 64 bits in arguments, for tools that do.
    #[arg(long)]
    integers64: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example:
  cat > request.json <<END
  { \"tool\": \"stripe/refund\", \"args\": {\"amount\": 15, \"currency\": \"usd\"},
    \"labels\": [\"write\"], \"audience\": \"payments-gateway\" }
  END
  hardtack verify - --root root.pub --request request.json < task.token

A request has a tool, and may have args (an object) or args_raw (its JSON text,
as a string), labels, audience (\"local\" without it), time (now without it),
method and path.

The call of a bound token needs its holder's proof: the value of its `DPoP`
header, and the token as its `Authorization` header has it. Whether a proof was
used before, nobody can say offline: only a gateway remembers.

Without --revoked nothing counts as revoked. Exit codes: 0 allowed, 3 denied;
with --batch 0 for any decisions.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let batch_or_request = self.batch.as_ref().or(self.request.as_ref());
        let takes_stdin = [
            self.token.as_deref() == Some("-"),
            batch_or_request == Some(&Source::Stdin),
            self.revoked == Some(Source::Stdin),
            self.proof.as_deref() == Some("-"),
        ];
        if takes_stdin.iter().filter(|takes| **takes).count() > 1 {
            return usage(
                "stdin can give the token, the proof, the request or what is revoked, one of them",
            );
        }
        let sent = self.sent()?;
        let roots = roots::trusted(&self.roots)?;
        let revoked = match &self.revoked {
            Some(source) => revoked::view(source, &roots)?,
            None => revoked::none(),
        };
        let profile = match self.integers64 {
            true => JsonProfile::Integers64,
            false => JsonProfile::Interoperable,
        };
        let judge =
            Judge::new(roots, policy::load(&self.policies)?, (revoked, self.revoked_age), profile);
        match (&self.batch, &self.request) {
            (Some(batch), _) => batch::run(batch, &judge, out),
            (None, Some(request)) => {
                let token = self.token.as_deref().map(input::token_text).transpose()?;
                let text = request.bytes(TEXT_BYTES_MAX)?;
                let decision = judge.judge(token.as_deref(), &text, sent.as_ref());
                print(&decision, self.json, out)
            }
            (None, None) => usage("name a request with `--request`, or many with `--batch`"),
        }
    }

    /// What came with the call besides the token.
    fn sent(&self) -> anyhow::Result<Option<Sent>> {
        let (Some(proof), Some(url)) = (&self.proof, &self.url) else { return Ok(None) };
        let Ok(uri) = url.parse() else {
            return usage("`--url` is not an absolute `http` or `https` address without a user");
        };
        let proof = input::inline(proof, TEXT_BYTES_MAX)?.trim().to_owned();
        Ok(Some(Sent { proof, method: self.method.clone(), uri }))
    }
}

fn print(decision: &Decision, json: bool, out: &mut Output) -> anyhow::Result<Exit> {
    if json {
        out.json(&verdict::Wire::from(decision))?;
    } else {
        verdict::print(decision, out)?;
    }
    Ok(if decision.is_allow() { Exit::Done } else { Exit::Denied })
}
