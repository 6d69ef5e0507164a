//! The gateway for plain HTTP: a request that has the form of a route is a call of its tool.
//!
//! For each request, in this order: the caller's token is genuine; the request has one reading, and a
//! route takes it; its arguments are the captures of the path, the parameters of the query and the
//! members or fields of the body; it is decided and recorded; then path, query and body go up byte for
//! byte, without the caller's token and with the gateway's credential.
//!
//! Two kinds of routes carry bytes that nobody judges, because settings say so. An *opaque* body is
//! streamed up as it comes; that there is one is the argument `body`, which is `true`. A connection
//! that becomes a WebSocket is decided as the request that asks for it, and then passed both ways
//! until its token ends.
//!
//! *What it does not do.* It rewrites nothing: a `Location` or a cookie's domain is the upstream's
//! business.

mod arguments;
mod forward;
mod routes;
mod service;
mod tenured;
mod traced;

pub use routes::HttpServerError;
pub(in crate::gateway) use service::Shown;
pub use service::{HttpOptions, HttpProxy, HttpServer};
