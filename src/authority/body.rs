//! Bodies: strict JSON, read field by field; what is not a field is refused.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};

use super::AppState;
use super::problem::Refusal;
use crate::keys::{KeyId, TrustedRoot, VerifyingKey};
use crate::model::{Json, JsonProfile};
use crate::vocabulary::Grant;
use crate::vocabulary::grant::grants_from_json;

/// The fields of a body that is one JSON object. Reading one takes it out; a field that is `null`
/// counts as left out.
pub(super) struct Fields {
    members: Vec<(String, Json)>,
    digest: [u8; 32],
}

/// How a request names a root key.
pub(super) enum RootName {
    Id(KeyId),
    Key(VerifyingKey),
}

impl RootName {
    /// Whether it names this one.
    pub(super) fn is(&self, root: &TrustedRoot) -> bool {
        match self {
            Self::Id(id) => *id == root.id,
            Self::Key(key) => *key == root.key,
        }
    }
}

type Result<T> = std::result::Result<T, Refusal>;

fn wrong<T>(name: &str, why: impl std::fmt::Display) -> Result<T> {
    Err(Refusal::Malformed(format!("`{name}`: {why}")))
}

impl FromRequest<AppState> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, authority: &AppState) -> Result<Self> {
        let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|value| {
            let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/json")
        });
        let bytes = read(request, authority).await?;
        if !is_json {
            return Err(Refusal::MediaType);
        }
        Self::parse(&bytes)
    }
}

/// A body that says nothing, empty or `{}`; the SHA-256 of its canonical form.
pub(super) struct NoBody(pub(super) [u8; 32]);

impl FromRequest<AppState> for NoBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, authority: &AppState) -> Result<Self> {
        let bytes = read(request, authority).await?;
        let fields = Fields::parse(if bytes.is_empty() { b"{}" } else { &bytes })?;
        let digest = fields.digest();
        fields.end().map(|()| Self(digest))
    }
}

async fn read(request: Request, authority: &AppState) -> Result<Bytes> {
    Bytes::from_request(request, authority).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge(authority.settings.body_bytes_max),
        _ => Refusal::Malformed("the body did not arrive whole".to_owned()),
    })
}

impl Fields {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let json = Json::parse(bytes, JsonProfile::Interoperable).map_err(|error| {
            Refusal::Malformed(format!("the body is not acceptable JSON: {error}"))
        })?;
        let digest = Sha256::digest(json.canonical()).into();
        match json {
            Json::Object(members) => Ok(Self { members, digest }),
            other => {
                let why = format!("the body is a {}, not a JSON object", other.kind());
                Err(Refusal::Malformed(why))
            }
        }
    }

    /// The SHA-256 of the body's canonical form.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.members.iter().position(|(key, _)| key == name)?;
        match self.members.remove(at).1 {
            Json::Null => None,
            value => Some(value),
        }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => wrong(name, format!("is a {}, not a string", other.kind())),
        }
    }

    /// A public key: its text form, or a JSON Web Key, of which only what makes the key is read.
    ///
    /// *Source*: RFC 7517, section 4; RFC 8037.
    pub(super) fn key(&mut self, name: &str) -> Result<Option<VerifyingKey>> {
        let key = match self.take(name) {
            None => return Ok(None),
            Some(Json::String(text)) => text.parse::<VerifyingKey>(),
            Some(jwk) if jwk.member("d").is_some() => {
                let why = "holds a private key; send its public half alone, of a new key";
                return wrong(name, why);
            }
            Some(Json::Object(members)) => {
                let is_key = |(name, _): &(String, Json)| matches!(&**name, "kty" | "crv" | "x");
                let jwk = Json::Object(members.into_iter().filter(is_key).collect());
                VerifyingKey::from_jwk(&jwk)
            }
            Some(other) => {
                let why = format!("is a {}, not a string or a JSON Web Key", other.kind());
                return wrong(name, why);
            }
        };
        key.map(Some).map_err(|error| Refusal::Invalid(format!("`{name}`: {error}")))
    }

    /// A root key: its number, or its text form.
    pub(super) fn root(&mut self, name: &str) -> Result<Option<RootName>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => match text.parse() {
                Ok(key) => Ok(Some(RootName::Key(key))),
                Err(error) => Err(Refusal::Invalid(format!("`{name}`: {error}"))),
            },
            Some(Json::Number(number)) => {
                match number.as_integer().and_then(|id| KeyId::try_from(id).ok()) {
                    Some(id) => Ok(Some(RootName::Id(id))),
                    None => wrong(name, "is not a whole number in range"),
                }
            }
            Some(other) => wrong(name, format!("is a {}, not a number or a string", other.kind())),
        }
    }

    /// A flag; one left out is not set.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool> {
        match self.take(name) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(flag),
            Some(other) => wrong(name, format!("is a {}, not a boolean", other.kind())),
        }
    }

    /// A whole number no smaller than zero.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, name: &str) -> Result<Option<T>> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Json::Number(number)) => number.as_integer(),
            Some(other) => return wrong(name, format!("is a {}, not a number", other.kind())),
        };
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => wrong(name, "is not a whole number in range"),
        }
    }

    /// A set of texts, written as an array.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<BTreeSet<String>>> {
        let items = match self.take(name) {
            None => return Ok(None),
            Some(Json::Array(items)) => items,
            Some(other) => return wrong(name, format!("is a {}, not an array", other.kind())),
        };
        let text = |(i, item)| match item {
            Json::String(text) => Ok(text),
            other => wrong(&format!("{name}[{i}]"), format!("is a {}, not a string", other.kind())),
        };
        items.into_iter().enumerate().map(text).collect::<Result<_>>().map(Some)
    }

    /// Grants; an empty array is none.
    pub(super) fn grants(&mut self, name: &str) -> Result<Option<Vec<Grant>>> {
        let json = match self.take(name) {
            None => return Ok(None),
            Some(Json::Array(items)) if items.is_empty() => return Ok(Some(Vec::new())),
            Some(json @ Json::Array(_)) => json,
            Some(other) => return wrong(name, format!("is a {}, not an array", other.kind())),
        };
        grants_from_json(json.to_string().as_bytes()).map(Some).map_err(|error| {
            let at = error.at.replacen("grants", name, 1);
            Refusal::Invalid(format!("`{at}`: {}", error.why))
        })
    }

    /// Refuses whatever was not taken.
    pub(super) fn end(self) -> Result<()> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).flat_map(char::escape_debug).collect();
                wrong(&name, "is not a field of this request")
            }
        }
    }
}

/// What a field must hold that may not be left out.
pub(super) fn required<T>(name: &str, value: Option<T>) -> Result<T> {
    value.map_or_else(|| wrong(name, "is missing"), Ok)
}
