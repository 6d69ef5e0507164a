//! The proof of a bound token's holder, as an HTTP request carries it.

use http::header::HOST;
use http::request::Parts;

use super::flow::Shared;
use super::refusal::Refusal;
use crate::model::{Code, Reason, TargetUri, Timestamp};
use crate::present::{Credentials, Scheme};
use crate::verify::{Authentic, HolderProof, ProofFault, ProofTarget, check_holder};

impl Shared {
    /// The proof that came with a bound token, checked against all that is known before the body is
    /// read; `None` for a bearer token.
    ///
    /// *Errors*: a refusal with `proof-missing` or `proof-invalid`; with the nonce to use where the
    /// proof has none that is accepted.
    pub(super) fn holder_proof(
        &self,
        parts: &Parts,
        credentials: &Credentials<'_>,
        token_digest: [u8; 32],
        authentic: &Authentic,
        now: Timestamp,
    ) -> Result<Option<HolderProof>, Refusal> {
        let refused = |fault: ProofFault| Err(Reason::from(fault).into());
        match (authentic.holder(), credentials.scheme()) {
            (None, Scheme::Bearer) => return Ok(None),
            (None, Scheme::Dpop) => return refused(ProofFault::Unbound),
            (Some(_), Scheme::Bearer) => return refused(ProofFault::Missing),
            (Some(_), Scheme::Dpop) => {}
        }
        let uri = self.uri_of(parts)?;
        let accepted = self.nonces.as_ref().map(|nonces| nonces.accepted(now));
        let target = ProofTarget {
            token_digest,
            method: parts.method.as_str(),
            uri: &uri,
            nonces: accepted.as_deref().unwrap_or_default(),
        };
        check_holder(credentials.proof(), authentic, &target, now).map(Some).map_err(|fault| {
            let wanted = matches!(fault, ProofFault::Nonce | ProofFault::Missing);
            let nonces = self.nonces.as_ref().filter(|_| wanted);
            let nonce = nonces.map(|nonces| nonces.current(now));
            Refusal { nonce, ..Reason::from(fault).into() }
        })
    }

    /// The address of a request: the configured one, or what the request says is its host.
    fn uri_of(&self, parts: &Parts) -> Result<TargetUri, Reason> {
        let authority = parts.uri.authority().map(|authority| authority.as_str());
        let hosts = parts.headers.get_all(HOST).iter().map(|host| host.as_bytes());
        TargetUri::of_request(self.public_uri.as_ref(), authority, hosts, parts.uri.path())
            .map_err(|why| Reason::new(Code::RequestMalformed, format!("the request {why}")))
    }
}
