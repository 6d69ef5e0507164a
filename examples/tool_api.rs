//! A tool API whose one route is protected by a guard that follows an authority.
//!
//! ```sh
//! cargo run --example tool_api -- http://127.0.0.1:8787 ed25519/…   # authority, its root key
//! curl -i localhost:8080/refunds -H "Authorization: Bearer $TOKEN" \
//!      -H 'Content-Type: application/json' -d '{"amount": 20, "currency": "eur"}'
//! ```
//!
//! The token has to name the audience `payments-gateway` and grant `stripe/refund`. A bound one comes
//! with a proof for `http://127.0.0.1:8080/refunds`, and with the nonce that the answer to the first
//! names. A third argument is where to listen instead. Every call, allowed or refused, leaves one line
//! on standard output.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use hardtack::gateway::{Authority, RevocationSync, SyncOptions};
use hardtack::guard::{Allowed, Guard, Nonces, ToolMap};
use hardtack::keys::{TrustedRoots, VerifyingKey};
use hardtack::record::WriterSink;
use rand::rngs::OsRng;

/// The handler: it runs only for calls that the guard allowed, and never sees the token.
async fn refund(allowed: Allowed, Json(body): Json<serde_json::Value>) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "refunded": body.get("amount"),
        "for": allowed.principal(),
        "task": allowed.task(),
    }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: tool_api AUTHORITY_URL ROOT_PUBLIC_KEY [ADDRESS]";
    let (url, key) = (std::env::args().nth(1).ok_or(usage)?, std::env::args().nth(2).ok_or(usage)?);
    let roots = TrustedRoots::one(key.parse::<VerifyingKey>()?);
    let address = std::env::args().nth(3).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let base = format!("http://{}", listener.local_addr()?);

    let guard = Guard::builder("payments-gateway")
        .roots(roots.clone())
        .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund")?)
        .labels("stripe/refund", ["write", "money"])?
        .public_uri(base.parse()?)
        .proof_nonces(Nonces::generate(&mut OsRng))
        .sink(Arc::new(WriterSink::new(std::io::stdout())))
        .build()?;
    let authority = Authority::new(&url, Duration::from_secs(2))?;
    let sync = RevocationSync::start(vec![authority], roots, SyncOptions::default());
    guard.publish(sync.view());
    let app = Router::new().route("/refunds", post(refund)).layer(guard);

    writeln!(std::io::stderr(), "listening on {base}")?;
    axum::serve(listener, app).await?;
    Ok(())
}
