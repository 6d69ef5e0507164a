//! temp
use super::{Exit, Output};
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
impl Args {
    pub(super) fn run(self, _out: &mut Output) -> anyhow::Result<Exit> { Ok(Exit::Done) }
}
