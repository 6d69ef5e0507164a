//! What clients and tasks look like in answers.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::value::RawValue;

use super::problem::Refusal;
use crate::keys::{KeyId, VerifyingKey};
use crate::model::{RevocationId, Timestamp};
use crate::store::{Client, Page, TaskRecord};
use crate::vocabulary::Grant;

/// A task, without its token.
#[derive(Debug, Serialize)]
pub(super) struct TaskView {
    task: String,
    state: &'static str,
    client: String,
    principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<VerifyingKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<String>,
    audience: BTreeSet<String>,
    grants: Vec<Box<RawValue>>,
    depth: u32,
    root: KeyId,
    revocation_id: RevocationId,
    created: Timestamp,
    expires: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
}

/// A client, without its key.
#[derive(Debug, Serialize)]
pub(super) struct ClientView {
    id: String,
    name: String,
    admin: bool,
    ceiling: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_secs_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth_max: Option<u32>,
    bearer: bool,
    created: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<Timestamp>,
}

/// A part of a listing.
#[derive(Debug, Serialize)]
pub(super) struct PageView<T> {
    items: Vec<T>,
    /// What to send as `cursor` for the next part.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl TaskView {
    pub(super) fn new(record: TaskRecord, now: Timestamp) -> Result<Self, Refusal> {
        Ok(Self {
            state: record.state(now).as_str(),
            grants: grants(&record.grants)?,
            task: record.id,
            client: record.client,
            principal: record.principal,
            agent: record.agent,
            holder: record.holder,
            intent: record.intent,
            audience: record.audience,
            depth: record.depth,
            root: record.root,
            revocation_id: record.revocation_id,
            created: record.created,
            expires: record.expires,
            ended: record.ended.map(|ended| ended.at),
        })
    }
}

impl ClientView {
    pub(super) fn new(client: Client) -> Result<Self, Refusal> {
        Ok(Self {
            id: client.id,
            name: client.name,
            admin: client.is_admin,
            ceiling: grants(&client.limits.ceiling)?,
            audience: client.limits.audience,
            ttl_secs_max: client.limits.ttl_secs_max,
            depth_max: client.limits.depth_max,
            bearer: client.limits.bearer,
            created: client.created,
            disabled: client.disabled,
        })
    }
}

impl<T> PageView<T> {
    pub(super) fn new<R>(
        page: Page<R>,
        view: impl FnMut(R) -> Result<T, Refusal>,
    ) -> Result<Self, Refusal> {
        let next = page.next.map(|cursor| cursor.to_string());
        Ok(Self { items: page.items.into_iter().map(view).collect::<Result<_, _>>()?, next })
    }
}

/// Grants in the language they are written in.
fn grants(grants: &[Grant]) -> Result<Vec<Box<RawValue>>, Refusal> {
    let raw = |grant: &Grant| RawValue::from_string(grant.to_string());
    grants.iter().map(raw).collect::<Result<_, _>>().map_err(|_| Refusal::Internal)
}
