/// A set of blocks and the authorizer, one bit each.
pub(super) type Origins = u32;

/// The authority block's bit; block `n` has bit `n`.
pub(super) const AUTHORITY: Origins = 1;
/// The authorizer's bit: request facts, and the policy's facts and rules.
pub(super) const AUTHORIZER: Origins = 1 << 31;
/// What everything trusts unless a scope says otherwise.
pub(super) const DEFAULT_TRUST: Origins = AUTHORITY | AUTHORIZER;
/// Blocks that fit beside the authorizer.
pub(super) const BLOCKS_MAX: usize = 31;

use super::value::Value;

/// The facts of one predicate, row after row.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    arity: usize,
    terms: Vec<Value>,
    origins: Vec<Origins>,
}

impl Table {
    /// Forgets its rows and takes another arity, keeping the room.
    pub(super) fn reset(&mut self, arity: usize) {
        self.arity = arity;
        self.terms.clear();
        self.origins.clear();
    }

    /// The number of rows.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.origins.len()
    }

    /// Appends a row; terms beyond the arity would shift the rows, so they are not taken.
    pub(super) fn push(&mut self, terms: &[Value], origins: Origins) {
        if terms.len() == self.arity {
            self.terms.extend_from_slice(terms);
            self.origins.push(origins);
        }
    }

    /// The terms and origins of a row.
    #[inline]
    pub(super) fn row(&self, index: usize) -> Option<(&[Value], Origins)> {
        let origins = *self.origins.get(index)?;
        let start = index * self.arity;
        let terms = self.terms.get(start..start + self.arity)?;
        Some((terms, origins))
    }

    /// Every row in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&[Value], Origins)> {
        (0..self.len()).filter_map(|index| self.row(index))
    }

    /// The terms of all rows.
    pub(super) fn terms(&self) -> &[Value] {
        &self.terms
    }

    /// The number of terms a row has.
    pub(super) fn arity(&self) -> usize {
        self.arity
    }

    /// Puts the rows into the given order; `spare` is room for their terms. All must have the same
    /// origins.
    pub(super) fn arrange(&mut self, order: impl Iterator<Item = usize>, spare: &mut Vec<Value>) {
        spare.clear();
        for place in order {
            let start = place * self.arity;
            spare.extend_from_slice(self.terms.get(start..start + self.arity).unwrap_or_default());
        }
        std::mem::swap(&mut self.terms, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_arranged_and_others_are_not_taken() {
        let mut table = Table::default();
        table.reset(2);
        for (a, b) in [(2, 1), (1, 2), (1, 1)] {
            table.push(&[Value::Int(a), Value::Int(b)], AUTHORIZER);
        }
        table.push(&[Value::Int(9)], AUTHORIZER);
        table.arrange([2, 1, 0].into_iter(), &mut Vec::new());
        let rows: Vec<_> = table.rows().map(|(row, _)| row.to_vec()).collect();
        let int = Value::Int;
        assert_eq!(rows, [[int(1), int(1)], [int(1), int(2)], [int(2), int(1)]]);
    }
}
