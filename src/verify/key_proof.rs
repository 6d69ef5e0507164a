//! A proof that a request was made by whoever has a key, with no token in it: a DPoP proof with one
//! more claim, `args`, the digest of the request's JSON body.
//!
//! *Source*: RFC 9449, section 5, where it goes with a request for a token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ProofFault;
use super::jws::{Jws, closes};
use crate::keys::VerifyingKey;
use crate::model::{TargetUri, Timestamp};

/// What the authority knows of a request that a key has signed.
#[derive(Clone, Copy, Debug)]
pub struct KeyTarget<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The request's address.
    pub uri: &'a TargetUri,
    /// SHA-256 of the body's RFC 8785 form; that of `{}` where it is empty.
    pub body: [u8; 32],
}

/// That a request was made by whoever has a key. It may have been made before.
pub struct KeyProof {
    key: VerifyingKey,
    spent: [u8; 32],
    closes: Timestamp,
}

/// Checks a proof that carries its own key.
///
/// *Shape*: header, `htm`, `htu`, `iat` and `jti` as [`check_proof`](super::check_proof) has them;
/// `args` is base64url of SHA-256 of the body's RFC 8785 form.
///
/// *Errors*: [`ProofFault`].
pub fn check_key(
    proof: &str,
    target: &KeyTarget<'_>,
    now: Timestamp,
) -> Result<KeyProof, ProofFault> {
    let jws = Jws::read(proof)?;
    let key = VerifyingKey::from_bytes(&jws.key).map_err(|_| ProofFault::Key)?;
    let claims = jws.claims_by(&key)?;
    let once = claims.once(target.method, target.uri, now)?;
    if claims.text("args", ProofFault::Args)? != URL_SAFE_NO_PAD.encode(target.body) {
        return Err(ProofFault::Args);
    }
    Ok(KeyProof { key, spent: once.spent(key.to_bytes()), closes: closes(once.issued) })
}

impl KeyProof {
    /// The key that signed.
    pub fn key(&self) -> VerifyingKey {
        self.key
    }

    /// What is spent where the request may be made once only: SHA-256 over key and `jti`.
    pub fn spent(&self) -> [u8; 32] {
        self.spent
    }

    /// The moment up to which that must be remembered.
    pub fn closes(&self) -> Timestamp {
        self.closes
    }
}

impl fmt::Debug for KeyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyProof({})", self.key.thumbprint())
    }
}
