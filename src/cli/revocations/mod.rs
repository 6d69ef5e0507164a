//! `hardtack revocations`: the revocation log itself.

mod fetch;
mod restart;
mod source;
mod tail;

use clap::Subcommand;

use super::{Exit, Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the entries of the log as they come.
    Tail(tail::Args),
    /// Write all that is revoked into one file that proves itself.
    Fetch(fetch::Args),
    /// Begin a new log, after the data directory came back from an old backup.
    Restart(restart::Args),
}

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::Tail(args) => args.run(out),
            Self::Fetch(args) => args.run(out),
            Self::Restart(args) => args.run(out),
        }
    }
}
