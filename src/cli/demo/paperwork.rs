//! The chapters between an orchestrator and the authority: a task begins, an agent is stopped,
//! the task ends, the records are audited.

use anyhow::Context;
use rand::rngs::OsRng;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::agents::{self, Agents};
use super::audit;
use super::office::Answer;
use super::row::{Expected, Outcome, Row};
use super::story::{DEEDS, ORCHESTRATOR, Story};
use crate::config::SystemClock;
use crate::keys::HolderKey;
use crate::model::Clock;

impl Story<'_, '_> {
    pub(super) async fn one_task(&mut self) -> anyhow::Result<Agents> {
        self.report.chapter(
            "One task, one token",
            "Alice was charged twice. An orchestrator asks for what her case needs and gets one \
             token, for a quarter of an hour, bound to a key that it made and proves to have. It \
             can ask for nothing beyond its ceiling.",
        )?;
        self.report.table_head()?;
        let client = self.client_key().await?;
        let key = HolderKey::generate(&mut OsRng);
        let mut beyond = agents::task_grants();
        if let Some(max) = beyond.pointer_mut("/2/args/amount/max") {
            *max = json!(5000);
        }
        let request = agents::task_request(&beyond, &key);
        let refused =
            self.world.office.ask("/v1/tasks", Some(&client), Some(&key), &request).await?;
        let row = asked("issue a task", ORCHESTRATOR, &refused, "beyond-ceiling");
        self.step(Row { with: "refunds up to 5,000".to_owned(), ..row })?;
        let request = agents::task_request(&agents::task_grants(), &key);
        let issued =
            self.world.office.ask("/v1/tasks", Some(&client), Some(&key), &request).await?;
        let mut row = asked("issue a task", ORCHESTRATOR, &issued, "done");
        row.with = "refunds up to 500".to_owned();
        row.why = format!("{}, for {}", agents::PRINCIPAL, agents::INTENT);
        self.step(row)?;
        let task = text(&issued, "task").context("the authority issued no task")?;
        let token = text(&issued, "token").map(Zeroizing::new);
        let token = token.context("the authority issued no token")?.parse()?;
        Agents::of_task(task, key, token)
    }

    /// The orchestrator's client key, which comes with its ceiling.
    async fn client_key(&mut self) -> anyhow::Result<Zeroizing<String>> {
        let client = json!({
            "name": ORCHESTRATOR,
            "ceiling": agents::ceiling(),
            "ttl_secs_max": agents::TASK_SECS,
        });
        let added = self.world.office.administer("/v1/clients", &client).await?;
        let key = text(&added, "key").map(Zeroizing::new);
        let row = asked("add a client", "admin", &added, "done");
        let why = "a client key, and a ceiling of three grants".to_owned();
        self.step(Row { with: ORCHESTRATOR.to_owned(), why, ..row })?;
        key.context("the authority gave no client key")
    }

    pub(super) async fn one_agent_is_stopped(&mut self, agents: &Agents) -> anyhow::Result<()> {
        self.report.chapter(
            "One agent is stopped, the other works on",
            "The orchestrator kept the token that it handed out: with its own key, that is all it \
             takes to revoke it, and whatever was made of it. Nobody else's token changes.",
        )?;
        let (key, token) = (&agents.orchestrator.key, agents.refunder.token.to_text());
        let token = Zeroizing::new(token);
        let body = json!({ "token": token.as_str(), "reason": "misused" });
        let started = SystemClock.micros();
        let answer = self.world.office.ask("/v1/revocations", None, Some(key), &body).await?;
        self.world.revoked(1).await?;
        let mut row = asked("revoke", ORCHESTRATOR, &answer, "done");
        row.with = "the refund agent".to_owned();
        row.why = known_after(started);
        self.step(row)?;
        self.after_the_stop(agents).await
    }

    pub(super) async fn the_task_ends(&mut self, agents: &Agents) -> anyhow::Result<()> {
        self.report.chapter(
            "The task is done, and so are its tokens",
            "The orchestrator says so with its own key. No credential is left over for the next \
             incident.",
        )?;
        let path = format!("/v1/tasks/{}/complete", agents.task);
        let key = &agents.orchestrator.key;
        let started = SystemClock.micros();
        let answer = self.world.office.ask(&path, None, Some(key), &json!({})).await?;
        self.world.revoked(2).await?;
        let mut row = asked("complete the task", ORCHESTRATOR, &answer, "done");
        row.why = known_after(started);
        if text(&answer, "state").as_deref() != Some("completed") {
            row.faults.push("the task is not completed".to_owned());
        }
        self.step(row)?;
        self.after_the_end(agents).await
    }

    /// Audits every gateway's records; gives how many there are.
    pub(super) fn the_records(&mut self) -> anyhow::Result<u64> {
        self.report.chapter(
            "Every decision is on record",
            "Each line holds the hash of the one before it, so a log that was changed shows where.",
        )?;
        let mut records = 0;
        for gateway in self.world.gateways() {
            let (row, lines) = audit::whole(gateway)?;
            records += lines;
            self.step(row)?;
        }
        let [_, payments, _] = self.world.gateways();
        self.step(audit::tampered(payments)?)?;
        self.step(audit::deeds(&self.world.deeds.all(), &DEEDS))?;
        Ok(records)
    }
}

/// What the authority answered, as a step.
pub(super) fn asked(
    call: &str,
    by: &'static str,
    (status, answer): &Answer,
    expected: &'static str,
) -> Row {
    let outcome = match (status, answer.get("code").and_then(Value::as_str)) {
        (200..300, _) => Outcome::Done,
        (_, Some(code)) => Outcome::Refused(code.to_owned()),
        (status, None) => Outcome::Refused(status.to_string()),
    };
    let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
    let row = Row::new(call, by, "authority", outcome, &Expected::Word(expected));
    Row { status: Some(*status), why: detail, ..row }
}

/// A text in an answer.
pub(super) fn text((_, answer): &Answer, name: &str) -> Option<String> {
    answer.get(name)?.as_str().map(str::to_owned)
}

fn known_after(started: u64) -> String {
    let millis = SystemClock.micros().saturating_sub(started) / 1000;
    format!("known at all three gateways after {millis} ms")
}
