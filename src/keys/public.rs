use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, SigningKey, VerifyingKey as DalekKey};
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
    /// The bytes are no point of the curve, or one of small order that verifies anything.
    #[error("the bytes are not a usable ed25519 public key")]
    NotAKey,
}

/// The number by which a token names its root key.
///
/// *Shape*: the first four bytes, big-endian, of the SHA-256 of the public key, unless the
/// authority says otherwise. *Source*: Biscuit specification, `rootKeyId`.
pub type KeyId = u32;

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

    /// Whether the 64 bytes are the key's signature of the message, strictly.
    ///
    /// *Source*: RFC 8032 with the checks of `verify_strict`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
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
