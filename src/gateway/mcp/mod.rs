//! The gateway for the Model Context Protocol: agents speak streamable HTTP to it, and it speaks to
//! servers that know nothing of tokens.
//!
//! `/mcp/NAME` is the server of that name. For each message, in this order: the caller's token is
//! genuine; the message is read once, strictly, and agrees with its headers; it belongs to a session
//! of this caller, where its version of the protocol has such; it is decided and recorded; then the
//! very bytes that were judged go up, with nothing changed but what [`crate::mcp::Splice`] cuts out.
//! Answers come down as they are; only from lists is left out what the caller could not call.
//!
//! *What it does not do.* It does not translate between versions: the era is that of the server. It
//! does not read what a tool answers.

mod aggregate;
mod begun;
mod call;
mod caller;
mod door;
mod http;
mod metadata;
mod narrowing;
mod options;
mod passed;
mod passing;
mod post;
mod service;
mod session;
mod stdio;
mod steps;
mod stop;
mod tools;
mod traced;

pub use options::{McpOptions, McpServer, McpServerError, McpUpstream};
pub use service::McpProxy;
pub use stdio::{StdioOptions, StdioServer};
pub use tools::{ToolFacts, Tools};

/// Marks a request that was made within this process, of a message that came without headers: there
/// are none to hold it against. No request from a connection has it.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct InProcess;
