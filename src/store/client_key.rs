use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 8;

/// The key by which a client shows who it is.
///
/// *Shape*: `htc_`, the client's id, `_` and 32 random bytes in URL-safe base64 without padding.
/// The secret part is wiped when dropped, and `Debug` shows the id alone.
pub struct ClientKey {
    id: String,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// What the store keeps of a client's key: the SHA-256 of its secret part. The secret is 256
/// random bits, so that nothing slower is needed.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

/// A text is no client key. The text itself is left out: it may be a key mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client key is `htc_`, the client's id, `_` and 43 characters of URL-safe base64")]
pub struct ClientKeyError;

impl ClientKey {
    /// A new key of a new client.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut id = [0; ID_BYTES];
        rng.fill_bytes(&mut id);
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rng.fill_bytes(secret.as_mut());
        Self { id: hex::encode(id), secret }
    }

    /// The id of the client it belongs to.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the store keeps of it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.secret.as_slice()).into())
    }

    /// The whole key as text, a secret.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.secret.as_slice()));
        Zeroizing::new(format!("htc_{}_{}", self.id, secret.as_str()))
    }
}

impl FromStr for ClientKey {
    type Err = ClientKeyError;

    fn from_str(text: &str) -> Result<Self, ClientKeyError> {
        let rest = text.strip_prefix("htc_").ok_or(ClientKeyError)?;
        let (id, secret) = rest.split_once('_').ok_or(ClientKeyError)?;
        let is_id = id.len() == ID_BYTES * 2
            && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).map_err(|_| ClientKeyError)?);
        let secret =
            <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).map_err(|_| ClientKeyError)?;
        let secret = Zeroizing::new(secret);
        if is_id { Ok(Self { id: id.to_owned(), secret }) } else { Err(ClientKeyError) }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({})", self.id)
    }
}

impl KeyDigest {
    /// A digest as the store kept it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The digest's bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In constant time.
impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyDigest {}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest")
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn text_round_trips_and_debug_hides_the_secret() {
        let key = ClientKey::generate(&mut StdRng::seed_from_u64(1));
        let text = key.to_secret_text();
        let read: ClientKey = text.parse().unwrap();
        assert_eq!((read.id(), read.digest()), (key.id(), key.digest()));
        let secret = text.rsplit_once(key.id()).unwrap().1;
        assert!(!format!("{key:?}{:?}", key.digest()).contains(&secret[1..]));
    }

    #[test]
    fn other_texts_are_refused() {
        let key = ClientKey::generate(&mut StdRng::seed_from_u64(1)).to_secret_text();
        for text in
            ["", "htc_", "htc_x_y", "htc_0123456789abcdef_", &key[1..], &key[..key.len() - 1]]
        {
            assert!(text.parse::<ClientKey>().is_err(), "{text}");
        }
        assert!(format!("{}=", key.as_str()).parse::<ClientKey>().is_err());
        assert!(key.replacen("htc_", "htc_0", 1).parse::<ClientKey>().is_err());
    }
}
