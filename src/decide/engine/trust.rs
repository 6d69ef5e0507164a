use std::borrow::Borrow;
use std::collections::HashMap;

use biscuit_auth::PublicKey;
use biscuit_auth::builder::Scope;

use crate::model::Block;

use super::error::{CompileFault, Origin};
use super::table::{AUTHORITY, AUTHORIZER, DEFAULT_TRUST, Origins};

/// Who signed which blocks, for scopes that name a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Signers {
    keys: Vec<(PublicKey, Origins)>,
    /// The keys that scopes have named so far.
    named: Vec<PublicKey>,
}

impl Signers {
    /// Adds the third-party blocks among `blocks`, of which the first is number `from`; the
    /// authority block is never one.
    ///
    /// *Errors*: `None` where a scope has named the key of such a block, for it then trusts a block
    /// that it did not know.
    pub(super) fn with<B: Borrow<Block>>(mut self, blocks: &[B], from: usize) -> Option<Self> {
        for (index, block) in (from..).zip(blocks).filter(|(index, _)| *index > 0) {
            if let Some(key) = block.borrow().external_key {
                if self.named.contains(&key) {
                    return None;
                }
                self.keys.push((key, bit(index)));
            }
        }
        Some(self)
    }

    /// The origins that a statement of `origin` trusts.
    ///
    /// *Shape*: `scopes` replaces `default` unless it is empty. Its own block and the authorizer
    /// are always trusted.
    pub(super) fn trust(
        &mut self,
        scopes: &[Scope],
        parameters: &Option<HashMap<String, Option<PublicKey>>>,
        default: Origins,
        origin: Origin,
    ) -> Result<Origins, CompileFault> {
        let own = own(origin) | AUTHORIZER;
        if scopes.is_empty() {
            return Ok(own | default);
        }
        let mut trust = own;
        for scope in scopes {
            trust |= match scope {
                Scope::Authority => AUTHORITY,
                Scope::Previous => previous(origin),
                Scope::PublicKey(key) => self.signed_by(key),
                Scope::Parameter(name) => {
                    let bound = parameters.as_ref().and_then(|bound| bound.get(name));
                    match bound {
                        Some(Some(key)) => self.signed_by(key),
                        _ => return Err(CompileFault::UnboundParameter(name.clone())),
                    }
                }
            };
        }
        Ok(trust)
    }

    /// What statements of a block trust unless their own scope says otherwise.
    pub(super) fn of_block(
        &mut self,
        index: usize,
        block: &Block,
    ) -> Result<Origins, CompileFault> {
        self.trust(&block.scopes, &None, DEFAULT_TRUST, Origin::Block(index))
    }

    fn signed_by(&mut self, key: &PublicKey) -> Origins {
        if !self.named.contains(key) {
            self.named.push(*key);
        }
        self.keys.iter().filter(|(other, _)| other == key).fold(0, |all, (_, bit)| all | bit)
    }
}

/// The bit of what an origin states.
pub(super) fn own(origin: Origin) -> Origins {
    match origin {
        Origin::Block(index) => bit(index),
        Origin::Policy => AUTHORIZER,
    }
}

/// `previous` means nothing to the policy: it would trust whatever a holder appends.
fn previous(origin: Origin) -> Origins {
    match origin {
        Origin::Block(index) => bit(index) | bit(index).wrapping_sub(1),
        Origin::Policy => 0,
    }
}

fn bit(index: usize) -> Origins {
    u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use biscuit_auth::builder::Algorithm;
    use biscuit_auth::{KeyPair, PrivateKey};

    fn key(seed: u8) -> PublicKey {
        let private = PrivateKey::from_bytes(&[seed; 32], Algorithm::Ed25519).unwrap();
        KeyPair::from(&private).public()
    }

    #[test]
    fn scopes_replace_the_default() {
        let block = |external_key| Block { external_key, ..Block::default() };
        let (one, two) = (key(1), key(2));
        // An external key on the authority block names nobody.
        let blocks = [block(Some(one)), block(Some(one)), block(None), block(Some(one))];
        let mut signers = Signers::default().with(&blocks, 0).unwrap();
        let cases: [(&[Scope], Origin, Origins); 8] = [
            (&[], Origin::Block(2), DEFAULT_TRUST | 0b100),
            (&[], Origin::Policy, DEFAULT_TRUST),
            (&[Scope::Authority], Origin::Block(2), AUTHORIZER | 0b101),
            (&[Scope::Previous], Origin::Block(2), AUTHORIZER | 0b111),
            (&[Scope::Previous], Origin::Policy, AUTHORIZER),
            (&[Scope::PublicKey(one)], Origin::Block(2), AUTHORIZER | 0b1110),
            (&[Scope::PublicKey(two)], Origin::Policy, AUTHORIZER),
            (&[Scope::PublicKey(one), Scope::Authority], Origin::Policy, AUTHORIZER | 0b1011),
        ];
        for (scopes, origin, trust) in cases {
            let found = signers.trust(scopes, &None, DEFAULT_TRUST, origin);
            assert_eq!(found, Ok(trust), "{scopes:?} {origin:?}");
        }
    }

    #[test]
    fn a_key_that_was_named_signs_no_later_block() {
        let signed = |key| [Block { external_key: Some(key), ..Block::default() }];
        let mut signers = Signers::default().with(&signed(key(1)), 1).unwrap();
        let scopes = [Scope::PublicKey(key(1)), Scope::PublicKey(key(2))];
        let trust = signers.trust(&scopes, &None, DEFAULT_TRUST, Origin::Policy);
        assert_eq!(trust, Ok(AUTHORIZER | 0b10));
        for named in [key(1), key(2)] {
            assert!(signers.clone().with(&signed(named), 2).is_none());
        }
        assert!(signers.clone().with(&signed(key(3)), 2).is_some());
        assert!(signers.with(&[Block::default()], 2).is_some());
    }
}
