use std::io;
use std::path::PathBuf;

use crate::keys::KeyError;
use crate::store::StoreError;

/// Why a data directory could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is something in the way of a new data directory.
    #[error("`{0}` exists and is not empty: nothing in it was touched")]
    Exists(PathBuf),
    /// A file is missing.
    #[error("`{0}` is missing: is this a data directory that `hardtack init` made?")]
    Missing(PathBuf),
    /// A file or directory could not be read or written.
    #[error("`{path}`: {}", words(why))]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The root key file can be read by others than its owner.
    #[error(
        "`{path}` can be read by others (mode {mode:03o}): \
         run `chmod 600` on it, and replace the key if they may have read it"
    )]
    KeyFileMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The root key file holds no key.
    #[error("`{path}`: {why}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: KeyError,
    },
    /// The settings are not what they should be.
    #[error("`{path}`: {why}")]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line or the field.
        why: String,
    },
    /// The store could not be opened or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the system says, as part of a sentence: without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
