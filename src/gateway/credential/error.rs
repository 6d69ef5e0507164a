use crate::config::gateway::SecretError;
use crate::gateway::upstream::{AddressError, SECRET_BYTES_MIN};

/// Why a credential is not to be had. Never says what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Its secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// So short that it may occur in answers by chance.
    #[error("it has fewer than {SECRET_BYTES_MIN} bytes")]
    TooShort,
    /// It holds what a header cannot carry.
    #[error("it holds line breaks or other characters that a header cannot carry")]
    NotPrintable,
    /// Tokens are fetched from what is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No token was given.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The gateway is ending.
    #[error("the gateway is ending")]
    Ending,
}

/// Why no token was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token endpoint did not answer.
    #[error("the token endpoint gave no answer ({0})")]
    NoAnswer(&'static str),
    /// It refused, with an error that RFC 6749 or RFC 8693 knows.
    #[error("the token endpoint answered {status} ({error})")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The error it names; `unknown error` for others.
        error: &'static str,
    },
    /// An answer that is no token response.
    #[error("the token endpoint's answer is no token response")]
    Malformed,
    /// A token of another type than `Bearer`.
    #[error("the token endpoint gave no bearer token")]
    NotBearer,
}
