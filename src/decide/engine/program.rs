use std::ops::Range;

use biscuit_auth::builder::{CheckKind, PolicyKind};

use super::code::Instr;
use super::error::Origin;
use super::intern::Constants;
use super::regexes::Regexes;
use super::table::{Origins, Table};
use super::value::Value;

/// A token's blocks and a policy, ready to be evaluated any number of times.
///
/// It holds no request data and can be shared between threads. [`Program::compile`] makes one,
/// [`Program::request`] begins an evaluation.
#[derive(Debug)]
pub struct Program {
    pub(super) constants: Constants,
    pub(super) regexes: Regexes,
    pub(super) predicates: Predicates,
    /// The facts that the program itself states, a table a predicate.
    pub(super) tables: Vec<Table>,
    /// Rules in the order they run; see `recursive`.
    pub(super) rules: Vec<Rule>,
    /// The first of the rules that may feed one another and run until nothing new comes.
    pub(super) recursive: usize,
    pub(super) checks: Vec<Check>,
    pub(super) policies: Vec<Policy>,
}

/// Numbers for the predicates that a program names, by name and arity.
#[derive(Debug, Default)]
pub(super) struct Predicates {
    /// Arities and numbers of the predicates of each name, by the index of its text.
    named: Vec<Vec<(usize, usize)>>,
    arities: Vec<usize>,
}

impl Predicates {
    /// The number of a predicate, if the program names it; `name` is the index of its text.
    #[inline]
    pub(super) fn find(&self, name: usize, arity: usize) -> Option<usize> {
        let named = self.named.get(name)?;
        named.iter().find(|(other, _)| *other == arity).map(|(_, id)| *id)
    }

    /// The number of a predicate, a new one if need be.
    pub(super) fn insert(&mut self, name: usize, arity: usize) -> usize {
        if let Some(id) = self.find(name, arity) {
            return id;
        }
        let id = self.arities.len();
        self.arities.push(arity);
        if self.named.len() <= name {
            self.named.resize_with(name + 1, Vec::new);
        }
        if let Some(named) = self.named.get_mut(name) {
            named.push((arity, id));
        }
        id
    }

    /// The arity of each predicate, by number.
    pub(super) fn arities(&self) -> &[usize] {
        &self.arities
    }
}

/// A conjunction of predicates and conditions.
#[derive(Debug)]
pub(super) struct Query {
    /// Predicates, joined in the order they are written.
    pub(super) atoms: Box<[Atom]>,
    /// Conditions, in the order they are written.
    pub(super) filters: Box<[Box<[Instr]>]>,
    /// Variables, closure parameters included.
    pub(super) slots: usize,
    /// The origins whose facts it sees.
    pub(super) trust: Origins,
}

/// One predicate of a body.
#[derive(Debug)]
pub(super) struct Atom {
    pub(super) predicate: usize,
    pub(super) terms: Box<[Pattern]>,
    /// The conditions that can be tested once this predicate has a row, and not before.
    pub(super) filters: Range<usize>,
}

/// What a term of a row must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern {
    /// This value.
    Is(Value),
    /// Anything; it becomes the value of the variable.
    Bind(u32),
    /// What the variable is bound to.
    Same(u32),
}

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) head: usize,
    pub(super) terms: Box<[HeadTerm]>,
    pub(super) query: Query,
    /// The bit of the block that states it.
    pub(super) origin: Origins,
}

/// A term of a rule's head.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeadTerm {
    /// A constant.
    Is(Value),
    /// The value of a variable of the body.
    Slot(u32),
}

/// A check.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) origin: Origin,
    pub(super) index: usize,
    pub(super) kind: CheckKind,
    pub(super) queries: Box<[Query]>,
}

/// A policy.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) kind: PolicyKind,
    pub(super) queries: Box<[Query]>,
}
