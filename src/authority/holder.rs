//! Requests that the holder of a key has signed: a DPoP proof that names the body.

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};

use super::problem::Refusal;
use super::{AppState, Authority};
use crate::model::TargetUri;
use crate::verify::{KeyProof, KeyTarget, ProofFault, check_key};

/// What of a request a proof is about, and the proof's text if there is one.
pub(super) struct Signed {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Signed {
    /// The proof that came with the request, checked against all of it; `None` where none came.
    ///
    /// *Shape*: `body` is the SHA-256 of the body's canonical form.
    ///
    /// *Errors*: [`Refusal::Proof`].
    pub(super) fn by(
        &self,
        authority: &Authority,
        body: [u8; 32],
    ) -> Result<Option<KeyProof>, Refusal> {
        let mut proofs = self.headers.get_all("dpop").iter();
        let proof = match (proofs.next(), proofs.next()) {
            (None, _) => return Ok(None),
            (Some(proof), None) => proof.to_str().map_err(|_| ProofFault::Encoding)?,
            (Some(_), Some(_)) => {
                return Err(Refusal::Malformed("there is more than one `DPoP` header".to_owned()));
            }
        };
        let uri = self.address(authority)?;
        let target = KeyTarget { method: self.method.as_str(), uri: &uri, body };
        check_key(proof, &target, authority.now()).map(Some).map_err(|fault| match fault {
            ProofFault::Uri => Refusal::ProofAddress(uri.to_string()),
            fault => fault.into(),
        })
    }

    /// The address of the request: the configured one, or what it says is its host.
    fn address(&self, authority: &Authority) -> Result<TargetUri, Refusal> {
        let known = authority.settings.public_uri.as_ref();
        let named = self.uri.authority().map(|authority| authority.as_str());
        let hosts = self.headers.get_all(HOST).iter().map(|host| host.as_bytes());
        TargetUri::of_request(known, named, hosts, self.uri.path())
            .map_err(|why| Refusal::Malformed(format!("the request {why}")))
    }
}

impl FromRequestParts<AppState> for Signed {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Refusal> {
        let Parts { method, uri, headers, .. } = parts;
        Ok(Self { method: method.clone(), uri: uri.clone(), headers: headers.clone() })
    }
}

/// What the log calls whoever has a key.
pub(super) fn by_holder(proof: &KeyProof) -> String {
    format!("holder:{}", proof.key().thumbprint())
}
