//! Step 4, verify: bytes to a token that is genuine, known and not revoked.
//!
//! In two parts. [`authenticate`] checks what never changes for given bytes, the signatures and
//! the vocabulary, and may be remembered. [`Authentic::admit`] checks what changes, revocation,
//! and is asked on every call. Whether the token permits a call is the next step's question.

mod authentic;
mod revocation;
mod signatures;
mod vocabulary;

pub use authentic::{Authentic, Hop, Verified, authenticate, authenticate_like};
pub use revocation::{
    DangerUnrevoked, ListError, RevocationEntry, RevocationKind, RevocationList, RevocationView,
    Revocations, SignedList,
};
