use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Delta, Malformed, SignedHead};

/// What a feed sends: entries, if there are new ones, and always a head.
///
/// *Shape*: JSON, `{"head": …}` or `{"delta": BASE64, "head": …}`, where the delta is a file of the
/// entries that lead up to the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The entries that lead to the head.
    pub delta: Option<Delta>,
    /// The head.
    pub head: SignedHead,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delta: Option<String>,
    head: SignedHead,
}

impl Message {
    /// The message as JSON, in one line.
    ///
    /// *Errors*: [`Malformed`] where it cannot be written.
    pub fn to_json(&self) -> Result<String, Malformed> {
        let delta = self.delta.as_ref().map(|delta| STANDARD.encode(delta.to_bytes()));
        serde_json::to_string(&Text { delta, head: self.head.clone() }).map_err(|_| Malformed)
    }

    /// Reads a message.
    ///
    /// *Errors*: [`Malformed`].
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        let Text { delta, head } = serde_json::from_slice(text).map_err(|_| Malformed)?;
        let delta = delta.map(|delta| {
            let bytes = STANDARD.decode(delta).map_err(|_| Malformed)?;
            Delta::from_bytes(&bytes)
        });
        Ok(Self { delta: delta.transpose()?, head })
    }
}
