//! Present, verify and decide, in this order, for one request after another.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::request;
use crate::decide::{Decision, Policy, Program, decide};
use crate::keys::TrustedRoots;
use crate::model::{Code, JsonProfile, Reason};
use crate::present::Presented;
use crate::token::{TokenError, UnverifiedToken};
use crate::verify::{Authentic, RevocationView, authenticate};

/// How many distinct tokens are remembered.
const TOKENS_MAX: usize = 1024;

/// A gateway without a network: trusted keys, a policy, and what is revoked.
pub(super) struct Judge {
    roots: TrustedRoots,
    policy: Policy,
    revoked: Box<dyn RevocationView>,
    profile: JsonProfile,
    tokens: HashMap<[u8; 32], Result<Arc<Ready>, Reason>>,
}

/// A token whose signatures were checked, and its program under the policy.
struct Ready {
    authentic: Arc<Authentic>,
    program: Program,
}

impl Judge {
    /// A judge that trusts these keys.
    pub(super) fn new(
        roots: TrustedRoots,
        policy: Policy,
        revoked: Box<dyn RevocationView>,
        profile: JsonProfile,
    ) -> Self {
        Self { roots, policy, revoked, profile, tokens: HashMap::new() }
    }

    /// Decides one request, given as its JSON text, of whoever presents the token.
    pub(super) fn judge(&mut self, token: Option<&str>, request: &[u8]) -> Decision {
        self.decided(token, request).unwrap_or_else(Decision::deny)
    }

    fn decided(&mut self, token: Option<&str>, request: &[u8]) -> Result<Decision, Reason> {
        let token =
            token.ok_or_else(|| Reason::new(Code::TokenMissing, "the call carries no token"))?;
        let ready = self.ready(token)?;
        let request = request::parse(request, self.profile)?;
        let verified = ready.authentic.admit(self.revoked.as_ref(), request.time)?;
        Ok(decide(&verified, &ready.program, &request))
    }

    /// The token made ready, from memory where it was seen before: neither its signatures nor its
    /// program ever change. Revocation is not remembered.
    fn ready(&mut self, token: &str) -> Result<Arc<Ready>, Reason> {
        let key: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.tokens.get(&key) {
            return known.clone();
        }
        let made = make_ready(token, &self.roots, &self.policy).map(Arc::new);
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.clear();
        }
        self.tokens.insert(key, made.clone());
        made
    }
}

fn make_ready(token: &str, roots: &TrustedRoots, policy: &Policy) -> Result<Ready, Reason> {
    let token: UnverifiedToken =
        token.parse().map_err(|error: TokenError| Reason::new(error.code, error.message))?;
    let presented = Presented::new(token);
    let authentic = authenticate(presented.into_token(), roots)?;
    let program = Program::new(&authentic, policy)?;
    Ok(Ready { authentic: Arc::new(authentic), program })
}
