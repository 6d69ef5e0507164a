use super::{Options, run};
use crate::cli::{Exit, Output};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in crate::cli) struct Args {
    /// Print one JSON object a step.
    #[arg(long)]
    json: bool,
    /// Expect something else of this step than what is right.
    #[arg(long, hide = true, value_name = "STEP")]
    expect_otherwise: Option<usize>,
}

const EXAMPLE: &str = "\
Example:
  hardtack demo

It needs no set-up, listens on free ports of 127.0.0.1 for about a second, and
leaves nothing behind. Exit codes: 0 all went as expected, 1 something did not.";

impl Args {
    pub(in crate::cli) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let Self { json, expect_otherwise } = self;
        let options = Options { json, in_colour: out.in_colour(), expect_otherwise };
        Ok(if run(&options, out)? { Exit::Done } else { Exit::Failure })
    }
}
