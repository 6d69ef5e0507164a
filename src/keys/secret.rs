use biscuit_auth::{Algorithm, PrivateKey};
use ed25519_dalek::{Signer, SigningKey};
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::public::{KeyError, VerifyingKey};

/// The private half of a key, whatever it is for.
///
/// *Shape*: 32 bytes, wiped when dropped. It has no `Debug` of its own.
#[derive(Clone)]
pub(crate) struct Secret(SigningKey);

impl Secret {
    pub(crate) fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(SigningKey::from_bytes(&seed))
    }

    pub(crate) fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// From 64 hexadecimal characters.
    pub(super) fn from_hex(hex: &str) -> Option<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(hex, seed.as_mut_slice()).ok()?;
        Some(Self(SigningKey::from_bytes(&seed)))
    }

    pub(crate) fn public(&self) -> VerifyingKey {
        VerifyingKey::from_dalek(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The text form: what it begins with, and 64 hexadecimal characters.
    pub(super) fn to_text(&self, prefix: &str) -> Zeroizing<String> {
        let secret = self.to_bytes();
        let hex = Zeroizing::new(hex::encode(secret.as_slice()));
        Zeroizing::new(format!("{prefix}{}", *hex))
    }

    pub(super) fn to_biscuit(&self) -> Result<PrivateKey, KeyError> {
        let secret = self.to_bytes();
        PrivateKey::from_bytes(secret.as_slice(), Algorithm::Ed25519).map_err(|_| KeyError::NotAKey)
    }
}
