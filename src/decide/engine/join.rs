use std::ops::Range;

use super::budget::{Budget, Stop};
use super::code::{Body, Span};
use super::heap::Heaps;
use super::machine::Machine;
use super::program::Pattern;
use super::table::Origins;
use super::value::Value;
use super::world::World;

/// Whether a join goes on after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// To the next binding.
    Next,
    /// No further.
    Done,
}

/// Where a join stands in the rows of one predicate.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    /// The rows not looked at yet.
    rows: Range<usize>,
    /// The origins of the rows chosen up to here.
    origins: Origins,
}

/// Which rows of each predicate of a body take part; without it, all do.
pub(super) type Spans<'a> = Option<&'a [Range<usize>]>;

/// Calls `found` for each binding under which the body holds, with the origins it rests on.
///
/// A condition is tested on the first predicates that bind its variables. If it has no value, the
/// fault counts only for bindings of the whole body, as if all conditions were tested last: so the
/// search goes on from there without conditions, and the fault is the result if any binding is
/// completed. An error therefore never depends on the order of rows, and is never hidden by a
/// binding that matches.
pub(super) fn join(
    world: &World<'_>,
    machine: &mut Machine,
    body: Body<'_>,
    spans: Spans<'_>,
    mut found: impl FnMut(&mut Machine, Origins) -> Result<Flow, Stop>,
) -> Result<(), Stop> {
    machine.prepare(body.query.slots as usize);
    machine.cursors.clear();
    let last = match body.atoms.len().checked_sub(1) {
        Some(last) => last,
        None => {
            if conditions(world, machine, body, body.query.filters)? {
                found(machine, 0)?;
            }
            return Ok(());
        }
    };
    // A fault met at this depth, until a row further up is chosen.
    let mut doubt: Option<(usize, Stop)> = None;
    enter(world, machine, body, spans, 0);
    while let Some(depth) = machine.cursors.len().checked_sub(1) {
        let Some(atom) = body.atoms.get(depth) else { break };
        doubt = doubt.filter(|(at, _)| *at < depth);
        let Some(origins) = machine.advance(
            world,
            atom.predicate,
            atom.terms.of(&body.code.patterns),
            body.query.trust,
        )?
        else {
            machine.cursors.pop();
            continue;
        };
        if doubt.is_none() {
            match conditions(world, machine, body, atom.filters) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(Stop::Fault(fault)) => doubt = Some((depth, Stop::Fault(fault))),
                Err(Stop::Budget) => return Err(Stop::Budget),
            }
        }
        if depth < last {
            enter(world, machine, body, spans, depth + 1);
        } else if let Some((_, fault)) = doubt {
            return Err(fault);
        } else if found(machine, origins)? == Flow::Done {
            break;
        }
    }
    Ok(())
}

/// Begins the rows of the predicate at `depth`.
#[inline]
fn enter(world: &World<'_>, machine: &mut Machine, body: Body<'_>, spans: Spans<'_>, depth: usize) {
    let rows = match spans {
        Some(spans) => spans.get(depth).cloned().unwrap_or_default(),
        None => 0..body.atoms.get(depth).map_or(0, |atom| world.len(atom.predicate)),
    };
    machine.cursors.push(Cursor { rows, origins: 0 });
}

impl Machine {
    /// Moves the innermost cursor to the next row that fits and binds its variables; gives the
    /// origins up to here.
    #[inline]
    fn advance(
        &mut self,
        world: &World<'_>,
        predicate: usize,
        patterns: &[Pattern],
        trust: Origins,
    ) -> Result<Option<Origins>, Stop> {
        let Self { cursors, slots, budget, temporary, .. } = self;
        let (above, cursor) = match cursors.as_mut_slice() {
            [.., above, cursor] => (above.origins, cursor),
            [cursor] => (0, cursor),
            [] => return Ok(None),
        };
        let heaps = world.heaps(temporary);
        for index in cursor.rows.by_ref() {
            budget.charge_row(patterns.len())?;
            let Some((terms, origins)) = world.row(predicate, index) else { break };
            if origins & !trust == 0 && fits(patterns, terms, slots, heaps, budget)? {
                cursor.origins = origins | above;
                return Ok(Some(cursor.origins));
            }
        }
        Ok(None)
    }
}

/// Whether a row is what the patterns say; binds variables on the way.
#[inline]
fn fits(
    patterns: &[Pattern],
    terms: &[Value],
    slots: &mut [Value],
    heaps: Heaps<'_>,
    budget: &mut Budget,
) -> Result<bool, Stop> {
    for (pattern, term) in patterns.iter().zip(terms) {
        let expected = match pattern {
            Pattern::Is(value) => *value,
            Pattern::Same(slot) => slots.get(*slot as usize).copied().unwrap_or_default(),
            Pattern::Bind(slot) => {
                if let Some(place) = slots.get_mut(*slot as usize) {
                    *place = *term;
                }
                continue;
            }
        };
        if !heaps.equal(expected, *term, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether some conditions of a body hold; the first that does not ends the test.
#[inline]
pub(super) fn conditions(
    world: &World<'_>,
    machine: &mut Machine,
    body: Body<'_>,
    which: Span,
) -> Result<bool, Stop> {
    for filter in which.of(&body.code.filters) {
        if !machine.holds(world, filter.of(&body.code.instrs))? {
            return Ok(false);
        }
    }
    Ok(true)
}
