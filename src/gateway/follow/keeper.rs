use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Duration, Instant};

use super::monitor::Monitor;
use crate::feed::{Follower, Place, Saved};
use crate::keys::TrustedRoots;

const EVERY: Duration = Duration::from_secs(1);
/// Larger views are written less often.
const LARGE_BYTES: usize = 10 * 1024 * 1024;
const LARGE_EVERY: Duration = Duration::from_secs(30);

/// Keeps what is known in a file, for the next start.
///
/// *Shape*: the file is replaced as a whole. Only its owner may read it. Where it cannot be written,
/// the view goes on without.
pub(super) struct Keeper {
    path: PathBuf,
    monitor: Arc<Monitor>,
    kept: Option<Place>,
    begun: Option<Instant>,
    writing: Option<JoinHandle<()>>,
}

impl Keeper {
    /// A keeper of this file, and the follower that it holds. A file that is damaged, or another
    /// authority's, is set aside.
    pub(super) async fn open(
        path: PathBuf,
        roots: TrustedRoots,
        issuer: Option<String>,
        monitor: Arc<Monitor>,
    ) -> (Self, Option<Follower>) {
        let file = path.clone();
        let load = move || load(&file, roots, issuer.as_deref());
        let follower = match spawn_blocking(load).await {
            Ok(Ok(follower)) => follower,
            Ok(Err(error)) => {
                monitor.not_kept("read", &error);
                None
            }
            Err(_) => None,
        };
        let kept = follower.as_ref().and_then(Follower::place);
        (Self { path, monitor, kept, begun: None, writing: None }, follower)
    }

    /// Writes what this follower knows, if that is new and the last time is long enough ago.
    pub(super) fn keep(&mut self, follower: &Follower) {
        let is_large = follower.table().bytes() > LARGE_BYTES;
        let every = if is_large { LARGE_EVERY } else { EVERY };
        let is_over = self.writing.as_ref().is_none_or(JoinHandle::is_finished);
        if is_over && self.begun.is_none_or(|begun| begun.elapsed() >= every) {
            self.write(follower);
        }
    }

    /// Writes what this follower knows, if that is new, and waits until it is written.
    pub(super) async fn end(mut self, follower: &Follower) {
        if let Some(writing) = self.writing.take() {
            // A write that panicked left its file where it was.
            let _ = writing.await;
        }
        self.write(follower);
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
    }

    fn write(&mut self, follower: &Follower) {
        let place = follower.place();
        if place == self.kept {
            return;
        }
        let Some(saved) = Saved::of(follower) else { return };
        let (path, monitor) = (self.path.clone(), Arc::clone(&self.monitor));
        (self.kept, self.begun) = (place, Some(Instant::now()));
        self.writing = Some(spawn_blocking(move || {
            if let Err(error) = replace(&path, &saved) {
                monitor.not_kept("write", &error);
            }
        }));
    }
}

/// Reads the file, where there is one.
fn load(path: &Path, roots: TrustedRoots, issuer: Option<&str>) -> io::Result<Option<Follower>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let follower = Saved::read(&bytes).ok().filter(|saved| saved.is_of(&roots));
    let follower = follower.map(|saved| saved.follower(roots));
    let is_of = |follower: &Follower| match (issuer, follower.seen()) {
        (Some(issuer), Some(seen)) => seen.issuer == issuer,
        _ => true,
    };
    match follower.filter(is_of) {
        Some(follower) => Ok(Some(follower)),
        None => {
            std::fs::rename(path, beside(path, "damaged"))?;
            let why = "it is damaged, or of another authority, and was set aside";
            Err(io::Error::new(ErrorKind::InvalidData, why))
        }
    }
}

/// Writes a file beside, and puts it in the other's place once it is on the disk.
fn replace(path: &Path, saved: &Saved) -> io::Result<()> {
    let new = beside(path, "new");
    // One that a crash left. It is not written over: somebody may be writing it.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let mut buffered = BufWriter::with_capacity(64 * 1024, file);
    saved.write(&mut buffered)?;
    buffered.flush()?;
    buffered.get_ref().sync_all()?;
    std::fs::rename(&new, path)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

/// The path with another ending after its own.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
