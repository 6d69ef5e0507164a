use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use biscuit_auth::builder::{Check, CheckKind, Expression, Op, PolicyKind, Predicate, Rule, Term};

use super::Policy;
use super::engine::{self, EvaluationError, PolicyCode};
use super::policy::Base;
use super::program::{self, Program, Unevaluated};
use crate::model::{Block, Reason, Request, Work, limits};
use crate::verify::Authentic;
use crate::vocabulary::Needs;
use crate::vocabulary::names;

/// The words of a request that are known before its arguments are.
const KNOWN: &[&str] =
    &["audience", "call", "depth", "label", "minute_of_day", "presenter", "time", "weekday"];

/// How many decisions' work one outline may take.
const WORK_FACTOR: usize = 16;

/// Words whose first term is the path of the argument that they ask about.
const OF_ARGUMENT: &str = "arg";
const OF_NUMBER: &str = "number";

/// What is left of a token and a policy where nothing is known of a call's arguments, or no more than
/// one of them: which tools could be called at all, with the right ones.
///
/// *Shape*: never says no to a tool of which some call would be allowed, except where its work is
/// used up. It may say yes to one of which no call is: it does not find out that two conditions on
/// one argument exclude each other. Good for lists, never for a decision.
#[derive(Debug)]
pub struct Outline {
    program: Program,
    work: Cell<usize>,
}

impl Outline {
    /// The outline of a token under a policy, for calls of which nothing is known but the argument at
    /// this path, if any.
    ///
    /// *Errors*: as [`Program::new`].
    pub fn new(
        authentic: &Authentic,
        policy: &Policy,
        argument: Option<&str>,
    ) -> Result<Self, Reason> {
        let code = &policy.base.code;
        let unknown = Unknown::find(code, authentic.blocks(), argument);
        let blocks: Vec<Block> = authentic.blocks().iter().map(|b| unknown.block(b)).collect();
        let code = unknown.policy(code);
        let mut needs = Needs::default();
        let checks = code.checks.iter().flat_map(|check| &check.queries);
        let policies = code.policies.iter().flat_map(|policy| &policy.queries);
        let queries = code.rules.iter().chain(checks).chain(policies);
        queries.flat_map(|query| &query.body).for_each(|predicate| needs.add(predicate));
        let engine = engine::Program::of_policy(&code).map_err(program::refused)?;
        let base = Arc::new(Base { code, engine, needs: Arc::new(needs) });
        let program = Program::with(&base, &base.engine, &base.needs, &blocks, 0)?;
        let work = Cell::new(WORK_FACTOR * limits::DECISION_WORK_MAX);
        Ok(Self { program, work })
    }

    /// Whether some call of the request's tool could be allowed; its arguments do not count but for the
    /// one that is known.
    pub fn permits(&self, authentic: &Authentic, request: &Request) -> bool {
        let mut work = Work::new(self.work.get().min(limits::DECISION_WORK_MAX));
        let before = work.left();
        let evaluated = self.program.run(authentic, request, &mut work);
        let spent = match &evaluated {
            Ok(evaluation) => {
                let steps = limits::STEP_WORK * evaluation.steps() as usize;
                (before - work.left()).saturating_add(steps)
            }
            Err(Unevaluated::Engine(EvaluationError::TooComplex)) => before,
            Err(_) => before - work.left(),
        };
        self.work.set(self.work.get().saturating_sub(spent));
        evaluated.is_ok_and(|evaluation| self.program.allows(&evaluation))
    }
}

/// The predicates of which nothing is known without arguments: words about them, and whatever
/// follows from those.
struct Unknown<'a> {
    /// What follows.
    names: BTreeSet<String>,
    /// The path of the argument that is known.
    argument: Option<&'a str>,
}

impl<'a> Unknown<'a> {
    fn find(code: &PolicyCode, blocks: &[Arc<Block>], argument: Option<&'a str>) -> Self {
        let mut unknown = Self { names: BTreeSet::new(), argument };
        let rules: Vec<&Rule> =
            code.rules.iter().chain(blocks.iter().flat_map(|block| &block.rules)).collect();
        loop {
            let depends = |rule: &&&Rule| rule.body.iter().any(|body| unknown.is(body));
            let more: BTreeSet<String> = rules
                .iter()
                .filter(depends)
                .map(|rule| rule.head.name.clone())
                .filter(|name| name != "granted" && !unknown.names.contains(name))
                .collect();
            if more.is_empty() {
                return unknown;
            }
            unknown.names.extend(more);
        }
    }

