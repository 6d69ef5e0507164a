//! Small changes to tokens and blocks: of their bytes, and of what the bytes mean.

use biscuit_auth::format::schema::{self, proof::Content};
use ed25519_dalek::{Signer, SigningKey};
use prost::Message;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Changes some bytes: flips, puts in, takes out, repeats, cuts off.
pub(crate) fn bytes(rng: &mut StdRng, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.gen_range(1..=2) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = rng.gen_range(0..bytes.len());
        match rng.gen_range(0..8) {
            0..=2 => bytes[at] ^= 1 << rng.gen_range(0..8),
            3 => bytes[at] = rng.r#gen(),
            4 => bytes.insert(at, rng.r#gen()),
            5 => drop(bytes.remove(at)),
            6 => {
                let end = rng.gen_range(at..=bytes.len().min(at + 40));
                let part = bytes[at..end].to_vec();
                let to = rng.gen_range(0..=bytes.len());
                bytes.splice(to..to, part);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// Changes what a token's outer message says.
pub(crate) fn token(rng: &mut StdRng, bytes: &[u8]) -> Vec<u8> {
    let mut wire = schema::Biscuit::decode(bytes).unwrap();
    let last = wire.blocks.len();
    match rng.gen_range(0..10) {
        0 if last > 1 => wire.blocks.swap(0, last - 1),
        1 => drop(wire.blocks.pop()),
        2 if last > 0 => wire.blocks.push(wire.blocks[last - 1].clone()),
        3 => wire.root_key_id = Some(rng.gen_range(0..3)),
        4 => wire.proof.content = None,
        5 => {
            wire.proof.content = Some(match wire.proof.content {
                Some(Content::NextSecret(_)) => Content::FinalSignature(vec![1; 64]),
                _ => Content::NextSecret(vec![1; 32]),
            });
        }
        6 => {
            signed(rng, &mut wire).version = *[None, Some(0), Some(1), Some(2)].choose(rng).unwrap()
        }
        7 => signed(rng, &mut wire).next_key.algorithm = rng.gen_range(-1..3),
        8 => signed(rng, &mut wire).external_signature = None,
        _ => {
            let (from, to) = (signed(rng, &mut wire).signature.clone(), signed(rng, &mut wire));
            to.signature = from;
        }
    }
    wire.encode_to_vec()
}

fn signed<'w>(rng: &mut StdRng, wire: &'w mut schema::Biscuit) -> &'w mut schema::SignedBlock {
    match rng.gen_range(0..=wire.blocks.len()) {
        0 => &mut wire.authority,
        block => &mut wire.blocks[block - 1],
    }
}

/// Changes what a block says.
pub(crate) fn block(rng: &mut StdRng, bytes: &[u8]) -> Vec<u8> {
    let mut block = schema::Block::decode(bytes).unwrap();
    match rng.gen_range(0..9) {
        0 => {
            block.version =
                *[None, Some(2), Some(3), Some(4), Some(5), Some(7)].choose(rng).unwrap()
        }
        1 => block.context = Some("a context".to_owned()),
        2 => drop(block.symbols.pop()),
        3 => block.symbols.push("time".to_owned()),
        4 => block.symbols.push(format!("new {}", rng.gen_range(0..9))),
        5 => block.public_keys.extend(block.public_keys.first().cloned()),
        6 => {
            let kind = *[None, Some(0), Some(1), Some(2), Some(3)].choose(rng).unwrap();
            block.checks.iter_mut().for_each(|check| check.kind = kind);
        }
        7 => block.scope.push(schema::Scope {
            content: Some(schema::scope::Content::PublicKey(rng.gen_range(-1..3))),
        }),
        _ => block.checks.reverse(),
    }
    block.encode_to_vec()
}

/// A token with one more block of these bytes, signed as its holder can.
pub(crate) fn append(
    token: &[u8],
    block: Vec<u8>,
    version: Option<u32>,
    third_party: Option<&SigningKey>,
) -> Vec<u8> {
    let mut wire = schema::Biscuit::decode(token).unwrap();
    let Some(Content::NextSecret(secret)) = &wire.proof.content else { panic!("sealed") };
    let current = SigningKey::from_bytes(&secret.as_slice().try_into().unwrap());
    let next = SigningKey::from_bytes(&[7; 32]);
    let key = |key: &SigningKey| schema::PublicKey {
        algorithm: schema::public_key::Algorithm::Ed25519 as i32,
        key: key.verifying_key().to_bytes().to_vec(),
    };
    let before = wire.blocks.last().unwrap_or(&wire.authority).signature.clone();
    let external_signature = third_party.map(|third_party| {
        let parts = [
            b"\0EXTERNAL\0\0VERSION\0".as_slice(),
            &1u32.to_le_bytes(),
            b"\0PAYLOAD\0",
            &block,
            b"\0PREVSIG\0",
            &before,
        ];
        let signature = third_party.sign(&parts.concat()).to_bytes().to_vec();
        schema::ExternalSignature { signature, public_key: key(third_party) }
    });
    let next_key = next.verifying_key().to_bytes();
    let payload = match version {
        None | Some(0) => [&block[..], &0i32.to_le_bytes(), &next_key].concat(),
        Some(version) => [
            b"\0BLOCK\0\0VERSION\0".as_slice(),
            &version.to_le_bytes(),
            b"\0PAYLOAD\0",
            &block,
            b"\0ALGORITHM\0",
            &0i32.to_le_bytes(),
            b"\0NEXTKEY\0",
            &next_key,
            b"\0PREVSIG\0",
            &before,
            if external_signature.is_some() { b"\0EXTERNALSIG\0" } else { b"" },
            external_signature.as_ref().map_or(&[], |external| &external.signature),
        ]
        .concat(),
    };
    let signature = current.sign(&payload).to_bytes().to_vec();
    let next_key = key(&next);
    wire.blocks.push(schema::SignedBlock {
        block,
        next_key,
        signature,
        external_signature,
        version,
    });
    wire.proof.content = Some(Content::NextSecret(next.to_bytes().to_vec()));
    wire.encode_to_vec()
}
