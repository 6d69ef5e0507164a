//! Who acts, with which key and token: what the orchestrator is given, what it hands on, what is
//! forged.

use anyhow::Context;
use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::builder::BlockBuilder;
use rand::rngs::OsRng;
use serde_json::{Value, json};

use super::story::ORCHESTRATOR;
use crate::attenuate::{Narrowing, delegate};
use crate::config::SystemClock;
use crate::keys::HolderKey;
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

/// What the orchestrator asks the authority for: a token bound to its key.
pub(super) fn task_request(grants: &Value, holder: &HolderKey) -> Value {
    json!({
        "principal": PRINCIPAL,
        "agent": "agent:orchestrator",
        "holder": holder.public(),
        "intent": INTENT,
        "ttl_secs": TASK_SECS,
        "audience": ["crm-gateway", "payments-gateway", "messaging-gateway"],
        "grants": grants,
    })
}

/// One who calls tools.
pub(super) struct Agent {
    /// What the story calls it.
    pub(super) name: &'static str,
    /// Its own key, which never leaves it.
    pub(super) key: HolderKey,
    /// Its token, which only that key can use.
    pub(super) token: UnverifiedToken,
}

/// The agents of one task.
pub(super) struct Agents {
    /// The task's id.
    pub(super) task: String,
    /// The one that asked for the task, with the token that the authority issued.
    pub(super) orchestrator: Agent,
    pub(super) reader: Agent,
    pub(super) refunder: Agent,
    /// Whom the refund agent hands a part of its task to.
    pub(super) helper: Agent,
}

impl Agents {
    /// Everybody gets their token, offline: each hop is signed by who hands on.
    pub(super) fn of_task(
        task: String,
        key: HolderKey,
        token: UnverifiedToken,
    ) -> anyhow::Result<Self> {
        let reads = json!([{ "tools": ["crm/get_account", "crm/list_cases"] }]);
        let refund = |max: u64| {
            json!([{ "tool": "stripe/refund", "args": {
                "charge": { "eq": "ch_1042" },
                "amount": { "max": max },
                "currency": { "eq": "usd" },
            } }])
        };
        let orchestrator = Agent { name: ORCHESTRATOR, key, token };
        let reader = orchestrator.hands_on("reader", &narrowing(&reads)?)?;
        let payments_only = Some(["payments-gateway".to_owned()].into());
        let refunds = Narrowing { audience: payments_only, ..narrowing(&refund(100))? };
        let refunder = orchestrator.hands_on("refund agent", &refunds)?;
        let helper = refunder.hands_on("helper", &narrowing(&refund(25))?)?;
        Ok(Self { task, orchestrator, reader, refunder, helper })
    }
}

impl Agent {
    /// The next agent makes a key, and gets the token narrowed and bound to it.
    pub(super) fn hands_on(
        &self,
        name: &'static str,
        narrowing: &Narrowing,
    ) -> anyhow::Result<Self> {
        let key = HolderKey::generate(&mut OsRng);
        let called = format!("agent:{}", name.replace(' ', "-"));
        let token =
            delegate(&self.token, &self.key, &key.public(), &called, narrowing, &mut OsRng)?;
        Ok(Self { name, key, token })
    }

    /// The same agent with a token that it changed.
    pub(super) fn with(&self, token: UnverifiedToken) -> Self {
        Self { name: self.name, key: self.key.clone(), token }
    }
}

/// These grants alone, for a while.
pub(super) fn narrowing(grants: &Value) -> anyhow::Result<Narrowing> {
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
