//! Private keys in files.
//!
//! A file that its group or others can read is refused: whoever reads a root key can grant
//! anything, and whoever reads a holder's can use its tokens.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use zeroize::Zeroizing;

pub(crate) use super::error::words;
use crate::keys::{HolderKey, KeyError, RootKey};

/// Longest key file. The text form of a private key has less than 90 bytes.
const BYTES_MAX: u64 = 1024;

/// Why a key file could not be read or written; no variant holds key material.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system refused.
    #[error("cannot {what} key file `{file}`: {}", words(error))]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// There is a file of this name already.
    #[error("`{0}` exists already, and a key is never overwritten")]
    Exists(String),
    /// Others than the owner can read it.
    #[error("`{file}` can be read by others (mode {mode:03o}): run `chmod 600` on it first")]
    Exposed {
        /// The file.
        file: String,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds something else.
    #[error("`{file}` holds no private key: {error}")]
    Malformed {
        /// The file.
        file: String,
        /// What a key looks like.
        error: KeyError,
    },
}

/// A private key that is kept in a file, as the one line of its text.
pub trait FileKey: FromStr<Err = KeyError> {
    /// The private half as text.
    fn secret_text(&self) -> Zeroizing<String>;
}

impl FileKey for RootKey {
    fn secret_text(&self) -> Zeroizing<String> {
        self.to_secret_text()
    }
}

impl FileKey for HolderKey {
    fn secret_text(&self) -> Zeroizing<String> {
        self.to_secret_text()
    }
}

/// Writes a private key to a new file that only its owner can read.
///
/// *Shape*: one line, `ed25519-private/` or `ed25519-holder-private/` and 64 hexadecimal characters;
/// mode 0600.
///
/// *Errors*: [`KeyFileError::Exists`] where there is a file already, [`KeyFileError::Io`].
pub fn write_new(path: &Path, key: &impl FileKey) -> Result<(), KeyFileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(shown(path)),
        _ => KeyFileError::Io { what: "write", file: shown(path), error },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(key.secret_text().as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Reads a private key from a file that only its owner can read.
///
/// *Errors*: [`KeyFileError::Exposed`] where others can read it too, [`KeyFileError::Malformed`],
/// [`KeyFileError::Io`].
pub fn read<K: FileKey>(path: &Path) -> Result<K, KeyFileError> {
    parse(&shown(path), &read_secret(path)?)
}

/// Reads a secret text, its ends trimmed, from a file that only its owner can read.
///
/// *Errors*: [`KeyFileError::Exposed`] where others can read it too, [`KeyFileError::Io`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |error| KeyFileError::Io { what: "read", file: shown(path), error };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that it cannot be swapped in between.
    owner_only(path, &file)?;
    text(&shown(path), file)
}

/// Reads a secret text, its ends trimmed, from anything; `name` is for errors.
///
/// *Errors*: [`KeyFileError::Io`].
pub fn text(name: &str, reader: impl Read) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |error| KeyFileError::Io { what: "read", file: name.to_owned(), error };
    // Room for all of it from the start: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize));
    reader.take(BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Reads a private key from its text; `name` is for errors.
///
/// *Errors*: [`KeyFileError::Malformed`].
pub fn parse<K: FileKey>(name: &str, text: &str) -> Result<K, KeyFileError> {
    text.parse().map_err(|error| KeyFileError::Malformed { file: name.to_owned(), error })
}

#[cfg(unix)]
fn owner_only(path: &Path, file: &File) -> Result<(), KeyFileError> {
    let metadata = file.metadata().map_err(|error| KeyFileError::Io {
        what: "read",
        file: shown(path),
        error,
    })?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { file: shown(path), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn owner_only(_path: &Path, _file: &File) -> Result<(), KeyFileError> {
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
