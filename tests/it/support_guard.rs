//! A guard, and HTTP on loopback.

use std::sync::Arc;

use axum::Router;
use hardtack::guard::{Guard, GuardBuilder, ToolMap};
use hardtack::keys::{RootKey, TrustedRoots};
use hardtack::record::MemorySink;
use hardtack::verify::RevocationView;

pub(crate) fn root() -> RootKey {
    "11".repeat(32).parse().unwrap()
}

/// A guard for gateway `gw` with one tool.
pub(crate) fn builder(sink: Arc<MemorySink>) -> GuardBuilder {
    Guard::builder("gw")
        .roots(TrustedRoots::one(root().public()))
        .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund").unwrap())
        .sink(sink)
}

pub(crate) fn guard(view: impl RevocationView + 'static) -> Guard {
    builder(Arc::default()).revocations(view).build().unwrap()
}

pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn get(url: &str) -> (u16, String) {
    let response = client().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}
