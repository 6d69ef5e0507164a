//! A decision for people, and as JSON.

use serde::Serialize;

use super::super::Output;
use super::super::text::{Style, Text};
use crate::decide::Decision;
use crate::model::{Code, Reason};

/// A decision as JSON: the decisive code beside the reasons.
#[derive(Serialize)]
pub(super) struct Wire<'a> {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'a [Reason],
}

impl<'a> From<&'a Decision> for Wire<'a> {
    fn from(decision: &'a Decision) -> Self {
        let (word, grant) = match decision {
            Decision::Allow { grant } => ("allow", Some(*grant)),
            Decision::Deny { .. } => ("deny", None),
        };
        Self { decision: word, grant, code: decision.code(), reasons: decision.reasons() }
    }
}

/// Prints a decision with everything known about its reasons.
pub(super) fn print(decision: &Decision, out: &mut Output) -> anyhow::Result<()> {
    if let Decision::Allow { grant } = decision {
        let by = format!("  grant {grant} of block 0 covers the call, and nothing forbids it");
        return out.line(Text::of(Style::Good, "allow").and(Style::Plain, by));
    }
    for (index, reason) in decision.reasons().iter().enumerate() {
        let word = if index == 0 { "deny" } else { "also" };
        let head = Text::of(Style::Bad, word).and(Style::Bold, format!("  {}", reason.code));
        out.line(head)?;
        fields(reason, out)?;
    }
    Ok(())
}

fn fields(reason: &Reason, out: &mut Output) -> anyhow::Result<()> {
    let block = reason.block.map(|block| match (&reason.hop, block) {
        (Some(hop), block) => format!("{block}, of {hop}"),
        (None, 0) => "0, the authority's".to_owned(),
        (None, block) => format!("{block}, appended by hop {block}"),
    });
    let fields = [
        ("reason", Some(reason.message.clone())),
        ("block", block),
        ("check", reason.source.clone()),
        ("fact", reason.fact.clone()),
        ("to pass", reason.hint.clone()),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            out.field(2, name, &value)?;
        }
    }
    Ok(())
}
