use clap::Subcommand;

use super::mcp::ServerArgs;
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
    /// Run a small MCP server with a toy world.
    #[command(hide = true)]
    McpServer(ServerArgs),
}

const EXAMPLE: &str = "\
Example:
  hardtack demo

It needs no set-up, listens on free ports of 127.0.0.1 for about a second, and
leaves nothing behind. Exit codes: 0 all went as expected, 1 something did not.";

impl Args {
    pub(in crate::cli) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let Self { json, expect_otherwise, other } = self;
        if let Some(Other::McpServer(args)) = other {
            return args.run(out);
        }
        let options = Options { json, in_colour: out.in_colour(), expect_otherwise };
        Ok(if run(&options, out)? { Exit::Done } else { Exit::Failure })
    }
}
