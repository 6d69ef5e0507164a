use std::borrow::Borrow;
use std::sync::Arc;

use biscuit_auth::builder::{Check, PolicyKind, Term};

use super::engine::{
    self, CompileError, CompileFault, EvaluationError, FailedCheck, Origin, PredicateId,
    RequestFacts,
};
use super::explain::{self, Call};
use super::policy::Base;
use super::{Decision, Policy};
use crate::model::{Block, Code, Reason, Request, TooMuchWork, Work, limits};
use crate::verify::{Authentic, Verified};
use crate::vocabulary::frame::{self, Frame};
use crate::vocabulary::names::{self, WordId};
use crate::vocabulary::{FactSink, Needs, TermRef, facts_into};

/// A token and a policy, made ready to decide many requests.
///
/// *Shape*: made once for a token and kept with it; holds no request data.
#[derive(Debug)]
pub struct Program {
    base: Arc<Base>,
    engine: engine::Program,
    needs: Arc<Needs>,
    words: Words,
    /// What block 0 grants.
    granted: Option<PredicateId>,
}

/// The predicates of the request's words, as one program numbers them.
type Words = [Option<PredicateId>; names::WORDS.len()];

impl Program {
    /// Makes a token and a policy ready.
    ///
    /// *Errors*: a reason with `token-too-complex` or `token-malformed`.
    pub fn new(authentic: &Authentic, policy: &Policy) -> Result<Self, Reason> {
        let base = &policy.base;
        Self::with(base, &base.engine, &base.needs, authentic.blocks(), 0)
    }

    /// Makes a child token ready from the program of its parent, at the cost of the new blocks.
    ///
    /// *Shape*: the first `from_block` blocks of the child must be those that the parent's program
    /// was made of. The result is that of [`Program::new`].
    ///
    /// *Errors*: as [`Program::new`].
    pub fn extend(parent: &Self, child: &Authentic, from_block: usize) -> Result<Self, Reason> {
        let (base, blocks) = (&parent.base, child.blocks());
        if from_block == parent.engine.blocks() {
            Self::with(base, &parent.engine, &parent.needs, blocks, from_block)
        } else {
            Self::with(base, &base.engine, &base.needs, blocks, 0)
        }
    }

    /// What the token's regular expressions take, in bytes.
    pub fn regex_bytes(&self) -> usize {
        self.engine.regex_bytes()
    }

    /// Adds the blocks from `from` on to what the blocks before them gave.
    pub(super) fn with<B: Borrow<Block>>(
        base: &Arc<Base>,
        known: &engine::Program,
        needs: &Arc<Needs>,
        blocks: &[B],
        from: usize,
    ) -> Result<Self, Reason> {
        let new = blocks.get(from..).unwrap_or_default();
        let engine = match known.extended(new).map_err(refused)? {
            Some(engine) => engine,
            None => engine::Program::compile(blocks, &base.code).map_err(refused)?,
        };
        let mut needs = Arc::clone(needs);
        for block in new.iter().map(Borrow::borrow) {
            let queries = block.checks.iter().flat_map(|check| &check.queries);
            let bodies = block.rules.iter().chain(queries).flat_map(|rule| &rule.body);
            for predicate in bodies {
                // A child mostly asks what its parent asked, and then shares the answer.
                if !needs.covers(predicate) {
                    Arc::make_mut(&mut needs).add(predicate);
                }
            }
        }
        let mut words = [None; names::WORDS.len()];
        for (id, word) in needs.words().words().filter_map(|id| Some((id, id.word()?))) {
            if let Some(place) = words.get_mut(id.place()) {
                *place = engine.predicate(word.name, word.arity);
            }
        }
        let granted = engine.predicate("granted", 1);
        Ok(Self { base: Arc::clone(base), engine, needs, words, granted })
    }

    /// Evaluates one request within the work that is left; the steps are not yet taken off it.
    pub(super) fn run(
        &self,
        authentic: &Authentic,
        request: &Request,
        work: &mut Work,
    ) -> Result<engine::Evaluation<'_>, Unevaluated> {
        let mut sink = ToEngine { words: &self.words, request: self.engine.request() };
        facts_into(request, &authentic.bearing(), &self.needs, work, &mut sink)
            .map_err(Unevaluated::Facts)?;
        let steps = (work.left() / limits::STEP_WORK) as u64;
        sink.request.evaluate(steps).map_err(Unevaluated::Engine)
    }

    /// Whether what was evaluated allows the call.
    pub(super) fn allows(&self, evaluation: &engine::Evaluation<'_>) -> bool {
        evaluation.failed_checks().is_empty()
            && evaluation.authority_integers_of(self.granted).next().is_some()
            && by_policy(evaluation).is_none()
    }
}

/// Why a request could not be evaluated.
pub(super) enum Unevaluated {
    Facts(TooMuchWork),
    Engine(EvaluationError),
}

pub(super) fn refused(error: CompileError) -> Reason {
    let code = match error.fault {
        CompileFault::MalformedExpression
        | CompileFault::UnboundVariable(_)
        | CompileFault::VariableInConstant(_)
        | CompileFault::UnboundParameter(_) => Code::TokenMalformed,
        _ => Code::TokenTooComplex,
    };
    Reason::new(code, error.to_string())
}

/// Hands facts on to an evaluation.
struct ToEngine<'p> {
    words: &'p Words,
    request: RequestFacts<'p>,
}

impl FactSink for ToEngine<'_> {
    fn fact(&mut self, word: WordId, terms: &[TermRef<'_>]) {
        if let Some(Some(predicate)) = self.words.get(word.place()) {
            self.request.add_to(*predicate, terms);
        }
    }

    fn fact_of(&mut self, word: WordId, terms: &[Term]) {
        if let Some(Some(predicate)) = self.words.get(word.place()) {
            self.request.add_terms_to(*predicate, terms);
        }
    }
}

