//! `POST /v1/tasks`: grants to a token.
//!
//! With an `Idempotency-Key`, a repeated request makes no second task: the token was not kept, so
//! the answer is a problem that names the task, which the client may complete before it asks anew
//! under another key.
//!
//! A token is bound to the key that `holder` names, and the request proves in its `DPoP` header that
//! the caller has it. A token bound to none is a bearer token: only clients whose limits say so may
//! ask for one.
//!
//! Nobody gets a token that is dead on arrival: a task is refused while its agent, its holder's key or
//! the root key is revoked. The store looks that up in the transaction that adds the task, so that an
//! entry comes either before it or after it, and then ends it.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use super::body::{Fields, required};
use super::caller::Caller;
use super::holder::Signed;
use super::problem::Refusal;
use super::{AppState, Authority, ceiling};
use crate::keys::{KeyId, VerifyingKey};
use crate::mint::{self, Minted, Task};
use crate::model::{RevocationId, Timestamp};
use crate::store::{Client, Idempotency, NewTask, SpentProof, TaskAdded, TaskRecord};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// A task and its token.
#[derive(Serialize)]
struct Issued {
    task: String,
    token: String,
    expires: Timestamp,
    revocation_id: RevocationId,
    root: KeyId,
}

pub(super) async fn create(
    State(authority): State<AppState>,
    Caller(client): Caller,
    headers: HeaderMap,
    signed: Signed,
    fields: Fields,
) -> Result<impl IntoResponse, Refusal> {
    let key = idempotency_key(&headers)?;
    let body = fields.digest();
    let idempotency = key.map(|key| Idempotency { key, body });
    let (task, principal) = task(fields, &client, &authority)?;
    ceiling::within(&task, &client.limits, &authority.settings)
        .map_err(|beyond| Refusal::BeyondCeiling(beyond.to_string()))?;
    let proof = match task.holder {
        Some(holder) => Some(of_holder(holder, &signed, &authority, body)?),
        None => None,
    };
    let now = authority.now();
    let minted = mint::mint(&task, &authority.root, now, &mut authority.entropy.clone())?;
    let task = record(&minted, task, principal, client, &authority, now)?;
    let issued = Issued {
        task: minted.task,
        token: minted.token.to_text(),
        expires: minted.expires,
        revocation_id: task.revocation_id.clone(),
        root: task.root,
    };
    let new = NewTask { task, root: authority.root.public(), idempotency, proof };
    match authority.store.add_task(new).await? {
        TaskAdded::Added => {
            let location = [(LOCATION, format!("/v1/tasks/{}", issued.task))];
            Ok((StatusCode::CREATED, location, Json(issued)))
        }
        TaskAdded::Repeated(task) => Err(Refusal::Repeated(task)),
        TaskAdded::KeyReused => Err(Refusal::KeyReused),
        TaskAdded::ProofUsed => Err(Refusal::ProofUsed),
        TaskAdded::Revoked(kind) => Err(Refusal::Revoked(kind)),
    }
}

/// What is spent of the proof that the caller has the holder's key.
fn of_holder(
    holder: VerifyingKey,
    signed: &Signed,
    authority: &Authority,
    body: [u8; 32],
) -> Result<SpentProof, Refusal> {
    let Some(proof) = signed.by(authority, body)? else {
        let why = "a token bound to `holder` takes a proof of its key in the `DPoP` header";
        return Err(Refusal::NoProof(why));
    };
    match proof.key() == holder {
        true => Ok(SpentProof { key: proof.spent(), closes: proof.closes() }),
        false => Err(Refusal::NotHolder("the proof is by another key than `holder`")),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fits = |key: &&str| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_graphic())
    };
    match (value.to_str().ok().filter(fits), values.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Refusal::Malformed(format!(
            "`{IDEMPOTENCY_KEY}`: is not one text of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible \
             ASCII characters"
        ))),
    }
}

fn task(
    mut fields: Fields,
    client: &Client,
    authority: &Authority,
) -> Result<(Task, String), Refusal> {
    let settings = &authority.settings;
    let principal = required("principal", fields.text("principal")?)?;
    let grants = required("grants", fields.grants("grants")?)?;
    let audience = required("audience", fields.texts("audience")?)?;
    let ttl_secs_max = ceiling::ttl_secs_max(&client.limits, settings);
    let depth_max = ceiling::depth_max(&client.limits, settings);
    let task = Task {
        principal: Some(principal.clone()),
        agent: fields.text("agent")?,
        intent: fields.text("intent")?,
        holder: fields.key("holder")?,
        ttl_secs: fields.number("ttl_secs")?.unwrap_or(settings.ttl_secs_default.min(ttl_secs_max)),
        depth: fields.number("depth")?.unwrap_or(settings.depth_default.min(depth_max)),
        ..Task::new(grants, Some(audience))
    };
    fields.end()?;
    Ok((task, principal))
}

/// What the store keeps.
fn record(
    minted: &Minted,
    task: Task,
    principal: String,
    client: Client,
    authority: &Authority,
    now: Timestamp,
) -> Result<TaskRecord, Refusal> {
    let revocation_id = minted.token.revocation_ids().first().ok_or(Refusal::Internal)?.clone();
    Ok(TaskRecord {
        id: minted.task.clone(),
        client: client.id,
        principal,
        agent: task.agent,
        holder: task.holder,
        intent: task.intent,
        audience: task.audience.unwrap_or_default(),
        grants: task.grants,
        depth: task.depth,
        root: authority.root.id(),
        revocation_id,
        created: now,
        expires: minted.expires,
        ended: None,
    })
}
