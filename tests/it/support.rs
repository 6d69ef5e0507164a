//! What the tests share: one root key, tokens, requests, and a decision in one call.

use std::sync::Arc;

use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::decide::{Decision, Policy, Program, decide};
use hardtack::keys::{RootKey, TrustedRoots};
use hardtack::mint::{Task, mint};
use hardtack::model::{Args, JsonProfile, Reason, Request, Timestamp};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{DangerUnrevoked, RevocationView, authenticate};
use hardtack::vocabulary::grant::grants_from_json;
use hardtack::vocabulary::{Datalog, Grant};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// 2026-11-22T10:00:00Z
pub(crate) fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) fn root() -> RootKey {
    RootKey::generate(&mut rng(1))
}

pub(crate) fn roots() -> TrustedRoots {
    TrustedRoots::one(root().public())
}

pub(crate) fn grants(json: &str) -> Vec<Grant> {
    grants_from_json(json.as_bytes()).unwrap()
}

/// A task for gateway `gw`, with room for fifteen hops.
pub(crate) fn task(grants_json: &str) -> Task {
    let mut task = Task::new(grants(grants_json), Some(["gw".to_owned()].into()));
    task.depth = 15;
    task.principal = Some("user:alice@example.com".to_owned());
    task.agent = Some("agent:orchestrator".to_owned());
    task.intent = Some("resolve case 1042".to_owned());
    task
}

pub(crate) fn token(grants_json: &str) -> UnverifiedToken {
    mint(&task(grants_json), &root(), now(), &mut rng(2)).unwrap().token
}

pub(crate) fn narrowed(token: &UnverifiedToken, grants_json: &str) -> UnverifiedToken {
    let narrowing = Narrowing { grants: grants(grants_json), ..Narrowing::default() };
    attenuate(token, &narrowing, &mut rng_after(token)).unwrap()
}

/// Random numbers of their own for each token that is appended to.
fn rng_after(token: &UnverifiedToken) -> StdRng {
    let last = token.revocation_ids().last().unwrap().to_string();
    rng(u64::from_str_radix(&last[..16], 16).unwrap())
}

/// Appends Datalog that `attenuate` itself would refuse to write, as a hostile holder can.
pub(crate) fn appended(token: &UnverifiedToken, datalog: &str) -> Vec<u8> {
    let block = biscuit_auth::builder::BlockBuilder::new().code(datalog).unwrap();
    biscuit_auth::UnverifiedBiscuit::from(token.as_bytes())
        .unwrap()
        .append(block)
        .unwrap()
        .to_vec()
        .unwrap()
}

pub(crate) fn checked(token: &UnverifiedToken, datalog: &str) -> UnverifiedToken {
    let narrowing = Narrowing { datalog: Datalog::parse(datalog).unwrap(), ..Narrowing::default() };
    attenuate(token, &narrowing, &mut rng_after(token)).unwrap()
}

pub(crate) fn request(tool: &str, args: &str) -> Request {
    Request {
        tool: tool.parse().unwrap(),
        args: Args::parse(args, JsonProfile::Interoperable).unwrap(),
        labels: Default::default(),
        audience: "gw".to_owned(),
        time: now().plus_secs(60),
        http: None,
    }
}

/// All steps for one token and request, under a policy and a view of revocations.
pub(crate) fn judge_with(
    token: UnverifiedToken,
    request: &Request,
    policy: &Policy,
    revocations: &dyn RevocationView,
) -> Decision {
    let decided = || -> Result<Decision, Reason> {
        let authentic = Arc::new(authenticate(token, &roots())?);
        let program = Program::new(&authentic, policy)?;
        let verified = authentic.admit(revocations, request.time)?;
        Ok(decide(&verified, &program, request))
    };
    decided().unwrap_or_else(Decision::deny)
}

pub(crate) fn judge(token: &UnverifiedToken, request: &Request) -> Decision {
    judge_with(token.clone(), request, &Policy::standard().unwrap(), &DangerUnrevoked)
}

/// The same from bytes, as they come from a stranger.
pub(crate) fn judge_bytes(bytes: Vec<u8>, request: &Request) -> Decision {
    match UnverifiedToken::from_bytes(bytes) {
        Ok(token) => judge(&token, request),
        Err(error) => Decision::deny(Reason::new(error.code, error.message)),
    }
}

/// The decisive code as text; `allow` for an allowed call.
pub(crate) fn code(decision: &Decision) -> &'static str {
    decision.code().map_or("allow", |code| code.as_str())
}

/// A token with one more block of these very bytes, signed with the token's own next key: what a
/// holder can do who writes protobuf by hand.
pub(crate) fn with_raw_block(token: &UnverifiedToken, block: Vec<u8>) -> Option<Vec<u8>> {
    use biscuit_auth::format::schema::{self, proof::Content, public_key::Algorithm};
    use ed25519_dalek::{Signer, SigningKey};
    use prost::Message;

    let mut wire = schema::Biscuit::decode(token.as_bytes()).ok()?;
    let Some(Content::NextSecret(secret)) = &wire.proof.content else { return None };
    let current = SigningKey::from_bytes(&secret.as_slice().try_into().ok()?);
    let next = SigningKey::from_bytes(&[7; 32]);
    let previous = wire.blocks.last().unwrap_or(&wire.authority).signature.clone();
    // Payload version 1, Biscuit specification, "Signature (v1)".
    let mut payload = b"\0BLOCK\0\0VERSION\0".to_vec();
    payload.extend(1u32.to_le_bytes());
    payload.extend(b"\0PAYLOAD\0");
    payload.extend(&block);
    payload.extend(b"\0ALGORITHM\0");
    payload.extend((Algorithm::Ed25519 as i32).to_le_bytes());
    payload.extend(b"\0NEXTKEY\0");
    payload.extend(next.verifying_key().to_bytes());
    payload.extend(b"\0PREVSIG\0");
    payload.extend(previous);
    wire.blocks.push(schema::SignedBlock {
        block,
        next_key: schema::PublicKey {
            algorithm: Algorithm::Ed25519 as i32,
            key: next.verifying_key().to_bytes().to_vec(),
        },
        signature: current.sign(&payload).to_bytes().to_vec(),
        external_signature: None,
        version: Some(1),
    });
    wire.proof.content = Some(Content::NextSecret(next.to_bytes().to_vec()));
    Some(wire.encode_to_vec())
}
