//! Step 3, present: carry a token to where it is verified, and take it out again.
//!
//! | token | over HTTP | in an envelope's `_meta`, as MCP has it |
//! | --- | --- | --- |
//! | bearer | `Authorization: Bearer <token>` (RFC 6750) | [`META_AUTHORIZATION`] |
//! | bound | `Authorization: DPoP <token>` and `DPoP: <proof>` (RFC 9449) | the same two strings, under [`META_AUTHORIZATION`] and [`META_PROOF`] |
//!
//! A bound token goes with a proof that its holder makes for each call, see [`present`].

mod credentials;
mod proof;

pub use credentials::{Credentials, META_AUTHORIZATION, META_PROOF, Scheme};
pub use proof::{PresentError, Presentation, ProofCall, present, prove_key};

use std::fmt;

use crate::model::Reason;
use crate::token::{Envelope, UnverifiedToken};

/// A token as one call carries it, with the proof beside it: who signed what, and nothing yet of
/// what the blocks say.
#[derive(Clone)]
pub struct Presented {
    envelope: Envelope,
    scheme: Scheme,
    proof: Option<String>,
}

impl Presented {
    /// A token that came with a call, without a proof.
    pub fn new(token: impl Into<Envelope>) -> Self {
        Self { envelope: token.into(), scheme: Scheme::Bearer, proof: None }
    }

    /// Takes the token out of the values of a call's `Authorization` headers, where it has no `DPoP`
    /// header.
    ///
    /// *Errors*: as [`Presented::from_headers`].
    pub fn from_authorization<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Reason> {
        Self::from_headers(values, [])
    }

    /// Takes token and proof out of the values of a call's `Authorization` and `DPoP` headers.
    ///
    /// *Errors*: those of [`Credentials::from_headers`], or another code of the token's own.
    pub fn from_headers<'a>(
        authorization: impl IntoIterator<Item = &'a [u8]>,
        proofs: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Reason> {
        Credentials::from_headers(authorization, proofs)?.try_into()
    }

    /// How the token was sent.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The text of the proof, where one came along.
    pub fn proof(&self) -> Option<&str> {
        self.proof.as_deref()
    }
}

impl TryFrom<Credentials<'_>> for Presented {
    type Error = Reason;

    fn try_from(credentials: Credentials<'_>) -> Result<Self, Reason> {
        Ok(Self {
            envelope: credentials.token().parse()?,
            scheme: credentials.scheme(),
            proof: credentials.proof().map(str::to_owned),
        })
    }
}

impl From<Presented> for Envelope {
    fn from(presented: Presented) -> Self {
        presented.envelope
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { envelope, scheme, proof } = self;
        let proof = proof.as_ref().map(String::len);
        write!(f, "Presented({envelope:?}, {scheme:?}, proof of {} bytes)", proof.unwrap_or(0))
    }
}

/// The value of an `Authorization` header that carries a bearer token. It is a secret.
pub fn to_authorization(token: &UnverifiedToken) -> String {
    format!("Bearer {}", token.to_text())
}
