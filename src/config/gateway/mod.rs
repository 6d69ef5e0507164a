//! The settings of a gateway, one file a section.

mod credential;
mod secret;
#[cfg(test)]
mod tests;

pub use credential::{ClientAuth, ClientCredentials, CredentialConfig, CredentialKind, Exchange};
pub use secret::{Secret, SecretError, SecretText};
