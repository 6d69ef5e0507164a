//! `hardtack demo`: a support case, told by real calls.
//!
//! Starts an authority and three tool services, each behind its guard, on free loopback ports,
//! with everything kept in a temporary directory. An orchestrator gets one token for one task and
//! narrows it for its agents; what they, and those who would misuse them, then do is a real HTTP
//! call each, whose response and record are compared with what is expected of them.
//!
//! Nothing of it is mocked and nothing outlives it. No token or key is printed.

mod agents;
mod args;
mod audit;
mod call;
mod gateway;
mod layout;
mod mcp;
mod office;
mod paperwork;
mod report;
mod row;
mod story;
mod tools;
mod world;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

pub(super) use self::args::Args;
pub use self::mcp::run as run_mcp;

use self::report::Report;
use self::story::Story;
use self::world::World;
use crate::config::SystemClock;
use crate::model::Clock;

/// How long what still runs may take to stop.
const GRACE: Duration = Duration::from_secs(1);

/// How the story is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// One JSON object a step, and one with the summary, instead of the table.
    pub json: bool,
    /// Colours, for a terminal.
    pub in_colour: bool,
    /// The step, from 1, of which to expect something else than what is right: it shows that a
    /// step which goes otherwise is noticed.
    pub expect_otherwise: Option<usize>,
}

/// Tells the story; whether every step went as expected.
///
/// *Shape*: must be called outside of any Tokio runtime; it runs one of its own.
///
/// *Errors*: where something could not be started, reached or written, or the user interrupted.
pub fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<bool> {
    staged(|dir| async move { tell(options, &dir, out).await })
}

/// Tells a story with a temporary directory and a runtime of its own.
fn staged<F: Future<Output = anyhow::Result<bool>>>(
    story: impl FnOnce(PathBuf) -> F,
) -> anyhow::Result<bool> {
    let dir = tempfile::tempdir().context("a temporary directory cannot be made")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let told = runtime.block_on(async {
        tokio::select! {
            told = story(dir.path().to_owned()) => told,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    });
    runtime.shutdown_timeout(GRACE);
    dir.close().context("the temporary directory cannot be removed")?;
    told
}

async fn tell(options: &Options, dir: &Path, out: &mut dyn Write) -> anyhow::Result<bool> {
    let started = SystemClock.micros();
    let world = World::start(dir).await?;
    let mut report = Report::new(options, out);
    report.title(
        "An authority and three gateways on free ports of 127.0.0.1; each call below is a real one.",
    )?;
    let records = Story { world: &world, report: &mut report }.tell().await?;
    world.end().await?;
    report.end(records, SystemClock.micros().saturating_sub(started))
}
