//! `hardtack relay`: serve the feed of an authority onward.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::serve::{log_to_stderr, runtime, shutdown};
use super::{Exit, Output, roots};
use crate::authority::serve;
use crate::gateway::{Authority, SyncOptions};
use crate::relay::Relay;

/// How long a source may take to begin an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// An authority, or another relay; several are tried one after the other.
    #[arg(long, value_name = "URL", required = true)]
    from: Vec<String>,
    /// A root key of the authority, or a file of them.
    #[arg(long, value_name = "KEY", required = true)]
    root: Vec<String>,
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    /// Where to keep what is known for the next start.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How many gateways may follow at once.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    streams_max: usize,
}

const EXAMPLE: &str = "\
Example: let the gateways of one site follow an authority far away
  hardtack relay --from https://authority.example.com --root ed25519/… --listen 0.0.0.0:8788

Gateways name the relay in place of the authority. They need not trust it.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        log_to_stderr()?;
        runtime()?.block_on(self.serve(out))
    }

    async fn serve(self, out: &mut Output) -> anyhow::Result<Exit> {
        let roots = roots::trusted(&self.root)?;
        let source = |url: &String| {
            Authority::new(url, TIMEOUT).with_context(|| format!("`--from {url}` is refused"))
        };
        let sources = self.from.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        let options = SyncOptions { file: self.state, ..SyncOptions::default() };
        let relay = Relay::start(sources, roots, options, self.streams_max);
        let listen = self.listen;
        let listener = super::listen::listen(listen)?;
        let address = listener.local_addr().context("the address is not known")?;
        out.say(&format!("relaying {}, listening on http://{address}", self.from.join(", ")));
        serve(listener, relay.router(), shutdown()?).await?;
        relay.close().await;
        Ok(Exit::Done)
    }
}
