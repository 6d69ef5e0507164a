use std::sync::Arc;

use biscuit_auth::builder::{CheckKind, PolicyKind, Rule, Scope, Term};
use sha2::{Digest, Sha256};

use super::engine::{self, PolicyCode};
use crate::vocabulary::names::{self, Speaker};
use crate::vocabulary::oracle::Oracle;
use crate::vocabulary::{Datalog, DatalogError, Needs};

/// A gateway's policy: `deny if` and `allow if` over the request, the token's block 0 and facts of
/// its own.
///
/// *Shape*: a `deny if` that matches always wins, wherever it stands; then a derived
/// `needs_approval(reason)`; then one `allow if` must match. A policy never grants: no `allow if`
/// helps a call that block 0 does not cover.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) base: Arc<Base>,
    version: String,
}

/// A policy made ready: what the program of every token begins with.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) code: PolicyCode,
    pub(super) engine: engine::Program,
    pub(super) needs: Arc<Needs>,
}

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not Datalog within the bounds.
    #[error("policy `{file}`: {error}")]
    Datalog {
        /// Which file.
        file: String,
        /// What is wrong.
        error: DatalogError,
    },
    /// Something a policy must not do.
    #[error("policy `{file}`: {why}")]
    Refused {
        /// Which file.
        file: String,
        /// What it must not do.
        why: String,
    },
    /// Something that cannot be evaluated safely.
    #[error("the policy cannot be evaluated: {0}")]
    Engine(engine::CompileFault),
    /// No `allow if` in any file.
    #[error("the policy has no `allow if`, so every call would be denied")]
    NoAllow,
}

/// The policy that leaves everything to the token.
const DEFAULT: &str = include_str!("../../datalog/default.datalog");

impl Policy {
    /// The policy of `datalog/default.datalog`: what the token grants is allowed.
    ///
    /// *Errors*: none in practice; a test holds the file to that.
    pub fn standard() -> Result<Self, PolicyError> {
        Self::parse([("default.datalog", DEFAULT)])
    }

    /// Reads a policy from the texts of its files, each with its name.
    ///
    /// *Errors*: [`PolicyError`] names the file.
    pub fn parse<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, PolicyError> {
        let (mut all, mut digest) = (Datalog::default(), Sha256::new());
        for (file, text) in files {
            let wrong = |error| PolicyError::Datalog { file: file.to_owned(), error };
            let parsed = Datalog::parse(text).map_err(wrong)?;
            acceptable(&parsed)
                .map_err(|why| PolicyError::Refused { file: file.to_owned(), why })?;
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
            all.facts.extend(parsed.facts);
            all.rules.extend(parsed.rules);
            all.checks.extend(parsed.checks);
            all.policies.extend(parsed.policies);
        }
        if !all.policies.iter().any(|policy| policy.kind == PolicyKind::Allow) {
            return Err(PolicyError::NoAllow);
        }
        let mut needs = Needs::default();
        all.queries().flat_map(|query| &query.body).for_each(|predicate| needs.add(predicate));
        // A deny wins, whichever file it stands in.
        all.policies.sort_by_key(|policy| policy.kind != PolicyKind::Deny);
        let Datalog { facts, rules, checks, policies } = all;
        let version = hex::encode(digest.finalize()).chars().take(16).collect();
        let code = PolicyCode { facts, rules, checks, policies };
        // A policy that cannot be evaluated is refused when it is read, not when a call comes.
        let engine = engine::Program::of_policy(&code);
        let engine = engine.map_err(|error| PolicyError::Engine(error.fault))?;
        Ok(Self { base: Arc::new(Base { code, engine, needs: Arc::new(needs) }), version })
    }

    /// Names this very policy in records: 16 hexadecimal characters of a digest of its texts.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn acceptable(code: &Datalog) -> Result<(), String> {
    if let Some(stated) = code.stated().find(|predicate| names::is_reserved(&predicate.name)) {
        return Err(format!("states `{}`, a word of the vocabulary", stated.name));
    }
    if code.checks.iter().any(|c| c.kind == CheckKind::Reject && c.queries.len() > 1) {
        return Err("has `reject if` with `or`; write one `reject if` for each".to_owned());
    }
    let rejecting = code.checks.iter().filter(|c| c.kind == CheckKind::Reject);
    let denying = code.policies.iter().filter(|policy| policy.kind == PolicyKind::Deny);
    let refusing = rejecting.flat_map(|c| &c.queries).chain(denying.flat_map(|p| &p.queries));
    for predicate in refusing.flat_map(|query| &query.body) {
        // An oracle says nothing of a value it refuses to read, and so would refuse nothing.
        if Oracle::from_predicate(&predicate.name).is_some() {
            let name = &predicate.name;
            return Err(format!(
                "refuses by `{name}`, which is silent where it cannot read a value"
            ));
        }
    }
    code.queries().try_for_each(query_acceptable)
}

fn query_acceptable(query: &Rule) -> Result<(), String> {
    if query.scopes.contains(&Scope::Previous) {
        return Err("trusts `previous`: what any holder can append would count".to_owned());
    }
    for predicate in query.body.iter().filter(|p| names::is_reserved(&p.name)) {
        let arity = predicate.terms.len();
        let Some(word) = names::word(&predicate.name, arity) else {
            return Err(format!("asks for `{}` of {arity} terms, an unknown word", predicate.name));
        };
        let mut keys = predicate.terms.iter().take(word.keyed);
        if word.speaker == Speaker::Request && keys.any(|t| matches!(t, Term::Variable(_))) {
            return Err(format!("asks for `{}` without naming what about", predicate.name));
        }
    }
    Ok(())
}
