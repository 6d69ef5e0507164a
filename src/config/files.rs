//! Files that only their owner may read, written whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ConfigError;

/// Turns what the system says about a path into an error.
pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ConfigError {
    move |why| match why.kind() {
        ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        _ => ConfigError::Io { path: path.to_owned(), why },
    }
}

/// Makes a directory that only its owner may enter.
pub(super) fn create_dir(path: &Path) -> Result<(), ConfigError> {
    let refused = |why| ConfigError::Io { path: path.to_owned(), why };
    DirBuilder::new().mode(0o700).create(path).map_err(refused)
}

/// Writes a new file that only its owner may read, and syncs it.
pub(super) fn create_file(path: &Path, text: &str) -> Result<(), ConfigError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|why| ConfigError::Io { path: path.to_owned(), why })
}

/// Syncs what a directory lists.
pub(super) fn sync_dir(path: &Path) -> Result<(), ConfigError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io(path))
}

/// Whether a path is free: nothing there, or an empty directory.
pub(super) fn is_free(path: &Path) -> Result<bool, ConfigError> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
        Err(why) => Err(ConfigError::Io { path: path.to_owned(), why }),
    }
}

/// The directory that holds a path.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The permission bits that let the group or others at a file; zero if there are none.
pub(super) fn shared_mode(path: &Path) -> Result<u32, ConfigError> {
    let mode = std::fs::metadata(path).map_err(io(path))?.mode() & 0o777;
    Ok(if mode & 0o077 == 0 { 0 } else { mode })
}
