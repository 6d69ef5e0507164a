//! Tokens as bytes: decoding, the one canonical form, and the bounds on their shape.
//!
//! An [`UnverifiedToken`] is well formed and cheap: it fits every structural limit, so that
//! printing, attenuating and evaluating it is bounded. It proves nothing else; signatures are
//! checked by [`verify`](crate::verify) alone.

mod decode;
mod regex;
mod shape;
mod size;

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

use crate::keys::KeyId;
use crate::model::{Block, Code, RevocationId, limits};

/// A token that fits the structural limits and has the canonical form; nothing is verified.
///
/// *Shape*: at most 16 KiB and 16 blocks. As text, URL-safe base64 with padding. An unsealed token
/// contains a private key, so neither `Debug` nor any error shows the bytes.
///
/// *Source*: Biscuit specification, "Format"; limits from [`limits`].
#[derive(Clone)]
pub struct UnverifiedToken {
    bytes: Vec<u8>,
    root_key_id: Option<KeyId>,
    is_sealed: bool,
    blocks: Vec<Block>,
    revocation_ids: Vec<RevocationId>,
}

/// Why bytes are no acceptable token.
///
/// *Shape*: a code and a sentence that holds no token bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TokenError {
    /// The code of a decision that meets this.
    pub code: Code,
    /// What is wrong, without the token's bytes.
    pub message: String,
}

impl TokenError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn malformed(message: impl Into<String>) -> Self {
        Self::new(Code::TokenMalformed, message)
    }
}

impl UnverifiedToken {
    /// Decodes a token.
    ///
    /// *Errors*: [`TokenError`] where the bytes are too long, not a Biscuit in its canonical form,
    /// or beyond a structural limit.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TokenError> {
        if bytes.len() > limits::TOKEN_BYTES_MAX {
            return Err(too_large());
        }
        let wire = decode::wire(&bytes)?;
        decode::signatures(&wire)?;
        let blocks = decode::blocks(&wire)?;
        for (index, block) in blocks.iter().enumerate() {
            shape::bounded(index, block)?;
        }
        regex::bounded(&blocks)?;
        Ok(Self {
            root_key_id: wire.root_key_id,
            is_sealed: decode::is_sealed(&wire),
            revocation_ids: decode::revocation_ids(&wire),
            blocks,
            bytes,
        })
    }

    /// The token's bytes. An unsealed token's are a secret.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The token's text form: URL-safe base64 with padding. An unsealed token's is a secret.
    pub fn to_text(&self) -> String {
        URL_SAFE.encode(&self.bytes)
    }

    /// The root key that the token names.
    pub fn root_key_id(&self) -> Option<KeyId> {
        self.root_key_id
    }

    /// Whether the token is sealed: nothing can be appended.
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// The blocks, block 0 first.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// One revocation identifier a block.
    pub fn revocation_ids(&self) -> &[RevocationId] {
        &self.revocation_ids
    }

    /// The value of a text fact of block 0, such as its `task`.
    pub fn authority_text(&self, name: &str) -> Option<&str> {
        use biscuit_auth::builder::Term;
        let facts = &self.blocks.first()?.facts;
        facts.iter().map(|fact| &fact.predicate).find_map(|predicate| {
            match (predicate.name == name, predicate.terms.as_slice()) {
                (true, [Term::Str(text)]) => Some(text.as_str()),
                _ => None,
            }
        })
    }
}

fn too_large() -> TokenError {
    let max = limits::TOKEN_BYTES_MAX;
    TokenError::new(Code::TokenTooLarge, format!("the token is longer than {max} bytes"))
}

impl FromStr for UnverifiedToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        // Every four characters are three bytes; anything longer is not worth decoding.
        if text.len() > limits::TOKEN_BYTES_MAX.div_ceil(3) * 4 {
            return Err(too_large());
        }
        let bytes = URL_SAFE.decode(text).map_err(|_| {
            TokenError::malformed("the token is not URL-safe base64 with its padding")
        })?;
        Self::from_bytes(bytes)
    }
}

impl fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.revocation_ids.last().map(RevocationId::short).unwrap_or_default();
        write!(
            f,
            "UnverifiedToken({} blocks, {} bytes, last {last})",
            self.blocks.len(),
            self.bytes.len()
        )
    }
}
