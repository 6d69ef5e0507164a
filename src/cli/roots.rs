//! Root keys that a command trusts: `--root KEY`, as text or in a file.

use std::path::Path;

use anyhow::{Context, bail};

use super::input::Source;
use crate::keys::{RootState, TrustedRoot, TrustedRoots, VerifyingKey};

/// Longest file of public keys.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// Reads `--root` arguments: `ed25519/HEX`, bare hex, or a file that holds such keys, one a line.
pub(super) fn trusted(arguments: &[String]) -> anyhow::Result<TrustedRoots> {
    let mut keys = Vec::new();
    for argument in arguments {
        match argument.parse::<VerifyingKey>() {
            Ok(key) => keys.push(key),
            Err(error) if looks_like_key(argument) => {
                return Err(error).context("`--root` is refused");
            }
            Err(_) => keys.extend(in_file(argument)?),
        }
    }
    let root = |key: VerifyingKey| TrustedRoot { id: key.id(), key, state: RootState::Active };
    Ok(TrustedRoots::new(keys.into_iter().map(root)))
}

/// Whether it is meant as a key, and so is no name of a file.
pub(super) fn looks_like_key(text: &str) -> bool {
    text.starts_with("ed25519") || (text.len() > 40 && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether the text shows a private key of any kind.
pub(super) fn holds_private(text: &str) -> bool {
    text.contains("-private/") || text.contains("\"d\"")
}

fn in_file(argument: &str) -> anyhow::Result<Vec<VerifyingKey>> {
    let source = Source::File(Path::new(argument).to_owned());
    let text = source.text(BYTES_MAX).context("`--root` is neither a public key nor a file")?;
    if holds_private(&text) {
        bail!("{source} holds a private key; `--root` takes the public one");
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Vec<VerifyingKey> = lines
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{source} holds no public key"))?;
    if keys.is_empty() {
        bail!("{source} is empty");
    }
    Ok(keys)
}
