//! What no design goes below: the signatures that a token carries, and one look into a cache.
//!
//! Keys are decompressed before, each signature has a key of its own, and each message is as long
//! as a block of the token.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey, verify_batch};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

/// Signatures, ready to be checked.
pub struct Signatures {
    keys: Vec<VerifyingKey>,
    messages: Vec<Vec<u8>>,
    signatures: Vec<Signature>,
}

impl Signatures {
    /// As many as a token of this depth carries, over as many bytes.
    pub fn new(depth: usize, token_bytes: usize) -> Self {
        let count = depth + 1;
        let signing = |at: usize| SigningKey::from_bytes(&[at as u8 + 1; 32]);
        let messages: Vec<_> = (0..count).map(|at| vec![at as u8; token_bytes / count]).collect();
        let signed = messages.iter().enumerate();
        Self {
            keys: (0..count).map(|at| signing(at).verifying_key()).collect(),
            signatures: signed.map(|(at, message)| signing(at).sign(message)).collect(),
            messages,
        }
    }

    /// All of them, one by one and strictly.
    pub fn verify(&self) -> bool {
        let signed = self.messages.iter().zip(&self.signatures);
        let mut all = self.keys.iter().zip(signed);
        all.all(|(key, (message, signature))| key.verify_strict(message, signature).is_ok())
    }

    /// All of them at once, by the looser rules of a batch.
    pub fn verify_batch(&self) -> bool {
        let messages: Vec<&[u8]> = self.messages.iter().map(Vec::as_slice).collect();
        verify_batch(&messages, &self.signatures, &self.keys).is_ok()
    }
}

/// A cache that holds one text among others.
pub struct Lookup(Cache<[u8; 32], u64>);

impl Lookup {
    /// A cache with this text and a thousand more entries.
    pub fn new(text: &str) -> Self {
        let cache = Cache::new(10_000);
        (0..1000_u64).for_each(|at| cache.insert(Sha256::digest(at.to_be_bytes()).into(), at));
        cache.insert(Sha256::digest(text).into(), 1);
        Self(cache)
    }

    /// SHA-256 of the text, and what the cache has under it.
    pub fn get(&self, text: &str) -> bool {
        let key: [u8; 32] = Sha256::digest(text).into();
        self.0.get(&key).is_some()
    }
}
