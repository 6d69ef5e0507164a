use clap::Subcommand;

use super::mcp::{self, ServerArgs};
use super::{Options, run};
use crate::cli::{Exit, Output};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Args {
    /// Print one JSON object a step.
    #[arg(long)]
    json: bool,
    /// Expect something else of this step than what is right.
    #[arg(long, hide = true, value_name = "STEP")]
    expect_otherwise: Option<usize>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What is shown besides the support case.
#[derive(Debug, Subcommand)]
enum Other {
    /// Tell what a gateway does for an MCP server, by real calls.
    Mcp(McpArgs),
    /// Run a small MCP server with a toy world.
    #[command(hide = true)]
    McpServer(ServerArgs),
}

const EXAMPLE: &str = "\
Example:
  hardtack demo
  hardtack demo mcp

They need no set-up, listen on free ports of 127.0.0.1 for about a second, and
leave nothing behind. Exit codes: 0 all went as expected, 1 something did not.";

#[derive(Debug, clap::Args)]
struct McpArgs {
    /// Print one JSON object a step.
    #[arg(long)]
    json: bool,
    /// Expect something else of this step than what is right.
    #[arg(long, hide = true, value_name = "STEP")]
    expect_otherwise: Option<usize>,
}

impl Args {
    pub(in crate::cli) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let Self { json, expect_otherwise, other } = self;
        let in_colour = out.in_colour();
        let as_expected = match other {
            None => run(&Options { json, in_colour, expect_otherwise }, out)?,
            Some(Other::Mcp(McpArgs { json, expect_otherwise })) => {
                mcp::run(&Options { json, in_colour, expect_otherwise }, out)?
            }
            Some(Other::McpServer(args)) => return args.run(out),
        };
        Ok(if as_expected { Exit::Done } else { Exit::Failure })
    }
}
