//! Hardtack with bound tokens: a holder's chain, and a proof for each call.
//!
//! A *bound* call is a warm one with its proof: header and claims read, the holder's signature, the
//! claims held against the call, and the proof's identifier spent in the gateway's own memory.
//!
//! *Delegate* begins with a token that was read before, and whose holders are known: the first time, a
//! token that came as text costs that reading and one walk of its chain more. The grants that it is
//! narrowed to are read from their JSON each time.

use std::task::{Context, Poll, Waker};

use hardtack::attenuate::{Narrowing, delegate};
use hardtack::decide::decide;
use hardtack::guard::{LocalReplays, Replays, Spent};
use hardtack::keys::HolderKey;
use hardtack::model::{TargetUri, Timestamp, limits};
use hardtack::present::{ProofCall, present};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{ProofTarget, check_proof};
use rand::rngs::OsRng;
use rand::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};

use crate::ours::{Gateway, Issuer, grants};

const METHOD: &str = "POST";

/// A bound token and all its holders.
pub struct Chain {
    /// The token, unsealed.
    pub token: UnverifiedToken,
    holder: HolderKey,
    /// Whom it could be handed on to.
    next: HolderKey,
    uri: TargetUri,
}

/// A gateway with a memory of proofs.
pub struct Door {
    gateway: Gateway,
    replays: LocalReplays,
}

/// What one call carries.
pub struct Shown {
    token: String,
    proof: String,
}

impl Chain {
    /// A token that was handed on so many times, from holder to holder.
    pub fn new(issuer: &mut Issuer, depth: usize) -> Self {
        let mut holder = HolderKey::generate(issuer.rng());
        let mut token = issuer.bound(&holder);
        for hop in 1..=depth {
            let next = HolderKey::generate(issuer.rng());
            token = handed(&token, &holder, &next, hop, issuer.rng());
            holder = next;
        }
        let uri = "https://payments.example.com/refunds".parse().expect("uri");
        let next = HolderKey::generate(issuer.rng());
        Self { token, holder, next, uri }
    }

    /// Hands the token on once more.
    pub fn delegate(&self, hop: usize) -> bool {
        !handed(&self.token, &self.holder, &self.next, hop, &mut OsRng).is_sealed()
    }

    /// What the holder sends with a call.
    pub fn show(&self, issuer: &Issuer) -> Shown {
        let request = &issuer.request();
        let call = ProofCall {
            method: METHOD,
            uri: &self.uri,
            tool: &request.tool,
            args: &request.args,
            nonce: None,
        };
        let shown =
            present(&self.token, &self.holder, &call, request.time, &mut OsRng).expect("proof");
        Shown { token: shown.token().to_owned(), proof: shown.dpop().to_owned() }
    }

    /// The gateway that is called.
    pub fn door(&self, gateway: Gateway) -> Door {
        Door { gateway, replays: LocalReplays::of_new_address(limits::PROOFS_KEPT_MAX) }
    }

    /// Whether the gateway allows the call; the second time, a proof is refused.
    pub fn decide(&self, door: &Door, shown: &Shown) -> bool {
        let (request, view) = (&*door.gateway.request, &*door.gateway.view);
        let token_digest = Sha256::digest(&shown.token).into();
        let Ok(known) = door.gateway.cache.find(&shown.token, request.time) else { return false };
        let target = ProofTarget { token_digest, method: METHOD, uri: &self.uri, nonces: &[] };
        let proof = check_proof(Some(&shown.proof), known.authentic(), &target, request);
        let Ok(unspent) = proof else { return false };
        if spend(&door.replays, unspent.key(), unspent.closes(), request.time) != Spent::Fresh {
            return false;
        }
        let possession = unspent.danger_unrecorded();
        let verified = known.authentic().admit_with(view, request.time, Some(&possession));
        verified.is_ok_and(|verified| decide(&verified, known.program(), request).is_allow())
    }
}

fn handed(
    token: &UnverifiedToken,
    holder: &HolderKey,
    next: &HolderKey,
    hop: usize,
    rng: &mut (impl CryptoRng + RngCore),
) -> UnverifiedToken {
    let narrowing = Narrowing { grants: grants(hop), ..Narrowing::default() };
    delegate(token, holder, &next.public(), "agent:worker", &narrowing, rng).expect("delegate")
}

/// The memory is this process's own, so it answers at once.
fn spend(replays: &LocalReplays, key: [u8; 32], until: Timestamp, now: Timestamp) -> Spent {
    let mut context = Context::from_waker(Waker::noop());
    match replays.spend(key, until, now).as_mut().poll(&mut context) {
        Poll::Ready(spent) => spent,
        Poll::Pending => Spent::Unavailable,
    }
}
