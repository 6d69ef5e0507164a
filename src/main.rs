//! The `hardtack` command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its caller")]

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use hardtack::authority::{Authority, router, serve};
use hardtack::cli::demo;
use hardtack::config::{DataDir, Entropy, InitOptions, SystemClock, env};
use hardtack::model::Clock;
use hardtack::vocabulary::grant::grants_from_json;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a data directory; prints the first client's key
    Init {
        dir: PathBuf,
        /// What the first client may ask for
        #[arg(long)]
        grants: Option<PathBuf>,
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Tell a support case by real calls: one authority, three gateways, a few agents and a thief
    Demo {
        /// One JSON object a step
        #[arg(long)]
        json: bool,
        /// Expect something else of this step, to see it noticed
        #[arg(long, hide = true)]
        expect_otherwise: Option<usize>,
    },
    /// Run the authority of a data directory
    Serve {
        dir: PathBuf,
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Args::parse().command {
        Command::Demo { json, expect_otherwise } => {
            let mut out = std::io::stdout();
            let in_colour = out.is_terminal() && !env::no_color();
            let options = demo::Options { json, in_colour, expect_otherwise };
            let as_expected = demo::run(&options, &mut out)?;
            Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        command => authority(command).map(|()| ExitCode::SUCCESS),
    }
}

#[tokio::main]
async fn authority(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo { .. } => Ok(()),
        Command::Init { dir, grants, listen } => {
            let ceiling = match grants {
                Some(path) => {
                    let text = std::fs::read(&path)
                        .with_context(|| format!("`{}` cannot be read", path.display()))?;
                    grants_from_json(&text)?
                }
                None => Vec::new(),
            };
            let options = InitOptions { ceiling, listen, issuer: None };
            let mut entropy = Entropy::system();
            let made = DataDir::init(&dir, &options, &mut entropy, SystemClock.now()).await?;
            println!("{}", made.client_key.to_secret_text().as_str());
            Ok(())
        }
        Command::Serve { dir, listen } => {
            let dir = DataDir::open(&dir)?;
            let authority = Arc::new(Authority::open(&dir, SystemClock, Entropy::system()).await?);
            let listen = listen.unwrap_or(dir.settings.listen);
            let listener = tokio::net::TcpListener::bind(listen)
                .await
                .with_context(|| format!("`{listen}` cannot be listened on"))?;
            eprintln!("listening on http://{}", listener.local_addr()?);
            let mut told = signal(SignalKind::terminate())?;
            let shutdown = async move {
                tokio::select! {
                    _ = told.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            };
            serve(listener, router(Arc::clone(&authority)), shutdown).await?;
            authority.close().await?;
            Ok(())
        }
    }
}
