use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{ConfigError, Settings, files};
use crate::keys::{RootKey, VerifyingKey};
use crate::model::Timestamp;
use crate::store::sqlite::SqliteStore;
use crate::store::{Client, ClientKey, ClientLimits, Clients, NewClient, Store};
use crate::vocabulary::Grant;

const KEY_FILE: &str = "root.key";
const SETTINGS_FILE: &str = "hardtack.toml";
const STORE_FILE: &str = "hardtack.db";
/// What the first client is called.
const FIRST_CLIENT: &str = "admin";

/// The directory with everything an authority keeps.
///
/// *Shape*: `root.key`, `hardtack.toml` and `hardtack.db`, for their owner alone.
#[derive(Clone, Debug)]
pub struct DataDir {
    /// Where it is.
    pub path: PathBuf,
    /// Its settings.
    pub settings: Settings,
    /// The root key that signs.
    pub root: RootKey,
}

/// How a new data directory differs from the defaults.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// The name of the authority; `http://` and the listen address where it is not given.
    pub issuer: Option<String>,
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// What the first client's tasks may never exceed. Without it the client administers only.
    pub ceiling: Vec<Grant>,
    /// Whether the first client may ask for bearer tokens.
    pub bearer: bool,
}

/// What making a data directory gives back.
#[derive(Debug)]
pub struct Initialised {
    /// The public half of the new root key.
    pub root: VerifyingKey,
    /// The first client, an administrator called `admin`.
    pub client: Client,
    /// The first client's key, which is kept nowhere else.
    pub client_key: ClientKey,
}

impl Initialised {
    /// The first client's key as text, a secret.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        self.client_key.to_secret_text()
    }
}

impl DataDir {
    /// Makes a data directory with a new root key and a first client. It appears whole or not at
    /// all. Needs a Tokio runtime.
    ///
    /// *Errors*: [`ConfigError::Exists`] unless nothing, or an empty directory, is there.
    pub async fn init(
        path: &Path,
        options: &InitOptions,
        rng: &mut (impl RngCore + CryptoRng),
        now: Timestamp,
    ) -> Result<Initialised, ConfigError> {
        if !files::is_free(path)? {
            return Err(ConfigError::Exists(path.to_owned()));
        }
        let settings = settings(options);
        Settings::from_toml(&settings.to_toml())
            .map_err(|why| ConfigError::Settings { path: path.join(SETTINGS_FILE), why })?;
        let root = RootKey::generate(rng);
        let client_key = ClientKey::generate(rng);
        let client = first_client(&client_key, options, now);
        let staging = staging(path, rng)?;
        let filled = fill(&staging, &settings, &root, &client, &client_key).await;
        let moved = filled.and_then(|()| {
            std::fs::rename(&staging, path).map_err(files::io(path))?;
            files::sync_dir(&files::parent(path))
        });
        if let Err(error) = moved {
            // Best effort: the error that matters is the first one.
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
        Ok(Initialised { root: root.public(), client, client_key })
    }

    /// Opens a data directory.
    ///
    /// *Errors*: [`ConfigError`] where a file is missing or malformed, or the root key's can be
    /// read by others.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        let key_path = path.join(KEY_FILE);
        match files::shared_mode(&key_path)? {
            0 => {}
            mode => return Err(ConfigError::KeyFileMode { path: key_path, mode }),
        }
        let text =
            Zeroizing::new(std::fs::read_to_string(&key_path).map_err(files::io(&key_path))?);
        let root =
            text.parse().map_err(|why| ConfigError::KeyFile { path: key_path.clone(), why })?;
        let settings_path = path.join(SETTINGS_FILE);
        let text = std::fs::read_to_string(&settings_path).map_err(files::io(&settings_path))?;
        let settings = Settings::from_toml(&text)
            .map_err(|why| ConfigError::Settings { path: settings_path, why })?;
        let store_path = path.join(STORE_FILE);
        std::fs::metadata(&store_path).map_err(files::io(&store_path))?;
        Ok(Self { path: path.to_owned(), settings, root })
    }

    /// Opens the directory's store. Needs a Tokio runtime.
    ///
    /// *Errors*: as [`SqliteStore::open`].
    pub async fn open_store(&self) -> Result<SqliteStore, ConfigError> {
        Ok(SqliteStore::open(&self.path.join(STORE_FILE), false).await?)
    }
}

fn settings(options: &InitOptions) -> Settings {
    let mut settings = Settings::default();
    if let Some(listen) = options.listen {
        settings.listen = listen;
        settings.issuer = format!("http://{listen}");
    }
    if let Some(issuer) = &options.issuer {
        settings.issuer.clone_from(issuer);
    }
    settings
}

fn first_client(key: &ClientKey, options: &InitOptions, now: Timestamp) -> Client {
    Client {
        id: key.id().to_owned(),
        name: FIRST_CLIENT.to_owned(),
        is_admin: true,
        limits: ClientLimits {
            ceiling: options.ceiling.clone(),
            bearer: options.bearer,
            ..ClientLimits::default()
        },
        created: now,
        disabled: None,
    }
}

/// A new directory beside the one to be, from which it is moved into place.
fn staging(path: &Path, rng: &mut impl RngCore) -> Result<PathBuf, ConfigError> {
    let staging = files::parent(path).join(format!(".hardtack-init-{:016x}", rng.next_u64()));
    files::create_dir(&staging)?;
    Ok(staging)
}

async fn fill(
    staging: &Path,
    settings: &Settings,
    root: &RootKey,
    client: &Client,
    key: &ClientKey,
) -> Result<(), ConfigError> {
    let secret = Zeroizing::new(format!("{}\n", root.to_secret_text().as_str()));
    files::create_file(&staging.join(KEY_FILE), &secret)?;
    files::create_file(&staging.join(SETTINGS_FILE), &settings.to_toml())?;
    let store_path = staging.join(STORE_FILE);
    files::create_file(&store_path, "")?;
    let store = SqliteStore::open(&store_path, false).await?;
    store.add_client(NewClient { client: client.clone(), key: key.digest() }).await?;
    store.close().await?;
    files::sync_dir(staging)
}
