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
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
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
    if current.key != holder.public() {
        return Err(PresentError::NotTheHolder);
    }
    let token = token.sealed().map_err(|error| refused(&error))?.to_text();
    let claims = Claims {
        ath: Some(URL_SAFE_NO_PAD.encode(Sha256::digest(&token))),
        tool: Some(call.tool.to_string()),
        nonce: call.nonce,
        ..Claims::new(call.method, call.uri, call.args.digest(), now, rng)
    };
    Ok(Presentation { token, proof: signed(holder, &claims).map_err(|error| refused(&error))? })
}

/// Proves to the authority that a request is made by whoever has a key.
///
/// *Shape*: the value of a `DPoP` header. `body` is SHA-256 of the RFC 8785 form of the request's
/// JSON body, as [`Args::digest`] gives it, and is named as `args`; for an empty body it is that of
/// `{}`.
///
/// *Errors*: [`PresentError`].
///
/// *Source*: RFC 9449, section 5.
pub fn prove_key(
    holder: &HolderKey,
    method: &str,
    uri: &TargetUri,
    body: [u8; 32],
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<String, PresentError> {
    let claims = Claims::new(method, uri, body, now, rng);
    signed(holder, &claims).map_err(|error| PresentError::Refused(error.to_string()))
}

/// The proof with these claims.
fn signed(holder: &HolderKey, claims: &Claims<'_>) -> Result<String, serde_json::Error> {
    let jwk = serde_json::value::RawValue::from_string(holder.public().to_jwk())?;
    let header = Header { typ: "dpop+jwt", alg: "EdDSA", jwk };
    let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(holder.sign(signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
}

impl<'a> Claims<'a> {
    /// The claims that every proof has, with a new `jti`.
    fn new(
        method: &'a str,
        uri: &'a TargetUri,
        args: [u8; 32],
        now: Timestamp,
        rng: &mut impl RngCore,
    ) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self {
            htm: method,
            htu: uri.as_str(),
            iat: now.secs(),
            jti: URL_SAFE_NO_PAD.encode(id),
            ath: None,
            tool: None,
            args: URL_SAFE_NO_PAD.encode(args),
            nonce: None,
        }
    }
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
    ///
    /// *Shape*: for a tool of an MCP server, the proof is for `POST`, the address of the server, and the
    /// `arguments` of the call.
    ///
    /// *Example*:
    ///
    /// ```
    /// # use hardtack::keys::HolderKey;
    /// # use hardtack::model::{Args, JsonProfile, Timestamp};
    /// # use hardtack::present::{PresentError, ProofCall, present};
    /// # use hardtack::token::UnverifiedToken;
    /// use serde_json::{Value, json};
    ///
    /// /// A `tools/call` of JSON-RPC with the token and its proof.
    /// fn tools_call(
    ///     token: &UnverifiedToken,
    ///     holder: &HolderKey,
    ///     now: Timestamp,
    /// ) -> Result<Value, Box<dyn std::error::Error>> {
    ///     let (uri, tool) = ("https://mcp.example.com/mcp".parse()?, "crm/get_account".parse()?);
    ///     let args = Args::parse(r#"{"id": 7}"#, JsonProfile::Interoperable)?;
    ///     let call = ProofCall { method: "POST", uri: &uri, tool: &tool, args: &args, nonce: None };
    ///     let sent = present(token, holder, &call, now, &mut rand::rngs::OsRng)?;
    ///     let mut params = json!({ "name": "get_account", "arguments": { "id": 7 }, "_meta": {} });
    ///     for (name, value) in sent.meta() {
    ///         params["_meta"][name] = value.into();
    ///     }
    ///     Ok(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
    /// }
    /// # use hardtack::keys::RootKey;
    /// # use hardtack::mint::{Task, mint};
    /// # use hardtack::present::Credentials;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut rng, now) = (rand::rngs::OsRng, Timestamp::from_secs(1_800_000_000));
    /// # let (root, holder) = (RootKey::generate(&mut rng), HolderKey::generate(&mut rng));
    /// # let grants = hardtack::vocabulary::grant::grants_from_json(br#"[{"tool": "crm/*"}]"#)?;
    /// # let task = Task { holder: Some(holder.public()), ..Task::new(grants, None) };
    /// # let token = mint(&task, &root, now, &mut rng)?.token;
    /// # let message = tools_call(&token, &holder, now)?;
    /// # let meta = message["params"]["_meta"].to_string();
    /// # let meta = hardtack::model::Json::parse(meta.as_bytes(), JsonProfile::Interoperable)?;
    /// # let read = Credentials::from_meta(&meta).map_err(|reason| reason.message)?;
    /// # assert!(read.proof().is_some());
    /// # Ok(())
    /// # }
    /// ```
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
