//! Keys: root keys that sign tokens, the public keys a verifier trusts, and their text forms.
//!
//! Reads no file and draws no randomness; see the `config` module and the CLI for that.

mod public;
mod root;
mod trusted;

pub use public::{KeyError, KeyId, VerifyingKey};
pub use root::RootKey;
pub use trusted::{RootState, TrustedRoot, TrustedRoots};
