use std::fmt;

use rand::{CryptoRng, RngCore};

use super::public::VerifyingKey;
use super::secret::Secret;

/// A feed key: the private half, which signs the heads of a revocation log for a day.
///
/// *Shape*: 32 bytes, wiped when dropped. `Debug` shows the public half alone; the private half has no
/// text form and leaves in no way.
#[derive(Clone)]
pub struct FeedKey(Secret);

impl FeedKey {
    /// A new key.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(Secret::generate(rng))
    }

    /// The public half, which certificates and heads name.
    pub fn public(&self) -> VerifyingKey {
        self.0.public()
    }

    /// The key's signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

impl fmt::Debug for FeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeedKey({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_key_shows_its_public_half_alone() {
        let key = FeedKey::generate(&mut StdRng::seed_from_u64(1));
        assert_eq!(format!("{key:?}"), format!("FeedKey({})", key.public()));
    }
}
