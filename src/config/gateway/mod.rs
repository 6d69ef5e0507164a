//! The settings of a gateway, one file a section.

mod check;
mod credential;
mod file;
mod listen;
mod records;
mod secret;
mod server;
#[cfg(test)]
mod tests;
mod traces;
mod trust;

pub use credential::{ClientAuth, ClientCredentials, CredentialConfig, CredentialKind, Exchange};
pub use file::{Doors, GatewaySettings, Limits, PolicyFiles, Proofs, SettingsError};
pub use listen::Listen;
pub use records::{RecordSync, Records};
pub use secret::{Secret, SecretError, SecretText};
pub use server::{
    ArgumentKind, BodyKind, Denials, Route, Server, ServerKind, ToolSettings, Variable, child_env,
};
pub use traces::Traces;
pub use trust::Authority;
