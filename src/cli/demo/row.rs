//! One step of the story: what was expected, and what came of it.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::Code;

/// What a step should come to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    /// The call is allowed, and the tool answers this at this place.
    Answer(Answer),
    /// The call is refused with this code.
    Refused(Code),
    /// Anything else, by its word.
    Word(&'static str),
}

/// What a tool should answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// A JSON Pointer (RFC 6901).
    pub(super) pointer: &'static str,
    /// What stands there.
    pub(super) value: Value,
    /// The same for the reader.
    pub(super) says: &'static str,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The call was allowed.
    Allow,
    /// The call was refused with this code.
    Deny(String),
    /// The authority did as it was asked.
    Done,
    /// The authority refused, with this code.
    Refused(String),
    /// What was looked at is as it should be.
    Whole,
    /// What was looked at is not.
    Broken,
}

/// A step and its result.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) step: usize,
    pub(super) call: String,
    pub(super) with: String,
    pub(super) by: &'static str,
    pub(super) at: &'static str,
    pub(super) status: Option<u16>,
    #[serde(serialize_with = "as_text")]
    pub(super) outcome: Outcome,
    pub(super) code: Option<String>,
    pub(super) expected: String,
    pub(super) as_expected: bool,
    pub(super) why: String,
    /// The block whose check failed.
    pub(super) block: Option<usize>,
    /// That check.
    pub(super) check: Option<String>,
    /// The smallest change that would pass.
    pub(super) hint: Option<String>,
    /// How long the decision took, as recorded.
    pub(super) micros: Option<u64>,
    /// What was wrong besides the outcome.
    pub(super) faults: Vec<String>,
}

impl Row {
    /// A step whose number and verdict the report adds.
    pub(super) fn new(
        call: impl Into<String>,
        by: &'static str,
        at: &'static str,
        outcome: Outcome,
        expected: &Expected,
    ) -> Self {
        Self {
            step: 0,
            call: call.into(),
            with: String::new(),
            by,
            at,
            status: None,
            code: outcome.code().map(str::to_owned),
            outcome,
            expected: expected.to_string(),
            as_expected: false,
            why: String::new(),
            block: None,
            check: None,
            hint: None,
            micros: None,
            faults: Vec::new(),
        }
    }

    /// Gives the step its number and compares what came with what was expected.
    pub(super) fn judged(mut self, step: usize) -> Self {
        let found = self.code.clone().unwrap_or_else(|| self.outcome.to_string());
        self.step = step;
        self.as_expected = found == self.expected && self.faults.is_empty();
        self
    }
}

impl Outcome {
    fn code(&self) -> Option<&str> {
        match self {
            Self::Deny(code) | Self::Refused(code) => Some(code),
            Self::Allow | Self::Done | Self::Whole | Self::Broken => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny(_) => "deny",
            Self::Done => "done",
            Self::Refused(_) => "refused",
            Self::Whole => "whole",
            Self::Broken => "broken",
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "allow",
            Self::Refused(code) => code.as_str(),
            Self::Word(word) => word,
        })
    }
}

fn as_text<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_as_expected_only_if_all_of_it_is() {
        let revoked = Expected::Refused(Code::Revoked);
        let answer = Answer { pointer: "/id", value: Value::from(1), says: "one" };
        let answer = Expected::Answer(answer);
        let deny = |code: &str| Outcome::Deny(code.to_owned());
        for (outcome, expected, fault, holds) in [
            (Outcome::Allow, &answer, None, true),
            (Outcome::Allow, &answer, Some("the tool did not answer 1"), false),
            (Outcome::Allow, &revoked, None, false),
            (deny("revoked"), &revoked, None, true),
            (deny("expired"), &revoked, None, false),
            (deny("revoked"), &answer, None, false),
            (Outcome::Whole, &Expected::Word("broken"), None, false),
            (Outcome::Broken, &Expected::Word("broken"), None, true),
        ] {
            let mut row = Row::new("crm/get_account", "reader", "gw", outcome.clone(), expected);
            row.faults.extend(fault.map(str::to_owned));
            assert_eq!(row.judged(1).as_expected, holds, "{outcome:?} {expected:?} {fault:?}");
        }
    }
}
