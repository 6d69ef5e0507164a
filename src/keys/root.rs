use std::fmt;
use std::str::FromStr;

use biscuit_auth::KeyPair;
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::public::{KeyError, KeyId, VerifyingKey};
use super::secret::Secret;

const PREFIX: &str = "ed25519-private/";

/// A root key: the private half, which signs block 0 and revocation lists.
///
/// *Shape*: 32 bytes, wiped when dropped. `Debug` shows the public half alone; the private half
/// leaves through [`RootKey::to_secret_text`] and no other way.
#[derive(Clone)]
pub struct RootKey(Secret);

impl RootKey {
    /// A new key.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(Secret::generate(rng))
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        self.0.public()
    }

    /// The number by which tokens name the key.
    pub fn id(&self) -> KeyId {
        self.public().id()
    }

    /// The key's signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }

    /// The private half as text: `ed25519-private/` and 64 hexadecimal characters.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        self.0.to_text(PREFIX)
    }

    pub(crate) fn to_biscuit(&self) -> Result<KeyPair, KeyError> {
        self.0.to_biscuit().map(|key| KeyPair::from(&key))
    }
}

impl FromStr for RootKey {
    type Err = KeyError;

    /// Takes the hexadecimal form with or without `ed25519-private/`.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let hex = text.strip_prefix(PREFIX).unwrap_or(text);
        Secret::from_hex(hex).map(Self).ok_or(KeyError::PrivateForm)
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({})", self.public())
    }
}
