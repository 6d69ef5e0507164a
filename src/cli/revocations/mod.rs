//! `hardtack revocations`: the revocation log itself.

mod restart;

use clap::Subcommand;

use super::{Exit, Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Begin a new log, after the data directory came back from an old backup.
    Restart(restart::Args),
}

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::Restart(args) => args.run(out),
        }
    }
}
