//! `hardtack revocations fetch`: all that is revoked, in one file that proves itself.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::super::serve::runtime;
use super::super::{Exit, Output};
use super::source::From;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in super::super) struct Args {
    #[command(flatten)]
    from: From,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example: take the log to where no network leads, and hold a token to it there
  hardtack revocations fetch --server https://authority.example.com --root ed25519/… -o revoked
  hardtack verify - --root ed25519/… --revoked revoked --request call.json < token

Whoever carries the file can change nothing in it.";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let (authority, roots) = (self.from.authority()?, self.from.roots()?);
        let bundle = runtime()?.block_on(authority.bundle(&roots)).context("the log")?;
        let view = bundle.open(&roots).context("the log is refused")?;
        let bytes = bundle.to_bytes().context("the log")?;
        replace(&self.output, &bytes)
            .with_context(|| format!("`{}` cannot be written", self.output.display()))?;
        let (file, time) = (self.output.display().to_string(), view.time());
        if self.json {
            out.json(&json!({
                "file": file, "bytes": bytes.len(), "revoked": view.len(), "time": time,
            }))?;
        } else {
            out.line(format!(
                "{} revoked as of {time}, {} bytes in `{file}`",
                view.len(),
                bytes.len()
            ))?;
        }
        Ok(Exit::Done)
    }
}

/// Writes a file in place of another, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
