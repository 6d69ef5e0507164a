//! One tool service behind its guard, listening on a free port.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::tools::Tools;
use crate::config::SystemClock;
use crate::decide::Policy;
use crate::gateway::{Authority, RevocationSync, SyncOptions};
use crate::guard::{Guard, GuardBuilder, LocalReplays};
use crate::keys::TrustedRoots;
use crate::model::{Clock, limits};
use crate::record::{FileOptions, FileSink, Record, audit};

/// A gateway under way. Dropping it ends it.
pub(super) struct Gateway {
    /// The name by which tokens mean it.
    pub(super) id: &'static str,
    /// Where it listens.
    pub(super) url: String,
    /// Where its records go.
    pub(super) log: PathBuf,
    /// How it learns of revocations.
    pub(super) sync: RevocationSync,
    server: JoinHandle<()>,
}

impl Gateway {
    /// Starts a gateway in front of these tools.
    pub(super) async fn start(
        id: &'static str,
        tools: Tools,
        policy: Policy,
        dir: &Path,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        let roots = authority.danger_fetch_roots().await?;
        let log = dir.join(format!("{id}.jsonl"));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let guard = guard(id, &tools, policy, &log, &roots)?
            .public_uri(url.parse()?)
            // Nothing was ever proved to a gateway at this port.
            .replays(Arc::new(LocalReplays::of_new_address(limits::PROOFS_KEPT_MAX)))
            .build()?;
        let app = tools.router.layer(guard.clone());
        let server = tokio::spawn(async move {
            // It is served until the task is aborted; a failure shows in the calls.
            let _ = axum::serve(listener, app).await;
        });
        let sync = RevocationSync::start(vec![authority.clone()], roots, SyncOptions::default());
        guard.publish(sync.view());
        Ok(Self { id, url, log, sync, server })
    }

    /// Every record so far.
    pub(super) fn records(&self) -> anyhow::Result<Vec<Record>> {
        let file =
            File::open(&self.log).with_context(|| format!("the records of `{}`", self.id))?;
        let mut records = Vec::new();
        for line in audit::read(BufReader::new(file)) {
            records.extend(line?.entry.record().cloned());
        }
        Ok(records)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn guard(
    id: &str,
    tools: &Tools,
    policy: Policy,
    log: &Path,
    roots: &TrustedRoots,
) -> anyhow::Result<GuardBuilder> {
    let sink = FileSink::open(log, FileOptions::default(), SystemClock.now())?;
    let mut guard = Guard::builder(id)
        .roots(roots.clone())
        .policy(policy)
        .tools(tools.map.clone())
        .sink(Arc::new(sink));
    for (tool, labels) in tools.labels {
        guard = guard.labels(tool, labels.iter().copied())?;
    }
    Ok(guard)
}
