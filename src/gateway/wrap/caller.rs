use http::{HeaderValue, Method};
use rand::rngs::OsRng;

use crate::config::SystemClock;
use crate::config::gateway::{Secret, SecretError};
use crate::keys::HolderKey;
use crate::mcp::{Asked, Message, asked};
use crate::model::{Args, Clock, JsonProfile, TargetUri, Tool};
use crate::present::{ProofCall, present, to_authorization};
use crate::token::UnverifiedToken;

/// The host that requests within the process name.
pub(super) const HOST: &str = "localhost";

/// Who calls: where the token is found, and the holder's key for a bound one.
pub struct Caller {
    token: Secret,
    holder: Option<HolderKey>,
    profile: JsonProfile,
}

/// Why a call cannot be presented.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// The token could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is none.
    #[error("what was read as the token is none")]
    Token,
    /// It is bound to a holder, and there is no key, or another's.
    #[error("the token cannot be presented: {0}")]
    Holder(String),
    /// The server's name makes no address.
    #[error("the server's name makes no address")]
    Address,
}

/// What is called.
pub(super) enum Calls<'a> {
    Message(&'a Message),
    Named(&'static str),
}

/// What goes into headers.
pub(super) struct Shown {
    pub(super) authorization: HeaderValue,
    pub(super) proof: Option<HeaderValue>,
}

impl Caller {
    /// A caller with the token that is found there, each time anew, and its holder's key.
    pub fn new(token: Secret, holder: Option<HolderKey>, profile: JsonProfile) -> Self {
        Self { token, holder, profile }
    }

    /// Whether a token is to be had that this caller can present.
    ///
    /// *Errors*: [`CallerError`].
    pub async fn check(&self) -> Result<(), CallerError> {
        let token = self.token().await?;
        let bound = token.chain().map_err(|error| CallerError::Holder(error.to_string()))?;
        match (bound.current(), &self.holder) {
            (Some(current), Some(holder)) if current.key == holder.public() => Ok(()),
            (Some(_), Some(_)) => {
                Err(CallerError::Holder("the key is not that of its holder".to_owned()))
            }
            (Some(_), None) => {
                Err(CallerError::Holder("it is bound to a holder, whose key is missing".to_owned()))
            }
            (None, _) => Ok(()),
        }
    }

    async fn token(&self) -> Result<UnverifiedToken, CallerError> {
        let text = self.token.read().await?;
        text.trim().parse().map_err(|_| CallerError::Token)
    }

    pub(super) async fn present(
        &self,
        server: &str,
        method: &Method,
        path: &str,
        calls: Calls<'_>,
    ) -> Result<Shown, CallerError> {
        let token = self.token().await?;
        let value = |text: &str| {
            let mut value = HeaderValue::try_from(text).map_err(|_| CallerError::Token)?;
            value.set_sensitive(true);
            Ok::<_, CallerError>(value)
        };
        let Some(holder) = &self.holder else {
            return Ok(Shown { authorization: value(&to_authorization(&token))?, proof: None });
        };
        let failed = |error: &dyn std::fmt::Display| CallerError::Holder(error.to_string());
        let (tool, args) = match calls {
            Calls::Message(message) => match asked(server, message, self.profile) {
                Ok(Asked::Decided(tool, args) | Asked::Accepted(tool, args)) => (tool, args),
                Err(error) => return Err(failed(&error)),
            },
            Calls::Named(name) => {
                (Tool::new(server, name).map_err(|error| failed(&error))?, Args::none())
            }
        };
        let uri: TargetUri =
            format!("http://{HOST}{path}").parse().map_err(|_| CallerError::Address)?;
        let call =
            ProofCall { method: method.as_str(), uri: &uri, tool: &tool, args: &args, nonce: None };
        let shown = present(&token, holder, &call, SystemClock.now(), &mut OsRng);
        let shown = shown.map_err(|error| failed(&error))?;
        Ok(Shown {
            authorization: value(&shown.authorization())?,
            proof: Some(value(shown.dpop())?),
        })
    }
}
