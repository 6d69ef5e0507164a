//! Calling guarded tools through `reqwest`: a fresh proof for each call, with the nonce that the
//! gateway wants.
//!
//! ```no_run
//! # async fn run(token: &str, key: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use hardtack::client::Caller;
//! use hardtack::model::{Args, JsonProfile};
//!
//! let caller = Caller::new(reqwest::Client::builder(), token.parse()?, Some(key.parse()?))?;
//! let tool = "crm/add_note".parse()?;
//! let args = Args::parse(r#"{"id": "7", "text": "called back"}"#, JsonProfile::Interoperable)?;
//! // `id` goes into the path, `text` into the body.
//! let url = "https://api.example.com/accounts/{id}/notes";
//! let response = caller.call(&tool, reqwest::Method::POST, url, &args).await?;
//! println!("{}", response.status());
//! # Ok(())
//! # }
//! ```
//!
//! *What it does not do.* It follows no redirect: a proof is for one address, and a token for the place
//! that it was sent to. It makes no call a second time, but for the nonce that a refusal asked for. It
//! is no tower layer: a request does not say which tool it calls, nor what in its path is an argument.
//!
//! [`Caller`] needs a tokio runtime, as `reqwest` does.

mod placed;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::OsRng;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, Url, redirect, retry};

use self::placed::Placed;
use crate::config::SystemClock;
use crate::keys::HolderKey;
use crate::model::{Args, Clock, Tool};
use crate::present::{PresentError, ProofCall, present, to_authorization};
use crate::token::UnverifiedToken;

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Longest nonce that is taken, in bytes: a proof has room for it.
const NONCE_BYTES_MAX: usize = 512;

/// Origins whose nonces are remembered.
const ORIGINS_MAX: usize = 1024;

/// A token, its holder's key if it is bound, and the HTTP client that calls with them.
///
/// *Shape*: remembers for each origin the nonce that it named last (RFC 9449, section 8.2). `Debug`
/// shows neither token, key nor nonces.
pub struct Caller {
    client: Client,
    token: UnverifiedToken,
    /// The holder's key; `None` for a bearer token.
    key: Option<HolderKey>,
    clock: Arc<dyn Clock>,
    nonces: Mutex<BTreeMap<String, HeaderValue>>,
}

