//! `hardtack completions`: a completion script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, Output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  hardtack completions bash > ~/.local/share/bash-completion/completions/hardtack")]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hardtack", &mut script);
        out.raw(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
