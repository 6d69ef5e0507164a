//! `POST /v1/revocations`: ends a task, a block, or what an unsealed token's last block allows.
//!
//! The last form needs no client key: holding the token is what permits it. A child cannot make its
//! parent's token from its own, so nobody can revoke more than they hold.
//!
//! | the token is | then |
//! | --- | --- |
//! | a bearer token, unsealed | its last block is revoked |
//! | a bearer token, sealed | refused: gateways see such tokens, and anybody may be shown one |
//! | bound, sealed or not | its last block is revoked if one of its holders signed the request: the one whom that block names, or one above |

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::body::Fields;
use super::caller::Caller;
use super::holder::{Signed, by_holder};
use super::problem::Refusal;
use super::{AppState, Authority};
use crate::mint::is_plain_text;
use crate::model::{Key16, RevocationId, Timestamp, limits};
use crate::store::{NewRevocation, Revoked, TaskRecord};
use crate::token::Envelope;
use crate::verify::{Authentic, RevocationEntry, RevocationKind, authenticate};

/// What is to be revoked, as the body says it.
enum Subject {
    Task(String),
    Block(RevocationId),
    Token(Box<Envelope>),
}

pub(super) async fn revoke(
    State(authority): State<AppState>,
    headers: HeaderMap,
    signed: Signed,
    mut fields: Fields,
) -> Result<Json<RevocationEntry>, Refusal> {
    let body = fields.digest();
    let subject = subject(&mut fields)?;
    let reason = fields.text("reason")?;
    fields.end()?;
    if reason.as_deref().is_some_and(|reason| !is_plain_text(reason)) {
        let max = limits::TEXT_BYTES_MAX;
        let why =
            format!("`reason`: is empty, longer than {max} bytes or holds control characters");
        return Err(Refusal::Invalid(why));
    }
    let now = authority.now();
    let (revocation, by) = match subject {
        Subject::Token(token) => {
            let is_sealed = token.is_sealed();
            let token = authenticate(*token, &authority.roots)?;
            let by = revoker(&token, is_sealed, &signed, body, &authority)?;
            (of_token(&token, now)?, by)
        }
        Subject::Task(id) => {
            let caller = Caller::find(&authority, &headers).await?;
            (of_task(&id, &caller, &authority, now).await?, Some(caller.to_string()))
        }
        Subject::Block(id) => {
            let caller = Caller::find(&authority, &headers).await?;
            (of_block(&id, &caller, &authority, now).await?, Some(caller.to_string()))
        }
    };
    match authority.store.revoke(NewRevocation { reason, by, ..revocation }).await? {
        Revoked::Entry(entry) => Ok(Json(entry)),
        Revoked::TooMany => Err(Refusal::TooManyRevocations),
    }
}

fn subject(fields: &mut Fields) -> Result<Subject, Refusal> {
    let named = (fields.text("task")?, fields.text("revocation_id")?, fields.text("token")?);
    match named {
        (Some(task), None, None) => Ok(Subject::Task(task)),
        (None, Some(id), None) => id
            .parse()
            .map(Subject::Block)
            .map_err(|why| Refusal::Invalid(format!("`revocation_id`: {why}"))),
        (None, None, Some(token)) => Ok(Subject::Token(Box::new(token.parse()?))),
        _ => Err(Refusal::Malformed(
            "the body names exactly one of `task`, `revocation_id` and `token`".to_owned(),
        )),
    }
}

async fn of_task(
    id: &str,
    caller: &Caller,
    authority: &Authority,
    now: Timestamp,
) -> Result<NewRevocation, Refusal> {
    let task = authority.store.task(id).await?;
    let task = task.filter(|task| caller.may_see(task)).ok_or(Refusal::NotFound("task"))?;
    Ok(whole_task(&task, RevocationKind::Task, Key16::of(task.id.as_bytes()), now))
}

async fn of_block(
    id: &RevocationId,
    caller: &Caller,
    authority: &Authority,
    now: Timestamp,
) -> Result<NewRevocation, Refusal> {
    match authority.store.task_of_block(id).await? {
        Some(task) if caller.may_see(&task) => {
            Ok(whole_task(&task, RevocationKind::Block, id.key16(), now))
        }
        None if caller.0.is_admin => Ok(NewRevocation {
            kind: RevocationKind::Block,
            key16: id.key16(),
            // Nobody here knows whose block it is, and no token lives longer.
            not_after: now.plus_secs(limits::TOKEN_TTL_SECS_MAX),
            reason: None,
            by: None,
            task: None,
            block: None,
            ends_task: false,
            at: now,
        }),
        // An authority block of someone else looks like none.
        _ => Err(Refusal::NotFound("task with this revocation identifier")),
    }
}

fn whole_task(
    task: &TaskRecord,
    kind: RevocationKind,
    key16: Key16,
    at: Timestamp,
) -> NewRevocation {
    NewRevocation {
        kind,
        key16,
        not_after: task.expires,
        reason: None,
        by: None,
        task: Some(task.id.clone()),
        block: None,
        ends_task: true,
        at,
    }
}

/// The last block of a token.
fn of_token(token: &Authentic, now: Timestamp) -> Result<NewRevocation, Refusal> {
    let (Some(first), Some(last)) = (token.revocation_ids().first(), token.revocation_ids().last())
    else {
        return Err(Refusal::Internal);
    };
    let at_most = now.plus_secs(limits::TOKEN_TTL_SECS_MAX);
    Ok(NewRevocation {
        kind: RevocationKind::Block,
        key16: last.key16(),
        not_after: token.expires().unwrap_or(at_most),
        reason: None,
        by: None,
        // A token that names no task is counted under its authority block.
        task: Some(token.task().map_or_else(|| first.key16().to_string(), str::to_owned)),
        block: token.blocks().len().checked_sub(1).and_then(|at| u32::try_from(at).ok()),
        ends_task: token.blocks().len() == 1,
        at: now,
    })
}

/// Who revokes the last block of a genuine token, where that is a known holder. That the proof of an
/// unsealed token fits its last block is among the signatures that were checked.
fn revoker(
    token: &Authentic,
    is_sealed: bool,
    signed: &Signed,
    body: [u8; 32],
    authority: &Authority,
) -> Result<Option<String>, Refusal> {
    if token.holder().is_none() {
        let why = "the token is sealed: only whoever holds it unsealed may revoke it";
        return if is_sealed { Err(Refusal::Invalid(why.to_owned())) } else { Ok(None) };
    }
    let Some(proof) = signed.by(authority, body)? else {
        let why = "the token is bound: its revocation takes a proof of a holder's key in `DPoP`";
        return Err(Refusal::NoProof(why));
    };
    match token.holders().holds_or_held(&proof.key()) {
        true => Ok(Some(by_holder(&proof))),
        false => Err(Refusal::NotHolder("the proof is by a key that never held the token")),
    }
}
