use std::sync::Arc;

use biscuit_auth::builder::{Check, PolicyKind, Term};

use super::engine::{self, CompileFault, EvaluationError, FailedCheck, Origin};
use super::{Decision, Policy, explain};
use crate::model::{Block, Code, Reason, Request, limits};
use crate::verify::{Authentic, Verified};
use crate::vocabulary::frame::{self, Frame};
use crate::vocabulary::{Bearing, Needs, facts};

/// A token and a policy, made ready to decide many requests.
///
/// *Shape*: made once for a token and kept with it; holds no request data.
#[derive(Debug)]
pub struct Program {
    engine: engine::Program,
    needs: Needs,
}

impl Program {
    /// Makes a token and a policy ready.
    ///
    /// *Errors*: a reason with `token-too-complex` or `token-malformed`.
    pub fn new(authentic: &Authentic, policy: &Policy) -> Result<Self, Reason> {
        let blocks = authentic.blocks();
        let engine = engine::Program::compile(blocks.iter().map(Arc::as_ref), &policy.code)
            .map_err(|error| {
                let code = match error.fault {
                    CompileFault::MalformedExpression
                    | CompileFault::UnboundVariable(_)
                    | CompileFault::VariableInConstant(_)
                    | CompileFault::UnboundParameter(_) => Code::TokenMalformed,
                    _ => Code::TokenTooComplex,
                };
                Reason::new(code, error.to_string())
            })?;
        let mut needs = policy.needs.clone();
        for block in blocks {
            let queries = block.checks.iter().flat_map(|check| &check.queries);
            let bodies = block.rules.iter().chain(queries).flat_map(|rule| &rule.body);
            bodies.for_each(|predicate| needs.add(predicate));
        }
        Ok(Self { engine, needs })
    }
}

/// Decides one request.
///
/// *Shape*: the program must be the one made of this token. Deterministic: the same input gives
/// the same decision, whatever the order of arguments.
pub fn decide(verified: &Verified, program: &Program, request: &Request) -> Decision {
    let authentic = verified.authentic();
    let bearing = authentic.bearing();
    let facts = match facts(request, &bearing, &program.needs) {
        Ok(facts) => facts,
        Err(error) => return Decision::deny(Reason::new(Code::TokenTooComplex, error.to_string())),
    };
    match program.engine.evaluate(&facts, limits::EVALUATION_STEPS_MAX) {
        Ok(evaluation) => conclude(authentic.blocks(), &bearing, request, &evaluation),
        Err(EvaluationError::TooComplex) => Decision::deny(Reason::new(
            Code::TokenTooComplex,
            "deciding this call takes more steps than a decision may",
        )),
        Err(error) => Decision::deny(Reason::new(Code::EvaluationError, error.to_string())),
    }
}

/// Turns what was evaluated into a decision, in the order that the module names.
fn conclude(
    blocks: &[Arc<Block>],
    bearing: &Bearing,
    request: &Request,
    evaluation: &engine::Evaluation,
) -> Decision {
    let of_blocks = evaluation.failed_checks().iter().filter(|f| f.origin != Origin::Policy);
    let failed: Vec<Failed> = of_blocks.map(|failed| Failed::find(blocks, failed)).collect();
    for code in [Code::ChainTooLong, Code::Expired, Code::AudienceMismatch] {
        if failed.iter().any(|failed| failed.code == code) {
            return refuse(&failed, code, bearing, request);
        }
    }
    let grant = evaluation
        .authority_only("granted", 1)
        .iter()
        .filter_map(|terms| match terms.as_slice() {
            [Term::Integer(index)] => usize::try_from(*index).ok(),
            _ => None,
        })
        .min();
    let Some(grant) = grant else {
        return Decision::deny(explain::not_granted(blocks, request));
    };
    if !failed.is_empty() {
        return refuse(&failed, Code::CheckFailed, bearing, request);
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

    fn reason(&self, bearing: &Bearing, request: &Request) -> Reason {
        let reason = match self.check {
            Some(check) => explain::failed(check, self.code, bearing, request),
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
fn refuse(failed: &[Failed], code: Code, bearing: &Bearing, request: &Request) -> Decision {
    let of_code = failed.iter().filter(|failed| failed.code == code);
    let reason = |(index, failed): (usize, &Failed)| match index < limits::EXPLAINED_MAX {
        true => failed.reason(bearing, request),
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
