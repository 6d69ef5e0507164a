//! Bytes to blocks.

use biscuit_auth::PublicKey;
use biscuit_auth::builder::{Check, Convert, Fact, Rule, Scope};
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::format::convert::proto_block_to_token_block;
use biscuit_auth::format::schema::{self, proof, public_key::Algorithm};
use prost::Message;

use super::TokenError;
use super::size::{Lengths, Room};
use crate::model::{Block, Code, RevocationId, limits};

/// Decodes the outer message, and refuses any but the canonical encoding: one token, one text.
pub(super) fn wire(bytes: &[u8]) -> Result<schema::Biscuit, TokenError> {
    let wire = schema::Biscuit::decode(bytes)
        .map_err(|_| TokenError::malformed("the token is not a Biscuit"))?;
    if wire.encode_to_vec() != bytes {
        return Err(TokenError::malformed("the token is not in its canonical encoding"));
    }
    Ok(wire)
}

fn signed(wire: &schema::Biscuit) -> impl Iterator<Item = (usize, &schema::SignedBlock)> {
    std::iter::once(&wire.authority).chain(&wire.blocks).enumerate()
}

/// Bounds the chain, and refuses every key and signature that is not ed25519: secp256r1 signatures
/// can be altered without the key, and with them the revocation identifiers.
pub(super) fn signatures(wire: &schema::Biscuit) -> Result<(), TokenError> {
    let max = limits::BLOCKS_MAX;
    if wire.blocks.len() >= max {
        let message = format!("the token has more than {max} blocks");
        return Err(TokenError::new(Code::ChainTooLong, message));
    }
    for (index, block) in signed(wire) {
        let external = block.external_signature.as_ref();
        if index == 0 && external.is_some() {
            return Err(TokenError::malformed("block 0 is signed by a third party"));
        }
        let keys = std::iter::once(&block.next_key).chain(external.map(|e| &e.public_key));
        let signatures = std::iter::once(&block.signature).chain(external.map(|e| &e.signature));
        if !keys.clone().all(is_ed25519) || !signatures.clone().all(|s| s.len() == 64) {
            return Err(not_ed25519(index));
        }
    }
    match &wire.proof.content {
        Some(proof::Content::NextSecret(secret)) if secret.len() == 32 => Ok(()),
        Some(proof::Content::FinalSignature(signature)) if signature.len() == 64 => Ok(()),
        _ => Err(TokenError::malformed("the token ends without a proof")),
    }
}

fn is_ed25519(key: &schema::PublicKey) -> bool {
    key.algorithm == Algorithm::Ed25519 as i32 && key.key.len() == 32
}

fn not_ed25519(index: usize) -> TokenError {
    TokenError::malformed(format!("block {index} has a key or signature that is not ed25519"))
}

pub(super) fn is_sealed(wire: &schema::Biscuit) -> bool {
    matches!(wire.proof.content, Some(proof::Content::FinalSignature(_)))
}

pub(super) fn revocation_ids(wire: &schema::Biscuit) -> Vec<RevocationId> {
    signed(wire).map(|(_, block)| RevocationId::new(block.signature.clone())).collect()
}

/// Decodes every block. First-party blocks share one table of symbols and keys; a third-party
/// block has its own.
pub(super) fn blocks(wire: &schema::Biscuit) -> Result<Vec<Block>, TokenError> {
    let (mut shared, mut lengths, mut room) = (SymbolTable::new(), Vec::new(), Room::new());
    let mut blocks = Vec::with_capacity(wire.blocks.len() + 1);
    for (index, signed) in signed(wire) {
        let wrong = |what: &str| TokenError::malformed(format!("block {index} {what}"));
        let proto = schema::Block::decode(signed.block.as_slice())
            .map_err(|_| wrong("is not a Biscuit block"))?;
        if proto.encode_to_vec() != signed.block {
            return Err(wrong("is not in its canonical encoding"));
        }
        counts(index, &proto)?;
        let own = proto.symbols.iter().map(String::len);
        let fits = match &signed.external_signature {
            Some(_) => room.block(&proto, &Lengths::new(&own.collect::<Vec<_>>())),
            None => {
                lengths.extend(own);
                room.block(&proto, &Lengths::new(&lengths))
            }
        };
        fits.ok_or_else(|| {
            let max = limits::TOKEN_DECODED_BYTES_MAX;
            let message = format!("block {index} names texts of more than {max} bytes");
            TokenError::new(Code::TokenTooComplex, message)
        })?;
        if !proto.public_keys.iter().all(is_ed25519) {
            return Err(not_ed25519(index));
        }
        let external_key = match &signed.external_signature {
            Some(external) => {
                Some(PublicKey::from_proto(&external.public_key).map_err(|_| not_ed25519(index))?)
            }
            None => None,
        };
        let block = proto_block_to_token_block(&proto, external_key)
            .map_err(|_| wrong("is not well formed"))?;
        let mut own = SymbolTable::new();
        let symbols = if external_key.is_some() { &mut own } else { &mut shared };
        // `from` refuses names of the default table, `extend` those of earlier blocks.
        SymbolTable::from(proto.symbols)
            .and_then(|_| symbols.extend(&block.symbols))
            .map_err(|_| wrong("repeats a symbol or key"))?;
        blocks.push(Block {
            facts: named::<_, Fact>(&block.facts, symbols).ok_or_else(|| unknown(index))?,
            rules: named::<_, Rule>(&block.rules, symbols).ok_or_else(|| unknown(index))?,
            checks: named::<_, Check>(&block.checks, symbols).ok_or_else(|| unknown(index))?,
            scopes: named::<_, Scope>(&block.scopes, symbols).ok_or_else(|| unknown(index))?,
            external_key,
        });
    }
    Ok(blocks)
}

fn unknown(index: usize) -> TokenError {
    TokenError::malformed(format!("block {index} uses a symbol or key that it does not define"))
}

fn named<T, B: Convert<T>>(items: &[T], symbols: &SymbolTable) -> Option<Vec<B>> {
    items.iter().map(|item| B::convert_from(item, symbols).ok()).collect()
}

/// Bounds how much a block holds before it is turned into a tree.
fn counts(index: usize, block: &schema::Block) -> Result<(), TokenError> {
    let mut symbols: Vec<&String> = block.symbols.iter().collect();
    symbols.sort_unstable();
    if symbols.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(TokenError::malformed(format!("block {index} repeats a symbol or key")));
    }
    let counts = [
        ("facts", block.facts.len(), limits::BLOCK_FACTS_MAX),
        ("rules", block.rules.len(), limits::BLOCK_RULES_MAX),
        ("checks", block.checks.len(), limits::BLOCK_CHECKS_MAX),
        ("keys", block.public_keys.len(), limits::BLOCKS_MAX),
        ("scopes", block.scope.len(), limits::BLOCKS_MAX),
    ];
    for (what, count, max) in counts {
        if count > max {
            let message = format!("block {index} holds {count} {what}, where {max} fit");
            return Err(TokenError::new(Code::TokenTooComplex, message));
        }
    }
    Ok(())
}
