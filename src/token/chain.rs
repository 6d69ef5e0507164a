//! The delegation chain: who holds a token, by what its blocks say.
//!
//! Block 0 names the first holder, or none; every other block is looked at in its turn.
//!
//! | block | says | then |
//! | --- | --- | --- |
//! | 0 | nothing of `holder` | a bearer token: it has no chain |
//! | 0 | `holder(key)` once, as a fact | a bound token: `key` holds it |
//! | 0 | anything else of `holder` | refused |
//! | any | nothing of `delegate`, whoever signed it | it only narrows: nobody moves |
//! | later | `delegate(key, name)` once, and the current holder signed the block | `key` holds it: one hop |
//! | any | `delegate` more than once, by a rule, or with other terms | refused |
//! | any | `delegate`, and the current holder did not sign the block | refused: first-party blocks, strangers, former holders, every block of a bearer token |
//! | later | `delegate` to a key that holds the token or held it before | refused: a loop |
//! | any | a key that is no point of the curve, in another encoding or of small order | refused |
//!
//! A name is what its delegator calls a hop: two hops may share one, and nothing depends on it.
//! Whether the signatures hold is not asked here. `verify` does so first; whoever appends to a
//! token of their own asks this chain alone.

use std::sync::Arc;

use biscuit_auth::builder::{Fact, Predicate, Term};

use super::UnverifiedToken;
use crate::keys::VerifyingKey;
use crate::model::{Block, Code, Reason, is_plain_text};

/// The holders of a token, from the first to the current one; none for a bearer token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain(Vec<Holder>);

/// One holder in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The holder's key.
    pub key: VerifyingKey,
    /// The key's thumbprint, worked out once.
    pub thumbprint: String,
    /// What the delegator calls the holder; block 0 calls the first one nothing.
    pub name: Option<String>,
    /// The block that names the holder.
    pub block: usize,
}

/// Why the blocks of a token make no chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {block} {what}")]
pub struct ChainError {
    /// The block at fault.
    pub block: usize,
    what: &'static str,
}

impl From<ChainError> for Reason {
    fn from(error: ChainError) -> Self {
        Self { block: Some(error.block), ..Self::new(Code::TokenMalformed, error.to_string()) }
    }
}

impl Holder {
    fn new(key: VerifyingKey, name: Option<String>, block: usize) -> Self {
        Self { key, thumbprint: key.thumbprint(), name, block }
    }
}

impl Chain {
    /// The chain of a token.
    ///
    /// *Errors*: [`ChainError`] as the table of the module says.
    pub fn of(token: &UnverifiedToken) -> Result<Self, ChainError> {
        Self::default().of_blocks(token, 0)
    }

    /// The chain of a token that shares its first blocks with the one this chain was made of.
    ///
    /// *Errors*: as [`Chain::of`].
    pub fn of_like(&self, token: &UnverifiedToken, known: usize) -> Result<Self, ChainError> {
        let holders = self.0.iter().filter(|holder| holder.block < known);
        Self(holders.cloned().collect()).of_blocks(token, known)
    }

    /// The holders, the first one first.
    pub fn holders(&self) -> &[Holder] {
        &self.0
    }

    /// Who holds the token now; `None` for a bearer token.
    pub fn current(&self) -> Option<&Holder> {
        self.0.last()
    }

    /// How often the token was handed on.
    pub fn hops(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    fn of_blocks(mut self, token: &UnverifiedToken, known: usize) -> Result<Self, ChainError> {
        let signed = token.envelope().blocks();
        let blocks = token.blocks().iter().zip(signed).enumerate().skip(known);
        for (index, (block, signed)) in blocks {
            let at = |what| ChainError { block: index, what };
            if index == 0 {
                self.0.extend(first(block).map_err(at)?);
            }
            let signer = signed.external.as_ref().map(|external| &external.key);
            if let Some((key, name)) = self.next(block, signer).map_err(at)? {
                self.0.push(Holder::new(key, Some(name), index));
            }
        }
        Ok(self)
    }

    /// The holder that a block hands the token on to.
    fn next(
        &self,
        block: &Block,
        signer: Option<&[u8; 32]>,
    ) -> Result<Option<(VerifyingKey, String)>, &'static str> {
        let Some(delegate) = only(block, "delegate").map_err(|how| match how {
            Not::Once => "states `delegate` more than once",
            Not::Fact => "derives `delegate` by a rule",
        })?
        else {
            return Ok(None);
        };
        let [Term::Bytes(key), Term::Str(name)] = delegate.terms.as_slice() else {
            return Err("states `delegate` with other terms than a key and a name");
        };
        if !is_plain_text(name) {
            return Err("states `delegate` with a name that is no plain text");
        }
        let key = holder_key(key).ok_or("hands the token on to a key that is not usable")?;
        let is = |holder: &Holder, key: &[u8; 32]| holder.key.to_bytes() == *key;
        match (self.current(), signer) {
            (None, _) => return Err("hands on a token that is bound to no holder"),
            (_, None) => return Err("hands the token on and is not signed by its holder"),
            (Some(holder), Some(signer)) if is(holder, signer) => {}
            (_, Some(signer)) if self.0.iter().any(|holder| is(holder, signer)) => {
                return Err("hands the token on and is signed by a holder that no longer has it");
            }
            _ => return Err("hands the token on and is signed by somebody who does not hold it"),
        }
        match self.holds_or_held(&key) {
            true => Err("hands the token on to a key that has held it before"),
            false => Ok(Some((key, name.clone()))),
        }
    }

    /// Whether the key is or was a holder's.
    pub fn holds_or_held(&self, key: &VerifyingKey) -> bool {
        self.0.iter().any(|holder| holder.key == *key)
    }
}

/// The holder that block 0 names.
fn first(block: &Arc<Block>) -> Result<Option<Holder>, &'static str> {
    let holder = only(block, "holder").map_err(|how| match how {
        Not::Once => "states `holder` more than once",
        Not::Fact => "derives `holder` by a rule",
    })?;
    let Some(holder) = holder else { return Ok(None) };
    let [Term::Bytes(key)] = holder.terms.as_slice() else {
        return Err("states `holder` with other terms than a key");
    };
    let key = holder_key(key).ok_or("is bound to a key that is not usable")?;
    Ok(Some(Holder::new(key, None, 0)))
}

/// How a block states a word otherwise than as one fact.
enum Not {
    Once,
    Fact,
}

/// The one fact of this name; `None` where the block states nothing of it.
fn only<'a>(block: &'a Block, name: &str) -> Result<Option<&'a Predicate>, Not> {
    if block.rules.iter().any(|rule| rule.head.name == name) {
        return Err(Not::Fact);
    }
    let mut facts =
        block.facts.iter().map(|Fact { predicate, .. }| predicate).filter(|p| p.name == name);
    match (facts.next(), facts.next()) {
        (_, Some(_)) => Err(Not::Once),
        (fact, None) => Ok(fact),
    }
}

/// A key in its one encoding: the coordinate is below the field's prime, 2^255 − 19.
fn holder_key(bytes: &[u8]) -> Option<VerifyingKey> {
    let (last, rest) = bytes.split_last()?;
    let (first, middle) = rest.split_first()?;
    let is_above = last & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff) && *first >= 0xed;
    if is_above { None } else { VerifyingKey::from_bytes(bytes).ok() }
}
