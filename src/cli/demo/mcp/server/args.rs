use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;

use super::log::Log;
use super::{Server, http, stdio};
use crate::cli::{Exit, Output};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("by").required(true)))]
pub(in crate::cli) struct Args {
    /// Speak on stdin and stdout.
    #[arg(long, group = "by")]
    stdio: bool,
    /// Listen here, and answer at `/mcp`.
    #[arg(long, group = "by", value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Write down every message that arrives.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

impl Args {
    pub(in crate::cli) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let log = Log::open(self.log.as_deref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("the runtime cannot be started")?;
        let served = runtime.block_on(async {
            let Some(address) = self.http else {
                return stdio::serve(Server::new(), log, out).await;
            };
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("`{address}` cannot be listened on"))?;
            let address = listener.local_addr().context("the address is not known")?;
            out.say(&format!("listening on http://{address}/mcp"));
            axum::serve(listener, http::router(Server::new(), log)).await.context("it cannot serve")
        });
        // Something may still wait for input.
        runtime.shutdown_background();
        served.map(|()| Exit::Done)
    }
}
