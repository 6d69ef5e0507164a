use super::error::{EvaluationError, ExpressionError};

/// Bytes of text that one step may scan, compare or copy.
const TEXT_BYTES_PER_STEP: usize = 64;
/// Elements of a collection that one step may look at.
const ELEMENTS_PER_STEP: usize = 8;

/// Why the evaluation of an expression or a join stops early.
///
/// The two are kept apart because `try_or` catches a fault and must never catch the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The budget is used up.
    Budget,
    /// An expression failed.
    Fault(ExpressionError),
}

impl From<Stop> for EvaluationError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Budget => EvaluationError::TooComplex,
            Stop::Fault(fault) => EvaluationError::Expression(fault),
        }
    }
}

/// The steps an evaluation may still take.
#[derive(Debug, Default)]
pub(super) struct Budget {
    left: u64,
}

impl Budget {
    /// A budget of `steps`.
    pub(super) fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// A budget for work that is not the token's: sorting and comparing request facts.
    pub(super) fn unlimited() -> Self {
        Self { left: u64::MAX }
    }

    /// The steps left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Takes `steps`.
    #[inline]
    pub(super) fn charge(&mut self, steps: u64) -> Result<(), Stop> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Stop::Budget)
            }
        }
    }

    /// Takes what scanning `bytes` of text costs.
    #[inline]
    pub(super) fn charge_text(&mut self, bytes: usize) -> Result<(), Stop> {
        self.charge((bytes / TEXT_BYTES_PER_STEP) as u64)
    }

    /// Takes what looking at a row of `terms` costs.
    #[inline]
    pub(super) fn charge_row(&mut self, terms: usize) -> Result<(), Stop> {
        self.charge(1 + (terms / ELEMENTS_PER_STEP) as u64)
    }

    /// Takes what looking at `count` elements costs.
    #[inline]
    pub(super) fn charge_elements(&mut self, count: usize) -> Result<(), Stop> {
        self.charge((count / ELEMENTS_PER_STEP) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_exactly_and_stays_ended() {
        let mut budget = Budget::new(3);
        assert_eq!(budget.charge(2), Ok(()));
        assert_eq!(budget.charge_text(64), Ok(()));
        assert_eq!(budget.charge_text(63), Ok(()));
        assert_eq!(budget.charge(1), Err(Stop::Budget));
        assert_eq!(budget.left(), 0);
    }
}
