//! Who acts, with which token: what the orchestrator is given, what it hands on, what is forged.

use anyhow::Context;
use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::builder::BlockBuilder;
use rand::rngs::OsRng;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::attenuate::{Narrowing, attenuate, seal};
use crate::config::SystemClock;
use crate::model::Clock;
use crate::token::UnverifiedToken;
use crate::vocabulary::grant::grants_from_json;

/// On whose behalf.
pub(super) const PRINCIPAL: &str = "user:alice@example.com";
/// What for.
pub(super) const INTENT: &str = "resolve billing discrepancy, case 1042";
/// How long the task may take.
pub(super) const TASK_SECS: u64 = 15 * 60;
/// How long an agent has of that.
const AGENT_SECS: u64 = 5 * 60;

/// The most that this orchestrator may ever ask for.
pub(super) fn ceiling() -> Value {
    json!([
        { "tool": "crm/*" },
        { "tool": "stripe/refund", "args": {
            "charge": { "prefix": "ch_" },
            "amount": { "max": 1000 },
            "currency": { "one_of": ["usd", "eur", "gbp"] },
        } },
        { "tool": "messaging/send", "args": {
            "to": { "domain": "example.com" },
            "text": { "max_length": 500 },
        } },
    ])
}

/// What this task may do.
pub(super) fn task_grants() -> Value {
    json!([
        { "tool": "crm/get_account", "args": { "id": { "eq": "acct_7" } } },
        { "tool": "crm/list_cases", "args": { "account": { "eq": "acct_7" } } },
        { "tool": "stripe/refund", "args": {
            "charge": { "prefix": "ch_" },
            "amount": { "max": 500 },
            "currency": { "one_of": ["usd", "eur"] },
        } },
        { "tool": "messaging/send", "args": {
            "to": { "domain": "example.com" },
            "text": { "max_length": 500 },
        } },
    ])
}

/// What the orchestrator asks the authority for.
pub(super) fn task_request(grants: &Value) -> Value {
    json!({
        "principal": PRINCIPAL,
        "agent": "agent:orchestrator",
        "intent": INTENT,
        "ttl_secs": TASK_SECS,
        "audience": ["crm-gateway", "payments-gateway", "messaging-gateway"],
        "grants": grants,
    })
}

/// The tokens of one task, by who holds them.
pub(super) struct Tokens {
    /// The orchestrator's client key at the authority.
    pub(super) key: Zeroizing<String>,
    /// The task's id.
    pub(super) task: String,
    /// The orchestrator's, as the authority issued it.
    pub(super) orchestrator: UnverifiedToken,
    /// The reader's: sealed, since it hands nothing on.
    pub(super) reader: UnverifiedToken,
    /// The refund agent's: unsealed, so that it can hand on less.
    pub(super) refunder: UnverifiedToken,
    /// What the refund agent hands to a helper.
    pub(super) helper: UnverifiedToken,
}

impl Tokens {
    /// Makes everybody's token of the task's, offline.
    pub(super) fn hand_out(
        key: Zeroizing<String>,
        task: String,
        issued: UnverifiedToken,
    ) -> anyhow::Result<Self> {
        let reads = json!([{ "tools": ["crm/get_account", "crm/list_cases"] }]);
        let refund = |max: u64| {
            json!([{ "tool": "stripe/refund", "args": {
                "charge": { "eq": "ch_1042" },
                "amount": { "max": max },
                "currency": { "eq": "usd" },
            } }])
        };
        let reader = seal(&attenuate(&issued, &narrowing(&reads)?, &mut OsRng)?)?;
        let payments_only = Some(["payments-gateway".to_owned()].into());
        let refunds = Narrowing { audience: payments_only, ..narrowing(&refund(100))? };
        let refunder = attenuate(&issued, &refunds, &mut OsRng)?;
        let helper = seal(&attenuate(&refunder, &narrowing(&refund(25))?, &mut OsRng)?)?;
        Ok(Self { key, task, orchestrator: issued, reader, refunder, helper })
    }
}

fn narrowing(grants: &Value) -> anyhow::Result<Narrowing> {
    let grants = grants_from_json(grants.to_string().as_bytes())?;
    let expires = Some(SystemClock.now().plus_secs(AGENT_SECS));
    Ok(Narrowing { grants, expires, ..Narrowing::default() })
}

/// The token with one block more that says everything is granted, and that the call is another
/// one than it is. This library refuses to write such a block, so it is made without it.
pub(super) fn widened(token: &UnverifiedToken) -> anyhow::Result<UnverifiedToken> {
    let block = BlockBuilder::new().code(
        "granted(0) <- call($server, $tool);
         call(\"crm\", \"get_account\");
         arg(\"amount\", 20);
         number(\"amount\", 20000000);",
    )?;
    let bytes = UnverifiedBiscuit::from(token.as_bytes())?.append(block)?.to_vec()?;
    Ok(UnverifiedToken::from_bytes(bytes)?)
}

/// The token with one bit of its bytes turned: the charge it names ends in 3 instead of 2.
pub(super) fn tampered(token: &UnverifiedToken) -> anyhow::Result<UnverifiedToken> {
    const CHARGE: &[u8] = b"ch_1042";
    let mut bytes = token.as_bytes().to_vec();
    let found = bytes.windows(CHARGE.len()).position(|part| part == CHARGE);
    let last = found.and_then(|start| bytes.get_mut(start + CHARGE.len() - 1));
    *last.context("the token does not name its charge")? ^= 1;
    Ok(UnverifiedToken::from_bytes(bytes)?)
}
