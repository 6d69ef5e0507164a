use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::keys::VerifyingKey;

/// Whose tokens are accepted, and where revocations come from.
///
/// *Shape*: either `sources`, followed while the gateway runs, or `bundle`, a file that
/// `hardtack revocations fetch` wrote, for where there is no network.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Authority {
    /// Addresses of the authority, or of relays of its log, the first one first.
    pub sources: Vec<String>,
    /// The root keys, `ed25519/…`, whose tokens are accepted.
    #[schemars(with = "Vec<String>")]
    pub roots: Vec<VerifyingKey>,
    /// The authority's name, where the roots vouch for more than one log.
    pub issuer: Option<String>,
    /// Where what is known of revocations is kept for the next start.
    pub saved: Option<PathBuf>,
    /// A file of revocations, instead of sources; read again when it changes.
    pub bundle: Option<PathBuf>,
    /// How old the bundle may be, for any tool.
    pub bundle_age_secs: u64,
    /// How old the view may be for tools with a label, in milliseconds, besides `destructive` 2000,
    /// `write` 10000 and `read` 60000.
    pub age_millis_max: BTreeMap<String, u64>,
}

impl Default for Authority {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            roots: Vec::new(),
            issuer: None,
            saved: None,
            bundle: None,
            bundle_age_secs: 24 * 60 * 60,
            age_millis_max: BTreeMap::new(),
        }
    }
}

impl Authority {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.roots.is_empty() {
            return Err("`authority.roots` names no root key, so that no token could be accepted"
                .to_owned());
        }
        match (self.sources.is_empty(), &self.bundle) {
            (true, None) => Err("`authority` names neither `sources` nor a `bundle`, so that \
                                 nothing would be known of revocations and every call be denied"
                .to_owned()),
            (false, Some(_)) => {
                Err("`authority` names `sources` and a `bundle`: it can follow one".to_owned())
            }
            (true, Some(_)) if self.saved.is_some() => {
                Err("`authority.saved` is for `sources`: a `bundle` is a file already".to_owned())
            }
            _ => Ok(()),
        }
    }
}
