//! `hardtack mcp`: for agents that start the servers of their tools themselves.

mod wrap;

use super::{Exit, Output};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Be a server over stdin and stdout: the given one, with the gateway inside.
    Wrap(Box<wrap::Args>),
}

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::Wrap(args) => args.run(out),
        }
    }
}
