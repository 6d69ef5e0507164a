//! Keys: root keys that sign tokens, holder keys that sign proofs, the public keys a verifier
//! trusts, and their text forms.
//!
//! Reads no file and draws no randomness; see the `config` module and the CLI for that.

mod feed;
mod holder;
mod jwk;
mod public;
mod root;
mod secret;
mod trusted;

pub use feed::FeedKey;
pub use holder::HolderKey;
pub(crate) use jwk::bytes_of_jwk;
pub use public::{KeyError, KeyId, VerifyingKey};
pub use root::RootKey;
pub(crate) use secret::Secret;
pub use trusted::{RootState, TrustedRoot, TrustedRoots};
