use std::cmp::Ordering;

use crate::model::limits::NESTING_MAX;

use super::budget::{Budget, Stop};
use super::heap::Heaps;
use super::value::{Class, Ref, Value};

/// Collections nest at most as deep as a constant may, plus the pair that a map's closure sees.
pub(super) const DEPTH_MAX: usize = NESTING_MAX + 2;

impl Heaps<'_> {
    /// Whether two values are the same term.
    #[inline]
    pub(super) fn equal(&self, a: Value, b: Value, budget: &mut Budget) -> Result<bool, Stop> {
        if a == b {
            return Ok(true);
        }
        match (a, b) {
            (Value::Str(a), Value::Str(b)) => self.equal_text(a, b, budget),
            (Value::Bytes(_), Value::Bytes(_))
            | (Value::Set(_), Value::Set(_))
            | (Value::Array(_), Value::Array(_))
            | (Value::Map(_), Value::Map(_)) => Ok(self.order(a, b, DEPTH_MAX, budget)?.is_eq()),
            _ => Ok(false),
        }
    }

    /// Whether two texts with different references are the same.
    #[inline]
    fn equal_text(&self, a: Ref, b: Ref, budget: &mut Budget) -> Result<bool, Stop> {
        // Text of the request is looked up among the constants before it gets a reference of its
        // own, so only computed text, or two texts of the request, can be equal in content alone.
        match (a.class(), b.class()) {
            (Class::Base, Class::Base | Class::Request) | (Class::Request, Class::Base) => {
                Ok(false)
            }
            _ => {
                let (a, b) = (self.text(a), self.text(b));
                if a.len() != b.len() {
                    return Ok(false);
                }
                budget.charge_text(a.len())?;
                Ok(a == b)
            }
        }
    }

    /// The order of two values by content: the order in which sets and maps are walked.
    pub(super) fn compare(
        &self,
        a: Value,
        b: Value,
        budget: &mut Budget,
    ) -> Result<Ordering, Stop> {
        self.order(a, b, DEPTH_MAX, budget)
    }

    fn order(
        &self,
        a: Value,
        b: Value,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Ordering, Stop> {
        if a == b {
            return Ok(Ordering::Equal);
        }
        Ok(match (a, b) {
            (Value::Int(a), Value::Int(b)) => a.cmp(&b),
            (Value::Date(a), Value::Date(b)) => a.cmp(&b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(&b),
            (Value::Str(a), Value::Str(b)) => {
                let (a, b) = (self.text(a), self.text(b));
                budget.charge_text(a.len().min(b.len()))?;
                a.cmp(b)
            }
            (Value::Bytes(a), Value::Bytes(b)) => {
                let (a, b) = (self.bytes(a), self.bytes(b));
                budget.charge_text(a.len().min(b.len()))?;
                a.cmp(b)
            }
            (Value::Set(a), Value::Set(b))
            | (Value::Array(a), Value::Array(b))
            | (Value::Map(a), Value::Map(b)) => {
                let depth = depth.checked_sub(1).ok_or(Stop::Budget)?;
                return self.order_items(self.items(a), self.items(b), depth, budget);
            }
            _ => a.rank().cmp(&b.rank()),
        })
    }

    fn order_items(
        &self,
        a: &[Value],
        b: &[Value],
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Ordering, Stop> {
        for (x, y) in a.iter().zip(b) {
            budget.charge(1)?;
            let order = self.order(*x, *y, depth, budget)?;
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(a.len().cmp(&b.len()))
    }
}
