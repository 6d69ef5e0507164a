//! The steps from the authority to whoever holds a token, as records tell them.

use std::sync::Arc;

use biscuit_auth::builder::Check;
use serde::{Deserialize, Serialize};

use super::Authentic;
use crate::model::{Block, RevocationId, Work, limits};
use crate::token::Holder;
use crate::vocabulary::frame::{self, Frame};
use crate::vocabulary::{print, read};

/// One step of a delegation chain.
///
/// *Shape*: of a bound token, each holder is a step; of a bearer token, each block, since nothing else
/// shows how often it was handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// How many times the token was handed on up to here.
    #[serde(default)]
    pub depth: usize,
    /// The block that made the step; 0 is the authority's.
    pub block: usize,
    /// What the step is called: the agent for block 0, where it says; then what each holder called
    /// the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The thumbprint of the key that holds the token from here on, for a bound token.
    ///
    /// *Source*: RFC 7638.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The block's revocation identifier, shortened.
    pub revocation_id: String,
    /// What was taken away since the step before: grants in their own language, ends, gateways and
    /// hops in words, other checks in Datalog. At most eight texts of some 300 characters. What
    /// follows the last step counts as taken by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took_away: Vec<String>,
}

impl Authentic {
    /// The steps from the authority to whoever holds the token.
    pub fn chain(&self) -> Vec<Hop> {
        let ids = self.revocation_ids();
        let holders = self.holders().holders();
        let mut work = Work::new(limits::TAKEN_WORK_MAX);
        let steps: Vec<(usize, Option<&Holder>)> = match holders {
            [] => (0..ids.len()).map(|block| (block, None)).collect(),
            holders => holders.iter().map(|holder| (holder.block, Some(holder))).collect(),
        };
        let mut hops = Vec::with_capacity(steps.len());
        for (depth, (block, holder)) in steps.iter().copied().enumerate() {
            let is_last = depth + 1 == steps.len();
            let from = depth.checked_sub(1).and_then(|before| Some(steps.get(before)?.0 + 1));
            let to = if is_last { ids.len() } else { block + 1 };
            // Block 0 is no step of the way.
            let blocks = self.blocks().get(from.unwrap_or(1)..to).unwrap_or_default();
            hops.push(Hop {
                depth,
                block,
                name: match block {
                    0 => self.token().authority_text("agent").map(str::to_owned),
                    _ => holder.and_then(|holder| holder.name.clone()),
                },
                key: holder.map(|holder| holder.thumbprint.clone()),
                revocation_id: ids.get(block).map(RevocationId::short).unwrap_or_default(),
                took_away: took_away(blocks, &mut work),
            });
        }
        hops
    }
}

/// What some blocks take away.
fn took_away(blocks: &[Arc<Block>], work: &mut Work) -> Vec<String> {
    let checks: Vec<&Check> = blocks.iter().flat_map(|block| &block.checks).collect();
    let (told, rest) = checks.split_at(checks.len().min(limits::TAKEN_MAX));
    let mut texts: Vec<String> = told.iter().map(|check| taken(check, work)).collect();
    if !rest.is_empty() {
        texts.push(format!("and {} checks more", rest.len()));
    }
    texts
}

/// What a check asks, in short.
fn taken(check: &Check, work: &mut Work) -> String {
    let affordable = check.queries.iter().try_for_each(|query| read::take_work(query, work));
    if affordable.is_err() {
        return format!("a check of {} queries", check.queries.len());
    }
    let text = match frame::read(check) {
        Some(Frame::Expiry(at)) => format!("ends {at}"),
        Some(Frame::Depth(max)) => format!("at most {max} hops"),
        Some(Frame::Audience(gateways)) => {
            let gateways: Vec<String> = gateways.into_iter().collect();
            format!("only at {}", gateways.join(", "))
        }
        None => match read::check(check) {
            Some(grants) => {
                let grants: Vec<String> = grants.iter().map(ToString::to_string).collect();
                format!("leaves only {}", grants.join(" or "))
            }
            None => print::check(check),
        },
    };
    match text.char_indices().nth(limits::TAKEN_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
