//! `hardtack inspect`: what a token permits, block by block.

mod block;
mod holders;
pub(super) mod page;
mod picture;
mod svg;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::block::BlockView;
use super::{Exit, Output, input, roots};
use crate::config::SystemClock;
use crate::keys::KeyId;
use crate::model::{Clock, Reason, Timestamp};
use crate::token::{Chain, ChainError, UnverifiedToken};
use crate::verify::authenticate;
use crate::vocabulary::print;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The token, or `-` for stdin.
    token: String,
    /// A public key, or a file of such keys, to verify the signatures with; repeat it for more.
    #[arg(long = "root", value_name = "KEY")]
    roots: Vec<String>,
    /// Show the blocks as Datalog, as they stand in the token.
    #[arg(long, conflicts_with = "json")]
    datalog: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print a picture of the chain, as SVG.
    #[arg(long, conflicts_with_all = ["datalog", "json"])]
    svg: bool,
}

const EXAMPLE: &str = "\
Example:
  hardtack inspect - --root root.pub < task.token
  hardtack inspect - --root root.pub --svg < task.token > chain.svg

Only block 0 grants. Every later block takes away, so a call must fit block 0
and every block after it. The holders of a bound token are a tree: each hop with
what it took away. With --root the exit code is 1 where the token does not
verify.";

/// Whether the signatures hold.
enum Verification {
    /// No key was named.
    NotAsked,
    /// They do, and lead to this root key.
    Good(KeyId),
    /// They do not.
    Bad(Reason),
}

/// What the blocks say together.
struct Summary {
    expires: Option<Timestamp>,
    audience: Option<BTreeSet<String>>,
    depth: Option<u32>,
    hops: usize,
    /// Who holds the token; nobody where the blocks make no chain.
    chain: Chain,
    /// Why they do not.
    broken: Option<ChainError>,
}

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let token = input::token(&self.token)?;
        let verification = self.verification(&token)?;
        let numbered = token.blocks().iter().zip(token.revocation_ids()).enumerate();
        let chain = Chain::of(&token);
        let (broken, chain) = (chain.as_ref().err().copied(), chain.unwrap_or_default());
        let blocks: Vec<BlockView> =
            numbered.map(|(index, (block, id))| BlockView::new(index, block, id, &chain)).collect();
        let summary = Summary::of(&blocks, chain, broken);
        if self.json {
            out.json(&to_json(&token, &summary, &blocks, &verification))?;
        } else if self.svg {
            picture::print(&token, &summary, &blocks, &verification, out)?;
        } else {
            page::head(&token, &summary, &verification, SystemClock.now(), out)?;
            holders::print(&token, &summary, &blocks, out)?;
            if self.datalog {
                datalog(&token, &blocks, out)?;
            } else {
                blocks.iter().try_for_each(|view| page::block(view, out))?;
            }
        }
        Ok(if matches!(verification, Verification::Bad(_)) { Exit::Failure } else { Exit::Done })
    }

    fn verification(&self, token: &UnverifiedToken) -> anyhow::Result<Verification> {
        if self.roots.is_empty() {
            return Ok(Verification::NotAsked);
        }
        let roots = roots::trusted(&self.roots)?;
        Ok(match authenticate(token.clone(), &roots) {
            Ok(authentic) => Verification::Good(authentic.root()),
            Err(reason) => Verification::Bad(reason),
        })
    }
}

impl Summary {
    fn of(blocks: &[BlockView], chain: Chain, broken: Option<ChainError>) -> Self {
        let audiences = blocks.iter().map(|view| view.audience.clone());
        Self {
            expires: blocks.iter().filter_map(|view| view.expires).min(),
            audience: audiences.fold(None, block::narrower),
            depth: blocks.iter().filter_map(|view| view.depth).min(),
            hops: match chain.current() {
                Some(_) => chain.hops(),
                None => blocks.len().saturating_sub(1),
            },
            chain,
            broken,
        }
    }
}

fn datalog(token: &UnverifiedToken, blocks: &[BlockView], out: &mut Output) -> anyhow::Result<()> {
    for (block, view) in token.blocks().iter().zip(blocks) {
        page::title(view, out)?;
        print::block(block).lines().try_for_each(|line| out.line(line))?;
    }
    Ok(())
}

fn to_json(
    token: &UnverifiedToken,
    summary: &Summary,
    blocks: &[BlockView],
    verification: &Verification,
) -> Value {
    let (verified, reason) = match verification {
        Verification::NotAsked => (None, None),
        Verification::Good(_) => (Some(true), None),
        Verification::Bad(reason) => (Some(false), Some(reason)),
    };
    json!({
        "verified": verified,
        "reason": reason,
        "task": token.authority_text("task"),
        "principal": token.authority_text("principal"),
        "agent": token.authority_text("agent"),
        "intent": token.authority_text("intent"),
        "expires": summary.expires,
        "audience": summary.audience,
        "hops": summary.hops,
        "depth": summary.depth,
        "holders": holders::to_json(token, summary, blocks),
        "chain_error": summary.broken.map(|error| error.to_string()),
        "sealed": token.is_sealed(),
        "root": token.root_key_id(),
        "size_bytes": token.as_bytes().len(),
        "blocks": blocks.iter().map(BlockView::to_json).collect::<Vec<_>>(),
    })
}
