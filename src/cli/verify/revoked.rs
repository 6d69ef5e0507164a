//! What is revoked, from a file.

use std::collections::HashSet;

use anyhow::{Context, anyhow, bail};

use super::super::input::{Source, TEXT_BYTES_MAX};
use crate::feed::Bundle;
use crate::keys::TrustedRoots;
use crate::mint::is_task_id;
use crate::model::{Key16, RevocationId, Timestamp};
use crate::verify::{DangerUnrevoked, RevocationView};

/// Longest fetched file: some 25 million entries.
const BUNDLE_BYTES_MAX: usize = 640 * 1024 * 1024;

/// Lines of a file: they bear no date, so they are never stale.
struct Lines(HashSet<Key16>);

impl RevocationView for Lines {
    fn age_millis(&self, _now: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, key: &Key16) -> bool {
        self.0.contains(key)
    }
}

/// Nothing is revoked, as far as anyone can say here.
pub(super) fn none() -> Box<dyn RevocationView> {
    Box::new(DangerUnrevoked)
}

/// Reads what is revoked: a fetched file, which grows stale, or lines.
pub(super) fn view(
    source: &Source,
    roots: &TrustedRoots,
) -> anyhow::Result<Box<dyn RevocationView>> {
    let bytes = source.bytes(BUNDLE_BYTES_MAX)?;
    if Bundle::is_one(&bytes) {
        let refused = || format!("{source} is refused");
        let bundle = Bundle::from_bytes(&bytes).with_context(refused)?;
        return Ok(Box::new(bundle.open(roots).with_context(refused)?));
    }
    if bytes.len() > TEXT_BYTES_MAX {
        bail!("{source} is longer than {TEXT_BYTES_MAX} bytes");
    }
    let text = String::from_utf8(bytes).map_err(|_| anyhow!("{source} is not UTF-8 text"))?;
    Ok(Box::new(lines(&text, source)?))
}

/// What is revoked, one a line.
fn lines(text: &str, source: &Source) -> anyhow::Result<Lines> {
    let mut keys = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match key(line) {
            Some(key) => keys.insert(key),
            None => bail!(
                "line {} of {source} is neither a whole revocation identifier nor a task id",
                index + 1
            ),
        };
    }
    Ok(Lines(keys))
}

fn key(line: &str) -> Option<Key16> {
    if is_task_id(line) {
        return Some(Key16::of(line.as_bytes()));
    }
    line.parse::<RevocationId>().map(|id| id.key16()).or_else(|_| line.parse()).ok()
}
