//! Files, stdin and the texts in them, each read within a bound.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};

use crate::config::keyfile::words;
use crate::model::limits;
use crate::token::UnverifiedToken;
use crate::vocabulary::Datalog;
use crate::vocabulary::grant::{Grant, grants_from_json, grants_from_toml};

/// Longest text that is read whole.
pub(super) const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A file, or stdin where the argument is `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `-`
    Stdin,
    /// Anything else.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(PathBuf::from(text)) })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

impl Source {
    /// Opens it.
    pub(super) fn open(&self) -> anyhow::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(path) => {
                let failed = || format!("cannot open {self}");
                Box::new(File::open(path).map_err(plain).with_context(failed)?)
            }
        })
    }

    /// Reads it whole, up to a bound.
    pub(super) fn bytes(&self, max: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = self.open()?;
        let failed = || format!("cannot read {self}");
        let limit = (max as u64).saturating_add(1);
        reader.take(limit).read_to_end(&mut bytes).map_err(plain).with_context(failed)?;
        if bytes.len() > max {
            bail!("{self} is longer than {max} bytes");
        }
        Ok(bytes)
    }

    /// Reads it whole as text.
    pub(super) fn text(&self, max: usize) -> anyhow::Result<String> {
        let bytes = self.bytes(max)?;
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{self} is not UTF-8 text"))
    }

    fn extension(&self) -> Option<&str> {
        match self {
            Self::Stdin => None,
            Self::File(path) => path.extension()?.to_str(),
        }
    }
}

/// An error of the system without its number: `no such file or directory`.
pub(super) fn plain(error: io::Error) -> anyhow::Error {
    anyhow::anyhow!(words(&error))
}

/// The text of an argument: itself, the file after an `@`, or stdin where it is `-`.
pub(super) fn inline(argument: &str, max: usize) -> anyhow::Result<String> {
    match argument.strip_prefix('@') {
        Some(path) => Source::File(PathBuf::from(path)).text(max),
        None if argument == "-" => Source::Stdin.text(max),
        None => Ok(argument.to_owned()),
    }
}

/// The token of an argument: itself, or what stdin holds where the argument is `-`.
pub(super) fn token_text(argument: &str) -> anyhow::Result<String> {
    match argument {
        "-" => token_of(&Source::Stdin),
        token => Ok(token.trim().to_owned()),
    }
}

/// The token that a file holds.
pub(super) fn token_file(path: &Path) -> anyhow::Result<String> {
    token_of(&Source::File(path.to_owned()))
}

fn token_of(source: &Source) -> anyhow::Result<String> {
    // Room for a line end, and for saying that a token is too long rather than cutting it.
    let max = limits::TOKEN_BYTES_MAX.div_ceil(3) * 4 + 1024;
    let text = source.text(max)?;
    let token = text.trim();
    if token.is_empty() {
        bail!("{source} holds no token");
    }
    Ok(token.to_owned())
}

/// The token of an argument, decoded.
pub(super) fn token(argument: &str) -> anyhow::Result<UnverifiedToken> {
    Ok(token_text(argument)?.parse::<UnverifiedToken>()?)
}

/// Grants from JSON or TOML: by the file's extension, or else by what the text looks like.
pub(super) fn grants(source: &Source) -> anyhow::Result<Vec<Grant>> {
    let text = source.text(TEXT_BYTES_MAX)?;
    let is_json = match source.extension() {
        Some("json") => true,
        Some("toml") => false,
        _ => looks_like_json(&text),
    };
    let grants = if is_json { grants_from_json(text.as_bytes()) } else { grants_from_toml(&text) };
    grants.with_context(|| format!("the grants in {source} are refused"))
}

/// JSON begins `{`, or `[` and then `{` or `]`; `[[grants]]` and `[args]` are TOML.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    match text.strip_prefix('[') {
        Some(rest) => rest.trim_start().starts_with(['{', ']']),
        None => text.is_empty() || text.starts_with('{'),
    }
}

/// Datalog from a file.
pub(super) fn datalog(path: &Path) -> anyhow::Result<Datalog> {
    let source = Source::File(path.to_owned());
    let text = source.text(limits::DATALOG_TEXT_BYTES_MAX)?;
    Datalog::parse(&text).with_context(|| format!("{source} is refused"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_toml_are_told_apart() {
        for text in ["{}", " [ {\"tool\"", "[]", ""] {
            assert!(looks_like_json(text), "{text}");
        }
        for text in ["[[grants]]", "tool = \"a/b\"", "[args]", "# note"] {
            assert!(!looks_like_json(text), "{text}");
        }
    }
}
