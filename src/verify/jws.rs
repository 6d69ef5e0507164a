//! What all proofs have in common: a compact JWS by the key in its own header, for one method and
//! address, made a moment ago.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::ProofFault;
use crate::keys::{VerifyingKey, bytes_of_jwk};
use crate::model::{Json, JsonProfile, TargetUri, Timestamp, limits};

/// How long after its `iat` a proof is accepted: clocks may be apart.
pub(super) const GOOD_SECS: u64 = limits::PROOF_AGE_SECS_MAX + limits::CLOCK_SKEW_SECS;

/// What goes before a proof's identifier where it is hashed.
const SPENT_LABEL: &[u8] = b"hardtack-proof-v1\0";

/// A proof whose header is as it must be; the signature is yet to be checked.
pub(super) struct Jws<'a> {
    /// The bytes of the key in the header, which may be no key.
    pub(super) key: [u8; 32],
    signed: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

/// The claims of a proof that was signed.
pub(super) struct Claims(Json);

/// What makes a proof good once.
pub(super) struct Once<'a> {
    /// The second in which it was issued.
    pub(super) issued: u64,
    id: &'a str,
}

impl<'a> Jws<'a> {
    pub(super) fn read(proof: &'a str) -> Result<Self, ProofFault> {
        if proof.len() > limits::PROOF_BYTES_MAX {
            return Err(ProofFault::TooLong);
        }
        let (signed, signature) = proof.rsplit_once('.').ok_or(ProofFault::Encoding)?;
        let (header, claims) = signed.split_once('.').ok_or(ProofFault::Encoding)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| ProofFault::Encoding);
        let signature = decode(signature)?;
        let (header, claims) = (object(&decode(header)?)?, decode(claims)?);
        let is =
            |name, text: &str| matches!(header.member(name), Some(Json::String(s)) if s == text);
        if !is("typ", "dpop+jwt") {
            return Err(ProofFault::Type);
        }
        if !is("alg", "EdDSA") {
            return Err(ProofFault::Algorithm);
        }
        if header.member("crit").is_some() {
            return Err(ProofFault::Critical);
        }
        let jwk = header.member("jwk").ok_or(ProofFault::Key)?;
        let key = bytes_of_jwk(jwk).map_err(|_| ProofFault::Key)?;
        Ok(Self { key, signed, claims, signature })
    }

    /// The claims, if that key signed them; it is the one in the header.
    pub(super) fn claims_by(self, key: &VerifyingKey) -> Result<Claims, ProofFault> {
        if self.key != key.to_bytes() {
            return Err(ProofFault::Holder);
        }
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(ProofFault::Signature);
        }
        object(&self.claims).map(Claims)
    }
}

impl Claims {
    /// A claim that is a text.
    pub(super) fn text(&self, name: &str, fault: ProofFault) -> Result<&str, ProofFault> {
        match self.0.member(name) {
            Some(Json::String(text)) => Ok(text),
            _ => Err(fault),
        }
    }

    /// Holds the claims against method, address and time.
    pub(super) fn once(
        &self,
        method: &str,
        uri: &TargetUri,
        now: Timestamp,
    ) -> Result<Once<'_>, ProofFault> {
        if self.text("htm", ProofFault::Method)? != method {
            return Err(ProofFault::Method);
        }
        if self.text("htu", ProofFault::Uri)?.parse().as_ref() != Ok(uri) {
            return Err(ProofFault::Uri);
        }
        let issued = match self.0.member("iat") {
            Some(Json::Number(number)) => {
                number.text().parse().map_err(|_| ProofFault::IssuedAt)?
            }
            _ => return Err(ProofFault::IssuedAt),
        };
        in_time(issued, now)?;
        let id = self.text("jti", ProofFault::Id)?;
        let is_visible = |byte: u8| (0x21..=0x7e).contains(&byte);
        match (1..=limits::PROOF_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_visible) {
            true => Ok(Once { issued, id }),
            false => Err(ProofFault::Id),
        }
    }
}

impl Once<'_> {
    /// What is spent of a proof by that key.
    pub(super) fn spent(&self, key: [u8; 32]) -> [u8; 32] {
        Sha256::new()
            .chain_update(SPENT_LABEL)
            .chain_update(key)
            .chain_update(self.id)
            .finalize()
            .into()
    }
}

/// Whether a proof of that second is accepted now.
pub(super) fn in_time(issued: u64, now: Timestamp) -> Result<(), ProofFault> {
    let issued = issued.saturating_mul(1000);
    if now.millis() > issued.saturating_add(GOOD_SECS * 1000) {
        return Err(ProofFault::Old);
    }
    match issued > now.millis().saturating_add(limits::CLOCK_SKEW_SECS * 1000) {
        true => Err(ProofFault::Early),
        false => Ok(()),
    }
}

/// The last moment at which a proof of that second is accepted.
pub(super) fn good_until(issued: u64) -> Timestamp {
    Timestamp::from_secs(issued).plus_secs(GOOD_SECS)
}

/// The moment up to which it must be remembered: clocks may be apart.
pub(super) fn closes(issued: u64) -> Timestamp {
    good_until(issued).plus_secs(limits::CLOCK_SKEW_SECS)
}

fn object(text: &[u8]) -> Result<Json, ProofFault> {
    match Json::parse(text, JsonProfile::Interoperable) {
        Ok(json @ Json::Object(_)) => Ok(json),
        _ => Err(ProofFault::Json),
    }
}
