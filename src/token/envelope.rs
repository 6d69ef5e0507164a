//! The outer message of a token: signed blocks and a proof. What the blocks say is not read here.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

use super::TokenError;
use super::wire::{NotCanonical, Read, Reader, number, sized};
use crate::keys::KeyId;
use crate::model::{Code, RevocationId, limits};

/// The algorithm number of ed25519.
const ED25519: i32 = 0;

/// A token whose outer message is well formed and within its limits.
///
/// *Shape*: at most 16 KiB and 16 blocks, every key and signature ed25519: secp256r1 signatures can
/// be altered without the key, and with them the revocation identifiers. Neither signatures nor
/// what the blocks say has been looked at. An unsealed token contains a private key, so `Debug`
/// does not show the bytes.
///
/// *Source*: Biscuit specification, "Format".
#[derive(Clone)]
pub struct Envelope {
    bytes: Vec<u8>,
    root_key_id: Option<KeyId>,
    blocks: Vec<SignedBlock>,
    proof: Proof,
}

/// One block as it was signed.
#[derive(Clone, Debug)]
pub(crate) struct SignedBlock {
    /// Where its message stands in the token.
    pub(crate) place: Range<usize>,
    /// The public key of whoever may append the next block.
    pub(crate) next_key: [u8; 32],
    pub(crate) signature: [u8; 64],
    pub(crate) external: Option<ExternalSignature>,
    pub(crate) version: SignatureVersion,
    /// Where the signed block ends in the token.
    pub(crate) end: usize,
}

/// A third party's signature of a block.
#[derive(Clone, Debug)]
pub(crate) struct ExternalSignature {
    pub(crate) key: [u8; 32],
    pub(crate) signature: [u8; 64],
}

/// What exactly was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureVersion {
    /// The block and the next key.
    V0,
    /// The same with labels between, and the signature of the block before.
    V1,
}

/// What ends a token.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// The private key of the last block's next key stands here.
    Secret(Range<usize>),
    /// The last next key's signature: nothing can be appended.
    Seal([u8; 64]),
}

/// Why the outer message cannot be read.
enum Fault {
    Form,
    NotEd25519(usize),
    ExternalAuthority,
    Version(usize),
    NoProof,
    TooManyBlocks,
}

impl From<NotCanonical> for Fault {
    fn from(_: NotCanonical) -> Self {
        Self::Form
    }
}

impl From<Fault> for TokenError {
    fn from(fault: Fault) -> Self {
        Self::malformed(match fault {
            Fault::Form => "the token is not a Biscuit in its canonical encoding".to_owned(),
            Fault::NotEd25519(index) => {
                format!("block {index} has a key or signature that is not ed25519")
            }
            Fault::ExternalAuthority => "block 0 is signed by a third party".to_owned(),
            Fault::Version(index) => {
                format!("block {index} is signed in a way that is not supported")
            }
            Fault::NoProof => "the token ends without a proof".to_owned(),
            Fault::TooManyBlocks => {
                let message = format!("the token has more than {} blocks", limits::BLOCKS_MAX);
                return Self::new(Code::ChainTooLong, message);
            }
        })
    }
}

impl Envelope {
    /// Reads the outer message of a token.
    ///
    /// *Errors*: [`TokenError`] where the bytes are too long, not a Biscuit in its canonical form,
    /// or hold too many blocks.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TokenError> {
        if bytes.len() > limits::TOKEN_BYTES_MAX {
            return Err(too_large());
        }
        let mut reader = Reader::new(&bytes);
        let (root_key_id, blocks, proof) = outer(&mut reader)?;
        Ok(Self { root_key_id, blocks, proof, bytes })
    }

    /// The token's bytes. An unsealed token's are a secret.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The root key that the token names.
    pub fn root_key_id(&self) -> Option<KeyId> {
        self.root_key_id
    }

    /// Whether the token is sealed: nothing can be appended.
    pub fn is_sealed(&self) -> bool {
        matches!(self.proof, Proof::Seal(_))
    }

    /// One revocation identifier a block: its signature.
    pub fn revocation_ids(&self) -> impl DoubleEndedIterator<Item = RevocationId> {
        self.blocks.iter().map(|block| RevocationId::new(block.signature))
    }

    /// How many blocks, from block 0 on, both tokens have in common, byte for byte.
    pub fn common_blocks(&self, other: &Self) -> usize {
        let pairs = self.blocks.iter().zip(&other.blocks);
        let same = |(a, b): (&SignedBlock, &SignedBlock)| {
            let ours = self.bytes.get(..a.end);
            a.end == b.end && ours.is_some() && ours == other.bytes.get(..b.end)
        };
        // The bytes up to a block hold those up to every block before it.
        (1..=pairs.len())
            .rev()
            .find(|count| pairs.clone().nth(count - 1).is_some_and(same))
            .unwrap_or(0)
    }

    pub(crate) fn blocks(&self) -> &[SignedBlock] {
        &self.blocks
    }

    /// The message of a block.
    pub(crate) fn message(&self, block: &SignedBlock) -> &[u8] {
        self.bytes.get(block.place.clone()).unwrap_or_default()
    }

    /// The private key that the token ends with, or its seal.
    pub(crate) fn proof(&self) -> Result<&[u8], &[u8; 64]> {
        match &self.proof {
            Proof::Secret(place) => Ok(self.bytes.get(place.clone()).unwrap_or_default()),
            Proof::Seal(signature) => Err(signature),
        }
    }
}

