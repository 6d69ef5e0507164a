//! Keys of holders, as commands take them: `--holder KEY` and `--to KEY`.

use super::input::Source;
use super::roots::{BYTES_MAX, holds_private, looks_like_key};
use super::usage::Usage;
use crate::keys::{KeyError, VerifyingKey};
use crate::model::{Json, JsonProfile};

/// Reads a public key: `ed25519/HEX`, bare hex, a JWK, a file that holds one of these, or `-` for
/// stdin.
pub(super) fn public(flag: &str, argument: &str) -> anyhow::Result<VerifyingKey> {
    if argument.trim_start().starts_with('{') || looks_like_key(argument) {
        return key(argument).map_err(|error| Usage(format!("`{flag}`: {error}")).into());
    }
    let Ok(source) = argument.parse::<Source>();
    let text = source.text(BYTES_MAX).map_err(|error| {
        error.context(format!("`{flag}` is neither a public key nor a file of one"))
    })?;
    if holds_private(&text) {
        anyhow::bail!("{source} holds a private key; `{flag}` takes the public one");
    }
    key(&text).map_err(|error| anyhow::anyhow!("{source} holds no public key: {error}"))
}

fn key(text: &str) -> Result<VerifyingKey, KeyError> {
    if !text.trim_start().starts_with('{') {
        return text.parse();
    }
    let jwk = Json::parse(text.trim().as_bytes(), JsonProfile::default());
    VerifyingKey::from_jwk(&jwk.map_err(|_| KeyError::Jwk)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::HolderKey;

    #[test]
    fn a_key_has_three_forms() {
        let holder: HolderKey =
            format!("ed25519-holder-private/{}", "5a".repeat(32)).parse().unwrap();
        let key = holder.public();
        for text in [key.to_string(), hex::encode(key.to_bytes()), format!(" {}", key.to_jwk())] {
            assert_eq!(public("--to", &text).unwrap(), key, "{text}");
        }
        for text in [holder.to_secret_text().as_str(), "{}", "{\"d\":1}", "ed25519/00"] {
            assert!(public("--to", text).unwrap_err().is::<Usage>(), "{text}");
        }
    }
}
