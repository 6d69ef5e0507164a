use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::keys::{TrustedRoot, TrustedRoots};
use crate::verify::{ListError, RevocationList, SignedList};

/// Longest revocation list, in bytes of JSON: some 400,000 entries.
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest discovery document, in bytes.
const DISCOVERY_BYTES_MAX: usize = 64 * 1024;

/// An authority, as a gateway reaches it.
///
/// *Shape*: every request ends within the timeout, and no redirect is followed.
#[derive(Clone, Debug)]
pub struct Authority {
    client: Client,
    base: Url,
}

/// What an authority says of itself at `/.well-known/hardtack`. Other fields are passed over.
#[derive(Clone, Debug, Deserialize)]
pub struct Discovery {
    /// The authority's name, as its revocation lists state it.
    pub issuer: String,
    /// Its root keys.
    pub roots: Vec<TrustedRoot>,
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an `http` or `https` URL without credentials, query and fragment.
    #[error("the authority's address is not a plain `http` or `https` URL")]
    Address,
    /// The client could not be made.
    #[error("the HTTP client could not be made")]
    Client,
    /// The authority was not reached in time, or broke off.
    #[error("the authority was not reached")]
    Unreachable,
    /// Another answer than 200.
    #[error("the authority answered {0}")]
    Status(u16),
    /// A longer answer than is taken.
    #[error("the authority's answer is too long")]
    TooLong,
    /// Not the JSON that was asked for.
    #[error("the authority's answer is malformed")]
    Malformed,
    /// A list that is refused.
    #[error(transparent)]
    List(#[from] ListError),
}

impl Authority {
    /// An authority at this address.
    ///
    /// *Errors*: [`FetchError::Address`] or [`FetchError::Client`].
    pub fn new(address: &str, timeout: Duration) -> Result<Self, FetchError> {
        let mut base = Url::parse(address).map_err(|_| FetchError::Address)?;
        let plain = matches!(base.scheme(), "http" | "https")
            && base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        if !plain {
            return Err(FetchError::Address);
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // Somebody else may have installed one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| FetchError::Client)?;
        Ok(Self { client, base })
    }

    /// The current revocations, their signature checked.
    ///
    /// *Errors*: [`FetchError`].
    pub async fn revocations(&self, roots: &TrustedRoots) -> Result<RevocationList, FetchError> {
        let signed: SignedList = self.fetch("v1/revocations", LIST_BYTES_MAX).await?;
        Ok(signed.open(roots)?)
    }

    /// The root keys that the authority says it has, believed without any proof.
    ///
    /// *Shape*: trust on first use. Whoever answers in the authority's place owns the gateway from
    /// then on, so pin the keys by configuration wherever that is possible.
    ///
    /// *Errors*: [`FetchError`].
    pub async fn danger_fetch_roots(&self) -> Result<TrustedRoots, FetchError> {
        Ok(TrustedRoots::new(self.discover().await?.roots))
    }

    /// What the authority says of itself, believed without any proof.
    ///
    /// *Errors*: [`FetchError`].
    pub async fn discover(&self) -> Result<Discovery, FetchError> {
        self.fetch(".well-known/hardtack", DISCOVERY_BYTES_MAX).await
    }

    async fn fetch<T: DeserializeOwned>(&self, path: &str, max: usize) -> Result<T, FetchError> {
        let url = self.base.join(path).map_err(|_| FetchError::Address)?;
        let unreachable = |_| FetchError::Unreachable;
        let mut response = self.client.get(url).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len().saturating_add(chunk.len()) > max {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| FetchError::Malformed)
    }
}
