use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The identifier under which one block can be revoked: the block's signature.
///
/// *Source*: Biscuit specification, "Revocation identifiers". It is safe to print: without the
/// token it opens nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RevocationId(Vec<u8>);

/// The first 16 bytes of the SHA-256 of what is revoked: how a revocation list names it.
///
/// *Shape*: 32 lower-case hexadecimal characters as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key16(pub [u8; 16]);

impl RevocationId {
    /// An identifier from the signature's bytes.
    pub fn new(signature: impl Into<Vec<u8>>) -> Self {
        Self(signature.into())
    }

    /// The key under which a revocation list holds it.
    pub fn key16(&self) -> Key16 {
        Key16::of(&self.0)
    }

    /// The first 16 hexadecimal characters: enough to tell blocks apart in a record.
    pub fn short(&self) -> String {
        self.to_string().chars().take(16).collect()
    }
}

impl Key16 {
    /// The key of a revocation identifier, a task id, an agent, or the bytes of a public key: a
    /// root's or a holder's.
    pub fn of(subject: &[u8]) -> Self {
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(Sha256::digest(subject)) {
            *to = from;
        }
        Self(key)
    }
}

macro_rules! hex_text {
    ($name:ident, $read:expr, $hint:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let bytes = hex::decode(text).map_err(|_| $hint.to_owned())?;
                $read(bytes).ok_or_else(|| $hint.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

hex_text!(
    RevocationId,
    |bytes: Vec<u8>| (bytes.len() == 64).then_some(Self(bytes)),
    "a revocation identifier is 128 hexadecimal characters"
);
hex_text!(
    Key16,
    |bytes: Vec<u8>| bytes.try_into().ok().map(Self),
    "a revocation key is 32 hexadecimal characters"
);