/// Why a call was not made, or not answered. It shows nothing of token, key or arguments.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A bound token without a key.
    #[error("the token is bound to a holder: a call takes the holder's key")]
    KeyMissing,
    /// The token cannot be presented with this key.
    #[error(transparent)]
    Present(#[from] PresentError),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client,
    /// Not an `http` or `https` address without a user.
    #[error("the address is not an absolute `http` or `https` address without a user")]
    Address,
    /// A nonce that no gateway could ask for.
    #[error("the nonce is not 1 to {NONCE_BYTES_MAX} visible ASCII characters")]
    Nonce,
    /// An argument that has no place in the request.
    #[error("the argument `{name}` {why}")]
    Argument {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No answer in the client's time.
    #[error("the gateway did not answer in time")]
    Timeout,
    /// No answer.
    #[error("the gateway was not reached")]
    Unreached,
}

impl Caller {
    /// A caller with this token.
    ///
    /// *Shape*: the client is made of the builder, with redirects and repeated requests turned off. A
    /// bearer token goes without a proof, whether a key is given or not.
    ///
    /// *Errors*: [`CallError`] where the token is bound and the key is not its holder's, or there is no
    /// HTTP client.
    pub fn new(
        client: ClientBuilder,
        token: UnverifiedToken,
        key: Option<HolderKey>,
    ) -> Result<Self, CallError> {
        let refused = |error: &dyn fmt::Display| PresentError::Refused(error.to_string());
        let holder = token.chain().map_err(|error| refused(&error))?.current();
        let key = match (holder, key) {
            (None, _) => None,
            (Some(_), None) => return Err(CallError::KeyMissing),
            (Some(holder), Some(key)) if holder.key == key.public() => Some(key),
            (Some(_), Some(_)) => return Err(PresentError::NotTheHolder.into()),
        };
        // Somebody else may have installed one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = client.redirect(redirect::Policy::none()).retry(retry::never());
        let client = client.build().map_err(|_| CallError::Client)?;
        let nonces = Mutex::default();
        Ok(Self { client, token, key, clock: Arc::new(SystemClock), nonces })
    }

    /// The clock, instead of the system's.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Begins with the nonce that the gateway at this address is known to ask for.
    ///
    /// *Errors*: [`CallError::Address`], or [`CallError::Nonce`].
    pub fn nonce(self, url: &str, nonce: &str) -> Result<Self, CallError> {
        let origin = Url::parse(url).map_err(|_| CallError::Address)?.origin();
        let nonce = HeaderValue::try_from(nonce).ok().filter(is_nonce).ok_or(CallError::Nonce)?;
        self.nonces().insert(origin.ascii_serialization(), nonce);
        Ok(self)
    }

    /// Calls a tool.
    ///
    /// *Shape*: a segment `{name}` of the address's path takes the argument of that name. What is left
    /// goes into the query of a `GET`, `HEAD`, `OPTIONS` or `TRACE`, and into the JSON body of any
    /// other. What stands in the address's own query is an argument too. In path and query, arguments
    /// are texts: that is how a guard reads and judges them. Where a gateway asks for a nonce, the call
    /// is made once more, with a new proof.
    ///
    /// *Errors*: [`CallError`]. A refusal is an answer, not an error.
    ///
    /// *Source*: RFC 9449, sections 4.2, 8 and 9.
    pub async fn call(
        &self,
        tool: &Tool,
        method: Method,
        url: &str,
        args: &Args,
    ) -> Result<Response, CallError> {
        let placed = Placed::new(&method, url, args)?;
        let origin = placed.url.origin().ascii_serialization();
        let nonce = self.nonces().get(&origin).cloned();
        let response = self.once(tool, &method, &placed, nonce.as_ref()).await?;
        let next = self.remember(origin, &response);
        match next.filter(|_| self.key.is_some() && asks_for_nonce(&response)) {
            Some(next) if nonce.as_ref() != Some(&next) => {
                self.once(tool, &method, &placed, Some(&next)).await
            }
            _ => Ok(response),
        }
    }

    async fn once(
        &self,
        tool: &Tool,
        method: &Method,
        placed: &Placed,
        nonce: Option<&HeaderValue>,
    ) -> Result<Response, CallError> {
        let mut request = self.client.request(method.clone(), placed.url.clone());
        let (authorization, proof) = match &self.key {
            None => (to_authorization(&self.token), None),
            Some(key) => {
                let nonce = nonce.and_then(|nonce| nonce.to_str().ok());
                let (method, uri, args) = (method.as_str(), &placed.uri, &placed.args);
                let call = ProofCall { method, uri, tool, args, nonce };
                let made = present(&self.token, key, &call, self.clock.now(), &mut OsRng)?;
                (made.authorization(), Some(made.dpop().to_owned()))
            }
        };
        request = request.header(AUTHORIZATION, secret(&authorization)?);
        if let Some(proof) = proof {
            request = request.header(DPOP, secret(&proof)?);
        }
        if let Some(body) = &placed.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        request.send().await.map_err(|error| match error.is_timeout() {
            true => CallError::Timeout,
            false => CallError::Unreached,
        })
    }

    /// Keeps the nonce that an answer names for the next proof.
    fn remember(&self, origin: String, response: &Response) -> Option<HeaderValue> {
        let nonce = response.headers().get(DPOP_NONCE).cloned().filter(is_nonce)?;
        let mut nonces = self.nonces();
        if nonces.len() >= ORIGINS_MAX && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.clone());
        Some(nonce)
    }

    fn nonces(&self) -> MutexGuard<'_, BTreeMap<String, HeaderValue>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_nonce(value: &HeaderValue) -> bool {
    let is_plain = value.as_bytes().iter().all(u8::is_ascii_graphic);
    is_plain && (1..=NONCE_BYTES_MAX).contains(&value.len())
}

/// A header's value that no log of the client shows.
fn secret(text: &str) -> Result<HeaderValue, CallError> {
    let refused = |_| PresentError::Refused("its text is no header".to_owned());
    let mut value = HeaderValue::try_from(text).map_err(refused)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a refusal asks for a proof with the nonce that it names.
///
/// *Source*: RFC 9449, section 9.
fn asks_for_nonce(response: &Response) -> bool {
    let mut challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let asks =
        |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("use_dpop_nonce"));
    response.status() == StatusCode::UNAUTHORIZED && challenges.any(asks)
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("key", &self.key).finish_non_exhaustive()
    }
}
