use std::ops::Range;

use super::budget::{Budget, Stop};
use super::heap::{Heap, Heaps};
use super::join::{Flow, Spans, join};
use super::program::{HeadTerm, Program, Rule};
use super::scratch::{Derived, Scratch};
use super::table::{Origins, Table};
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
    let (once, rounds) = program.rules.split_at_checked(program.recursive).unwrap_or_default();
    let mut room = DERIVED_MAX;
    for rule in once {
        run(program, scratch, rule, None)?;
        take_in(program, scratch, rule.head, &mut room)?;
    }
    if rounds.is_empty() {
        return Ok(());
    }
    let mut old = vec![0; scratch.tables.len()];
    loop {
        let known = lengths(program, scratch);
        scratch.machine.budget.charge_elements(known.len())?;
        for rule in rounds {
            scratch.machine.budget.charge_row(rule.query.atoms.len())?;
            for spans in changed(rule, &old, &known) {
                run(program, scratch, rule, Some(&spans))?;
                take_in(program, scratch, rule.head, &mut room)?;
            }
        }
        if lengths(program, scratch) == known {
            return Ok(());
        }
        old = known;
    }
}

/// The number of rows of each predicate.
fn lengths(program: &Program, scratch: &Scratch) -> Vec<usize> {
    let world = World { program, request: &scratch.heap, tables: &scratch.tables };
    (0..scratch.tables.len()).map(|predicate| world.len(predicate)).collect()
}

/// The combinations of rows in which at least one is new: at one place a new row, before it old
/// ones, behind it any.
fn changed(rule: &Rule, old: &[usize], known: &[usize]) -> Vec<Vec<Range<usize>>> {
    let atoms = &rule.query.atoms;
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
    rule: &Rule,
    spans: Spans<'_>,
) -> Result<(), Stop> {
    let Scratch { tables, heap, machine, derived, .. } = scratch;
    derived.terms.clear();
    derived.origins.clear();
    let world = World { program, request: heap, tables };
    join(&world, machine, &rule.query, spans, |machine, origins| {
        machine.budget.charge_row(rule.terms.len())?;
        derived.origins.push(origins | rule.origin);
        derived.terms.extend(rule.terms.iter().map(|term| match term {
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
    let (Some(fixed), Some(table)) = (program.tables.get(predicate), tables.get_mut(predicate))
    else {
        return Ok(());
    };
    let arity = program.predicates.arities().get(predicate).copied().unwrap_or(0);
    let Derived { terms, origins } = derived;
    let nothing = Heap::default();
    let heaps = Heaps { base: &program.constants.heap, request: heap, temporary: &nothing };
    for (index, origins) in origins.iter().enumerate() {
        let Some(terms) = terms.get(index * arity..(index + 1) * arity) else { continue };
        let budget = &mut machine.budget;
        if holds(fixed, terms, *origins, heaps, budget)?
            || holds(table, terms, *origins, heaps, budget)?
        {
            continue;
        }
        *room = room.checked_sub(1).ok_or(Stop::Budget)?;
        table.push(terms, *origins);
    }
    Ok(())
}

/// Whether a table holds the fact with exactly these origins.
fn holds(
    table: &Table,
    terms: &[Value],
    origins: Origins,
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    for (row, from) in table.rows() {
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
