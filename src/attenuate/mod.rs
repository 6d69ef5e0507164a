//! Step 2, attenuate: append checks to a token, offline; nothing can be added to what it permits.
//!
//! Needs neither the root key nor the authority, only an unsealed token. To hand a bound token on
//! also needs the key of its holder, see [`delegate`]. The result shares what was read of the token
//! given, and only the new block is read.

mod call;
mod delegate;

pub use call::seal_for_call;
pub use delegate::delegate;

use std::collections::BTreeSet;

use biscuit_auth::builder::Check;
use rand::{CryptoRng, RngCore};

use crate::keys::Secret;
use crate::model::{Block, Timestamp, limits};
use crate::token::UnverifiedToken;
use crate::vocabulary::compile::{self, CompileError};
use crate::vocabulary::{Datalog, DatalogError, Grant, frame};

/// What a block takes away.
///
/// *Shape*: whatever is `None` or empty stays as it was. Grants here permit nothing by themselves:
/// they say which of the calls already permitted stay so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Narrowing {
    /// Only these calls stay permitted.
    pub grants: Vec<Grant>,
    /// The token ends at this moment, unless it ends before.
    pub expires: Option<Timestamp>,
    /// Only these gateways may accept it, of those that may already.
    pub audience: Option<BTreeSet<String>>,
    /// At most so many hops, counted from block 0, unless fewer already.
    pub depth: Option<u32>,
    /// Further facts, rules and checks.
    pub datalog: Datalog,
}

/// Why a token could not be attenuated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttenuateError {
    /// A sealed token takes no more blocks.
    #[error("the token is sealed: nothing can be appended")]
    Sealed,
    /// The narrowing asks nothing.
    #[error(
        "the narrowing takes nothing away: name grants, an expiry, an audience, a depth or a check"
    )]
    Nothing,
    /// The token has as many blocks as fit.
    #[error("the token has {} blocks, as many as fit", limits::BLOCKS_MAX)]
    Full,
    /// An empty audience.
    #[error("the audience is empty, so that no gateway could accept the token")]
    Audience,
    /// The grants do not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The Datalog states a word it may not.
    #[error(transparent)]
    Datalog(#[from] DatalogError),
    /// A bearer token has no holder who could hand it on.
    #[error("the token is bound to no holder: whoever has it can use it, so just pass it on")]
    Bearer,
    /// A bound token needs a proof with each call.
    #[error("the token is bound to a holder: seal it, and send a proof with each call")]
    Bound,
    /// Only the current holder can hand a token on.
    #[error("the key given is not that of the token's current holder")]
    NotTheHolder,
    /// The next holder has held the token before.
    #[error("the next holder's key holds the token or has held it before")]
    Loop,
    /// The name of the next holder.
    #[error(
        "the name is empty, longer than {} bytes or holds control characters",
        limits::TEXT_BYTES_MAX
    )]
    Name,
    /// The result would be refused by every verifier.
    #[error("the token would be refused: {0}")]
    Refused(String),
}

/// Appends one block that takes away what the narrowing says.
///
/// *Errors*: [`AttenuateError`]; the token given stays valid.
pub fn attenuate(
    token: &UnverifiedToken,
    narrowing: &Narrowing,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<UnverifiedToken, AttenuateError> {
    takes_a_block(token)?;
    let checks = checks(narrowing)?;
    if checks.is_empty() && narrowing.datalog.is_empty() {
        return Err(AttenuateError::Nothing);
    }
    append(token, &block(checks, &narrowing.datalog)?, rng)
}

/// Seals a token: whoever holds the result can use it, and append nothing.
///
/// *Errors*: [`AttenuateError::Sealed`] where it is sealed already.
pub fn seal(token: &UnverifiedToken) -> Result<UnverifiedToken, AttenuateError> {
    if token.is_sealed() {
        return Err(AttenuateError::Sealed);
    }
    token.sealed().map_err(refused)
}

/// Refuses a token that takes no further block.
fn takes_a_block(token: &UnverifiedToken) -> Result<(), AttenuateError> {
    match token.is_sealed() {
        true => Err(AttenuateError::Sealed),
        false if token.blocks().len() >= limits::BLOCKS_MAX => Err(AttenuateError::Full),
        false => Ok(()),
    }
}

/// Appends a first-party block.
fn append(
    token: &UnverifiedToken,
    block: &Block,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<UnverifiedToken, AttenuateError> {
    token.append(block, None, &Secret::generate(rng)).map_err(refused)
}

fn refused(error: impl std::error::Error) -> AttenuateError {
    AttenuateError::Refused(error.to_string())
}

fn block(mut checks: Vec<Check>, datalog: &Datalog) -> Result<Block, AttenuateError> {
    datalog.allowed_in_block()?;
    checks.extend_from_slice(&datalog.checks);
    let (facts, rules) = (datalog.facts.clone(), datalog.rules.clone());
    Ok(Block { facts, rules, checks, ..Block::default() })
}

fn checks(narrowing: &Narrowing) -> Result<Vec<Check>, AttenuateError> {
    let mut checks = Vec::new();
    if !narrowing.grants.is_empty() {
        checks.push(compile::check(&narrowing.grants)?);
    }
    checks.extend(narrowing.expires.map(frame::expiry));
    if let Some(audience) = &narrowing.audience {
        if audience.is_empty() {
            return Err(AttenuateError::Audience);
        }
        checks.push(frame::audience(audience));
    }
    checks.extend(narrowing.depth.map(frame::depth));
    Ok(checks)
}
