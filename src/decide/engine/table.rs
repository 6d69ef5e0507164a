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
    /// An empty table for rows of `arity` terms.
    pub(super) fn new(arity: usize) -> Self {
        Self { arity, ..Self::default() }
    }

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

    /// Puts the rows in the order that `before` gives; equal rows keep their places.
    pub(super) fn sort_by(
        &mut self,
        mut order: impl FnMut(&[Value], &[Value]) -> std::cmp::Ordering,
    ) {
        let mut compare = |a: usize, b: usize| match (self.row(a), self.row(b)) {
            (Some((a, x)), Some((b, y))) => order(a, b).then(x.cmp(&y)),
            _ => a.cmp(&b),
        };
        if (1..self.len()).all(|index| compare(index - 1, index).is_le()) {
            return;
        }
        let mut places: Vec<usize> = (0..self.len()).collect();
        places.sort_by(|a, b| compare(*a, *b));
        let mut sorted = Table::new(self.arity);
        for place in places {
            if let Some((terms, origins)) = self.row(place) {
                sorted.push(terms, origins);
            }
        }
        *self = sorted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sort_by_content() {
        let mut table = Table::new(2);
        for (a, b) in [(2, 1), (1, 2), (1, 1)] {
            table.push(&[Value::Int(a), Value::Int(b)], AUTHORIZER);
        }
        table.push(&[Value::Int(9)], AUTHORIZER);
        let key = |row: &[Value]| -> Vec<i64> {
            row.iter().map(|v| if let Value::Int(i) = v { *i } else { 0 }).collect()
        };
        table.sort_by(|a, b| key(a).cmp(&key(b)));
        let rows: Vec<_> = table.rows().map(|(row, _)| key(row)).collect();
        assert_eq!(rows, [[1, 1], [1, 2], [2, 1]]);
    }
}
