use std::sync::Arc;

use biscuit_auth::builder::{CheckKind, PolicyKind};

use super::code::{Code, Span};
use super::error::Origin;
use super::intern::Constants;
use super::order::Order;
use super::regexes::Regexes;
use super::stated::Stated;
use super::table::Origins;
use super::trust::Signers;
use super::value::Value;

/// A token's blocks and a policy, ready to be evaluated any number of times.
///
/// It holds no request data and can be shared between threads. [`Program::compile`] makes one,
/// [`Program::extended`] makes that of a child from that of its parent, [`Program::request`] begins
/// an evaluation.
#[derive(Debug)]
pub struct Program {
    pub(super) constants: Constants,
    pub(super) regexes: Arc<Regexes>,
    pub(super) predicates: Predicates,
    /// The facts that the program itself states.
    pub(super) stated: Stated,
    /// The policy's statements, the same for every token.
    pub(super) policy: Arc<Code>,
    /// The blocks' statements.
    pub(super) token: Code,
    /// The order in which rules run.
    pub(super) order: Order,
    pub(super) signers: Signers,
    /// How many blocks it holds.
    pub(super) blocks: usize,
}

/// Numbers for the predicates that a program names, by name and arity.
#[derive(Clone, Debug, Default)]
pub(super) struct Predicates {
    /// The first predicate of each name, by the index of its text.
    first: Vec<Option<u32>>,
    all: Vec<Named>,
}

#[derive(Clone, Copy, Debug)]
struct Named {
    arity: u32,
    /// The next predicate of the same name.
    next: Option<u32>,
}

impl Predicates {
    /// The number of a predicate, if the program names it; `name` is the index of its text.
    #[inline]
    pub(super) fn find(&self, name: usize, arity: usize) -> Option<usize> {
        let mut next = self.first.get(name).copied().flatten();
        while let Some(id) = next {
            let named = self.all.get(id as usize)?;
            if named.arity as usize == arity {
                return Some(id as usize);
            }
            next = named.next;
        }
        None
    }

    /// The number of a predicate, a new one if need be; `None` when numbers run out.
    pub(super) fn insert(&mut self, name: usize, arity: usize) -> Option<usize> {
        if let Some(id) = self.find(name, arity) {
            return Some(id);
        }
        let id = u32::try_from(self.all.len()).ok()?;
        let arity = u32::try_from(arity).ok()?;
        if self.first.len() <= name {
            self.first.resize(name + 1, None);
        }
        let first = self.first.get_mut(name)?;
        self.all.push(Named { arity, next: first.replace(id) });
        Some(id as usize)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The arity of a predicate.
    pub(super) fn arity(&self, id: usize) -> usize {
        self.all.get(id).map_or(0, |named| named.arity as usize)
    }

    /// The arity of each predicate, by number.
    pub(super) fn arities(&self) -> impl Iterator<Item = usize> {
        self.all.iter().map(|named| named.arity as usize)
    }
}

/// A conjunction of predicates and conditions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    /// Predicates, joined in the order they are written.
    pub(super) atoms: Span,
    /// Conditions, in the order they are written.
    pub(super) filters: Span,
    /// Variables, closure parameters included.
    pub(super) slots: u32,
    /// The origins whose facts it sees.
    pub(super) trust: Origins,
}

/// One predicate of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atom {
    pub(super) predicate: usize,
    /// What the terms of a row must be.
    pub(super) terms: Span,
    /// The conditions that can be tested once this predicate has a row, and not before.
    pub(super) filters: Span,
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) head: usize,
    pub(super) terms: Span,
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
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) origin: Origin,
    pub(super) index: usize,
    pub(super) kind: CheckKind,
    pub(super) queries: Span,
}

/// A policy.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) kind: PolicyKind,
    pub(super) queries: Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_for_each_arity() {
        let mut predicates = Predicates::default();
        for (id, (name, arity)) in [(3, 2), (0, 0), (3, 1), (3, 700)].into_iter().enumerate() {
            assert_eq!(predicates.find(name, arity), None);
            assert_eq!(predicates.insert(name, arity), Some(id));
            assert_eq!(predicates.insert(name, arity), Some(id));
            assert_eq!((predicates.find(name, arity), predicates.arity(id)), (Some(id), arity));
        }
        assert_eq!(predicates.arities().collect::<Vec<_>>(), [2, 0, 1, 700]);
    }
}
