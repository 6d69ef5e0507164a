//! The end of the story: whether the records are whole, and what really happened.

use std::io::BufReader;

use anyhow::Context;

use super::gateway::Gateway;
use super::row::{Expected, Outcome, Row};
use crate::record::audit::{Fault, Summary, verify};
use crate::record::{FileSink, Head};

const AUDITOR: &str = "auditor";

/// Checks every link of a gateway's records: the row, and how many there are.
pub(super) fn whole(gateway: &Gateway) -> anyhow::Result<(Row, u64)> {
    let text = std::fs::read(&gateway.log)?;
    let verified = check(gateway, &text)?;
    let mut row = row(gateway, &verified, "whole");
    row.call = "audit".to_owned();
    Ok((row, verified.map_or(0, |summary| summary.lines)))
}

/// Checks a copy of a gateway's records in which somebody put another person's name.
pub(super) fn tampered(gateway: &Gateway) -> anyhow::Result<Row> {
    let text = std::fs::read_to_string(&gateway.log)?;
    let changed = text.replacen("user:alice@", "user:carol@", 1);
    let mut row = row(gateway, &check(gateway, changed.as_bytes())?, "broken");
    row.call = "audit a changed copy".to_owned();
    if changed == text {
        row.faults.push("there was nothing to change".to_owned());
    }
    Ok(row)
}

/// Compares what the tools did with what they were allowed.
pub(super) fn deeds(done: &[String], allowed: &[&str]) -> Row {
    let outcome = if done == allowed { Outcome::Whole } else { Outcome::Broken };
    let mut row = Row::new("what the tools did", AUDITOR, "", outcome, &Expected::Word("whole"));
    row.why = format!("{}; nothing else", done.join(", "));
    row
}

fn check(gateway: &Gateway, text: &[u8]) -> anyhow::Result<Result<Summary, Fault>> {
    let head: Head = FileSink::read_head(&gateway.log)
        .with_context(|| format!("the head of the records of `{}`", gateway.id))?;
    Ok(verify(BufReader::new(text), Some(&head)))
}

fn row(gateway: &Gateway, verified: &Result<Summary, Fault>, expected: &'static str) -> Row {
    let (outcome, why) = match verified {
        Ok(summary) => {
            let Summary { lines, allowed, denied, .. } = summary;
            let why = format!("{lines} records linked: {allowed} allowed, {denied} denied");
            (Outcome::Whole, why)
        }
        Err(fault) => (Outcome::Broken, fault.to_string()),
    };
    let mut row = Row::new("", AUDITOR, gateway.id, outcome, &Expected::Word(expected));
    (row.with, row.why) = (gateway.id.to_owned(), why);
    row
}
