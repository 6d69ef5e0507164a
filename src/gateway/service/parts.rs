//! The parts of a gateway, each made of its section of the settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{OpenError, proofs};
use crate::config::SystemClock;
use crate::config::gateway::{Authority as Trust, GatewaySettings, RecordSync, Records};
use crate::decide::Policy;
use crate::feed::{Bundle, RevokedAt};
use crate::gateway::catalogue::{Approved, Catalogue};
use crate::gateway::follow::{Authority, RevocationSync, SyncOptions};
use crate::gateway::ops::{CountingSink, Metrics};
use crate::gateway::trace::Traces;
use crate::gateway::upstream::Address;
use crate::guard::{Freshness, Guard, LocalReplays, Nonces, ToolMap};
use crate::keys::{RootState, TrustedRoot, TrustedRoots, VerifyingKey};
use crate::model::{Clock, limits};
use crate::record::{FileOptions, FileSink, Fsync, Redaction, Sink};

/// How long a source may take to begin an answer.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest bundle: some 25 million entries.
const BUNDLE_BYTES_MAX: u64 = 640 * 1024 * 1024;

/// Longest file of a policy.
const POLICY_BYTES_MAX: u64 = 1024 * 1024;

/// What a gateway knows revocations from.
pub(super) enum Revocations {
    /// Followed.
    Followed(RevocationSync),
    /// Read from a file.
    Bundle,
}

pub(super) fn roots(trust: &Trust) -> TrustedRoots {
    let root =
        |key: &VerifyingKey| TrustedRoot { id: key.id(), key: *key, state: RootState::Active };
    TrustedRoots::new(trust.roots.iter().map(root))
}

pub(super) fn policy(settings: &GatewaySettings) -> Result<Policy, OpenError> {
    let files = &settings.policy.files;
    if files.is_empty() {
        return Policy::standard().map_err(|why| OpenError::Settings(why.to_string()));
    }
    let texts = files.iter().map(|path| Ok((path.display().to_string(), text(path)?)));
    let texts = texts.collect::<Result<Vec<_>, OpenError>>()?;
    let texts = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Policy::parse(texts).map_err(|why| OpenError::Settings(why.to_string()))
}

fn text(path: &Path) -> Result<String, OpenError> {
    let failed = |why: std::io::Error| OpenError::file(path, &why);
    if std::fs::metadata(path).map_err(failed)?.len() > POLICY_BYTES_MAX {
        return Err(failed(std::io::Error::other("is longer than 1 MiB")));
    }
    std::fs::read_to_string(path).map_err(failed)
}

pub(super) fn catalogue(settings: &GatewaySettings) -> Result<Catalogue, OpenError> {
    let approved = settings.approved.as_deref().map(Approved::read).transpose();
    let approved = approved.map_err(OpenError::Settings)?;
    Catalogue::new(&settings.servers, approved).map_err(OpenError::Settings)
}

/// The file of records, or what is there otherwise. In a folder each process has a file of its own.
///
/// *Errors*: [`OpenError::Settings`] where the file cannot be opened, or another process has it.
pub fn sink(records: &Records, otherwise: Arc<dyn Sink>) -> Result<Arc<dyn Sink>, OpenError> {
    let Some(path) = &records.file else {
        return Ok(otherwise);
    };
    let fsync = match records.sync {
        RecordSync::EveryRecord => Fsync::EveryRecord,
        RecordSync::EverySecond => Fsync::Interval(Duration::from_secs(1)),
        RecordSync::Never => Fsync::Never,
    };
    let options = FileOptions { fsync, ..FileOptions::default() };
    let now = SystemClock.now();
    let path = match path.is_dir() {
        true => &path.join(format!("{}-{}.jsonl", now.millis(), std::process::id())),
        false => path,
    };
    let opened = FileSink::open(path, options, now);
    let failed = |why| OpenError::Settings(format!("records in `{}`: {why}", path.display()));
    Ok(Arc::new(opened.map_err(failed)?))
}

fn freshness(trust: &Trust) -> Freshness {
    let mut freshness = Freshness::default();
    if trust.bundle.is_some() {
        let age = Duration::from_secs(trust.bundle_age_secs);
        for label in ["destructive", "write", "read"] {
            freshness = freshness.label(label, age);
        }
    }
    trust.age_millis_max.iter().fold(freshness, |freshness, (label, millis)| {
        freshness.label(label, Duration::from_millis(*millis))
    })
}

