//! `POST /v1/revocations`: ends a task, a block, what an unsealed token's last block allows, or all
//! tokens of an agent, a holder's key, a root key or of before a moment.
//!
//! A token needs no client key: holding it is what permits it. A child cannot make its parent's token
//! from its own, so nobody can revoke more than they hold.
//!
//! | the token is | then |
//! | --- | --- |
//! | a bearer token, unsealed | its last block is revoked |
//! | a bearer token, sealed | refused: gateways see such tokens, and anybody may be shown one |
//! | bound, sealed or not | its last block is revoked if one of its holders signed the request: the one whom that block names, or one above |
//!
//! A client revokes its own tasks; what goes beyond one task takes an administrator. With `dry_run`
//! nothing is changed and the answer says what would be.

mod subject;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use self::subject::Subject;
use super::body::Fields;
use super::caller::Caller;
use super::holder::{Signed, by_holder};
use super::problem::Refusal;
use super::{AppState, Authority};
use crate::mint::is_plain_text;
use crate::model::{Key16, Timestamp, limits};
use crate::store::{Ends, Foreseen, NewRevocation, Revoked};
use crate::verify::{Authentic, RevocationEntry, RevocationKind, authenticate};

/// What was done.
#[derive(Serialize)]
struct Done {
    #[serde(flatten)]
    entry: RevocationEntry,
    /// How many live tasks it ended.
    live_tasks: u64,
}

/// What would be done.
#[derive(Serialize)]
struct WouldDo {
    dry_run: bool,
    kind: RevocationKind,
    key16: Key16,
    not_after: Timestamp,
    /// How many live tasks it would end.
    live_tasks: u64,
    /// Whether the log holds an entry for the same that has not ended.
    in_log: bool,
    /// The place of that entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

pub(super) async fn revoke(
    State(authority): State<AppState>,
    headers: HeaderMap,
    signed: Signed,
    mut fields: Fields,
) -> Result<Response, Refusal> {
    let body = fields.digest();
    let subject = subject::take(&mut fields)?;
    let (reason, is_dry) = (fields.text("reason")?, fields.flag("dry_run")?);
    fields.end()?;
    if reason.as_deref().is_some_and(|reason| !is_plain_text(reason)) {
        return Err(Refusal::Invalid(format!("`reason`: {}", not_plain())));
    }
    let now = authority.now();
    let (revocation, by) = match subject {
        Subject::Token(token) => {
            let is_sealed = token.is_sealed();
            let token = authenticate(*token, &authority.roots)?;
            let by = revoker(&token, is_sealed, &signed, body, &authority)?;
            (of_token(&token, now)?, by)
        }
        Subject::Other(named) => {
            let caller = Caller::find(&authority, &headers).await?;
            (named.revocation(&caller, &authority, now).await?, Some(caller.to_string()))
        }
    };
    let revocation = NewRevocation { reason, by, ..revocation };
    match is_dry {
        true => foreseen(revocation, &authority).await,
        false => done(revocation, &authority).await,
    }
}

async fn done(revocation: NewRevocation, authority: &Authority) -> Result<Response, Refusal> {
    match authority.store.revoke(revocation).await? {
        Revoked::Entry { entry, live_tasks } => {
            Ok(Json(Done { entry, live_tasks }).into_response())
        }
        Revoked::TooMany => Err(Refusal::TooManyRevocations),
    }
}

async fn foreseen(revocation: NewRevocation, authority: &Authority) -> Result<Response, Refusal> {
    let NewRevocation { kind, key16, not_after, .. } = revocation;
    match authority.store.foresee(revocation).await? {
        Foreseen::Entry { known, live_tasks } => {
            let (in_log, seq) = (known.is_some(), known.map(|entry| entry.seq));
            let would = WouldDo { dry_run: true, kind, key16, not_after, live_tasks, in_log, seq };
            Ok(Json(would).into_response())
        }
        Foreseen::TooMany => Err(Refusal::TooManyRevocations),
    }
}

/// What is wrong with a text that is not plain.
fn not_plain() -> String {
    let max = limits::TEXT_BYTES_MAX;
    format!("is empty, longer than {max} bytes or holds control characters")
}

/// The last block of a token.
fn of_token(token: &Authentic, now: Timestamp) -> Result<NewRevocation, Refusal> {
    let (Some(first), Some(last)) = (token.revocation_ids().first(), token.revocation_ids().last())
    else {
        return Err(Refusal::Internal);
    };
    let not_after = token.expires().unwrap_or(now.plus_secs(limits::TOKEN_TTL_SECS_MAX));
    // A token that names no task is counted under its authority block.
    let task = token.task().map_or_else(|| first.key16().to_string(), str::to_owned);
    Ok(NewRevocation {
        ends: match token.blocks().len() {
            1 => Ends::Task(task.clone()),
            _ => Ends::Nothing,
        },
        task: Some(task),
        block: token.blocks().len().checked_sub(1).and_then(|at| u32::try_from(at).ok()),
        ..NewRevocation::new(RevocationKind::Block, last.key16(), not_after, now)
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
