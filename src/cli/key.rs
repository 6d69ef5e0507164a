//! `hardtack key`: keys of roots and of holders, in files.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use rand::rngs::OsRng;
use serde_json::json;

use super::input::Source;
use super::{Exit, Output};
use crate::config::keyfile::{self, FileKey};
use crate::keys::{HolderKey, RootKey, VerifyingKey};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a new private key to a file, and print its public half.
    #[command(after_help = NEW)]
    New {
        /// The file to make; it must not exist, and only you will be able to read it.
        file: PathBuf,
        /// Make the key of a holder, such as an agent, instead of a root key.
        #[arg(long)]
        holder: bool,
        #[command(flatten)]
        show: Show,
    },
    /// Print the public half of a private key.
    #[command(after_help = PUBLIC)]
    Public {
        /// The file of the private key, or `-` for stdin.
        file: Source,
        #[command(flatten)]
        show: Show,
    },
}

/// How the public half is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Show {
    /// What to print of it.
    #[arg(long = "as", value_name = "FORM", default_value = "key", conflicts_with = "json")]
    form: Form,
    /// Print JSON: the key, its number as a root, its JWK and the JWK's thumbprint.
    #[arg(long)]
    json: bool,
}

/// A form of a public key.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// `ed25519/` and 64 hexadecimal characters.
    Key,
    /// A JSON Web Key (RFC 8037).
    Jwk,
    /// The JWK's thumbprint (RFC 7638), by which records name a holder.
    Thumbprint,
}

const NEW: &str = "\
Example: keep the private half, give every gateway the public one
  hardtack key new root.key > root.pub

Example: an agent makes a key of its own, and gives away the public half
  hardtack key new --holder agent.key > agent.pub";

const PUBLIC: &str = "\
Example:
  hardtack key public root.key
  ed25519/8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c
  hardtack key public agent.key --as thumbprint
  kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::New { file, holder: false, show } => {
                let key = RootKey::generate(&mut OsRng);
                write(&file, &key, key.public(), show, out)
            }
            Self::New { file, holder: true, show } => {
                let key = HolderKey::generate(&mut OsRng);
                write(&file, &key, key.public(), show, out)
            }
            Self::Public { file: Source::Stdin, show } => {
                let text = keyfile::text("stdin", io::stdin().lock())?;
                show.print(public("stdin", &text)?, out)
            }
            Self::Public { file: Source::File(path), show } => {
                let text = keyfile::read_secret(&path)?;
                show.print(public(&path.display().to_string(), &text)?, out)
            }
        }
    }
}

fn write(
    file: &Path,
    key: &impl FileKey,
    public: VerifyingKey,
    show: Show,
    out: &mut Output,
) -> anyhow::Result<Exit> {
    keyfile::write_new(file, key)?;
    let place = file.display();
    out.say(&format!("the private key is in `{place}`, the public key on stdout"));
    show.print(public, out)
}

/// The public half of a private key of either kind.
fn public(name: &str, text: &str) -> anyhow::Result<VerifyingKey> {
    Ok(match text.starts_with(HolderKey::PREFIX) {
        true => keyfile::parse::<HolderKey>(name, text)?.public(),
        false => keyfile::parse::<RootKey>(name, text)?.public(),
    })
}

impl Show {
    fn print(self, key: VerifyingKey, out: &mut Output) -> anyhow::Result<Exit> {
        if self.json {
            let jwk: serde_json::Value = serde_json::from_str(&key.to_jwk())?;
            let (id, thumbprint) = (key.id(), key.thumbprint());
            out.json(&json!({ "key": key, "id": id, "jwk": jwk, "thumbprint": thumbprint }))?;
            return Ok(Exit::Done);
        }
        out.line(match self.form {
            Form::Key => key.to_string(),
            Form::Jwk => key.to_jwk(),
            Form::Thumbprint => key.thumbprint(),
        })?;
        Ok(Exit::Done)
    }
}
