//! What the tests of chains and proofs share: holders, bound tokens, calls with a proof.

use std::sync::Arc;

use biscuit_auth::builder::{Algorithm, BlockBuilder};
use biscuit_auth::{PrivateKey, UnverifiedBiscuit};
use hardtack::attenuate::{Narrowing, delegate};
use hardtack::decide::{Decision, Policy, Program, decide};
use hardtack::keys::HolderKey;
use hardtack::mint::{Task, mint};
use hardtack::model::{Reason, Request, TargetUri};
use hardtack::present::{Presentation, ProofCall, present};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{DangerUnrevoked, ProofTarget, authenticate, check_proof};
use sha2::{Digest, Sha256};

use crate::support::{now, request, rng, root, roots, task};

pub(crate) const GRANT: &str = r#"[{"tool": "crm/get_account", "args": {"id": {"max": 100}}}]"#;

pub(crate) fn holder(n: u64) -> HolderKey {
    HolderKey::generate(&mut rng(1000 + n))
}

/// A token that holder 0 holds.
pub(crate) fn bound() -> UnverifiedToken {
    bound_with(1, |_| {})
}

pub(crate) fn bound_with(seed: u64, change: impl FnOnce(&mut Task)) -> UnverifiedToken {
    let mut task = task(GRANT);
    task.holder = Some(holder(0).public());
    change(&mut task);
    mint(&task, &root(), now(), &mut rng(seed)).unwrap().token
}

/// The token, handed on from one holder to another.
pub(crate) fn handed(token: &UnverifiedToken, from: u64, to: u64) -> UnverifiedToken {
    let (name, key) = (format!("agent:{to}"), holder(to).public());
    let nothing = Narrowing::default();
    delegate(token, &holder(from), &key, &name, &nothing, &mut rng(from * 100 + to)).unwrap()
}

pub(crate) fn private(holder: &HolderKey) -> PrivateKey {
    let text = holder.to_secret_text();
    let hex = text.rsplit('/').next().unwrap();
    PrivateKey::from_bytes_hex(hex, Algorithm::Ed25519).unwrap()
}

/// A block that somebody has signed for this place in this token.
pub(crate) fn signed_block(token: &UnverifiedToken, signer: &HolderKey, datalog: &str) -> Vec<u8> {
    let block = BlockBuilder::new().code(datalog).unwrap();
    let request = UnverifiedBiscuit::from(token.as_bytes()).unwrap().third_party_request().unwrap();
    request.create_block(&private(signer), block).unwrap().serialize().unwrap()
}

/// The token with a block that somebody has signed, whether for this token or not.
pub(crate) fn with_signed(token: &UnverifiedToken, block: &[u8]) -> UnverifiedToken {
    let biscuit = UnverifiedBiscuit::from(token.as_bytes()).unwrap();
    let bytes = biscuit.append_third_party(block).unwrap().to_vec().unwrap();
    UnverifiedToken::from_bytes(bytes).unwrap()
}

pub(crate) fn signed_by(
    token: &UnverifiedToken,
    signer: &HolderKey,
    datalog: &str,
) -> UnverifiedToken {
    with_signed(token, &signed_block(token, signer, datalog))
}

/// `delegate(…)` to a holder, as a block says it.
pub(crate) fn delegation(to: u64) -> String {
    format!("delegate(hex:{}, \"agent:{to}\");", hex::encode(holder(to).public().to_bytes()))
}

pub(crate) fn uri() -> TargetUri {
    "https://api.example.com/accounts".parse().unwrap()
}

pub(crate) fn get_account(id: u32) -> Request {
    request("crm/get_account", &format!("{{\"id\": {id}}}"))
}

/// The token and its holder's proof for a call at [`uri`].
pub(crate) fn presented(
    token: &UnverifiedToken,
    holder: &HolderKey,
    request: &Request,
    seed: u64,
) -> Presentation {
    let (tool, args, uri) = (&request.tool, &request.args, uri());
    let call = ProofCall { method: "POST", uri: &uri, tool, args, nonce: None };
    present(token, holder, &call, request.time, &mut rng(seed)).unwrap()
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// All steps for a bound token that this holder presents.
pub(crate) fn judge_held(token: &UnverifiedToken, by: &HolderKey, request: &Request) -> Decision {
    let decided = || -> Result<Decision, Reason> {
        let sent = presented(token, by, request, 1);
        let sealed: UnverifiedToken = sent.token().parse()?;
        let authentic = Arc::new(authenticate(sealed, &roots())?);
        let program = Program::new(&authentic, &Policy::standard().unwrap())?;
        let token_digest = digest(sent.token());
        let target = ProofTarget { token_digest, method: "POST", uri: &uri(), nonces: &[] };
        let unspent = check_proof(Some(sent.dpop()), &authentic, &target, request)?;
        let possession = unspent.danger_unrecorded();
        let verified = authentic.admit_with(&DangerUnrevoked, request.time, Some(&possession))?;
        Ok(decide(&verified, &program, request))
    };
    decided().unwrap_or_else(Decision::deny)
}
