//! Step 5, decide: a verified token, a request and the gateway's policy to a decision (the PDP).
//!
//! Pure: no clock, no I/O. The first hit ends it: chain → time and audience → grants of block 0 →
//! checks of each block, in order → gateway policy.

pub mod engine;
mod explain;
mod outline;
mod policy;
mod program;

pub use outline::Outline;
pub use policy::{Policy, PolicyError};
pub use program::{Program, decide};

use serde::{Deserialize, Serialize};

use crate::model::{Code, Reason};

/// What was decided about one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// The call may go on.
    Allow {
        /// The grant of block 0 that covers the call: its place among the grants.
        grant: usize,
    },
    /// The call is refused.
    Deny {
        /// Why; at least one, the decisive one first.
        reasons: Vec<Reason>,
    },
}

impl Decision {
    /// A refusal for one reason.
    pub fn deny(reason: Reason) -> Self {
        Self::Deny { reasons: vec![reason] }
    }

    /// Whether the call may go on.
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// The decisive code of a refusal.
    pub fn code(&self) -> Option<Code> {
        self.reasons().first().map(|reason| reason.code)
    }

    /// The reasons of a refusal; none for an allowed call.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Allow { .. } => &[],
            Self::Deny { reasons } => reasons,
        }
    }
}
