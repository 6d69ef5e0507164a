use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, SigningKey, Verifier, VerifyingKey as DalekKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a text or some bytes are no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `ed25519/` and 64 hexadecimal characters.
    #[error("a public key is `ed25519/` and 64 hexadecimal characters")]
    PublicForm,
    /// Not `ed25519-private/` and 64 hexadecimal characters.
    #[error("a private key is `ed25519-private/` and 64 hexadecimal characters")]
    PrivateForm,
    /// Not `ed25519-holder-private/` and 64 hexadecimal characters.
    #[error("a holder's private key is `ed25519-holder-private/` and 64 hexadecimal characters")]
    HolderForm,
    /// Not a public JSON Web Key for ed25519.
    #[error("a JSON Web Key for ed25519 has the members `kty`, `crv` and `x`, and no others")]
    Jwk,
    /// The bytes are no point of the curve, or one of small order that verifies anything.
    #[error("the bytes are not a usable ed25519 public key")]
    NotAKey,
}

/// The number by which a token names its root key.
///
/// *Shape*: the first four bytes, big-endian, of the SHA-256 of the public key, unless the
/// authority says otherwise. *Source*: Biscuit specification, `rootKeyId`.
pub type KeyId = u32;

/// The encodings of the points of small order: those of the eighth roots of the neutral one.
const SMALL_ORDER: [[u8; 32]; 8] = [
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x80,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x85,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0xfa,
    ],
];

/// An ed25519 public key that is a point of full order.
///
/// *Shape*: `ed25519/` and 64 hexadecimal characters as text, Biscuit's own form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifyingKey(DalekKey);

impl VerifyingKey {
    /// A key from its 32 bytes.
    ///
    /// *Errors*: [`KeyError::NotAKey`] where they are no point, or one of small order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::NotAKey)?;
        let key = DalekKey::from_bytes(&bytes).map_err(|_| KeyError::NotAKey)?;
        if key.is_weak() { Err(KeyError::NotAKey) } else { Ok(Self(key)) }
    }

    /// The public half of a private key.
    pub(crate) fn of_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret).verifying_key())
    }

    pub(super) fn from_dalek(key: DalekKey) -> Self {
        Self(key)
    }

    /// The key's 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The number by which tokens name the key.
    pub fn id(&self) -> KeyId {
        let digest: [u8; 32] = Sha256::digest(self.0.as_bytes()).into();
        let [a, b, c, d, ..] = digest;
        KeyId::from_be_bytes([a, b, c, d])
    }

    /// The key as biscuit-auth takes it.
    ///
    /// *Errors*: [`KeyError::NotAKey`], which a valid key never meets.
    pub fn to_biscuit(&self) -> Result<biscuit_auth::PublicKey, KeyError> {
        biscuit_auth::PublicKey::from_bytes(self.0.as_bytes(), biscuit_auth::Algorithm::Ed25519)
            .map_err(|_| KeyError::NotAKey)
    }

    /// Whether the 64 bytes are the key's signature of the message, strictly: what `verify_strict`
    /// accepts, and nothing else.
    ///
    /// *Shape*: `verify` works out the commitment and compares its bytes, so that it has one
    /// encoding; that the key has full order was checked when it was made. What is left of being
    /// strict is that the commitment is no point of small order, and those are eight.
    ///
    /// *Source*: RFC 8032; "Taming the Many EdDSAs" (2020), algorithm 2.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| {
            !SMALL_ORDER.contains(signature.r_bytes()) && self.0.verify(message, &signature).is_ok()
        })
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    /// Takes the hexadecimal form with or without `ed25519/`.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let hex = text.strip_prefix("ed25519/").unwrap_or(text);
        Self::from_bytes(&hex::decode(hex).map_err(|_| KeyError::PublicForm)?)
    }
}

impl TryFrom<String> for VerifyingKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<VerifyingKey> for String {
    fn from(key: VerifyingKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519/{}", hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::EdwardsPoint;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::scalar::Scalar;
    use sha2::Sha512;

    use super::*;

    #[test]
    fn the_points_of_small_order_are_all_there() {
        assert_eq!(EIGHT_TORSION.map(|point| point.compress().to_bytes()), SMALL_ORDER);
    }

    /// Signatures by keys and with commitments that have parts of small order, many of which
    /// `verify` takes and `verify_strict` does not.
    #[test]
    fn what_is_accepted_is_what_a_strict_check_accepts() {
        let secret = Scalar::from(77_u64);
        let (mut taken, mut strict) = (0, 0);
        for (nonce, key_part, nonce_part) in (0..3_u64)
            .flat_map(|n| EIGHT_TORSION.into_iter().map(move |key| (n, key)))
            .flat_map(|(n, key): (u64, EdwardsPoint)| EIGHT_TORSION.map(|part| (n, key, part)))
        {
            let key = DalekKey::from(ED25519_BASEPOINT_POINT * secret + key_part);
            let commitment = ED25519_BASEPOINT_POINT * Scalar::from(nonce) + nonce_part;
            for message in 0..16_u8 {
                let r = commitment.compress().to_bytes();
                let hash = Sha512::new().chain_update(r).chain_update(key).chain_update([message]);
                let s = Scalar::from(nonce) + Scalar::from_hash(hash) * secret;
                let signature = Signature::from_components(r, s.to_bytes());
                let is_strict = key.verify_strict(&[message], &signature).is_ok();
                taken += usize::from(key.verify(&[message], &signature).is_ok());
                strict += usize::from(is_strict);
                let ours = VerifyingKey::from_bytes(key.as_bytes()).unwrap();
                assert_eq!(ours.verifies(&[message], &signature.to_bytes()), is_strict);
            }
        }
        assert!(strict > 100 && taken > strict + 50, "{taken} {strict}");
        for weak in SMALL_ORDER {
            assert!(VerifyingKey::from_bytes(&weak).is_err());
        }
    }
}
