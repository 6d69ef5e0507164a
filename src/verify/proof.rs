//! A holder's proof for one call: a DPoP proof with two more claims.
//!
//! | part | must be |
//! | --- | --- |
//! | the whole | at most 4 KiB: three parts of canonical base64url without padding |
//! | header and claims | strict JSON: no name twice |
//! | `typ`, `alg` | `dpop+jwt`, `EdDSA` |
//! | `crit` | absent: no extension is understood |
//! | `jwk` | the public key of the token's final holder, and nothing else |
//! | signature | by that key, strictly |
//! | `htm`, `htu` | the request's method, and its address without query and fragment |
//! | `ath` | base64url of SHA-256 of the token's text |
//! | `tool`, `args` | `server/tool`, and base64url of SHA-256 of the arguments' RFC 8785 form |
//! | `iat` | whole seconds; at most 65 s ago, at most 5 s ahead |
//! | `jti` | 1 to 128 visible ASCII characters |
//! | `nonce` | one of the gateway's, where it asks for one |
//!
//! Other members are not looked at. Nothing of a proof is ever told in an error.
//!
//! *Source*: RFC 9449, section 4.3; RFC 7515; RFC 8037.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Authentic;
use super::jws::{Jws, closes, good_until, in_time};
use super::possession::{Possession, Unspent};
use crate::model::{Code, Reason, Request, TargetUri, Timestamp, limits};

/// What a gateway knows of a request before it has read the body.
#[derive(Clone, Copy, Debug)]
pub struct ProofTarget<'a> {
    /// SHA-256 of the token's text.
    pub token_digest: [u8; 32],
    /// The request's method.
    pub method: &'a str,
    /// The request's address.
    pub uri: &'a TargetUri,
    /// The nonces that are accepted; where there are none, none is asked for.
    pub nonces: &'a [String],
}

/// Why a proof is refused. No variant holds anything of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// No proof with a bound token.
    #[error("the token is bound to a holder and the call carries no proof")]
    Missing,
    /// A proof for a bearer token.
    #[error("the token is bound to no holder, so it is sent as `Bearer`, without a proof")]
    Unbound,
    /// Longer than the limit.
    #[error("the proof is longer than {} bytes", limits::PROOF_BYTES_MAX)]
    TooLong,
    /// Not three parts of canonical base64url.
    #[error("the proof is not a compact JWS in canonical base64url without padding")]
    Encoding,
    /// Header or claims are no strict JSON object.
    #[error("the proof's header or claims are not strict JSON")]
    Json,
    /// The `typ`.
    #[error("the proof's `typ` is not `dpop+jwt`")]
    Type,
    /// The `alg`.
    #[error("the proof's `alg` is not `EdDSA`")]
    Algorithm,
    /// A `crit`.
    #[error("the proof has a `crit`, and no extension is supported")]
    Critical,
    /// The `jwk`.
    #[error("the proof's `jwk` is not a public ed25519 key with `kty`, `crv` and `x` alone")]
    Key,
    /// Another's key.
    #[error("the proof's `jwk` is not the key of the token's holder")]
    Holder,
    /// The signature.
    #[error("the proof's signature is not valid")]
    Signature,
    /// The `htm`.
    #[error("the proof's `htm` is not the method of the call")]
    Method,
    /// The `htu`.
    #[error("the proof's `htu` is not the address of the call")]
    Uri,
    /// The `ath`.
    #[error("the proof's `ath` does not name the token of the call")]
    Token,
    /// The `tool`.
    #[error("the proof's `tool` is not the tool that is called")]
    Tool,
    /// The `args`.
    #[error("the proof's `args` do not name the arguments of the call")]
    Args,
    /// The `nonce`.
    #[error("the proof's `nonce` is not one that this gateway accepts now")]
    Nonce,
    /// An `iat` that is no time.
    #[error("the proof's `iat` is not a whole number of seconds")]
    IssuedAt,
    /// An `iat` too long ago.
    #[error("the proof's `iat` is too long ago")]
    Old,
    /// An `iat` ahead.
    #[error("the proof's `iat` is in the future")]
    Early,
    /// The `jti`.
    #[error(
        "the proof's `jti` is not 1 to {} visible ASCII characters",
        limits::PROOF_ID_BYTES_MAX
    )]
    Id,
}

impl From<ProofFault> for Reason {
    fn from(fault: ProofFault) -> Self {
        let code = match fault {
            ProofFault::Missing => Code::ProofMissing,
            _ => Code::ProofInvalid,
        };
        Self::new(code, fault.to_string())
    }
}

/// A proof by the token's final holder, for this token at this place and time; the call is yet to be
/// compared.
///
/// *Shape*: only [`check_holder`] makes one.
pub struct HolderProof {
    holder: [u8; 32],
    token: [u8; 64],
    tool: String,
    args: String,
    issued: u64,
    key: [u8; 32],
}

/// Checks a proof against a token and the whole of a call.
///
/// *Errors*: [`ProofFault`], which becomes a reason with `proof-missing` or `proof-invalid`.
pub fn check_proof(
    proof: Option<&str>,
    authentic: &Authentic,
    target: &ProofTarget<'_>,
    request: &Request,
) -> Result<Unspent, ProofFault> {
    check_holder(proof, authentic, target, request.time)?.for_call(request)
}

/// Checks all of a proof but its `tool` and `args`: so that a gateway need not read the body of a
/// call by somebody else.
///
/// *Errors*: [`ProofFault`].
pub fn check_holder(
    proof: Option<&str>,
    authentic: &Authentic,
    target: &ProofTarget<'_>,
    now: Timestamp,
) -> Result<HolderProof, ProofFault> {
    let holder = authentic.holder().ok_or(ProofFault::Unbound)?;
    let token = authentic.last_signature().ok_or(ProofFault::Unbound)?;
    let claims = Jws::read(proof.ok_or(ProofFault::Missing)?)?.claims_by(holder)?;
    let once = claims.once(target.method, target.uri, now)?;
    if claims.text("ath", ProofFault::Token)? != URL_SAFE_NO_PAD.encode(target.token_digest) {
        return Err(ProofFault::Token);
    }
    if !target.nonces.is_empty() {
        let nonce = claims.text("nonce", ProofFault::Nonce)?;
        if !target.nonces.iter().any(|known| known == nonce) {
            return Err(ProofFault::Nonce);
        }
    }
    let holder = holder.to_bytes();
    Ok(HolderProof {
        holder,
        token,
        tool: claims.text("tool", ProofFault::Tool)?.to_owned(),
        args: claims.text("args", ProofFault::Args)?.to_owned(),
        issued: once.issued,
        key: once.spent(holder),
    })
}

impl HolderProof {
    /// Compares the proof with the call that was made of the request's body, and its time once more.
    ///
    /// *Errors*: [`ProofFault`].
    pub fn for_call(self, request: &Request) -> Result<Unspent, ProofFault> {
        in_time(self.issued, request.time)?;
        if self.tool != request.tool.to_string() {
            return Err(ProofFault::Tool);
        }
        let args = request.args.digest();
        if self.args != URL_SAFE_NO_PAD.encode(args) {
            return Err(ProofFault::Args);
        }
        let possession = Possession {
            token: self.token,
            holder: self.holder,
            tool: request.tool.clone(),
            args,
            good_until: good_until(self.issued),
        };
        Ok(Unspent { possession, key: self.key, closes: closes(self.issued) })
    }
}

impl fmt::Debug for HolderProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HolderProof").finish_non_exhaustive()
    }
}
