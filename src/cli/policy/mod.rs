//! `hardtack policy`: gateway policies and their cases.

mod cases;
mod run;
mod test;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;

use super::input::{Source, plain};
use super::{Exit, Output};
use crate::decide::Policy;
use crate::model::limits;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Decide the cases beside every policy of a directory.
    Test(test::Args),
}

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::Test(args) => args.run(out),
        }
    }
}

/// The prose of the vocabulary lies beside policies and is none.
const PROSE: &str = "vocabulary.datalog";

/// The policy of these files and directories together; the standard one of none.
pub(super) fn load(paths: &[PathBuf]) -> anyhow::Result<Policy> {
    if paths.is_empty() {
        return Ok(Policy::standard()?);
    }
    let mut texts = Vec::new();
    for path in paths {
        let files = if path.is_dir() { files(path)? } else { vec![path.clone()] };
        for file in files {
            texts.push((name(&file), text(&file)?));
        }
    }
    let texts = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(Policy::parse(texts)?)
}

/// The policy files of a directory, by name.
fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("cannot read directory `{}`", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(plain).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.extension().is_some_and(|ext| ext == "datalog") && !path.ends_with(PROSE) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("`{}` holds no `.datalog` file", dir.display());
    }
    Ok(files)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn text(file: &Path) -> anyhow::Result<String> {
    Source::File(file.to_owned()).text(limits::DATALOG_TEXT_BYTES_MAX)
}
