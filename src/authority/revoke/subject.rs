//! What a request names to be revoked, and the revocation that it makes of it.

use super::super::body::Fields;
use super::super::caller::Caller;
use super::super::problem::Refusal;
use super::super::{Authority, body::RootName};
use crate::keys::VerifyingKey;
use crate::mint::is_plain_text;
use crate::model::{Key16, RevocationId, Timestamp, limits};
use crate::store::{Ends, NewRevocation, TaskRecord};
use crate::token::Envelope;
use crate::verify::RevocationKind;

/// What is to be revoked, as the body says it.
pub(super) enum Subject {
    Token(Box<Envelope>),
    Other(Named),
}

/// What a client names, and whoever just holds a token does not.
pub(super) enum Named {
    Task(String),
    Block(RevocationId),
    Agent(String),
    Holder(VerifyingKey),
    Root(RootName),
    Before { stated: Timestamp, whole: Timestamp },
}

/// Takes the one subject out of a body.
pub(super) fn take(fields: &mut Fields) -> Result<Subject, Refusal> {
    let texts = ["task", "revocation_id", "token", "agent", "before"];
    let [task, block, token, agent, before] = texts.map(|name| fields.text(name));
    let (task, block, token, agent, before) = (task?, block?, token?, agent?, before?);
    let (holder, root) = (fields.key("holder")?, fields.root("root")?);
    let count = [&task, &block, &token, &agent, &before].into_iter().flatten().count();
    if count + usize::from(holder.is_some()) + usize::from(root.is_some()) > 1 {
        return Err(not_one());
    }
    if let Some(token) = token {
        return Ok(Subject::Token(Box::new(token.parse()?)));
    }
    let named = (task.map(Named::Task))
        .or(holder.map(Named::Holder))
        .or(root.map(Named::Root))
        .map_or_else(|| text_subject(block, agent, before), Ok)?;
    Ok(Subject::Other(named))
}

fn text_subject(
    block: Option<String>,
    agent: Option<String>,
    before: Option<String>,
) -> Result<Named, Refusal> {
    let invalid = |name: &str, why: String| Refusal::Invalid(format!("`{name}`: {why}"));
    if let Some(id) = block {
        return id.parse().map(Named::Block).map_err(|why| invalid("revocation_id", why));
    }
    if let Some(agent) = agent {
        return match is_plain_text(&agent) {
            true => Ok(Named::Agent(agent)),
            false => Err(invalid("agent", super::not_plain())),
        };
    }
    let text = before.ok_or_else(not_one)?;
    match whole_seconds(&text) {
        Ok((stated, whole)) => Ok(Named::Before { stated, whole }),
        Err(why) => Err(invalid("before", why)),
    }
}

fn not_one() -> Refusal {
    let why = "the body names exactly one of `task`, `revocation_id`, `token`, `agent`, `holder`, \
               `root` and `before`";
    Refusal::Malformed(why.to_owned())
}

/// A time, and the same brought up to a whole second, however small its fraction is: so nothing
/// issued before it escapes.
fn whole_seconds(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let moment: Timestamp = text.parse().map_err(|error| format!("{error}"))?;
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let mut digits = fraction.bytes().take_while(u8::is_ascii_digit);
    let more = u64::from(digits.any(|digit| digit != b'0'));
    Ok((moment, Timestamp::from_secs(moment.secs().saturating_add(more))))
}

impl Named {
    /// The revocation, as far as the caller may make it.
    pub(super) async fn revocation(
        self,
        caller: &Caller,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<NewRevocation, Refusal> {
        let of_one_task = matches!(self, Self::Task(_) | Self::Block(_));
        if !of_one_task && !caller.0.is_admin {
            return Err(Refusal::NotAdmin);
        }
        match self {
            Self::Task(id) => of_task(&id, caller, authority, now).await,
            Self::Block(id) => of_block(&id, caller, authority, now).await,
            Self::Agent(agent) => Ok(NewRevocation::of_agent(agent, now)),
            Self::Holder(key) => Ok(NewRevocation::of_holder(key, now)),
            Self::Root(name) => {
                let root = authority.roots.iter().find(|root| name.is(root));
                root.map(|root| NewRevocation::of_root(root, now))
                    .ok_or(Refusal::NotFound("root key here, active or retiring"))
            }
            Self::Before { stated, .. } if stated > now.plus_secs(limits::CLOCK_SKEW_SECS) => {
                Err(Refusal::Invalid("`before`: is in the future".to_owned()))
            }
            Self::Before { whole, .. } => Ok(NewRevocation::of_before(whole, now)),
        }
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
        None if caller.0.is_admin => {
            // Nobody here knows whose block it is, and no token lives longer.
            let at_most = now.plus_secs(limits::TOKEN_TTL_SECS_MAX);
            Ok(NewRevocation::new(RevocationKind::Block, id.key16(), at_most, now))
        }
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
        task: Some(task.id.clone()),
        ends: Ends::Task(task.id.clone()),
        ..NewRevocation::new(kind, key16, task.expires, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_brought_up_to_a_whole_second() {
        let whole = |text: &str| whole_seconds(text).unwrap().1.to_string();
        for (text, up) in [
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00.000Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00.001Z", "2026-11-22T10:00:01Z"),
            ("2026-11-22T11:59:59.999999+01:00", "2026-11-22T11:00:00Z"),
            ("2026-11-22T10:00:00.0000001Z", "2026-11-22T10:00:01Z"),
            ("2026-11-22T10:00:00.0000000000001Z", "2026-11-22T10:00:01Z"),
        ] {
            assert_eq!(whole(text), up, "{text}");
        }
        assert!(whole_seconds("yesterday").is_err());
    }
}
