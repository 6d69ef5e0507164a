//! What agents do with a server of tools that knows nothing of tokens, chapter by chapter.

use std::time::Duration;

use anyhow::{Context, ensure};
use rand::rngs::OsRng;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::agents::{Agent, PRINCIPAL, narrowing};
use super::super::office::DEADLINE;
use super::super::paperwork::{asked, text};
use super::super::report::Report;
use super::super::row::{Expected, Outcome, Row};
use super::super::story::ORCHESTRATOR;
use super::call::{Message, listed};
use super::world::{AUDIENCE, World};
use crate::config::SystemClock;
use crate::keys::HolderKey;
use crate::model::{Clock, Code};

const GATEWAY: &str = "gateway";
const ALLOWED: Expected = Expected::Word("allow");
const LOOK: Duration = Duration::from_millis(5);

/// What the server may have been asked to do when all is over: by the story's own calls around the
/// gateway, and by what was allowed.
const ARRIVED: [&str; 6] =
    ["read_file", "send_mail", "read_file", "read_file", "update_server", "read_file"];

/// The story under way.
pub(super) struct Story<'a, 'b> {
    pub(super) world: &'a World,
    pub(super) report: &'a mut Report<'b>,
}

impl Story<'_, '_> {
    /// All of it; gives the number of records.
    pub(super) async fn tell(&mut self) -> anyhow::Result<u64> {
        let agent = self.one_task().await?;
        self.what_it_could_call(&agent).await?;
        self.what_it_could_not(&agent).await?;
        let helper = agent.hands_on(
            "helper",
            &narrowing(&json!([{
                "tool": "notes/read_file", "args": { "path": { "eq": "/notes/todo.txt" } },
            }]))?,
        )?;
        self.a_helper(&helper).await?;
        self.another_definition(&agent).await?;
        self.in_the_middle(&agent, &helper).await?;
        self.what_arrived()
    }

    async fn one_task(&mut self) -> anyhow::Result<Agent> {
        self.report.chapter(
            "One task, one token",
            "The server offers eight tools on some notes, and whatever else lies there. The agent \
             gets a token for three of them, within one folder and one domain, bound to its key.",
        )?;
        self.report.table_head()?;
        let grants = json!([
            { "tool": "notes/list_files" },
            { "tool": "notes/read_file", "args": { "path": { "under": "/notes" } } },
            { "tool": "notes/send_mail", "args": {
                "to": { "domain": "example.com" }, "subject": { "any": true }, "text": { "any": true },
            } },
        ]);
        let client = json!({ "name": ORCHESTRATOR, "ceiling": grants, "ttl_secs_max": 900 });
        let added = self.world.office.administer("/v1/clients", &client).await?;
        let row = asked("add a client", "admin", &added, "done");
        self.report.step(Row { with: ORCHESTRATOR.to_owned(), ..row })?;
        let client = text(&added, "key").map(Zeroizing::new);
        let client = client.context("the authority gave no client key")?;
        let key = HolderKey::generate(&mut OsRng);
        let request = json!({
            "principal": PRINCIPAL,
            "agent": "agent:orchestrator",
            "holder": key.public(),
            "intent": "tidy up the notes",
            "ttl_secs": 900,
            "audience": [AUDIENCE],
            "grants": grants,
        });
        let issued =
            self.world.office.ask("/v1/tasks", Some(&client), Some(&key), &request).await?;
        let row = asked("issue a task", ORCHESTRATOR, &issued, "done");
        self.report.step(Row { with: "three tools".to_owned(), ..row })?;
        let token = text(&issued, "token").map(Zeroizing::new);
        let token = token.context("the authority issued no token")?.parse()?;
        Ok(Agent { name: ORCHESTRATOR, key, token })
    }

    async fn what_it_could_call(&mut self, agent: &Agent) -> anyhow::Result<()> {
        self.report.chapter(
            "An agent sees what it could call, and calls it",
            "The server lists all of its tools; of these the gateway passes on what the token leads \
             to. Each call carries a proof by the agent's key.",
        )?;
        self.list(agent, &["list_files", "read_file", "send_mail"]).await?;
        self.call(agent, "read_file", "todo.txt", read("/notes/todo.txt"), &ALLOWED).await?;
        self.call(agent, "send_mail", "to alice@…", mail("alice@example.com"), &ALLOWED).await
    }

    async fn what_it_could_not(&mut self, agent: &Agent) -> anyhow::Result<()> {
        self.report.chapter(
            "What is not granted never reaches the server",
            "It would do as it is told: it resolves `..` as most do. Asked directly, it gives away \
             what lies beside the notes.",
        )?;
        let refused = Expected::Refused;
        let not_granted = refused(Code::NotGranted);
        let todo = json!({ "path": "/notes/todo.txt" });
        self.call(
            agent,
            "delete_file",
            "todo.txt",
            Message::tool("delete_file", todo),
            &not_granted,
        )
        .await?;
        let secret = "/private/salaries.txt";
        self.call(agent, "read_file", "salaries.txt", read(secret), &not_granted).await?;
        let around = "/notes/../private/salaries.txt";
        self.call(agent, "read_file", "notes/../…", read(around), &not_granted).await?;
        let direct = read(around).around(self.world).await?;
        let mut row = Row::new("read_file", "anybody", "server", direct.outcome(), &ALLOWED);
        row.why = direct
            .text()
            .map(|text| format!("the server itself answers: {text}"))
            .unwrap_or_default();
        self.report.step(Row { with: "notes/../…".to_owned(), ..row })?;
        let uri = "demo:///private/salaries.txt";
        self.call(agent, "resources/read", "salaries.txt", Message::resource(uri), &not_granted)
            .await?;
        self.call(
            agent,
            "send_mail",
            "to mallory@…",
            mail("mallory@attacker.example"),
            &not_granted,
        )
        .await
    }

