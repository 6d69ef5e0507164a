//! `hardtack init`: the data directory of an authority.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use super::input::{self, Source};
use super::serve::runtime;
use super::{Exit, Output};
use crate::config::{DataDir, Entropy, InitOptions, SystemClock};
use crate::model::Clock;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The directory to make.
    #[arg(default_value = "hardtack-data")]
    dir: PathBuf,
    /// What tasks of the first client may never exceed: grants as JSON or TOML, `-` for stdin.
    /// Without it that client administers and gets no tasks.
    #[arg(long, value_name = "FILE")]
    grants: Option<Source>,
    /// Let the first client ask for bearer tokens too, which whoever finds one may use; without
    /// this each of its tasks names the key of its holder.
    #[arg(long)]
    bearer: bool,
    /// Where the authority will listen.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example: make an authority, keep its first client's key, run it
  hardtack init hardtack-data --grants ceiling.toml > client.key && chmod 600 client.key
  hardtack serve hardtack-data";

impl Args {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        let ceiling = match &self.grants {
            Some(source) => input::grants(source)?,
            None => Vec::new(),
        };
        let options =
            InitOptions { issuer: None, listen: self.listen, ceiling, bearer: self.bearer };
        let mut entropy = Entropy::system();
        let init = DataDir::init(&self.dir, &options, &mut entropy, SystemClock.now());
        let made = runtime()?.block_on(init)?;
        let dir = self.dir.display().to_string();
        let secret = made.to_secret_text();
        if self.json {
            out.json(&json!({
                "dir": dir,
                "root": made.root,
                "client": made.client.id,
                "client_key": secret.as_str(),
            }))?;
        } else {
            out.say(&format!(
                "made `{dir}`; the key of its first client is on stdout, and kept nowhere else"
            ));
            out.say(&format!("next, run it with `hardtack serve {dir}`"));
            out.line(secret.as_str())?;
        }
        Ok(Exit::Done)
    }
}
