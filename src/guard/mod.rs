//! The guard: a tower layer that decides every call to a tool API (the PEP).
//!
//! For each request, in this order, and the first hit ends it:
//!
//! 1. *present*: exactly one `Authorization` header carries the token, at most one `DPoP` header the
//!    proof of its holder;
//! 2. *verify*: the token is genuine (remembered under its hash), not revoked (asked anew, of a view
//!    that is no older than any tool allows), and for a bound token the proof is its holder's, for
//!    this place and time;
//! 3. the request is a call: a [`ToolMap`] names the tool and makes the arguments of path, query
//!    and JSON body, read once and strictly, so that nobody downstream reads them differently. The
//!    tool's labels say how old the view may be ([`Freshness`]). A proof must be for this very call,
//!    and is spent: it opens nothing a second time;
//! 4. *decide*: block 0, the checks of every block, and the gateway's [`Policy`];
//! 5. *record*: one line to the [`Sink`], and no call without it;
//! 6. the handler gets the bytes that were judged, without the token, and what is known of the
//!    call as [`Allowed`].
//!
//! A refused call gets an RFC 9457 problem with the code, and of its own token the check that
//! failed. Of the gateway's policy it learns nothing more.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use axum::{Router, routing::post};
//! use hardtack::guard::{Allowed, Guard, ToolMap};
//! use hardtack::keys::TrustedRoots;
//! use hardtack::record::WriterSink;
//!
//! async fn refund(allowed: Allowed, body: String) -> String {
//!     format!("{} for {:?}: {body}", allowed.tool(), allowed.principal())
//! }
//!
//! # let key = "4d5e0f7b0e1a5b0d7f0f0a9c3d8d2f6b5f5a1b8e6f8a7d2c3b4e5f60718293a4"
//! #     .parse::<hardtack::keys::RootKey>()?.public();
//! let guard = Guard::builder("payments-gateway")
//!     .roots(TrustedRoots::one(key))
//!     .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund")?)
//!     .sink(Arc::new(WriterSink::new(std::io::stdout())))
//!     .build()?;
//! let app: Router = Router::new().route("/refunds", post(refund)).layer(guard);
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! *What it does not do.* It limits no rates and answers no CORS preflight: such layers go around
//! it, and what they answer themselves is no call. It keeps no view of revocations up to date:
//! [`Guard::publish`] takes one, the `gateway` module fetches them. Until then every call is
//! refused. It needs a tokio runtime: a sink that waits for a disk writes on its blocking threads.
//!
//! *Where to put it.* On the whole router, with `Router::layer`: then axum also says which of its
//! routes serves a request, and the guard refuses one that it would have judged as another.
//!
//! [`Policy`]: crate::decide::Policy
//! [`Sink`]: crate::record::Sink

mod admission;
mod allowed;
pub(crate) mod arguments;
mod builder;
mod cache;
mod flow;
mod freshness;
mod holder;
mod layer;
mod nonce;
pub(crate) mod path;
mod recent;
#[cfg(feature = "redis")]
mod redis;
mod refusal;
mod replay;
mod tools;

#[cfg(test)]
mod tests;

#[cfg(feature = "redis")]
pub use self::redis::{RedisAddressError, RedisOptions, RedisReplays};
pub use admission::{Admitted, Circumstances, Listing, Owner, Tenure};
pub use allowed::Allowed;
pub use builder::{GuardBuilder, GuardError};
pub use cache::{Known, TokenCache, Trust};
pub use freshness::Freshness;
pub use layer::{Guard, Guarded};
pub use nonce::Nonces;
pub use refusal::{Challenge, Refusal};
pub use replay::{LocalReplays, Replays, Spending, Spent};
pub use tools::{RouteError, ToolCall, ToolMap};
