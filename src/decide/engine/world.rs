use super::heap::{Heap, Heaps};
use super::program::Program;
use super::table::{Origins, Table};
use super::value::Value;

/// All that a query can look at: the program, and the facts known so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct World<'a> {
    /// The compiled program, its own facts included.
    pub(super) program: &'a Program,
    /// Values of the request's facts.
    pub(super) request: &'a Heap,
    /// Facts of the request, then derived facts, a table a predicate.
    pub(super) tables: &'a [Table],
}

impl<'a> World<'a> {
    /// The heaps that values in this world refer to.
    #[inline]
    pub(super) fn heaps<'t>(&self, temporary: &'t Heap) -> Heaps<'t>
    where
        'a: 't,
    {
        Heaps { base: &self.program.constants.heap, request: self.request, temporary }
    }

    /// The number of rows of a predicate.
    #[inline]
    pub(super) fn len(&self, predicate: usize) -> usize {
        self.fixed(predicate) + self.tables.get(predicate).map_or(0, Table::len)
    }

    /// The number of rows of a predicate that the program itself states.
    #[inline]
    fn fixed(&self, predicate: usize) -> usize {
        self.program.stated.len(predicate)
    }

    /// A row of a predicate: first those of the program, then the request's, then derived ones.
    #[inline]
    pub(super) fn row(&self, predicate: usize, index: usize) -> Option<(&'a [Value], Origins)> {
        match index.checked_sub(self.fixed(predicate)) {
            None => self.program.stated.row(predicate, index),
            Some(index) => self.tables.get(predicate)?.row(index),
        }
    }

    /// Every row of a predicate.
    pub(super) fn rows(self, predicate: usize) -> impl Iterator<Item = (&'a [Value], Origins)> {
        (0..self.len(predicate)).filter_map(move |index| self.row(predicate, index))
    }
}
