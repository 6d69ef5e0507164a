use std::collections::BTreeSet;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::{Json, JsonError, JsonProfile, Timestamp, Tool};

/// The arguments of one call: a JSON object, parsed once, with the very bytes it came from.
///
/// *Shape*: at most [`ARGS_BYTES_MAX`](super::limits::ARGS_BYTES_MAX) bytes, 32 levels and 4,096
/// leaves. What is judged is what [`Args::bytes`] gives, so those are the bytes to forward.
///
/// *Source*: RFC 7493 (I-JSON).
#[derive(Clone, Debug)]
pub struct Args {
    bytes: Vec<u8>,
    value: Json,
    /// Made once: a record names it, and a token may ask for it.
    digest: OnceLock<[u8; 32]>,
}

impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// Why arguments cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The arguments are not strict JSON.
    #[error("the arguments are not acceptable JSON: {0}")]
    Json(#[from] JsonError),
    /// The arguments are JSON but no object.
    #[error("the arguments are not a JSON object")]
    NotAnObject,
}

impl Args {
    /// Parses the arguments of a call, and keeps the bytes.
    ///
    /// *Errors*: [`RequestError`] where the bytes are not one strict JSON object within the limits.
    pub fn parse(bytes: impl Into<Vec<u8>>, profile: JsonProfile) -> Result<Self, RequestError> {
        let bytes = bytes.into();
        match Json::parse(&bytes, profile)? {
            value @ Json::Object(_) => Ok(Self { bytes, value, digest: OnceLock::new() }),
            _ => Err(RequestError::NotAnObject),
        }
    }

    /// No arguments: `{}`.
    pub fn none() -> Self {
        let value = Json::Object(Vec::new());
        Self { bytes: b"{}".to_vec(), value, digest: OnceLock::new() }
    }

    /// The bytes that were judged.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The parsed object.
    pub fn value(&self) -> &Json {
        &self.value
    }

    /// SHA-256 of the arguments' RFC 8785 canonical form.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| Sha256::digest(self.value.canonical()).into())
    }
}

/// One tool call as the gateway sees it: everything a decision may depend on besides the token.
///
/// *Shape*: made by the gateway alone, never by the caller, except for the arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is being called.
    pub tool: Tool,
    /// With which arguments.
    pub args: Args,
    /// Labels that the gateway's configuration gives the tool.
    pub labels: BTreeSet<String>,
    /// The gateway's identifier.
    pub audience: String,
    /// The moment of the call.
    pub time: Timestamp,
    /// Method and path, for plain HTTP tools.
    pub http: Option<(String, String)>,
}
