use std::fmt;
use std::str::FromStr;

use biscuit_auth::{Algorithm, PrivateKey};
use ed25519_dalek::{Signer, SigningKey};
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::public::{KeyError, VerifyingKey};

/// What the text form of a private holder key begins with.
const PREFIX: &str = "ed25519-holder-private/";

/// A holder's key: the private half, which signs proofs for calls and hands a token on.
///
/// *Shape*: 32 bytes, wiped when dropped. `Debug` shows the thumbprint of the public half alone;
/// the private half leaves through [`HolderKey::to_secret_text`] and no other way.
#[derive(Clone)]
pub struct HolderKey(SigningKey);

impl HolderKey {
    /// A new key.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half, which tokens and proofs name.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey::from_dalek(self.0.verifying_key())
    }

    /// The key's signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The private half as text: `ed25519-holder-private/` and 64 hexadecimal characters.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(self.0.to_bytes());
        let hex = Zeroizing::new(hex::encode(secret.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}", *hex))
    }

    pub(crate) fn to_biscuit(&self) -> Result<PrivateKey, KeyError> {
        let secret = Zeroizing::new(self.0.to_bytes());
        PrivateKey::from_bytes(secret.as_slice(), Algorithm::Ed25519).map_err(|_| KeyError::NotAKey)
    }
}

impl FromStr for HolderKey {
    type Err = KeyError;

    /// Takes the form with its prefix alone, so that a root key is never taken for a holder's.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hex = text.trim().strip_prefix(PREFIX).ok_or(KeyError::HolderForm)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(hex, seed.as_mut_slice()).map_err(|_| KeyError::HolderForm)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
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
        let text = format!("{PREFIX}{}", "5a".repeat(32));
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
        for text in [root.to_secret_text().as_str(), bare.as_str(), PREFIX, ""] {
            assert_eq!(text.parse::<HolderKey>().unwrap_err(), KeyError::HolderForm);
        }
        let holder: HolderKey = format!("{PREFIX}{bare}").parse().unwrap();
        assert!(holder.to_secret_text().parse::<RootKey>().is_err());
    }
}
