//! `hardtack key`: root keys in files.

use std::io;
use std::path::PathBuf;

use clap::Subcommand;
use rand::rngs::OsRng;
use serde_json::json;

use super::input::Source;
use super::{Exit, Output};
use crate::config::keyfile;
use crate::keys::{RootKey, VerifyingKey};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a new private key to a file, and print its public half.
    #[command(after_help = NEW)]
    New {
        /// The file to make; it must not exist, and only you will be able to read it.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the public half of a private key.
    #[command(after_help = PUBLIC)]
    Public {
        /// The file of the private key, or `-` for stdin.
        file: Source,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

const NEW: &str = "\
Example: keep the private half, give every gateway the public one
  hardtack key new root.key > root.pub";

const PUBLIC: &str = "\
Example:
  hardtack key public root.key
  ed25519/8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::New { file, json } => {
                let key = RootKey::generate(&mut OsRng);
                keyfile::write_new(&file, &key)?;
                out.say(&format!(
                    "the private key is in `{}`, the public key on stdout",
                    file.display()
                ));
                print(out, key.public(), json)
            }
            Self::Public { file: Source::Stdin, json } => {
                let key = keyfile::from_reader("stdin", io::stdin().lock())?;
                print(out, key.public(), json)
            }
            Self::Public { file: Source::File(path), json } => {
                print(out, keyfile::read(&path)?.public(), json)
            }
        }
    }
}

fn print(out: &mut Output, key: VerifyingKey, json: bool) -> anyhow::Result<Exit> {
    if json {
        out.json(&json!({ "key": key, "id": key.id() }))?;
    } else {
        out.line(key.to_string())?;
    }
    Ok(Exit::Done)
}
