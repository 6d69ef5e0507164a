//! `hardtack serve`: run an authority.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::runtime::Runtime;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::{Exit, Output};
use crate::authority::{Authority, router, serve};
use crate::config::{DataDir, Entropy, SystemClock, env};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The data directory that `hardtack init` made.
    #[arg(default_value = "hardtack-data")]
    dir: PathBuf,
    /// Where to listen, instead of where the settings say.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

const EXAMPLE: &str = "\
Example:
  hardtack serve hardtack-data --listen 127.0.0.1:8787

It ends on SIGTERM or ctrl-c, after the requests under way. Its log goes to stderr.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        log_to_stderr()?;
        runtime()?.block_on(self.serve(out))
    }

    async fn serve(self, out: &mut Output) -> anyhow::Result<Exit> {
        let dir = DataDir::open(&self.dir)?;
        let authority = Arc::new(Authority::open(&dir, SystemClock, Entropy::system()).await?);
        let listen = self.listen.unwrap_or(dir.settings.listen);
        let listener = super::listen::listen(listen)?;
        let address = listener.local_addr().context("the address is not known")?;
        out.say(&format!("root key {}, listening on http://{address}", dir.root.id()));
        serve(listener, router(Arc::clone(&authority)), shutdown()?).await?;
        authority.close().await?;
        Ok(Exit::Done)
    }
}

/// Has the log go to stderr: what happens, with `HARDTACK_LOG=debug` each decision besides, and with
/// `trace` what servers over stdio write to their own stderr, which may hold anything. Of the
/// libraries below nothing finer is shown, since some would tell of headers.
///
/// *Errors*: a level that there is not.
pub(super) fn log_to_stderr() -> anyhow::Result<()> {
    let own = match env::log() {
        Some(level) => match level.parse() {
            Ok(level) => level,
            Err(_) => bail!("HARDTACK_LOG is none of error, warn, info, debug and trace"),
        },
        None => LevelFilter::INFO,
    };
    let shown = Targets::new().with_default(own.min(LevelFilter::INFO));
    let shown = shown.with_target(env!("CARGO_PKG_NAME"), own);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        // Whoever reads stderr may go: nothing panics over a line that is lost.
        .log_internal_errors(false);
    // A second subscriber in one process changes nothing.
    drop(tracing_subscriber::registry().with(lines.with_filter(shown)).try_init());
    Ok(())
}

/// Ready once the process is asked to end.
pub(super) fn shutdown() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}

/// What runs whatever waits.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("threads cannot be started")
}
