//! `hardtack demo mcp`: what a gateway does for an MCP server, told by real calls.
//!
//! The server is a small one that trusts everybody; it runs here too, as `hardtack demo mcp-server`.
//! Its agents speak to it through a gateway that knows its tools, and what reached it in the end is
//! compared with what was allowed.

mod call;
mod server;
mod story;
mod world;

use std::io::Write;
use std::path::Path;

pub(super) use self::server::Args as ServerArgs;

use self::story::Story;
use self::world::World;
use super::report::Report;
use super::{Options, staged};
use crate::config::SystemClock;
use crate::model::Clock;

/// Tells the story; whether every step went as expected.
///
/// *Shape*: must be called outside of any Tokio runtime; it runs one of its own.
///
/// *Errors*: where something could not be started, reached or written, or the user interrupted.
pub fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<bool> {
    staged(|dir| async move { tell(options, &dir, out).await })
}

async fn tell(options: &Options, dir: &Path, out: &mut dyn Write) -> anyhow::Result<bool> {
    let started = SystemClock.micros();
    let world = World::start(dir).await?;
    let mut report = Report::new(options, out);
    report.title(
        "An authority, an MCP server that trusts everybody, and a gateway in front of it, on free \
         ports of 127.0.0.1; each call below is a real one.",
    )?;
    let records = Story { world: &world, report: &mut report }.tell().await?;
    world.end().await?;
    report.end(records, SystemClock.micros().saturating_sub(started))
}