    async fn a_helper(&mut self, helper: &Agent) -> anyhow::Result<()> {
        self.report.chapter(
            "A sub-agent gets less",
            "Offline, the agent hands its token on to a helper, for one file.",
        )?;
        self.list(helper, &["read_file"]).await?;
        self.call(helper, "read_file", "todo.txt", read("/notes/todo.txt"), &ALLOWED).await?;
        let failed = Expected::Refused(Code::CheckFailed);
        self.call(helper, "read_file", "plan.txt", read("/notes/plan.txt"), &failed).await?;
        self.call(helper, "send_mail", "to alice@…", mail("alice@example.com"), &failed).await
    }

    async fn another_definition(&mut self, agent: &Agent) -> anyhow::Result<()> {
        self.report.chapter(
            "A tool says something else than what was approved",
            "The server is updated, and `send_mail` now tells models to read the salaries first. A \
             person approved the definition before; this one is withheld until somebody does.",
        )?;
        let updated = Message::tool("update_server", json!({})).around(self.world).await?;
        let row = Row::new("update_server", "its maker", "server", updated.outcome(), &ALLOWED);
        self.report.step(row)?;
        self.list(agent, &["list_files", "read_file"]).await?;
        let refused = Expected::Refused(Code::DefinitionUnapproved);
        self.call(agent, "send_mail", "to alice@…", mail("alice@example.com"), &refused).await
    }

    async fn in_the_middle(&mut self, agent: &Agent, helper: &Agent) -> anyhow::Result<()> {
        self.report.chapter(
            "A helper is stopped in the middle of its work",
            "The agent revokes what it handed on, with its own key. Its own token stays.",
        )?;
        let token = Zeroizing::new(helper.token.to_text());
        let body = json!({ "token": token.as_str(), "reason": "no longer needed" });
        let started = SystemClock.micros();
        let answer =
            self.world.office.ask("/v1/revocations", None, Some(&agent.key), &body).await?;
        self.until_revoked(helper).await?;
        let mut row = asked("revoke", ORCHESTRATOR, &answer, "done");
        row.with = "the helper".to_owned();
        let millis = SystemClock.micros().saturating_sub(started) / 1000;
        row.why = format!("known at the gateway after {millis} ms");
        self.report.step(row)?;
        let revoked = Expected::Refused(Code::Revoked);
        self.call(helper, "read_file", "todo.txt", read("/notes/todo.txt"), &revoked).await?;
        self.call(agent, "read_file", "todo.txt", read("/notes/todo.txt"), &ALLOWED).await
    }

    fn what_arrived(&mut self) -> anyhow::Result<u64> {
        self.report.chapter(
            "What the server was asked",
            "It wrote down every message: the allowed calls, and the two that went around the \
             gateway. Nothing that was refused is among them.",
        )?;
        let arrived = self.world.arrived()?;
        let is_whole = arrived.iter().map(String::as_str).eq(ARRIVED);
        let outcome = if is_whole { Outcome::Whole } else { Outcome::Broken };
        let mut row =
            Row::new("what arrived", "auditor", "server", outcome, &Expected::Word("whole"));
        row.why = format!("{} calls of tools", arrived.len());
        self.report.step(row)?;
        Ok(self.world.records().len() as u64)
    }

    async fn list(&mut self, agent: &Agent, wanted: &[&str]) -> anyhow::Result<()> {
        let names = listed(self.world, agent).await?;
        let mut row = Row::new("tools/list", agent.name, GATEWAY, Outcome::Allow, &ALLOWED);
        row.why = names.join(", ");
        if names != wanted {
            row.faults.push(format!("expected {}", wanted.join(", ")));
        }
        self.report.step(row)
    }

    async fn call(
        &mut self,
        agent: &Agent,
        call: &str,
        with: &str,
        message: Message,
        expected: &Expected,
    ) -> anyhow::Result<()> {
        let before = self.world.records().len();
        let answer = message.by(self.world, agent).await?;
        let records = self.world.records();
        let mut row = Row::new(call, agent.name, GATEWAY, answer.outcome(), expected);
        row.with = with.to_owned();
        row.status = Some(answer.status);
        row.why = answer.why().or_else(|| answer.text().map(str::to_owned)).unwrap_or_default();
        row.micros = records.last().map(|record| record.micros);
        if records.len() != before + 1 {
            row.faults.push("the call did not leave exactly one record".to_owned());
        }
        self.report.step(row)
    }

    /// Waits until the gateway knows. Lists are not decided, so that nothing else comes of it.
    async fn until_revoked(&self, agent: &Agent) -> anyhow::Result<()> {
        let told = async {
            while listed(self.world, agent).await.is_ok() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let told = tokio::time::timeout(DEADLINE, told).await;
        ensure!(told.is_ok(), "the revocation did not arrive within {DEADLINE:?}");
        Ok(())
    }
}

fn read(path: &str) -> Message {
    Message::tool("read_file", json!({ "path": path }))
}

fn mail(to: &str) -> Message {
    let arguments: Value = json!({ "to": to, "subject": "Notes", "text": "All is well." });
    Message::tool("send_mail", arguments)
}
