//! `hardtack call`: the headers of one call, or the call itself.

mod send;

use std::path::PathBuf;

use rand::rngs::OsRng;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::input;
use super::usage::{Usage, usage};
use super::{Exit, Output};
use crate::config::{SystemClock, keyfile};
use crate::keys::HolderKey;
use crate::model::{self, Clock, JsonProfile, TargetUri, Tool, limits};
use crate::present::{META_AUTHORIZATION, META_PROOF, ProofCall, present, to_authorization};
use crate::token::UnverifiedToken;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The token, or `-` for stdin.
    token: String,
    /// The file of the holder's private key; a bearer token needs none.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What is called, `server/tool`.
    #[arg(long)]
    tool: Tool,
    /// The address that the call goes to.
    #[arg(long)]
    url: String,
    /// The method of the call.
    #[arg(long, default_value = "POST")]
    method: Method,
    /// All arguments of the call, a JSON object; `@FILE` reads a file, `-` stdin.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    /// The nonce that the gateway asked for.
    #[arg(long)]
    nonce: Option<String>,
    /// Take whole numbers of 64 bits in arguments, for tools that do.
    #[arg(long)]
    integers64: bool,
    /// Make the call, with the arguments in its body, and print the answer.
    #[arg(long)]
    send: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example: make the call, or leave that to another program
  hardtack call - --key sub.key --tool stripe/refund \\
    --url https://api.example.com/refunds --args '{\"amount\":15}' \\
    --send < sub.token
  hardtack call - --key sub.key --tool stripe/refund \\
    --url https://api.example.com/refunds --args '{\"amount\":15}' < sub.token |
    curl -H @- --json '{\"amount\":15}' https://api.example.com/refunds

What is printed is a secret, and good for this call alone, once, within a
minute. A bearer token goes as it is: `Authorization: Bearer`.

With --send the answer's body goes to stdout and its status to stderr; where the
gateway asks for a nonce, the call is made once more with it. A GET or HEAD has
its arguments in the query, and `{name}` in the path of --url takes one.
Exit codes then: 0 for a status of 2xx, 3 for 401 and 403, else 1.";

/// The values of the headers that make a call permitted.
struct Credentials {
    authorization: String,
    proof: Option<String>,
}

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        if self.token == "-" && self.args == "-" {
            return usage("stdin can give the token or the arguments, not both");
        }
        // One that is called may name arguments in its path.
        let uri = self.url.parse::<TargetUri>();
        if uri.is_err() && !self.send {
            return usage("`--url` is not an absolute `http` or `https` address without a user");
        }
        let is_nonce = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if self.nonce.as_deref().is_some_and(|nonce| !is_nonce(nonce)) {
            return usage("`--nonce` is empty or holds other than visible ASCII characters");
        }
        let args = self.arguments()?;
        let token = input::token(&self.token)?;
        let is_bound = token.chain()?.current().is_some();
        let key = match (&self.key, is_bound) {
            (Some(path), true) => Some(keyfile::read(path)?),
            (None, true) => {
                return usage("the token is bound to a holder: name the holder's key with `--key`");
            }
            (Some(_), false) => {
                out.say("note: the token is bound to no holder, so the key is not used");
                None
            }
            (None, false) => None,
        };
        if self.send {
            return send::run(&self, token, key, &args, out);
        }
        let credentials = self.credentials(&token, key.as_ref(), &uri?, &args)?;
        if self.json {
            out.json(&json!({
                "method": self.method.as_str(),
                "url": self.url,
                "headers": credentials.named(["Authorization", "DPoP"]),
                "_meta": credentials.named([META_AUTHORIZATION, META_PROOF]),
            }))?;
        } else {
            out.line(format!("Authorization: {}", credentials.authorization))?;
            credentials.proof.iter().try_for_each(|proof| out.line(format!("DPoP: {proof}")))?;
        }
        Ok(Exit::Done)
    }

    /// The credentials for this one call.
    fn credentials(
        &self,
        token: &UnverifiedToken,
        key: Option<&HolderKey>,
        uri: &TargetUri,
        args: &model::Args,
    ) -> anyhow::Result<Credentials> {
        let Some(key) = key else {
            return Ok(Credentials { authorization: to_authorization(token), proof: None });
        };
        let (method, tool, nonce) = (self.method.as_str(), &self.tool, self.nonce.as_deref());
        let call = ProofCall { method, uri, tool, args, nonce };
        let made = present(token, key, &call, SystemClock.now(), &mut OsRng)?;
        Ok(Credentials { authorization: made.authorization(), proof: Some(made.dpop().to_owned()) })
    }

    fn arguments(&self) -> anyhow::Result<model::Args> {
        let text = input::inline(&self.args, limits::ARGS_BYTES_MAX)?;
        let profile = match self.integers64 {
            true => JsonProfile::Integers64,
            false => JsonProfile::Interoperable,
        };
        model::Args::parse(text.trim(), profile)
            .map_err(|error| Usage(format!("`--args`: {error}")).into())
    }
}

impl Credentials {
    /// Both under names, as JSON.
    fn named(&self, [authorization, proof]: [&str; 2]) -> Map<String, Value> {
        let both = [(authorization, Some(&self.authorization)), (proof, self.proof.as_ref())];
        let named = both.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?)));
        named.map(|(name, text)| (name, Value::String(text.clone()))).collect()
    }
}
