use std::cell::RefCell;

use super::heap::Heap;
use super::machine::Machine;
use super::program::Program;
use super::sort::Sorter;
use super::table::{Origins, Table};
use super::value::{Class, Ref, Value};

/// Buffers kept for each thread.
const KEPT: usize = 4;
/// Bytes of request values a buffer keeps between requests.
const KEPT_BYTES: usize = 64 * 1024;

/// The buffers of one evaluation, used again for the next one on the same thread.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Facts of the request and derived facts, a table a predicate of the program.
    pub(super) tables: Vec<Table>,
    /// Values of the request's facts.
    pub(super) heap: Heap,
    /// Variables, stacks and budget.
    pub(super) machine: Machine,
    /// Facts that the rule at hand derives.
    pub(super) derived: Derived,
    /// Terms of the fact being added.
    pub(super) terms: Vec<Value>,
    /// Elements of the collections being added.
    pub(super) elements: Vec<Value>,
    /// Sets whose elements are not in order yet.
    pub(super) sets: Vec<Ref>,
    /// Puts facts and sets in order.
    pub(super) sorter: Sorter,
}

/// Facts of one predicate on their way into its table.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// Terms, row after row.
    pub(super) terms: Vec<Value>,
    /// Origins, one a row.
    pub(super) origins: Vec<Origins>,
}

thread_local! {
    #[expect(clippy::vec_box, reason = "buffers move in and out boxed; unboxing would copy them")]
    static FREE: RefCell<Vec<Box<Scratch>>> = const { RefCell::new(Vec::new()) };
}

impl Scratch {
    /// Buffers that fit `program`, empty.
    pub(super) fn take(program: &Program) -> Box<Self> {
        let free = FREE.with(|free| free.try_borrow_mut().ok().and_then(|mut free| free.pop()));
        let mut scratch = free.unwrap_or_else(|| {
            Box::new(Self {
                tables: Vec::new(),
                heap: Heap::new(Class::Request),
                machine: Machine::default(),
                derived: Derived::default(),
                terms: Vec::new(),
                elements: Vec::new(),
                sets: Vec::new(),
                sorter: Sorter::default(),
            })
        });
        scratch.reset(program);
        scratch
    }

    /// Keeps the buffers for the thread's next evaluation.
    pub(super) fn give_back(self: Box<Self>) {
        FREE.with(|free| {
            if let Ok(mut free) = free.try_borrow_mut()
                && free.len() < KEPT
            {
                free.push(self);
            }
        });
    }

    fn reset(&mut self, program: &Program) {
        // Another program may need the tables beyond this one's again.
        if self.tables.len() < program.predicates.len() {
            self.tables.resize_with(program.predicates.len(), Table::default);
        }
        for (table, arity) in self.tables.iter_mut().zip(program.predicates.arities()) {
            table.reset(arity);
        }
        self.heap.clear();
        self.heap.shrink(KEPT_BYTES);
        self.elements.clear();
        self.sets.clear();
    }
}
