//! A tool API whose one route is protected by a guard.
//!
//! ```sh
//! cargo run --example tool_api -- ed25519/…   # the authority's public root key
//! curl -i -X POST localhost:8080/refunds -H "Authorization: Bearer $TOKEN" \
//!      -H 'Content-Type: application/json' -d '{"amount": 20, "currency": "eur"}'
//! ```
//!
//! The token has to name the audience `payments-gateway` and grant `stripe/refund`. Every call,
//! allowed or refused, leaves one line on standard output.

use std::sync::Arc;

use axum::routing::post;
use axum::{Json, Router};
use hardtack::guard::{Allowed, Guard, ToolMap};
use hardtack::keys::{TrustedRoots, VerifyingKey};
use hardtack::record::WriterSink;
use hardtack::verify::DangerUnrevoked;

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
    let root = std::env::args().nth(1).ok_or("usage: tool_api ROOT_PUBLIC_KEY")?;
    let root: VerifyingKey = root.parse()?;

    let guard = Guard::builder("payments-gateway")
        .roots(TrustedRoots::one(root))
        .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund")?)
        .sink(Arc::new(WriterSink::new(std::io::stdout())))
        // A real gateway follows its authority's revocations: see `gateway::RevocationSync`.
        .revocations(DangerUnrevoked)
        .build()?;
    let app = Router::new().route("/refunds", post(refund)).layer(guard);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
