use std::ops::Range;

use super::budget::{Budget, Stop};
use super::code::Code;
use super::heap::{Heap, Heaps};
use super::join::{Flow, Spans, join};
use super::program::{Atom, HeadTerm, Program, Rule};
use super::scratch::{Derived, Scratch};
use super::table::Origins;
use super::value::Value;
use super::world::World;

/// Facts that rules may derive for one request.
const DERIVED_MAX: usize = 10_000;

/// Derives everything the program's rules derive.
///
/// Rules that do not feed one another run once, in an order that makes once enough. The others
/// run in rounds; from the second round on, a rule only looks at bindings that use a fact of the
/// round before.
pub(super) fn derive(program: &Program, scratch: &mut Scratch) -> Result<(), Stop> {
    let order = &program.order;
    let (once, rounds) = order.rules.split_at_checked(order.recursive).unwrap_or_default();
    let mut room = DERIVED_MAX;
    for rule in once.iter().filter_map(|number| program.rule(*number)) {
        run(program, scratch, rule, None)?;
        take_in(program, scratch, rule.1.head, &mut room)?;
    }
    if rounds.is_empty() {
        return Ok(());
    }
    let mut old = vec![0; program.predicates.len()];
    loop {
        let known = lengths(program, scratch);
        scratch.machine.budget.charge_elements(known.len())?;
        for rule in rounds.iter().filter_map(|number| program.rule(*number)) {
            let body = rule.0.body(rule.1.query);
            scratch.machine.budget.charge_row(body.atoms.len())?;
            for spans in changed(body.atoms, &old, &known) {
                run(program, scratch, rule, Some(&spans))?;
                take_in(program, scratch, rule.1.head, &mut room)?;
            }
        }
        if lengths(program, scratch) == known {
            return Ok(());
        }
        old = known;
    }
}

impl Program {
    /// A rule by its number among those of the policy and the token.
    fn rule(&self, number: u32) -> Option<(&Code, &Rule)> {
        let number = number as usize;
        Some(match number.checked_sub(self.policy.rules.len()) {
            None => (&*self.policy, self.policy.rules.get(number)?),
            Some(number) => (&self.token, self.token.rules.get(number)?),
        })
    }
}

/// The number of rows of each predicate.
fn lengths(program: &Program, scratch: &Scratch) -> Vec<usize> {
    let world = World { program, request: &scratch.heap, tables: &scratch.tables };
    (0..program.predicates.len()).map(|predicate| world.len(predicate)).collect()
}

/// The combinations of rows in which at least one is new: at one place a new row, before it old
/// ones, behind it any.
fn changed(atoms: &[Atom], old: &[usize], known: &[usize]) -> Vec<Vec<Range<usize>>> {
    let at = |lengths: &[usize], predicate: usize| lengths.get(predicate).copied().unwrap_or(0);
    let first_round = old.iter().all(|length| *length == 0);
    if first_round {
        return vec![atoms.iter().map(|atom| 0..at(known, atom.predicate)).collect()];
    }
    let mut combinations = Vec::new();
    for (place, atom) in atoms.iter().enumerate() {
        if at(old, atom.predicate) == at(known, atom.predicate) {
            continue;
        }
        let spans = atoms.iter().enumerate().map(|(index, atom)| {
            let (old, known) = (at(old, atom.predicate), at(known, atom.predicate));
            match index.cmp(&place) {
                std::cmp::Ordering::Less => 0..old,
                std::cmp::Ordering::Equal => old..known,
                std::cmp::Ordering::Greater => 0..known,
            }
        });
        combinations.push(spans.collect());
    }
    combinations
}

/// Collects what a rule derives from the facts known so far.
fn run(
    program: &Program,
    scratch: &mut Scratch,
    (code, rule): (&Code, &Rule),
    spans: Spans<'_>,
) -> Result<(), Stop> {
    let Scratch { tables, heap, machine, derived, .. } = scratch;
    derived.terms.clear();
    derived.origins.clear();
    let world = World { program, request: heap, tables };
    let terms = rule.terms.of(&code.heads);
    join(&world, machine, code.body(rule.query), spans, |machine, origins| {
        machine.budget.charge_row(terms.len())?;
        derived.origins.push(origins | rule.origin);
        derived.terms.extend(terms.iter().map(|term| match term {
            HeadTerm::Is(value) => *value,
            HeadTerm::Slot(slot) => machine.slot(*slot),
        }));
        Ok(Flow::Next)
    })
}

/// Moves derived facts that are new into their table.
fn take_in(
    program: &Program,
    scratch: &mut Scratch,
    predicate: usize,
    room: &mut usize,
) -> Result<(), Stop> {
    let Scratch { tables, heap, machine, derived, .. } = scratch;
    let Some(table) = tables.get_mut(predicate) else { return Ok(()) };
    let arity = program.predicates.arity(predicate);
    let Derived { terms, origins } = derived;
    let nothing = Heap::default();
    let heaps = Heaps { base: &program.constants.heap, request: heap, temporary: &nothing };
    for (index, origins) in origins.iter().enumerate() {
        let Some(terms) = terms.get(index * arity..(index + 1) * arity) else { continue };
        let budget = &mut machine.budget;
        let stated = (0..program.stated.len(predicate))
            .filter_map(|index| program.stated.row(predicate, index));
        let rows = stated.chain(table.rows());
        if holds(rows, terms, *origins, heaps, budget)? {
            continue;
        }
        *room = room.checked_sub(1).ok_or(Stop::Budget)?;
        table.push(terms, *origins);
    }
    Ok(())
}

/// Whether the fact is among some rows, with exactly these origins.
fn holds<'a>(
    rows: impl Iterator<Item = (&'a [Value], Origins)>,
    terms: &[Value],
    origins: Origins,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    for (row, from) in rows {
        budget.charge_row(terms.len())?;
        if from == origins && equal(row, terms, heaps, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &[Value], b: &[Value], heaps: Heaps<'_>, budget: &mut Budget) -> Result<bool, Stop> {
    for (a, b) in a.iter().zip(b) {
        if !heaps.equal(*a, *b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}
