//! Settings that change while the gateway runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::routes::{Servers, Shared};
use super::{Gateway, Now, OpenError, parts};
use crate::config::gateway::GatewaySettings;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another: when it was changed, how long it is, which it is.
type State = Option<(SystemTime, u64, u64)>;

impl Gateway {
    /// Takes the settings as they are in the file now.
    ///
    /// *Errors*: [`OpenError`]; then nothing has changed.
    pub async fn reload(&self) -> Result<(), OpenError> {
        let _one = self.0.reloading.lock().await;
        let taken = self.take();
        self.0.metrics.reloaded(taken.is_ok());
        match &taken {
            Ok(()) => tracing::info!("took new settings"),
            Err(error) => tracing::error!(%error, "new settings were not taken"),
        }
        taken
    }

    fn take(&self) -> Result<(), OpenError> {
        let inner = &self.0;
        let before = inner.now.load_full();
        let settings = Arc::new(GatewaySettings::read(&inner.path)?);
        may_change(&before.settings, &settings)?;
        // Everything that can fail comes before anything that changes.
        let roots = parts::roots(&settings.authority);
        let policy = parts::policy(&settings)?;
        let bundle = match &settings.authority.bundle {
            Some(_) => Some(parts::bundle(&settings.authority)?),
            None => None,
        };
        let catalogue = Arc::new(parts::catalogue(&settings)?.after(&before.catalogue));
        let shared = Shared {
            guard: inner.guard.clone(),
            catalogue: Arc::clone(&catalogue),
            settings: Arc::clone(&settings),
            flights: inner.flights.clone(),
            traces: inner.traces.clone(),
            metrics: inner.metrics.clone(),
        };
        let servers = Servers::open(&shared, &before.servers)?;
        let router = servers.router();
        inner.guard.trust(roots);
        inner.guard.set_policy(policy);
        if let Some(bundle) = bundle {
            inner.guard.publish(bundle);
        }
        inner.now.store(Arc::new(Now { settings, catalogue, servers, router }));
        Ok(())
    }

    /// Takes new settings whenever one of their files changes, for as long as it is awaited.
    pub async fn watch(&self) {
        let mut known = states(&self.files());
        loop {
            tokio::time::sleep(LOOK).await;
            let found = states(&self.files());
            if found != known {
                // A file that makes no sense was told of, and is not read again until it changes.
                drop(self.reload().await);
                known = states(&self.files());
                if known != found {
                    known = found;
                }
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let settings = self.settings();
        let named = settings.policy.files.iter().chain(&settings.approved);
        let named = named.chain(&settings.authority.bundle).cloned();
        std::iter::once(self.0.path.clone()).chain(named).collect()
    }
}

fn states(files: &[PathBuf]) -> BTreeMap<PathBuf, State> {
    files.iter().map(|file| (file.clone(), state(file))).collect()
}

fn state(file: &Path) -> State {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}

/// What is bound to the life of the process.
fn may_change(before: &GatewaySettings, after: &GatewaySettings) -> Result<(), OpenError> {
    let trust = (&before.authority, &after.authority);
    let listen = (&before.listen, &after.listen);
    let same = [
        ("gateway", before.gateway == after.gateway),
        ("public_uri", before.public_uri == after.public_uri),
        ("listen.address", listen.0.address == listen.1.address),
        ("listen.operations", listen.0.operations == listen.1.operations),
        ("listen.connections_max", listen.0.connections_max == listen.1.connections_max),
        ("listen.head_timeout_secs", listen.0.head_timeout_secs == listen.1.head_timeout_secs),
        ("listen.body_timeout_secs", listen.0.body_timeout_secs == listen.1.body_timeout_secs),
        ("listen.body_bytes_max", listen.0.body_bytes_max == listen.1.body_bytes_max),
        ("listen.drain_secs", listen.0.drain_secs == listen.1.drain_secs),
        ("authority.sources", trust.0.sources == trust.1.sources),
        ("authority.issuer", trust.0.issuer == trust.1.issuer),
        ("authority.saved", trust.0.saved == trust.1.saved),
        ("authority.bundle", trust.0.bundle == trust.1.bundle),
        ("authority.bundle_age_secs", trust.0.bundle_age_secs == trust.1.bundle_age_secs),
        ("authority.age_millis_max", trust.0.age_millis_max == trust.1.age_millis_max),
        ("doors", before.doors == after.doors),
        ("records", before.records == after.records),
        ("traces", before.traces == after.traces),
        ("proofs", before.proofs == after.proofs),
        // The follower is held to the roots that it began with.
        ("authority.roots", trust.0.bundle.is_some() || trust.0.roots == trust.1.roots),
    ];
    match same.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(OpenError::Restart(field)),
        None => Ok(()),
    }
}
