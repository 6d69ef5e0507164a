use super::error::CompileFault;
use super::program::Predicates;
use super::table::Origins;
use super::value::Value;

/// The facts that a program itself states, found by predicate.
#[derive(Clone, Debug, Default)]
pub(super) struct Stated {
    facts: Vec<Fact>,
    terms: Vec<Value>,
    /// Facts by predicate: places in `facts`.
    sorted: Vec<u32>,
    /// Where in `sorted` the facts of each predicate begin; one more says where the last ones end.
    starts: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Fact {
    predicate: usize,
    /// Where its terms begin.
    start: usize,
    /// How many it has.
    arity: usize,
    origins: Origins,
}

impl Stated {
    /// Adds a fact; it can be found after the next [`Stated::sort`].
    pub(super) fn push(&mut self, predicate: usize, terms: &[Value], origins: Origins) {
        let (start, arity) = (self.terms.len(), terms.len());
        self.terms.extend_from_slice(terms);
        self.facts.push(Fact { predicate, start, arity, origins });
    }

    /// Makes every fact findable.
    ///
    /// *Errors*: [`CompileFault::TooManySymbols`] when numbers run out.
    pub(super) fn sort(&mut self, predicates: &Predicates) -> Result<(), CompileFault> {
        let Self { facts, sorted, starts, .. } = self;
        let count = u32::try_from(facts.len()).map_err(|_| CompileFault::TooManySymbols)?;
        if sorted.len() == facts.len() && !starts.is_empty() {
            // Nothing new: predicates that came since have no facts.
            starts.resize(predicates.len() + 1, count);
            return Ok(());
        }
        starts.clear();
        starts.resize(predicates.len() + 1, 0);
        for fact in facts.iter() {
            if let Some(start) = starts.get_mut(fact.predicate + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in starts.iter_mut() {
            sum += *start;
            *start = sum;
        }
        sorted.clear();
        sorted.extend(0..count);
        sorted.sort_by_key(|place| facts.get(*place as usize).map(|fact| fact.predicate));
        Ok(())
    }

    /// The number of facts of a predicate.
    #[inline]
    pub(super) fn len(&self, predicate: usize) -> usize {
        self.places(predicate).len()
    }

    /// The terms and origins of a fact of a predicate.
    #[inline]
    pub(super) fn row(&self, predicate: usize, index: usize) -> Option<(&[Value], Origins)> {
        let place = self.places(predicate).get(index)?;
        let fact = self.facts.get(*place as usize)?;
        Some((self.terms.get(fact.start..fact.start + fact.arity)?, fact.origins))
    }

    #[inline]
    fn places(&self, predicate: usize) -> &[u32] {
        match self.starts.get(predicate..predicate + 2) {
            Some([start, end]) => {
                self.sorted.get(*start as usize..*end as usize).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_predicate_in_the_order_they_came() {
        let mut predicates = Predicates::default();
        assert!((0..3).all(|name| predicates.insert(name, 1) == Some(name)));
        let mut stated = Stated::default();
        for (predicate, int) in [(2, 1), (0, 2), (2, 3)] {
            stated.push(predicate, &[Value::Int(int)], 1);
        }
        let found = |stated: &Stated| -> Vec<Vec<Value>> {
            let rows = |p| (0..stated.len(p)).map(move |i| stated.row(p, i).unwrap().0[0]);
            (0..5).map(|p| rows(p).collect()).collect()
        };
        stated.sort(&predicates).unwrap();
        let int = Value::Int;
        assert_eq!(found(&stated), [vec![int(2)], vec![], vec![int(1), int(3)], vec![], vec![]]);
        // Another predicate, then a fact of it.
        predicates.insert(3, 1);
        stated.sort(&predicates).unwrap();
        assert_eq!(stated.len(3), 0);
        stated.push(3, &[int(4)], 1);
        stated.sort(&predicates).unwrap();
        assert_eq!(found(&stated)[2..], [vec![int(1), int(3)], vec![int(4)], vec![]]);
    }
}
