//! `hardtack demo mcp-server`: something for an MCP gateway to stand in front of.

mod server;

pub(in crate::cli) use self::server::Args as ServerArgs;
