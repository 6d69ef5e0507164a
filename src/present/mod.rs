//! Step 3, present: carry a token to where it is verified, and take it out again.
//!
//! Over HTTP a token travels as `Authorization: Bearer <token>` (RFC 6750).

use crate::model::{Code, Reason};
use crate::token::{Envelope, UnverifiedToken};

/// A token as one call carries it: who signed what, and nothing yet of what the blocks say.
#[derive(Clone, Debug)]
pub struct Presented {
    envelope: Envelope,
}

impl Presented {
    /// A token that came with a call.
    pub fn new(token: impl Into<Envelope>) -> Self {
        Self { envelope: token.into() }
    }

    /// Takes the token out of the values of a call's `Authorization` headers.
    ///
    /// *Errors*: a reason with `token-missing` where there is none, `token-malformed` where there
    /// is more than one, or another code of the token's own.
    pub fn from_authorization<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, Reason> {
        let envelope = token_text(values)?.parse()?;
        Ok(Self { envelope })
    }
}

impl From<Presented> for Envelope {
    fn from(presented: Presented) -> Self {
        presented.envelope
    }
}

/// The text of the one token in a call's `Authorization` headers.
///
/// *Errors*: as [`Presented::from_authorization`].
pub fn token_text<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<&'a str, Reason> {
    let mut values = values.into_iter();
    let missing = || Reason::new(Code::TokenMissing, "the call carries no token");
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        let message = "the call carries more than one `Authorization` header";
        return Err(Reason::new(Code::TokenMalformed, message));
    }
    let value = std::str::from_utf8(value).map_err(|_| missing())?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(token.trim()),
        _ => Err(missing()),
    }
}

/// The value of an `Authorization` header that carries the token. It is a secret.
pub fn to_authorization(token: &UnverifiedToken) -> String {
    format!("Bearer {}", token.to_text())
}
