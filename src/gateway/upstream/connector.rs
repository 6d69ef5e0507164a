//! Connections to one upstream: TCP or TLS, made within a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use http::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::Service;

use super::address::AddressError;

/// Makes connections within a time.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

/// A connection could not be made in time.
#[derive(Debug, thiserror::Error)]
#[error("the connection was not made in time")]
pub(super) struct ConnectSlow;

impl Connector {
    /// Without TLS no certificates are read.
    pub(super) fn new(tls: bool, timeout: Duration) -> Result<Self, AddressError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| AddressError::Certificates(error.to_string()))?;
        let config = match tls {
            true => builder
                .try_with_platform_verifier()
                .map_err(|error| AddressError::Certificates(error.to_string()))?
                .with_no_client_auth(),
            false => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        };
        let https = HttpsConnectorBuilder::new().with_tls_config(config);
        let inner = match tls {
            true => https.https_only().enable_http1().wrap_connector(tcp),
            false => https.https_or_http().enable_http1().wrap_connector(tcp),
        };
        Ok(Self { inner, timeout })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let made = tokio::time::timeout(self.timeout, self.inner.call(uri));
        Box::pin(async move { made.await.unwrap_or_else(|_| Err(ConnectSlow.into())) })
    }
}
