//! Step 4, verify: bytes to a token that is genuine, known and not revoked.
//!
//! In two parts. [`authenticate`] checks what never changes for given bytes, the signatures, the
//! vocabulary and who holds the token, and may be remembered. [`Authentic::admit_with`] checks what
//! changes, revocation and the holder's proof, and is asked on every call. Whether the token permits
//! a call is the next step's question.
//!
//! A proof goes its own way: [`check_proof`] makes it [`Unspent`], a store that refuses what it has
//! seen before makes that a [`Possession`], and `admit_with` wants one for every bound token.
//! [`check_key`] checks a proof with no token: whoever asks the authority has the key.

mod authentic;
mod hops;
mod jws;
mod key_proof;
mod possession;
mod proof;
mod revocation;
mod signatures;
mod vocabulary;

pub use authentic::{Authentic, Verified, authenticate, authenticate_like};
pub use hops::Hop;
pub use key_proof::{KeyProof, KeyTarget, check_key};
pub use possession::{Possession, Unspent};
pub use proof::{HolderProof, ProofFault, ProofTarget, check_holder, check_proof};
pub use revocation::{
    DangerUnrevoked, KnownRevocations, RevocationEntry, RevocationKind, RevocationView, Within,
};
