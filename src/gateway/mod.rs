//! What a gateway needs besides its guard.
//!
//! [`RevocationSync`] keeps the guard's view of revocations in step with the authority; that is all
//! that a service needs which carries a guard of its own. With the feature `proxy` there is a whole
//! gateway, for tools that know nothing of tokens: an `Upstream` is such a tool's server, and a
//! `Credential` what it is shown instead of the caller's token.

#[cfg(feature = "proxy")]
pub mod catalogue;
#[cfg(feature = "proxy")]
mod credential;
#[cfg(feature = "proxy")]
pub mod discover;
#[cfg(feature = "proxy")]
pub mod doors;
mod follow;
#[cfg(feature = "proxy")]
mod http;
#[cfg(feature = "proxy")]
mod mcp;
#[cfg(feature = "proxy")]
pub mod ops;
#[cfg(feature = "proxy")]
pub mod service;
#[cfg(feature = "proxy")]
pub mod trace;
#[cfg(feature = "proxy")]
mod upstream;

#[cfg(feature = "proxy")]
pub mod wrap;

#[cfg(feature = "proxy")]
pub use self::http::{HttpOptions, HttpProxy, HttpServer, HttpServerError};
#[cfg(feature = "proxy")]
pub use credential::{Credential, CredentialError, TokenError};
pub use follow::{
    Authority, BundleError, Discovery, Event, EventReader, EventTooLong, FetchError, METRICS_TYPE,
    Mode, Pace, Reporter, RevocationSync, SyncOptions, SyncStatus, Taken, View, Watch,
    health_router,
};
#[cfg(feature = "proxy")]
pub use mcp::{
    McpOptions, McpProxy, McpServer, McpServerError, McpUpstream, StdioOptions, StdioServer,
    ToolFacts, Tools,
};
#[cfg(feature = "proxy")]
pub use upstream::{AddressError, Upstream, UpstreamError, UpstreamOptions};