pub(super) fn guard(
    settings: &GatewaySettings,
    sink: Arc<dyn Sink>,
    metrics: &Metrics,
    is_new_address: bool,
) -> Result<Guard, OpenError> {
    let mut redaction = Redaction::default().also(&settings.records.redact);
    if settings.records.arguments {
        redaction = redaction.keeping_args();
    }
    let sink = CountingSink { sink, metrics: metrics.clone() };
    let mut guard = Guard::builder(&settings.gateway)
        .roots(roots(&settings.authority))
        .policy(policy(settings)?)
        // What is called is read by the proxies, which ask the guard about it.
        .tools(ToolMap::new())
        .sink(Arc::new(sink))
        .freshness(freshness(&settings.authority))
        .redaction(redaction)
        .body_bytes_max(settings.listen.body_bytes_max)
        .body_timeout(Duration::from_secs(settings.listen.body_timeout_secs));
    if let Some(uri) = &settings.public_uri {
        guard = guard.public_uri(uri.clone());
    }
    if let Some(url) = &settings.proofs.redis {
        guard = guard.replays(Arc::new(proofs::shared(url.clone())?));
    } else if is_new_address {
        guard = guard.replays(Arc::new(LocalReplays::of_new_address(limits::PROOFS_KEPT_MAX)));
    }
    if settings.proofs.nonces {
        guard = guard.proof_nonces(Nonces::generate(&mut rand::rngs::OsRng));
    }
    guard.build().map_err(|why| OpenError::Settings(why.to_string()))
}

/// Where calls are told of.
pub(super) fn traces(settings: &GatewaySettings) -> Result<Traces, OpenError> {
    can_trace(settings)?;
    #[cfg(feature = "otel")]
    if let Some(url) = &settings.traces.url {
        let failed = |why| OpenError::Settings(format!("`traces.url`: {why}"));
        let otlp = crate::gateway::trace::Otlp::new(url, &settings.traces, &settings.gateway);
        let export = Arc::new(otlp.map_err(failed)?);
        return Ok(Traces::new(export, Arc::new(SystemClock), settings.traces.share));
    }
    Ok(Traces::default())
}

/// Whether the address is one, and this build can send traces there.
pub(super) fn can_trace(settings: &GatewaySettings) -> Result<(), OpenError> {
    let Some(url) = &settings.traces.url else { return Ok(()) };
    let failed = |why: String| OpenError::Settings(format!("`traces.url`: {why}"));
    Address::parse(url).map_err(|why| failed(why.to_string()))?;
    match cfg!(feature = "otel") {
        true => Ok(()),
        false => Err(failed("this build cannot send traces".to_owned())),
    }
}

/// Has the guard know revocations from now on.
pub(super) fn revocations(trust: &Trust, guard: &Guard) -> Result<Revocations, OpenError> {
    if trust.bundle.is_some() {
        guard.publish(bundle(trust)?);
        return Ok(Revocations::Bundle);
    }
    let source = |url: &String| {
        let failed = |why| OpenError::Settings(format!("`authority.sources`: `{url}`: {why}"));
        Authority::new(url, SOURCE_TIMEOUT).map_err(|why| failed(why.to_string()))
    };
    let sources = trust.sources.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let options = SyncOptions {
        issuer: trust.issuer.clone(),
        file: trust.saved.clone(),
        ..SyncOptions::default()
    };
    let sync = RevocationSync::start(sources, roots(trust), options);
    guard.publish(sync.view());
    Ok(Revocations::Followed(sync))
}

/// What the file of revocations says.
pub(super) fn bundle(trust: &Trust) -> Result<RevokedAt, OpenError> {
    let path = trust.bundle.as_deref().unwrap_or(Path::new(""));
    let failed = |why: std::io::Error| OpenError::file(path, &why);
    if std::fs::metadata(path).map_err(failed)?.len() > BUNDLE_BYTES_MAX {
        return Err(failed(std::io::Error::other("is longer than 640 MiB")));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let wrong = |why: String| OpenError::Settings(format!("`{}`: {why}", path.display()));
    let bundle = Bundle::from_bytes(&bytes).map_err(|why| wrong(why.to_string()))?;
    bundle.open(&roots(trust)).map_err(|why| wrong(why.to_string()))
}
