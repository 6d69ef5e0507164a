use std::fmt;
use std::str::FromStr;

use biscuit_auth::{Algorithm, KeyPair, PrivateKey};
use ed25519_dalek::{Signer, SigningKey};
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::public::{KeyError, KeyId, VerifyingKey};

/// A root key: the private half, which signs block 0 and revocation lists.
///
/// *Shape*: 32 bytes, wiped when dropped. `Debug` shows the public half alone; the private half
/// leaves through [`RootKey::to_secret_text`] and no other way.
#[derive(Clone)]
pub struct RootKey(SigningKey);

impl RootKey {
    /// A new key.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey::from_dalek(self.0.verifying_key())
    }

    /// The number by which tokens name the key.
    pub fn id(&self) -> KeyId {
        self.public().id()
    }

    /// The key's signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The private half as text: `ed25519-private/` and 64 hexadecimal characters.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("ed25519-private/{}", hex::encode(self.0.to_bytes())))
    }

    pub(crate) fn to_biscuit(&self) -> Result<KeyPair, KeyError> {
        let secret = Zeroizing::new(self.0.to_bytes());
        PrivateKey::from_bytes(secret.as_slice(), Algorithm::Ed25519)
            .map(|key| KeyPair::from(&key))
            .map_err(|_| KeyError::NotAKey)
    }
}

impl FromStr for RootKey {
    type Err = KeyError;

    /// Takes the hexadecimal form with or without `ed25519-private/`.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let hex = text.strip_prefix("ed25519-private/").unwrap_or(text);
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(hex, seed.as_mut_slice()).map_err(|_| KeyError::PrivateForm)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({})", self.public())
    }
}