/// Decides one request.
///
/// *Shape*: the program must be the one made of this token. Deterministic: the same input gives
/// the same decision, whatever the order of arguments. An ordinary call that is allowed takes no
/// memory from the heap but what its thread keeps for the next.
pub fn decide(verified: &Verified<'_>, program: &Program, request: &Request) -> Decision {
    let authentic = verified.authentic();
    if let Err(reason) = verified.is_proven_for(request) {
        return Decision::deny(reason);
    }
    let mut decision = evaluate(authentic, program, request);
    if let Decision::Deny { reasons } = &mut decision {
        for reason in reasons {
            let name = reason.block.and_then(|block| authentic.hop_name(block));
            reason.hop = name.map(str::to_owned);
        }
    }
    decision
}

fn evaluate(authentic: &Authentic, program: &Program, request: &Request) -> Decision {
    let bearing = authentic.bearing();
    let mut work = Work::new(limits::DECISION_WORK_MAX);
    match program.run(authentic, request, &mut work) {
        Ok(evaluation) => {
            let spent = limits::STEP_WORK * evaluation.steps() as usize;
            let work = Work::new(work.left().saturating_sub(spent));
            let call = Call { blocks: authentic.blocks(), bearing, request, work };
            conclude(call, program.granted, &evaluation)
        }
        Err(Unevaluated::Facts(error)) => {
            Decision::deny(Reason::new(Code::TokenTooComplex, error.to_string()))
        }
        Err(Unevaluated::Engine(EvaluationError::TooComplex)) => Decision::deny(Reason::new(
            Code::TokenTooComplex,
            "deciding this call takes more steps than a decision may",
        )),
        Err(Unevaluated::Engine(error)) => {
            Decision::deny(Reason::new(Code::EvaluationError, error.to_string()))
        }
    }
}

/// Turns what was evaluated into a decision, in the order that the module names.
fn conclude(
    mut call: Call<'_>,
    granted: Option<PredicateId>,
    evaluation: &engine::Evaluation,
) -> Decision {
    let of_blocks = evaluation.failed_checks().iter().filter(|f| f.origin != Origin::Policy);
    let failed: Vec<Failed> = of_blocks.map(|failed| Failed::find(call.blocks, failed)).collect();
    for code in [Code::ChainTooLong, Code::Expired, Code::AudienceMismatch] {
        if failed.iter().any(|failed| failed.code == code) {
            return refuse(&failed, code, &mut call);
        }
    }
    let grants = evaluation.authority_integers_of(granted);
    let grant = grants.filter_map(|index| usize::try_from(index).ok()).min();
    let Some(grant) = grant else {
        return Decision::deny(explain::not_granted(&mut call));
    };
    if !failed.is_empty() {
        return refuse(&failed, Code::CheckFailed, &mut call);
    }
    match by_policy(evaluation) {
        Some(reason) => Decision::deny(reason),
        None => Decision::Allow { grant },
    }
}

/// A check of a block that did not hold.
struct Failed<'a> {
    block: usize,
    index: usize,
    check: Option<&'a Check>,
    code: Code,
}

impl<'a> Failed<'a> {
    fn find(blocks: &'a [Arc<Block>], failed: &FailedCheck) -> Self {
        let block = match failed.origin {
            Origin::Block(block) => block,
            Origin::Policy => usize::MAX,
        };
        let check = blocks.get(block).and_then(|block| block.checks.get(failed.index));
        let code = match check.and_then(frame::read) {
            Some(Frame::Depth(_)) => Code::ChainTooLong,
            Some(Frame::Expiry(_)) => Code::Expired,
            Some(Frame::Audience(_)) => Code::AudienceMismatch,
            None => Code::CheckFailed,
        };
        Self { block, index: failed.index, check, code }
    }

    fn reason(&self, call: &mut Call<'_>) -> Reason {
        let reason = match self.check {
            Some(check) => explain::failed(check, self.code, call),
            None => return self.bare(),
        };
        Reason { block: Some(self.block), check: Some(self.index), ..reason }
    }

    /// The reason without what it takes to explain it.
    fn bare(&self) -> Reason {
        let reason = Reason::new(self.code, "a check of the token does not hold");
        Reason { block: Some(self.block), check: Some(self.index), ..reason }
    }
}

/// A refusal with every failed check of this code.
fn refuse(failed: &[Failed], code: Code, call: &mut Call<'_>) -> Decision {
    let of_code = failed.iter().filter(|failed| failed.code == code);
    let reason = |(index, failed): (usize, &Failed)| match index < limits::EXPLAINED_MAX {
        true => failed.reason(call),
        false => failed.bare(),
    };
    Decision::Deny { reasons: of_code.enumerate().map(reason).collect() }
}

/// What the policy has against the call. Its own checks count as `deny if`.
fn by_policy(evaluation: &engine::Evaluation) -> Option<Reason> {
    let denied = |message: &str| Some(Reason::new(Code::PolicyDenied, message));
    if evaluation.failed_checks().iter().any(|failed| failed.origin == Origin::Policy) {
        return denied("a check of the gateway's policy does not hold");
    }
    let Some((_, kind)) = evaluation.policy() else {
        return denied("no `allow if` of the gateway's policy matches");
    };
    if kind == PolicyKind::Deny {
        return denied("a `deny if` of the gateway's policy matches");
    }
    let approvals = evaluation.visible("needs_approval", 1);
    let wanted = approvals.first()?;
    let why = match wanted.as_slice() {
        [Term::Str(why)] => why.as_str(),
        _ => "no reason given",
    };
    let message = format!("the gateway's policy wants a person's approval: {why}");
    Some(Reason::new(Code::ApprovalRequired, message))
}
