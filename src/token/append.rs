//! One more block, or a seal, at the end of a token.
//!
//! The bytes up to the last block stay as they are, and what was read of them is not read again.
//! What is put there is read like any other block, and the chain of holders goes on: no token comes
//! from here that would be refused when it is read.
//!
//! *Source*: Biscuit specification, "Appending", "Third-party blocks", "Sealing".

use super::encode::{self, ed25519_key};
use super::envelope::{ExternalSignature, SignatureVersion, SignedBlock};
use super::payload::{Payload, Signed};
use super::symbols::Symbols;
use super::version::V3_3;
use super::wire::Writer;
use super::{Envelope, TokenError, UnverifiedToken};
use crate::keys::{HolderKey, Secret};
use crate::model::Block;

/// At most so many bytes of a signed block and a proof are not the block's message: three
/// signatures, three keys, and their tags and lengths.
const AROUND_MESSAGE: usize = 3 * 64 + 3 * 32 + 64;

impl UnverifiedToken {
    /// The token with one more block, signed by a third party where one is given.
    ///
    /// *Shape*: `next` signs whatever follows that block. The block's own `external_key` is not
    /// looked at.
    ///
    /// *Errors*: [`TokenError`] where the token is sealed or its own key does not fit it, or the
    /// result is beyond a limit, malformed, or makes no chain.
    pub(crate) fn append(
        &self,
        block: &Block,
        third_party: Option<&HolderKey>,
        next: &Secret,
    ) -> Result<Self, TokenError> {
        let chain = self.chain()?;
        let (key, last) = self.own_key()?;
        let mut symbols = match third_party {
            // It knows no other block's table.
            Some(_) => Symbols::new(&[]),
            None => self.blocks.symbols(&self.envelope)?,
        };
        let encoded = encode::block(block, third_party.is_some(), &mut symbols);
        let (message, datalog) = encoded.map_err(|wrong| wrong.at(self.blocks().len()))?;
        let next_key = next.public().to_bytes();
        let is_new = third_party.is_some()
            || datalog >= V3_3
            || self.envelope.blocks().iter().any(|block| block.version == SignatureVersion::V1);
        let mut signed = Signed {
            message: &message,
            next_key: &next_key,
            version: if is_new { SignatureVersion::V1 } else { SignatureVersion::V0 },
            before: Some(&last.signature),
            external: None,
        };
        let mut payload = Payload::new();
        let external = third_party.map(|third_party| {
            signed.external(&last.signature, &mut payload);
            let signature = third_party.sign(&payload);
            ExternalSignature { key: third_party.public().to_bytes(), signature }
        });
        signed.external = external.as_ref().map(|external| &external.signature);
        signed.block(&mut payload);
        let mut out = self.up_to(last, message.len());
        signed_block(&mut out, &signed, &key.sign(&payload), external.as_ref());
        proof(&mut out, 1, next.to_bytes().as_slice());
        let appended = self.read_after(out)?;
        let chain = chain.of_like(&appended, self.blocks().len())?;
        Ok(Self { chain: Ok(chain).into(), ..appended })
    }

    /// The token sealed, or as it is where it is sealed already: nothing can be appended.
    ///
    /// *Errors*: [`TokenError`] where the token's own key does not fit it.
    pub fn sealed(&self) -> Result<Self, TokenError> {
        if self.is_sealed() {
            return Ok(self.clone());
        }
        let (key, last) = self.own_key()?;
        let mut payload = Payload::new();
        Signed::of(&self.envelope, last, None).seal(&last.signature, &mut payload);
        let mut out = self.up_to(last, 0);
        proof(&mut out, 2, &key.sign(&payload));
        Ok(Self { chain: self.chain.clone(), ..self.read_after(out)? })
    }

    /// The private key that the token ends with, and the block that names its public half.
    fn own_key(&self) -> Result<(Secret, &SignedBlock), TokenError> {
        let secret = self.envelope.proof().ok().and_then(|secret| secret.try_into().ok());
        let secret = secret.map(|secret: &[u8; 32]| Secret::from_bytes(secret));
        match secret.zip(self.envelope.blocks().last()) {
            Some((key, last)) if key.public().to_bytes() == last.next_key => Ok((key, last)),
            _ => Err(TokenError::malformed("the token ends without the key of its last block")),
        }
    }

    /// The bytes up to the last block, with room for what follows a message of so many bytes: they
    /// are never moved once they hold a private key.
    fn up_to(&self, last: &SignedBlock, message_bytes: usize) -> Writer {
        let blocks = self.as_bytes().get(..last.end).unwrap_or_default();
        let mut bytes = Vec::with_capacity(blocks.len() + message_bytes + AROUND_MESSAGE);
        bytes.extend_from_slice(blocks);
        Writer::after(bytes)
    }

    fn read_after(&self, out: Writer) -> Result<Self, TokenError> {
        Self::read_like(Envelope::from_bytes(out.into_bytes())?, self)
    }
}

/// `message SignedBlock`.
fn signed_block(
    out: &mut Writer,
    signed: &Signed<'_>,
    signature: &[u8; 64],
    external: Option<&ExternalSignature>,
) {
    let block = out.begin(3);
    out.bytes(1, signed.message);
    ed25519_key(out, 2, signed.next_key);
    out.bytes(3, signature);
    if let Some(external) = external {
        let message = out.begin(4);
        out.bytes(1, &external.signature);
        ed25519_key(out, 2, &external.key);
        out.end(message);
    }
    if signed.version == SignatureVersion::V1 {
        out.number(5, 1);
    }
    out.end(block);
}

/// `message Proof`: the private key in field 1, or the seal in field 2.
fn proof(out: &mut Writer, field: u8, bytes: &[u8]) {
    let message = out.begin(4);
    out.bytes(field, bytes);
    out.end(message);
}
