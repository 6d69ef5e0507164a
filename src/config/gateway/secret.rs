use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::{Zeroize, Zeroizing};

/// How long a secret may take to be read, a command included.
const READ_TIME: Duration = Duration::from_secs(10);

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// How long a command's answer is used, in seconds, where nothing else is said.
const CACHE_SECS_DEFAULT: u64 = 300;

/// The longest that a command's answer may be used, in seconds.
const CACHE_SECS_MAX: u64 = 24 * 60 * 60;

/// What somebody is told who writes the secret itself.
const INLINE: &str =
    "a secret is never written into the settings: name an `env`, a `file` or a `command`";

/// A secret that was read, wiped when dropped.
pub type SecretText = Zeroizing<String>;

/// Where a secret is found; settings never hold the secret itself.
///
/// *Shape*: one of `{ env = "NAME" }`, `{ file = "PATH" }` and
/// `{ command = ["PROGRAM", "ARGUMENT", …], cache_secs = 300 }`. A command is run without a shell, and
/// what it writes to its standard output is the secret. One line break at the end is no part of
/// the secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// An environment variable of the gateway.
    Env(String),
    /// A file, read anew as it changes.
    File(PathBuf),
    /// What a command answers, and for how many seconds that is used.
    Command {
        /// The program and its arguments; never empty.
        command: Vec<String>,
        /// For how long an answer is used.
        cache_secs: u64,
    },
}

/// Why a secret could not be read. Never says what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    /// The file could not be read.
    #[error("the file `{path}` could not be read: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The command did not end well.
    #[error("the command `{program}` {why}")]
    Command {
        /// The program, without its arguments.
        program: String,
        /// What went wrong.
        why: String,
    },
    /// Reading took too long.
    #[error("{0} did not give a secret within 10 s")]
    Slow(String),
    /// More than a secret may have.
    #[error("{0} gives more than 65536 bytes")]
    TooLong(String),
    /// Nothing at all.
    #[error("{0} gives an empty secret")]
    Empty(String),
    /// Bytes that are no text.
    #[error("{0} gives no text in UTF-8")]
    NotText(String),
}

impl Secret {
    /// Reads the secret.
    ///
    /// *Errors*: [`SecretError`].
    pub async fn read(&self) -> Result<SecretText, SecretError> {
        let read = timeout(READ_TIME, self.bytes()).await;
        let mut bytes = read.unwrap_or_else(|_| Err(SecretError::Slow(self.to_string())))?;
        if bytes.len() > SECRET_BYTES_MAX {
            return Err(SecretError::TooLong(self.to_string()));
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        if bytes.is_empty() {
            return Err(SecretError::Empty(self.to_string()));
        }
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Zeroizing::new(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(SecretError::NotText(self.to_string()))
            }
        }
    }

    /// Makes the path of a file relative to this folder, if it is relative.
    pub(super) fn within(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&*path);
        }
    }

    async fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        match self {
            Self::Env(name) => match variable(name) {
                Some(text) => Ok(Zeroizing::new(text.into_bytes())),
                None => Err(SecretError::Unset(name.clone())),
            },
            Self::File(path) => {
                let failed = |why: std::io::Error| SecretError::File {
                    path: path.clone(),
                    why: words(&why),
                };
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                if !file.metadata().await.map_err(failed)?.is_file() {
                    return Err(failed(std::io::Error::other("it is no regular file")));
                }
                bounded(file).await.map_err(failed)
            }
            Self::Command { command, .. } => run(command).await,
        }
    }

    fn parse(members: Members) -> Result<Self, &'static str> {
        let one = "a secret is one of `env`, `file` and `command`";
        match members {
            Members { env: Some(name), file: None, command: None, cache_secs: None } => {
                match name.is_empty() || name.contains(['=', '\0']) {
                    true => Err("`env` is no name of an environment variable"),
                    false => Ok(Self::Env(name)),
                }
            }
            Members { env: None, file: Some(path), command: None, cache_secs: None } => {
                Ok(Self::File(path))
            }
            Members { env: None, file: None, command: Some(command), cache_secs } => {
                let cache_secs = cache_secs.unwrap_or(CACHE_SECS_DEFAULT);
                if command.first().is_none_or(String::is_empty) {
                    return Err("`command` names no program");
                }
                match (1..=CACHE_SECS_MAX).contains(&cache_secs) {
                    true => Ok(Self::Command { command, cache_secs }),
                    false => Err("`cache_secs` is not from 1 to 86400"),
                }
            }
            Members { cache_secs: Some(_), command: None, .. } => {
                Err("`cache_secs` is for a `command` alone")
            }
            _ => Err(one),
        }
    }
}

/// At most one byte more than a secret may have.
async fn bounded(from: impl tokio::io::AsyncRead + Unpin) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let max = SECRET_BYTES_MAX + 1;
    // As long as it may get, so that no piece of it is left behind where it grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(max + 64));
    from.take(max as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn run(command: &[String]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (program, arguments) =
        command.split_first().map_or(("", command), |(program, rest)| (program.as_str(), rest));
    let failed = |why: String| SecretError::Command { program: program.to_owned(), why };
    let system = |why: std::io::Error| failed(format!("could not be run: {}", words(&why)));
    // What it says of its troubles may quote the secret: nobody reads it.
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(system)?;
    let Some(output) = child.stdout.take() else {
        return Err(failed("has no output".to_owned()));
    };
    let bytes = bounded(output).await.map_err(system)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Ok(bytes);
    }
    let status = child.wait().await.map_err(system)?;
    match (status.success(), status.code()) {
        (true, _) => Ok(bytes),
        (false, Some(code)) => Err(failed(format!("ended with status {code}"))),
        (false, None) => Err(failed("was ended by a signal".to_owned())),
    }
}

/// A variable that is set to UTF-8.
#[expect(clippy::disallowed_methods, reason = "settings name the variables that hold secrets")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the system says, without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Where the secret is found, as part of a sentence: of a command, the program alone.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Command { command, .. } => {
                let program = command.first().map_or("", String::as_str);
                write!(f, "the command `{program}`")
            }
        }
    }
}

/// As [`Display`](fmt::Display): an argument of a command may be a secret itself.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// As written in settings, the arguments of a command left out.
impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Env(name) => map.serialize_entry("env", name)?,
            Self::File(path) => map.serialize_entry("file", path)?,
            Self::Command { command, cache_secs } => {
                let shown: Vec<&str> = command.iter().take(1).map(String::as_str).collect();
                map.serialize_entry("command", &shown)?;
                map.serialize_entry("cache_secs", cache_secs)?;
            }
        }
        map.end()
    }
}

/// The members that a secret may have.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    env: Option<String>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    cache_secs: Option<u64>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Takes a table; of anything else it says what belongs there, without repeating what is there.
struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with `env`, `file` or `command`")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom(INLINE))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(INLINE))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(INLINE))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
        let members = Members::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Secret::parse(members).map_err(A::Error::custom)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret is found; settings never hold the secret itself.",
            "oneOf": [
                {
                    "type": "object",
                    "properties": { "env": { "type": "string", "minLength": 1 } },
                    "required": ["env"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": { "file": { "type": "string", "minLength": 1 } },
                    "required": ["file"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": {
                        "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                        "cache_secs": {
                            "type": "integer", "minimum": 1, "maximum": CACHE_SECS_MAX
                        }
                    },
                    "required": ["command"],
                    "additionalProperties": false
                }
            ]
        })
    }
}
