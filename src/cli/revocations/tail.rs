//! `hardtack revocations tail`: the entries of the log, as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::super::serve::runtime;
use super::super::{Exit, Output};
use super::source::From;
use crate::feed::{Entry, Place, Subject};
use crate::gateway::{RevocationSync, SyncOptions, Taken, Watch};
use crate::model::Timestamp;

/// The longest log that is read from its beginning.
const ENTRIES_MAX: u64 = 10_000;

/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in super::super) struct Args {
    #[command(flatten)]
    from: From,
    /// How many entries of before to begin with, as far as they are told one by one: the
    /// oldest of more than 10,000 are not.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 10)]
    lines: usize,
    /// End after these, instead of waiting for more.
    #[arg(long)]
    no_follow: bool,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example: watch what is revoked, from here on
  hardtack revocations tail --server http://127.0.0.1:8787 --root ed25519/… -n 0

Entries are printed once the signatures of the log hold. A key is the first 16
bytes of the SHA-256 of what is revoked.";

/// What came of one message.
struct News {
    entries: Vec<Entry>,
    place: Place,
}

/// Passes on what is taken.
struct Sender(mpsc::UnboundedSender<News>);

impl Watch for Sender {
    fn took(&self, taken: &Taken<'_>) {
        let entries = taken.delta.map(|delta| delta.entries().to_vec()).unwrap_or_default();
        // Nobody waits any more where the command ends.
        drop(self.0.send(News { entries, place: taken.place }));
    }
}

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        runtime()?.block_on(self.tail(out))
    }

    async fn tail(self, out: &mut Output) -> anyhow::Result<Exit> {
        let (authority, roots) = (self.from.authority()?, self.from.roots()?);
        let (sender, mut news) = mpsc::unbounded_channel();
        let watch: Option<Arc<dyn Watch>> = Some(Arc::new(Sender(sender)));
        let options = SyncOptions { watch, entries_max: ENTRIES_MAX, ..SyncOptions::default() };
        let _sync = RevocationSync::start(vec![authority], roots, options);
        let first = tokio::time::timeout(PATIENCE, news.recv()).await;
        let Some(first) = first.ok().flatten() else {
            anyhow::bail!("the authority sent no log that these root keys vouch for");
        };
        let seq = first.place.seq;
        out.say(&format!("the log has {seq} entries, epoch {}", first.place.epoch));
        let mut last: VecDeque<_> = numbered(&first).collect();
        last.drain(..last.len().saturating_sub(self.lines));
        for (seq, entry) in last {
            self.print(out, seq, entry)?;
        }
        out.flush()?;
        if self.no_follow {
            return Ok(Exit::Done);
        }
        loop {
            tokio::select! {
                more = news.recv() => {
                    let Some(more) = more else { break };
                    for (seq, entry) in numbered(&more) {
                        self.print(out, seq, entry)?;
                    }
                    out.flush()?;
                    if out.is_closed() {
                        break;
                    }
                }
                _ = tokio::signal::ctrl_c() => break,
            }
        }
        Ok(Exit::Done)
    }

    fn print(&self, out: &mut Output, seq: u64, entry: &Entry) -> anyhow::Result<()> {
        let subject = entry.subject();
        let ends = Timestamp::from_secs(u64::from(entry.ends()));
        let what = match subject {
            Subject::Before(moment) => moment.to_string(),
            _ => subject.key16().map(|key| key.to_string()).unwrap_or_default(),
        };
        if self.json {
            return out.json(&json!({
                "seq": seq,
                "kind": subject.kind(),
                "what": what,
                "not_after": ends,
                "by": entry.by(),
                "reason": entry.reason(),
            }));
        }
        let by = entry.by().map(|by| format!(", by {by}")).unwrap_or_default();
        let reason = entry.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
        out.line(format!("{seq} {:6} {what} until {ends}{by}{reason}", subject.kind()))
    }
}

/// The entries with their places.
fn numbered(news: &News) -> impl Iterator<Item = (u64, &Entry)> {
    let first = news.place.seq.saturating_sub(news.entries.len() as u64).saturating_add(1);
    (first..).zip(&news.entries)
}
