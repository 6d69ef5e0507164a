//! `hardtack revocations restart`: a log that lost entries begins a new epoch.

use std::path::PathBuf;

use serde_json::json;

use super::super::serve::runtime;
use super::super::{Exit, Output};
use crate::config::{DataDir, SystemClock};
use crate::model::{Clock, Timestamp};
use crate::store::{Restart, RevocationLog, Store};

/// Who did it, as the log says.
const BY: &str = "operator";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in super::super) struct Args {
    /// The data directory of the authority, which must not be running.
    #[arg(default_value = "hardtack-data")]
    dir: PathBuf,
    /// Do it; without this nothing is changed.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example: after a restore, before the authority runs again
  hardtack revocations restart hardtack-data          # says what it would do
  hardtack revocations restart hardtack-data --yes

Nobody knows what a restored log has lost, so the new one begins by revoking
every token issued before now; all live tasks end. What is revoked of root keys,
agents and holders goes on. The old entries are put aside in the store.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let dir = DataDir::open(&self.dir)?;
        let now = SystemClock.now();
        let restart = runtime()?.block_on(self.restart(&dir, now))?;
        if self.json {
            out.json(&json!({
                "done": self.yes,
                "epoch": restart.epoch,
                "before": now,
                "entries": restart.entries,
                "carried": restart.carried,
                "live_tasks": restart.live_tasks,
            }))?;
        } else {
            for line in told(&restart, now, self.yes) {
                out.line(line)?;
            }
        }
        if !self.yes {
            out.say("nothing was changed; say `--yes` to do it");
        }
        Ok(Exit::Done)
    }

    async fn restart(&self, dir: &DataDir, now: Timestamp) -> anyhow::Result<Restart> {
        let store = dir.open_store().await?;
        let restart = match self.yes {
            true => store.restart_log(BY.to_owned(), now).await,
            false => store.foresee_restart(now).await,
        };
        // What failed first matters more than how the store closes.
        let closed = store.close().await;
        let restart = restart?;
        closed?;
        Ok(restart)
    }
}

fn told(restart: &Restart, now: Timestamp, is_done: bool) -> [String; 2] {
    let Restart { epoch, entries, carried, live_tasks } = restart;
    let [begins, revoked] = match is_done {
        true => ["a new log has begun", "is revoked"],
        false => ["a new log would begin", "would be revoked"],
    };
    [
        format!("{begins}: epoch {epoch}, with {carried} of {entries} entries carried over"),
        format!("all that was issued before {now} {revoked}, and with it live tasks: {live_tasks}"),
    ]
}
