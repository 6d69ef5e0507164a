//! What a gateway shows to an upstream, instead of its caller's token.
//!
//! A credential is read or fetched when it is first needed, kept, and renewed before it ends. One
//! that cannot be had is an error of that call, never a call without it.

mod error;
mod kept;
mod token;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use error::{CredentialError, TokenError};
use kept::{Held, Kept, Look};
use token::TokenEndpoint;
use value::Place;
pub(super) use value::Value;

use super::upstream::UpstreamError;
use crate::config::SystemClock;
use crate::config::gateway::{CredentialConfig, CredentialKind, Secret};
use crate::model::Clock;

/// For how long a file is not looked at again.
const FILE_FRESH: Duration = Duration::from_secs(5);

/// For how long what a file held is used while it cannot be read.
const FILE_GOOD: Duration = Duration::from_secs(30);

/// How long before its end a token is given up.
const EARLIER: Duration = Duration::from_secs(5);

/// How long before its end a token is renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// A credential by its name.
///
/// *Shape*: cheap to clone; all clones share the value that is kept.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    name: String,
    place: Place,
    origin: Origin,
    kept: Kept,
    clock: Arc<dyn Clock>,
}

enum Origin {
    Secret(Secret),
    Token(Box<TokenEndpoint>),
}

impl Credential {
    /// A credential as settings have it; without a name of its own it gets this one. Nothing is read
    /// or fetched yet.
    ///
    /// *Errors*: [`CredentialError::Address`] where tokens are fetched from what is no address.
    pub fn new(config: CredentialConfig, name: &str) -> Result<Self, CredentialError> {
        Self::with_clock(config, name, Arc::new(SystemClock))
    }

    /// The same, kept and renewed by this clock.
    ///
    /// *Errors*: [`CredentialError::Address`].
    pub fn with_clock(
        config: CredentialConfig,
        name: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        let (place, origin) = match config.kind {
            CredentialKind::Header { name, value } => (Place::Header(name), Origin::Secret(value)),
            CredentialKind::Bearer(secret) => (Place::Bearer, Origin::Secret(secret)),
            CredentialKind::Basic { user, password } => {
                (Place::Basic(user), Origin::Secret(password))
            }
            CredentialKind::Query { name, value } => (Place::Query(name), Origin::Secret(value)),
            CredentialKind::ClientCredentials(client) => {
                (Place::Bearer, Origin::Token(Box::new(TokenEndpoint::of_client(client)?)))
            }
            CredentialKind::Exchange(exchange) => {
                (Place::Bearer, Origin::Token(Box::new(TokenEndpoint::of_exchange(exchange)?)))
            }
        };
        let name = config.name.unwrap_or_else(|| name.to_owned());
        Ok(Self(Arc::new(Inner { name, place, origin, kept: Kept::default(), clock })))
    }

    /// What records call it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Reads or fetches it now, to learn early that it cannot be had.
    ///
    /// *Errors*: [`CredentialError`].
    pub async fn check(&self) -> Result<(), CredentialError> {
        self.value().await.map(drop)
    }

    /// The value as of now.
    pub(super) async fn current(&self) -> Result<Arc<Value>, UpstreamError> {
        let value = self.value().await;
        value.map_err(|why| UpstreamError::Credential { name: self.0.name.clone(), why })
    }

    async fn value(&self) -> Result<Arc<Value>, CredentialError> {
        let renewing = match self.0.kept.look(self.0.clock.micros()) {
            Look::Good(value) => return Ok(value),
            Look::Failed(error) => return Err(error),
            Look::Ageing(value) => {
                tokio::spawn(Arc::clone(&self.0).renew());
                return Ok(value);
            }
            Look::Missing => tokio::spawn(Arc::clone(&self.0).renew()),
        };
        // A task of its own: a caller that goes away does not stop what others wait for.
        renewing.await.unwrap_or(Err(CredentialError::Ending))
    }

    /// The upstream did not take this value: the next call does not use it again.
    pub(super) fn was_refused(&self, value: &Arc<Value>) {
        self.0.kept.forget(value, self.0.clock.micros());
    }
}

impl Inner {
    /// Obtains the value anew, unless another did while this one waited.
    async fn renew(self: Arc<Self>) -> Result<Arc<Value>, CredentialError> {
        let _one_at_a_time = self.kept.gate.lock().await;
        if let Some(settled) = self.kept.settled(self.clock.micros()) {
            return settled;
        }
        // What is obtained is good from when it was asked for.
        let asked = self.clock.micros();
        let obtained = self.obtain().await;
        if let Err(error) = &obtained {
            tracing::warn!(credential = self.name, %error, "a credential could not be renewed");
        }
        self.kept.put(obtained, asked)
    }

    async fn obtain(&self) -> Result<Held, CredentialError> {
        match &self.origin {
            Origin::Secret(secret) => {
                let value = Value::new(&self.place, &secret.read().await?)?;
                let (fresh, good) = match secret {
                    Secret::Env(_) => (None, None),
                    Secret::File(_) => (Some(FILE_FRESH), Some(FILE_GOOD)),
                    Secret::Command { cache_secs, .. } => {
                        let good = Duration::from_secs(*cache_secs);
                        (Some(good / 5 * 4), Some(good))
                    }
                };
                Ok(Held { value, fresh, good })
            }
            Origin::Token(endpoint) => {
                let fetched = endpoint.fetch().await?;
                let value = Value::new(&self.place, &fetched.token)?;
                // It takes a moment to get there, and clocks differ.
                let good = fetched.life.saturating_sub(EARLIER.min(fetched.life / 10));
                let fresh = fetched.life.saturating_sub(RENEWED_BEFORE.min(fetched.life / 5));
                Ok(Held { value, fresh: Some(fresh), good: Some(good) })
            }
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.0.name).finish_non_exhaustive()
    }
}
