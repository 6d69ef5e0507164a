//! Tokens as bytes: decoding, the one canonical form, and the bounds on their shape.
//!
//! In two parts. An [`Envelope`] is the outer message: who signed what. An [`UnverifiedToken`] is
//! an envelope whose blocks were read too, and it is cheap: it fits every structural limit, so that
//! printing, attenuating and evaluating it is bounded. Neither proves anything else; signatures are
//! checked by [`verify`](crate::verify) alone, which does so before it reads what a stranger's
//! blocks say.

mod append;
mod chain;
mod decode;
mod encode;
mod envelope;
mod operations;
mod payload;
mod regex;
mod shape;
mod statements;
mod symbols;
mod version;
mod wire;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

pub use self::chain::{Chain, ChainError, Holder};
use self::decode::Blocks;
pub use self::envelope::Envelope;
pub(crate) use self::envelope::SignedBlock;
pub(crate) use self::payload::{Payload, Signed};
use crate::keys::KeyId;
use crate::model::{Block, Code, Reason, RevocationId};

/// A token that fits the structural limits and has the canonical form; nothing is verified.
///
/// *Shape*: at most 16 KiB and 16 blocks. As text, URL-safe base64 with padding. An unsealed token
/// contains a private key, so neither `Debug` nor any error shows the bytes.
///
/// *Source*: Biscuit specification, "Format"; limits from
/// [`limits`](crate::model::limits).
#[derive(Clone)]
pub struct UnverifiedToken {
    envelope: Envelope,
    blocks: Blocks,
    revocation_ids: Vec<RevocationId>,
    /// Who holds it, once that was asked or is known from its parent.
    chain: OnceLock<Result<Chain, ChainError>>,
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

impl From<ChainError> for TokenError {
    fn from(error: ChainError) -> Self {
        Self::malformed(error.to_string())
    }
}

impl From<TokenError> for Reason {
    fn from(error: TokenError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<UnverifiedToken> for Envelope {
    fn from(token: UnverifiedToken) -> Self {
        token.envelope
    }
}

impl UnverifiedToken {
    /// Decodes a token.
    ///
    /// *Errors*: [`TokenError`] where the bytes are too long, not a Biscuit in its canonical form,
    /// or beyond a structural limit.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TokenError> {
        Self::read(Envelope::from_bytes(bytes)?)
    }

    /// Reads the blocks of an envelope.
    ///
    /// *Errors*: [`TokenError`] where one is malformed or beyond a structural limit.
    pub fn read(envelope: Envelope) -> Result<Self, TokenError> {
        Self::after(envelope, &Blocks::default(), 0)
    }

    /// Reads an envelope, and takes the blocks that it has in common with another token from there.
    ///
    /// *Errors*: as [`UnverifiedToken::read`].
    pub fn read_like(envelope: Envelope, other: &Self) -> Result<Self, TokenError> {
        let common = envelope.common_blocks(&other.envelope);
        Self::after(envelope, &other.blocks, common)
    }

    fn after(envelope: Envelope, known: &Blocks, count: usize) -> Result<Self, TokenError> {
        let blocks = Blocks::read_after(&envelope, known, count)?;
        for (index, block) in blocks.list.iter().enumerate().skip(count) {
            shape::bounded(index, block)?;
        }
        regex::bounded(&blocks.list)?;
        let revocation_ids = envelope.revocation_ids().collect();
        Ok(Self { envelope, blocks, revocation_ids, chain: OnceLock::new() })
    }

    /// The outer message.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The token's bytes. An unsealed token's are a secret.
    pub fn as_bytes(&self) -> &[u8] {
        self.envelope.as_bytes()
    }

    /// The token's text form: URL-safe base64 with padding. An unsealed token's is a secret.
    pub fn to_text(&self) -> String {
        URL_SAFE.encode(self.as_bytes())
    }

    /// The root key that the token names.
    pub fn root_key_id(&self) -> Option<KeyId> {
        self.envelope.root_key_id()
    }

    /// Whether the token is sealed: nothing can be appended.
    pub fn is_sealed(&self) -> bool {
        self.envelope.is_sealed()
    }

    /// The blocks, block 0 first.
    pub fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks.list
    }

    /// Who holds the token by what its blocks say, as [`Chain::of`] finds it; worked out once.
    ///
    /// *Errors*: as [`Chain::of`].
    pub fn chain(&self) -> Result<&Chain, ChainError> {
        self.chain.get_or_init(|| Chain::of(self)).as_ref().map_err(|error| *error)
    }

    /// One revocation identifier a block.
    pub fn revocation_ids(&self) -> &[RevocationId] {
        &self.revocation_ids
    }

    /// The value of a text fact of block 0, such as its `task`.
    pub fn authority_text(&self, name: &str) -> Option<&str> {
        use biscuit_auth::builder::Term;
        let facts = &self.blocks.list.first()?.facts;
        facts.iter().map(|fact| &fact.predicate).find_map(|predicate| {
            match (predicate.name == name, predicate.terms.as_slice()) {
                (true, [Term::Str(text)]) => Some(text.as_str()),
                _ => None,
            }
        })
    }
}

impl FromStr for UnverifiedToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::read(text.parse()?)
    }
}

impl fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnverifiedToken").field(&self.envelope).finish()
    }
}
