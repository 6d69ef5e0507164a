use biscuit_auth::builder::{CheckKind, MapKey, PolicyKind, Term};

use super::budget::Stop;
use super::code::{Body, Code};
use super::error::{EvaluationError, Origin};
use super::fixpoint::derive;
use super::heap::{Heap, Heaps};
use super::join::{Flow, conditions, join};
use super::machine::Machine;
use super::program::{Check, Program};
use super::request::PredicateId;
use super::scratch::Scratch;
use super::table::{AUTHORITY, DEFAULT_TRUST, Origins};
use super::value::Value;
use super::world::World;

/// A check that did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    /// Whose check it is.
    pub origin: Origin,
    /// Its place among the checks of that origin.
    pub index: usize,
}

/// What a program says about one request.
///
/// It holds facts and outcomes, no verdict: a call is allowed when no check failed, the matching
/// policy allows, and what only block 0 may grant is granted.
#[derive(Debug)]
pub struct Evaluation<'p> {
    program: &'p Program,
    scratch: Option<Box<Scratch>>,
    failed: Vec<FailedCheck>,
    policy: Option<(usize, PolicyKind)>,
    steps: u64,
}

impl<'p> Evaluation<'p> {
    pub(super) fn run(
        program: &'p Program,
        mut scratch: Box<Scratch>,
        steps_max: u64,
    ) -> Result<Self, EvaluationError> {
        let outcome = judge(program, &mut scratch);
        let steps = steps_max - scratch.machine.budget.left();
        let (failed, policy) = match outcome {
            Ok(outcome) => outcome,
            Err(stop) => {
                scratch.give_back();
                return Err(stop.into());
            }
        };
        Ok(Self { program, scratch: Some(scratch), failed, policy, steps })
    }

    /// The checks that did not pass: block after block, then the policy's.
    pub fn failed_checks(&self) -> &[FailedCheck] {
        &self.failed
    }

    /// The first policy that matches, if any does.
    pub fn policy(&self) -> Option<(usize, PolicyKind)> {
        self.policy.clone()
    }

    /// The steps it took.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The facts of a predicate that rest on nothing but block 0, the policy and the request,
    /// sorted, without repetition.
    ///
    /// Request facts of a predicate that the program does not name were dropped and are not here.
    pub fn visible(&self, name: &str, arity: usize) -> Vec<Vec<Term>> {
        self.sorted(name, arity, |_| true)
    }

    /// Like [`visible`](Self::visible), but only facts that block 0 has a part in: what the
    /// authority states or derives, and nobody else.
    pub fn authority_only(&self, name: &str, arity: usize) -> Vec<Vec<Term>> {
        self.sorted(name, arity, |origins| origins & AUTHORITY != 0)
    }

    /// The integers `i` for which block 0 states or derives `name(i)`, in no particular order.
    pub fn authority_integers(&self, name: &str) -> impl Iterator<Item = i64> {
        self.authority_integers_of(self.program.predicate(name, 1))
    }

    /// Like [`authority_integers`](Self::authority_integers), for a predicate that was looked up
    /// before.
    pub fn authority_integers_of(
        &self,
        predicate: Option<PredicateId>,
    ) -> impl Iterator<Item = i64> {
        let rows = self.rows(predicate);
        rows.filter(|(_, origins)| origins & AUTHORITY != 0).filter_map(|(terms, _)| match terms {
            [Value::Int(int)] => Some(*int),
            _ => None,
        })
    }

    fn sorted(&self, name: &str, arity: usize, keep: impl Fn(Origins) -> bool) -> Vec<Vec<Term>> {
        let nothing = Heap::default();
        let Some(scratch) = &self.scratch else { return Vec::new() };
        let base = &self.program.constants.heap;
        let heaps = Heaps { base, request: &scratch.heap, temporary: &nothing };
        let rows =
            self.rows(self.program.predicate(name, arity)).filter(|(_, origins)| keep(*origins));
        let term = |value: &Value| to_term(*value, heaps);
        let mut facts: Vec<Vec<_>> = rows.map(|(row, _)| row.iter().map(term).collect()).collect();
        facts.sort();
        facts.dedup();
        facts
    }

