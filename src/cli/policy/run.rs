//! Deciding cases: a throwaway key, a token a case, and the real decision.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rand::rngs::OsRng;

use super::cases::{self, Case};
use crate::attenuate::{Narrowing, attenuate};
use crate::decide::{Decision, Policy, Program, decide};
use crate::keys::{RootKey, TrustedRoots};
use crate::mint::{Task, mint};
use crate::model::{Reason, limits};
use crate::token::UnverifiedToken;
use crate::verify::{DangerUnrevoked, authenticate};
use crate::vocabulary::Datalog;

/// A case and what was decided.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) decision: Decision,
}

impl Ran {
    /// Whether the decision is the one expected.
    pub(super) fn is_expected(&self) -> bool {
        self.decision.code() == self.case.expect
    }
}

/// Decides every case of one policy file.
pub(super) fn file(policy: &Path) -> anyhow::Result<Vec<Ran>> {
    let (name, text) = (super::name(policy), super::text(policy)?);
    let parsed = Policy::parse([(name.as_str(), text.as_str())])?;
    let key = RootKey::generate(&mut OsRng);
    let ran = |case: Case| {
        let token = token(&case, &key).with_context(|| format!("case `{}`", case.name))?;
        let decision = decision(&case, token, &key, &parsed).unwrap_or_else(Decision::deny);
        Ok(Ran { case, decision })
    };
    cases::beside(policy)?.into_iter().map(ran).collect()
}

/// The token of a case, `depth` blocks that ask nothing appended.
fn token(case: &Case, key: &RootKey) -> anyhow::Result<UnverifiedToken> {
    let task =
        Task { depth: (limits::BLOCKS_MAX - 1) as u32, ..Task::new(case.grants.clone(), None) };
    let mut token = mint(&task, key, case.request.time, &mut OsRng)?.token;
    let nothing = Narrowing { datalog: Datalog::parse("check if true")?, ..Narrowing::default() };
    for _ in 0..case.depth {
        token = attenuate(&token, &nothing, &mut OsRng)?;
    }
    Ok(token)
}

fn decision(
    case: &Case,
    token: UnverifiedToken,
    key: &RootKey,
    policy: &Policy,
) -> Result<Decision, Reason> {
    let authentic = Arc::new(authenticate(token, &TrustedRoots::one(key.public()))?);
    let program = Program::new(&authentic, policy)?;
    let verified = authentic.admit(&DangerUnrevoked, case.request.time)?;
    Ok(decide(&verified, &program, &case.request))
}
