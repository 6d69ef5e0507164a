use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::keys::{TrustedRoot, TrustedRoots};

/// Longest discovery document, in bytes.
const DISCOVERY_BYTES_MAX: usize = 64 * 1024;

/// How long an answer may pause.
const STALL: Duration = Duration::from_secs(5);

/// An authority, or a relay of its feed, as a gateway reaches it.
///
/// *Shape*: cheap to clone. Every request ends within a bound of time and of bytes; no redirect is
/// followed, and no proxy used.
#[derive(Clone, Debug)]
pub struct Authority {
    client: Client,
    base: Url,
    timeout: Duration,
}

/// What an authority says of itself at `/.well-known/hardtack`. Other fields are passed over.
#[derive(Clone, Debug, Deserialize)]
pub struct Discovery {
    /// The authority's name, as the heads of its log state it.
    pub issuer: String,
    /// Its root keys.
    pub roots: Vec<TrustedRoot>,
}

/// Why something could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// An answer that does not arrive in time.
    #[error("the authority's answer did not arrive in time")]
    Slow,
    /// Another answer than 200.
    #[error("the authority answered {0}")]
    Status(u16),
    /// A longer answer than is taken.
    #[error("the authority's answer is too long")]
    TooLong,
    /// Not the JSON that was asked for.
    #[error("the authority's answer is malformed")]
    Malformed,
}

/// An answer that arrives.
#[derive(Debug)]
pub(super) struct Answer(Response);

impl Answer {
    /// The next part of it; none at its end. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let chunk = timeout(STALL, self.0.chunk()).await.map_err(|_| FetchError::Slow)?;
        chunk.map_err(|_| FetchError::Unreachable)
    }

    /// All of it, at most so many bytes.
    async fn whole(mut self, max: usize) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.next().await? {
            if body.len().saturating_add(chunk.len()) > max {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// What comes in time.
pub(super) async fn within<T>(
    time: Duration,
    coming: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    timeout(time, coming).await.unwrap_or(Err(FetchError::Slow))
}

impl Authority {
    /// An authority at this address; it must begin to answer each request within the timeout.
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
            .connect_timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| FetchError::Client)?;
        Ok(Self { client, base, timeout })
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
        self.json(".well-known/hardtack", DISCOVERY_BYTES_MAX).await
    }

    /// How long it may take to begin an answer.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// JSON of at most so many bytes, all of it within the timeout.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        max: usize,
    ) -> Result<T, FetchError> {
        let body = self.whole(path, max, self.timeout).await?;
        serde_json::from_slice(&body).map_err(|_| FetchError::Malformed)
    }

    /// An answer of at most so many bytes, all of it within a time.
    pub(super) async fn whole(
        &self,
        path: &str,
        max: usize,
        time: Duration,
    ) -> Result<Vec<u8>, FetchError> {
        within(time, async { self.open(path, time).await?.whole(max).await }).await
    }

    /// An answer that begins within this time.
    pub(super) async fn open(&self, path: &str, time: Duration) -> Result<Answer, FetchError> {
        let url = self.base.join(path).map_err(|_| FetchError::Address)?;
        let sent = async { self.client.get(url).send().await.map_err(|_| FetchError::Unreachable) };
        let response = within(time, sent).await?;
        match response.status() {
            StatusCode::OK => Ok(Answer(response)),
            status => Err(FetchError::Status(status.as_u16())),
        }
    }
}
