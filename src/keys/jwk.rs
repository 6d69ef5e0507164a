//! Public keys as JSON Web Keys.
//!
//! *Source*: RFC 8037 (OKP keys), RFC 7638 (thumbprints).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::public::{KeyError, VerifyingKey};
use crate::model::Json;

impl VerifyingKey {
    /// The key as a JSON Web Key.
    ///
    /// *Shape*: `{"crv":"Ed25519","kty":"OKP","x":…}`, members in this order and nothing else, as
    /// RFC 7638 wants it for a thumbprint; `x` is base64url without padding.
    pub fn to_jwk(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.to_bytes());
        format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
    }

    /// The key of a JSON Web Key.
    ///
    /// *Errors*: [`KeyError::Jwk`] where there is any other member, so also where the private `d`
    /// is shown; [`KeyError::NotAKey`] where `x` is no usable key.
    pub fn from_jwk(jwk: &Json) -> Result<Self, KeyError> {
        Self::from_bytes(&bytes_of_jwk(jwk)?)
    }

    /// The key's JWK thumbprint: base64url of a SHA-256, 43 characters.
    ///
    /// *Source*: RFC 7638; RFC 8037, appendix A.3.
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.to_jwk()))
    }
}

/// The bytes of a JSON Web Key, which may be no point of the curve: enough to compare them with
/// those of a key that is known.
pub(crate) fn bytes_of_jwk(jwk: &Json) -> Result<[u8; 32], KeyError> {
    let text = |name| match jwk.member(name) {
        Some(Json::String(text)) => Ok(text.as_str()),
        _ => Err(KeyError::Jwk),
    };
    match jwk {
        Json::Object(members) if members.len() == 3 => {}
        _ => return Err(KeyError::Jwk),
    }
    if text("kty")? != "OKP" || text("crv")? != "Ed25519" {
        return Err(KeyError::Jwk);
    }
    let x = URL_SAFE_NO_PAD.decode(text("x")?).map_err(|_| KeyError::Jwk)?;
    x.try_into().map_err(|_| KeyError::Jwk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JsonProfile;

    fn read(text: &str) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::from_jwk(&Json::parse(text.as_bytes(), JsonProfile::default()).unwrap())
    }

    /// RFC 8037, appendix A.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    #[test]
    fn the_example_of_rfc_8037_has_its_thumbprint() {
        let key = read(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}}"#)).unwrap();
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(read(&key.to_jwk()).unwrap(), key);
    }

    #[test]
    fn only_the_public_form_is_a_key() {
        let zeros = "A".repeat(43);
        for text in [
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","d":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":"1"}}"#),
            format!(r#"{{"kty":"EC","crv":"Ed25519","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}="}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}p"}}"#, &X[..42]),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, &X[..40]),
            r#"{"kty":"OKP","crv":"Ed25519","x":7}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert_eq!(read(&text), Err(KeyError::Jwk), "{text}");
        }
        let weak = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zeros}"}}"#);
        assert_eq!(read(&weak), Err(KeyError::NotAKey));
    }
}
