use std::fmt;
use std::str::FromStr;

use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::public::{KeyError, VerifyingKey};
use super::secret::Secret;

/// A holder's key: the private half, which signs proofs for calls and hands a token on.
///
/// *Shape*: 32 bytes, wiped when dropped. `Debug` shows the thumbprint of the public half alone;
/// the private half leaves through [`HolderKey::to_secret_text`] and no other way.
#[derive(Clone)]
pub struct HolderKey(Secret);

impl HolderKey {
    /// What the text form of a private holder key begins with.
    pub const PREFIX: &str = "ed25519-holder-private/";

    /// A new key.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(Secret::generate(rng))
    }

    /// The public half, which tokens and proofs name.
    pub fn public(&self) -> VerifyingKey {
        self.0.public()
    }

    /// The key's signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }

    /// The private half as text: `ed25519-holder-private/` and 64 hexadecimal characters.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        self.0.to_text(Self::PREFIX)
    }
}

impl FromStr for HolderKey {
    type Err = KeyError;

    /// Takes the form with its prefix alone, so that a root key is never taken for a holder's.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hex = text.trim().strip_prefix(Self::PREFIX);
        hex.and_then(Secret::from_hex).map(Self).ok_or(KeyError::HolderForm)
    }
}

impl fmt::Debug for HolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HolderKey({})", self.public().thumbprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::RootKey;

    #[test]
    fn a_key_comes_back_from_its_text_and_shows_its_thumbprint_alone() {
        let text = format!("{}{}", HolderKey::PREFIX, "5a".repeat(32));
        let key: HolderKey = text.parse().unwrap();
        assert_eq!(*key.to_secret_text(), text);
        let debug = format!("{key:?}");
        assert_eq!(debug, format!("HolderKey({})", key.public().thumbprint()));
        assert!(!debug.contains("5a5a"));
    }

    #[test]
    fn keys_of_two_kinds_are_not_mixed_up() {
        let root: RootKey = "5a".repeat(32).parse().unwrap();
        let bare = "5a".repeat(32);
        for text in [root.to_secret_text().as_str(), bare.as_str(), HolderKey::PREFIX, ""] {
            assert_eq!(text.parse::<HolderKey>().unwrap_err(), KeyError::HolderForm);
        }
        let holder: HolderKey = format!("{}{bare}", HolderKey::PREFIX).parse().unwrap();
        assert!(holder.to_secret_text().parse::<RootKey>().is_err());
    }
}
