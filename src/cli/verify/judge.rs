//! Present, verify and decide, in this order, for one request after another.

use sha2::{Digest, Sha256};

use super::request;
use crate::decide::{Decision, Policy, decide};
use crate::guard::{TokenCache, Trust};
use crate::keys::TrustedRoots;
use crate::model::{Code, JsonProfile, Reason, TargetUri, Timestamp};
use crate::verify::{ProofTarget, RevocationView, Within, check_proof};

/// What the memory of genuine tokens may take, in bytes.
const TOKENS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A gateway without a network: trusted keys, a policy, and what is revoked.
pub(super) struct Judge {
    tokens: TokenCache,
    revoked: Box<dyn RevocationView>,
    /// How old that may be.
    age_millis_max: u64,
    profile: JsonProfile,
}

/// The proof that came with a request, and where the request went.
pub(super) struct Sent {
    pub(super) proof: String,
    pub(super) method: String,
    pub(super) uri: TargetUri,
}

impl Judge {
    /// A judge that trusts these keys, and what is revoked for so many seconds.
    pub(super) fn new(
        roots: TrustedRoots,
        policy: Policy,
        (revoked, age_secs_max): (Box<dyn RevocationView>, u64),
        profile: JsonProfile,
    ) -> Self {
        let tokens = TokenCache::new(Trust { roots, policy }, TOKENS_BYTES_MAX);
        Self { tokens, revoked, age_millis_max: age_secs_max.saturating_mul(1000), profile }
    }

    /// Decides one request, given as its JSON text, of whoever presents the token.
    pub(super) fn judge(
        &self,
        token: Option<&str>,
        request: &[u8],
        sent: Option<&Sent>,
    ) -> Decision {
        self.decided(token, request, sent).unwrap_or_else(Decision::deny)
    }

    fn decided(
        &self,
        token: Option<&str>,
        request: &[u8],
        sent: Option<&Sent>,
    ) -> Result<Decision, Reason> {
        let token =
            token.ok_or_else(|| Reason::new(Code::TokenMissing, "the call carries no token"))?;
        let request = request::parse(request, self.profile);
        // A gateway looks at the token first, and so the token's fault is told first.
        let now = request.as_ref().map_or(Timestamp::from_secs(0), |request| request.time);
        let known = self.tokens.find(token, now)?;
        let (request, authentic) = (request?, known.authentic());
        let possession = match sent {
            None => None,
            Some(sent) => {
                let target = ProofTarget {
                    token_digest: Sha256::digest(token).into(),
                    method: &sent.method,
                    uri: &sent.uri,
                    nonces: &[],
                };
                let unspent = check_proof(Some(&sent.proof), authentic, &target, &request)?;
                Some(unspent.danger_unrecorded())
            }
        };
        let view = Within { view: self.revoked.as_ref(), age_millis_max: self.age_millis_max };
        let verified = authentic.admit_with(&view, request.time, possession.as_ref())?;
        Ok(decide(&verified, known.program(), &request))
    }
}