impl FromStr for Envelope {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        // Every four characters are three bytes; anything longer is not worth decoding.
        if text.len() > limits::TOKEN_BYTES_MAX.div_ceil(3) * 4 {
            return Err(too_large());
        }
        let bytes = URL_SAFE.decode(text).map_err(|_| {
            TokenError::malformed("the token is not URL-safe base64 with its padding")
        })?;
        Self::from_bytes(bytes)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.revocation_ids().next_back().map(|id| id.short()).unwrap_or_default();
        let (blocks, bytes) = (self.blocks.len(), self.bytes.len());
        write!(f, "Envelope({blocks} blocks, {bytes} bytes, last {last})")
    }
}

fn too_large() -> TokenError {
    let max = limits::TOKEN_BYTES_MAX;
    TokenError::new(Code::TokenTooLarge, format!("the token is longer than {max} bytes"))
}

type Outer = (Option<KeyId>, Vec<SignedBlock>, Proof);

/// `message Biscuit`.
fn outer(reader: &mut Reader<'_>) -> Result<Outer, Fault> {
    let root_key_id = if reader.has(number(1)) { Some(reader.varint_u32()?) } else { None };
    reader.expect(sized(2))?;
    let mut blocks = Vec::with_capacity(4);
    blocks.push(signed_block(reader, 0)?);
    while reader.has(sized(3)) {
        if blocks.len() == limits::BLOCKS_MAX {
            return Err(Fault::TooManyBlocks);
        }
        blocks.push(signed_block(reader, blocks.len())?);
    }
    reader.expect(sized(4))?;
    let proof = proof(reader.message()?)?;
    reader.finish()?;
    Ok((root_key_id, blocks, proof))
}

/// `message SignedBlock`.
fn signed_block(reader: &mut Reader<'_>, index: usize) -> Result<SignedBlock, Fault> {
    let mut inner = reader.message()?;
    inner.expect(sized(1))?;
    let place = inner.place()?;
    inner.expect(sized(2))?;
    let next_key = ed25519_key(inner.message()?)?;
    inner.expect(sized(3))?;
    let signature: Option<[u8; 64]> = inner.bytes()?.try_into().ok();
    let external = if inner.has(sized(4)) { Some(external(inner.message()?)?) } else { None };
    let version = match inner.has(number(5)) {
        false => 0,
        // A zero that is written out would make a second encoding of the same token.
        true => Some(inner.varint_u32()?).filter(|version| *version != 0).ok_or(Fault::Form)?,
    };
    inner.finish()?;
    let version = match version {
        // Only the newer way binds a third party's signature to the block before.
        0 if external.is_none() => SignatureVersion::V0,
        1 => SignatureVersion::V1,
        _ => return Err(Fault::Version(index)),
    };
    if index == 0 && external.is_some() {
        return Err(Fault::ExternalAuthority);
    }
    let (Some(next_key), Some(signature)) = (next_key, signature) else {
        return Err(Fault::NotEd25519(index));
    };
    let external = external.map(|found| found.ok_or(Fault::NotEd25519(index))).transpose()?;
    Ok(SignedBlock { place, next_key, signature, external, version, end: reader.at() })
}

/// `message PublicKey`; `None` where it is well formed and not ed25519.
pub(super) fn ed25519_key(mut reader: Reader<'_>) -> Read<Option<[u8; 32]>> {
    reader.expect(number(1))?;
    let algorithm = reader.varint_enum()?;
    reader.expect(sized(2))?;
    let key = reader.bytes()?.try_into().ok();
    reader.finish()?;
    Ok(key.filter(|_| algorithm == ED25519))
}

/// `message ExternalSignature`; `None` where it is well formed and not ed25519.
fn external(mut reader: Reader<'_>) -> Read<Option<ExternalSignature>> {
    reader.expect(sized(1))?;
    let signature = reader.bytes()?.try_into().ok();
    reader.expect(sized(2))?;
    let key = ed25519_key(reader.message()?)?;
    reader.finish()?;
    Ok(signature.zip(key).map(|(signature, key)| ExternalSignature { key, signature }))
}

/// `message Proof`.
fn proof(mut reader: Reader<'_>) -> Result<Proof, Fault> {
    let proof = if reader.has(sized(1)) {
        let place = reader.place()?;
        if place.len() != 32 {
            return Err(Fault::NoProof);
        }
        Proof::Secret(place)
    } else if reader.has(sized(2)) {
        Proof::Seal(reader.bytes()?.try_into().map_err(|_| Fault::NoProof)?)
    } else {
        return Err(Fault::NoProof);
    };
    reader.finish()?;
    Ok(proof)
}