    fn rows(&self, predicate: Option<PredicateId>) -> impl Iterator<Item = (&[Value], Origins)> {
        let world = self.scratch.as_ref().map(|scratch| World {
            program: self.program,
            request: &scratch.heap,
            tables: &scratch.tables,
        });
        let rows = predicate.zip(world).map(|(predicate, world)| world.rows(predicate.0));
        rows.into_iter().flatten().filter(|(_, origins)| origins & !DEFAULT_TRUST == 0)
    }
}

impl Drop for Evaluation<'_> {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            scratch.give_back();
        }
    }
}

/// Failed checks, and the policy that matches.
type Outcome = (Vec<FailedCheck>, Option<(usize, PolicyKind)>);

fn judge(program: &Program, scratch: &mut Scratch) -> Result<Outcome, Stop> {
    derive(program, scratch)?;
    let Scratch { tables, heap, machine, .. } = scratch;
    let world = World { program, request: heap, tables };
    let mut failed = Vec::new();
    for code in [&program.token, &program.policy] {
        for check in &code.checks {
            if !passes(&world, machine, code, check)? {
                failed.push(FailedCheck { origin: check.origin, index: check.index });
            }
        }
    }
    let code = &program.policy;
    for (index, policy) in code.policies.iter().enumerate() {
        for query in policy.queries.of(&code.queries) {
            if matches(&world, machine, code.body(*query))? {
                return Ok((failed, Some((index, policy.kind.clone()))));
            }
        }
    }
    Ok((failed, None))
}

fn passes(
    world: &World<'_>,
    machine: &mut Machine,
    code: &Code,
    check: &Check,
) -> Result<bool, Stop> {
    for query in check.queries.of(&code.queries) {
        let query = code.body(*query);
        match check.kind {
            CheckKind::One if matches(world, machine, query)? => return Ok(true),
            CheckKind::All if matches_always(world, machine, query)? => return Ok(true),
            // The specification: `reject if A or B` rejects on either.
            CheckKind::Reject if matches(world, machine, query)? => return Ok(false),
            CheckKind::One | CheckKind::All | CheckKind::Reject => {}
        }
    }
    Ok(check.kind == CheckKind::Reject && check.queries.len() > 0)
}

/// Whether some binding satisfies the query. Where one has no value, that is the outcome.
fn matches(world: &World<'_>, machine: &mut Machine, body: Body<'_>) -> Result<bool, Stop> {
    let mut any = false;
    join(world, machine, body, None, |_, _| {
        any = true;
        // Only conditions can fail, so without any the first binding settles it.
        Ok(if body.query.filters.len() == 0 { Flow::Done } else { Flow::Next })
    })?;
    Ok(any)
}

/// Whether the query has bindings and all satisfy its conditions.
fn matches_always(world: &World<'_>, machine: &mut Machine, body: Body<'_>) -> Result<bool, Stop> {
    let (mut any, mut all) = (false, true);
    join(world, machine, body, None, |machine, _| {
        any = true;
        all &= conditions(world, machine, body, body.query.filters)?;
        Ok(Flow::Next)
    })?;
    Ok(any && all)
}

/// A value as Biscuit's builders write it; nesting is bounded by what the engine takes in.
fn to_term(value: Value, heaps: Heaps<'_>) -> Term {
    let all =
        |items: &[Value]| -> Vec<Term> { items.iter().map(|item| to_term(*item, heaps)).collect() };
    match value {
        Value::Null => Term::Null,
        Value::Bool(bool) => Term::Bool(bool),
        Value::Int(int) => Term::Integer(int),
        Value::Date(secs) => Term::Date(secs),
        Value::Str(text) => Term::Str(heaps.text(text).to_owned()),
        Value::Bytes(bytes) => Term::Bytes(heaps.bytes(bytes).to_vec()),
        Value::Set(items) => Term::Set(all(heaps.items(items)).into_iter().collect()),
        Value::Array(items) => Term::Array(all(heaps.items(items))),
        Value::Map(items) => {
            let pairs = heaps.items(items).chunks_exact(2).filter_map(|pair| match pair {
                [Value::Int(int), value] => Some((MapKey::Integer(*int), to_term(*value, heaps))),
                [Value::Str(key), value] => {
                    Some((MapKey::Str(heaps.text(*key).to_owned()), to_term(*value, heaps)))
                }
                _ => None,
            });
            Term::Map(pairs.collect())
        }
    }
}