    fn is(&self, predicate: &Predicate) -> bool {
        let name = predicate.name.as_str();
        let of_request = names::is_request(name) && !KNOWN.contains(&name);
        (of_request && !self.is_of_known(predicate)) || self.names.contains(name)
    }

    /// Whether a word is about the argument that is known, and no other.
    fn is_of_known(&self, predicate: &Predicate) -> bool {
        let is_of_one =
            predicate.name.starts_with(OF_ARGUMENT) || predicate.name.starts_with(OF_NUMBER);
        let path = predicate.terms.first();
        is_of_one
            && predicate.name != "arg_names"
            && predicate.name != "args_digest"
            && matches!((path, self.argument), (Some(Term::Str(path)), Some(known)) if path == known)
    }

    fn touches(&self, query: &Rule) -> bool {
        query.body.iter().any(|predicate| self.is(predicate))
    }

    fn block(&self, block: &Block) -> Block {
        let mut block = block.clone();
        block.rules = self.rules(&block.rules);
        block.checks = self.checks(&block.checks);
        block
    }

    fn policy(&self, code: &PolicyCode) -> PolicyCode {
        let mut policies = code.policies.clone();
        for policy in &mut policies {
            match policy.kind {
                PolicyKind::Deny => policy.queries.retain(|query| !self.refuses_unknown(query)),
                PolicyKind::Allow => policy.queries = self.relaxed(&policy.queries),
            }
        }
        policies.retain(|policy| !policy.queries.is_empty());
        let mut rules = self.rules(&code.rules);
        // Whoever approves may let the call through.
        rules.retain(|rule| rule.head.name != "needs_approval");
        PolicyCode { facts: code.facts.clone(), rules, checks: self.checks(&code.checks), policies }
    }

    fn rules(&self, rules: &[Rule]) -> Vec<Rule> {
        let kept: Vec<Rule> =
            rules.iter().filter(|rule| !self.names.contains(&rule.head.name)).cloned().collect();
        self.relaxed(&kept)
    }

    fn checks(&self, checks: &[Check]) -> Vec<Check> {
        let kept = checks.iter().filter(|check| {
            check.kind == CheckKind::One || !check.queries.iter().any(|q| self.refuses_unknown(q))
        });
        let relaxed = |check: &Check| match check.kind {
            CheckKind::One => Check { queries: self.relaxed(&check.queries), kind: CheckKind::One },
            _ => check.clone(),
        };
        kept.map(relaxed).collect()
    }

    /// Whether a query that refuses could be wrong here: more may be granted than there will be.
    fn refuses_unknown(&self, query: &Rule) -> bool {
        self.touches(query) || query.body.iter().any(|predicate| predicate.name == "granted")
    }

    fn relaxed(&self, queries: &[Rule]) -> Vec<Rule> {
        queries.iter().map(|query| self.relax(query)).collect()
    }

    /// The query without all that asks about arguments: it holds wherever the whole one would.
    fn relax(&self, query: &Rule) -> Rule {
        if !self.touches(query) {
            return query.clone();
        }
        let mut query = query.clone();
        query.body.retain(|predicate| !self.is(predicate));
        let terms = query.body.iter().flat_map(|predicate| &predicate.terms);
        let bound: BTreeSet<String> = terms.filter_map(variable).map(str::to_owned).collect();
        query.expressions.retain(|expression| is_bound(&expression.ops, &bound));
        // What would be concluded of an argument is concluded of something.
        for term in &mut query.head.terms {
            if variable(term).is_some_and(|name| !bound.contains(name)) {
                *term = Term::Integer(0);
            }
        }
        if query.body.is_empty() && query.expressions.is_empty() {
            query.expressions.push(Expression { ops: vec![Op::Value(Term::Bool(true))] });
        }
        query
    }
}

fn variable(term: &Term) -> Option<&str> {
    match term {
        Term::Variable(name) => Some(name),
        _ => None,
    }
}

/// Whether an expression needs no other variables than these.
fn is_bound(ops: &[Op], bound: &BTreeSet<String>) -> bool {
    ops.iter().all(|op| match op {
        Op::Value(term) => variable(term).is_none_or(|name| bound.contains(name)),
        Op::Closure(parameters, ops) => {
            let mut inner = bound.clone();
            inner.extend(parameters.iter().cloned());
            is_bound(ops, &inner)
        }
        Op::Unary(_) | Op::Binary(_) => true,
    })
}
