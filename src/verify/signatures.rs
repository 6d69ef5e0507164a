//! The chain of signatures, from the root key to the proof at the end.
//!
//! Each block is signed with the key that the block before it names, block 0 with the root key; the
//! last key either stands in the token as its private half or has signed the last block once more.
//! Signatures are checked one by one, each strictly. Checking them in one batch is quicker, but
//! accepts some that no strict check does (a test shows one), and which ones would depend on the
//! others in the batch.
//!
//! *Source*: Biscuit specification, "Cryptography"; RFC 8032.

use crate::keys::VerifyingKey;
use crate::model::{Code, Reason};
use crate::token::{Envelope, Payload, Signed, SignedBlock};

/// Checks every signature after those of the first `known` blocks, which `key` follows, and the
/// proof. Gives the last key, which the next block would be signed with.
///
/// *Errors*: a reason with `signature-invalid`.
pub(super) fn check(
    envelope: &Envelope,
    key: VerifyingKey,
    known: usize,
) -> Result<VerifyingKey, Reason> {
    chain(envelope, key, known)
        .ok_or_else(|| Reason::new(Code::SignatureInvalid, "a signature of the token is not valid"))
}

fn chain(envelope: &Envelope, mut key: VerifyingKey, known: usize) -> Option<VerifyingKey> {
    let mut payload = Payload::new();
    let mut before = known.checked_sub(1).and_then(|last| envelope.blocks().get(last));
    let mut blocks = envelope.blocks().iter().skip(known).peekable();
    while let Some(block) = blocks.next() {
        let signed = Signed::of(envelope, block, before);
        signed.block(&mut payload);
        if !key.verifies(&payload, &block.signature) {
            return None;
        }
        if let Some(external) = &block.external {
            signed.external(&before?.signature, &mut payload);
            let third_party = VerifyingKey::from_bytes(&external.key).ok()?;
            if !third_party.verifies(&payload, &external.signature) {
                return None;
            }
        }
        before = Some(block);
        if blocks.peek().is_some() {
            key = VerifyingKey::from_bytes(&block.next_key).ok()?;
        }
    }
    proven(&mut payload, envelope, before?)
}

/// The last key, if the token ends with its private half or its seal.
fn proven(payload: &mut Payload, envelope: &Envelope, last: &SignedBlock) -> Option<VerifyingKey> {
    match envelope.proof() {
        Ok(secret) => {
            let key = VerifyingKey::of_secret(secret.try_into().ok()?);
            (key.to_bytes() == last.next_key).then_some(key)
        }
        Err(seal) => {
            let key = VerifyingKey::from_bytes(&last.next_key).ok()?;
            Signed::of(envelope, last, None).seal(&last.signature, payload);
            key.verifies(payload, seal).then_some(key)
        }
    }
}
