use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::decide::Decision;
use crate::keys::KeyId;
use crate::model::{Timestamp, Tool};
use crate::verify::{Authentic, Hop};

/// What is kept of one decision.
///
/// *Shape*: what the refused call did not get as far as showing is absent. The decision stands
/// beside the other fields: `decision` is `allow` with `grant`, or `deny` with `reasons`. No field
/// holds a token; it is named by its revocation identifiers, shortened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The moment of the decision.
    pub time: Timestamp,
    /// The gateway that decided.
    pub gateway: String,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What the task is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// The steps from the authority to the caller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Hop>,
    /// One shortened revocation identifier a block.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_ids: Vec<String>,
    /// The root key that signed block 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<KeyId>,
    /// The method, for plain HTTP tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path without its query, for plain HTTP tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// SHA-256 of the arguments' canonical form, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_digest: Option<String>,
    /// The arguments, only where the gateway is configured to keep them, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<serde_json::Value>,
    /// The tool's labels.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// The name of the credential that the call goes up with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The trace that the call is part of: 32 hexadecimal characters (W3C Trace Context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// What was decided, with the grant or the reasons.
    #[serde(flatten)]
    pub decision: Decision,
    /// The version of the gateway's policy.
    pub policy: String,
    /// How long judging the call took, in microseconds.
    pub micros: u64,
}

impl Record {
    /// A record of a decision that names nothing else yet.
    pub fn new(
        time: Timestamp,
        gateway: impl Into<String>,
        policy: impl Into<String>,
        decision: Decision,
    ) -> Self {
        Self {
            time,
            gateway: gateway.into(),
            task: None,
            principal: None,
            intent: None,
            chain: Vec::new(),
            revocation_ids: Vec::new(),
            root: None,
            method: None,
            path: None,
            tool: None,
            args_digest: None,
            args: None,
            labels: BTreeSet::new(),
            credential: None,
            trace: None,
            decision,
            policy: policy.into(),
            micros: 0,
        }
    }

    /// The record with what a genuine token says of itself.
    ///
    /// *Shape*: only a genuine token may name a task or a principal; an unverified one could name
    /// anybody's.
    pub fn of_token(self, token: &Authentic) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Self {
            task: text(token.task()),
            principal: text(token.principal()),
            intent: text(token.intent()),
            chain: token.chain(),
            revocation_ids: token.revocation_ids().iter().map(|id| id.short()).collect(),
            root: Some(token.root()),
            ..self
        }
    }
}
