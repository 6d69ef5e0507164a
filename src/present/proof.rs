use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{CryptoRng, RngCore};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{META_AUTHORIZATION, META_PROOF};
use crate::keys::HolderKey;
use crate::model::{Args, TargetUri, Timestamp, Tool};
use crate::token::UnverifiedToken;

/// The one call that a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct ProofCall<'a> {
    /// The request's method, as it is sent: `POST`.
    pub method: &'a str,
    /// The request's address.
    pub uri: &'a TargetUri,
    /// What is called.
    pub tool: &'a Tool,
    /// With which arguments: all of them, those of path and query too.
    pub args: &'a Args,
    /// The nonce that the gateway asked for, if it did (RFC 9449, section 8).
    pub nonce: Option<&'a str>,
}

/// A sealed token and its holder's proof for one call. Both are secrets.
#[derive(Clone)]
pub struct Presentation {
    token: String,
    proof: String,
}

/// Why a token cannot be presented.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresentError {
    /// A bearer token needs no proof.
    #[error("the token is bound to no holder: send it as a bearer token")]
    Bearer,
    /// Another's key.
    #[error("the key given is not that of the token's current holder")]
    NotTheHolder,
    /// The token would be refused by every verifier.
    #[error("the token would be refused: {0}")]
    Refused(String),
}

/// The header of a proof.
#[derive(Serialize)]
struct Header {
    typ: &'static str,
    alg: &'static str,
    jwk: Box<serde_json::value::RawValue>,
}

#[derive(Serialize)]
struct Claims<'a> {
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    jti: String,
    ath: String,
    tool: String,
    args: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// Presents a bound token for one call: seals it, and proves that its holder makes that call.
///
/// *Shape*: the proof is a DPoP proof with two more claims, `tool` and `args`. It is good for 60 s
/// from `now`, once. Each call takes a new one.
///
/// *Errors*: [`PresentError`].
///
/// *Example*:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use hardtack::keys::{HolderKey, RootKey};
/// use hardtack::mint::{Task, mint};
/// use hardtack::model::{Args, Timestamp};
/// use hardtack::present::{ProofCall, present};
/// use hardtack::vocabulary::grant::grants_from_json;
///
/// # let (mut rng, now) = (rand::rngs::OsRng, Timestamp::from_secs(1_800_000_000));
/// let (root, holder) = (RootKey::generate(&mut rng), HolderKey::generate(&mut rng));
/// let grants = grants_from_json(br#"[{"tool": "stripe/refund"}]"#)?;
/// let task = Task { holder: Some(holder.public()), ..Task::new(grants, None) };
/// let token = mint(&task, &root, now, &mut rng)?.token;
///
/// let (uri, tool) = ("https://api.example.com/refunds".parse()?, "stripe/refund".parse()?);
/// let args = Args::none();
/// let call = ProofCall { method: "POST", uri: &uri, tool: &tool, args: &args, nonce: None };
/// let presentation = present(&token, &holder, &call, now, &mut rng)?;
/// assert!(presentation.authorization().starts_with("DPoP "));
/// # Ok(())
/// # }
/// ```
///
/// *Source*: RFC 9449, section 4.2; RFC 8785 for the form of the arguments that is hashed.
pub fn present(
    token: &UnverifiedToken,
    holder: &HolderKey,
    call: &ProofCall<'_>,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Presentation, PresentError> {
    let refused = |why: &dyn fmt::Display| PresentError::Refused(why.to_string());
    let chain = token.chain().map_err(|error| refused(&error))?;
    let current = chain.current().ok_or(PresentError::Bearer)?;
    let key = holder.public();
    if current.key != key {
        return Err(PresentError::NotTheHolder);
    }
    let token = token.sealed().map_err(|error| refused(&error))?.to_text();
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let unwritable = |error: serde_json::Error| refused(&error);
    let jwk = serde_json::value::RawValue::from_string(key.to_jwk()).map_err(unwritable)?;
    let header = Header { typ: "dpop+jwt", alg: "EdDSA", jwk };
    let claims = Claims {
        htm: call.method,
        htu: call.uri.as_str(),
        iat: now.secs(),
        jti: URL_SAFE_NO_PAD.encode(id),
        ath: URL_SAFE_NO_PAD.encode(Sha256::digest(&token)),
        tool: call.tool.to_string(),
        args: URL_SAFE_NO_PAD.encode(call.args.digest()),
        nonce: call.nonce,
    };
    let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(unwritable)?);
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).map_err(unwritable)?);
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(holder.sign(signed.as_bytes()));
    Ok(Presentation { token, proof: format!("{signed}.{signature}") })
}

impl Presentation {
    /// The value of the `Authorization` header: `DPoP` and the sealed token.
    pub fn authorization(&self) -> String {
        format!("DPoP {}", self.token)
    }

    /// The value of the `DPoP` header: the proof.
    pub fn dpop(&self) -> &str {
        &self.proof
    }

    /// The sealed token's text.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The two members of an envelope's `_meta` that hold the same.
    pub fn meta(&self) -> [(&'static str, String); 2] {
        [(META_AUTHORIZATION, self.authorization()), (META_PROOF, self.proof.clone())]
    }
}

impl fmt::Debug for Presentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (token, proof) = (self.token.len(), self.proof.len());
        write!(f, "Presentation(token of {token} bytes, proof of {proof})")
    }
}
