//! How much a block takes once its symbols are written out.
//!
//! A block names a text by its number, in two bytes; decoded, every use is a copy. The sum is
//! bounded before anything is copied.

use biscuit_auth::format::schema::{self, map_key, op, term};

use crate::model::limits;

/// The lengths of the texts that a block's numbers stand for.
pub(super) struct Lengths<'a> {
    /// Those of earlier blocks, then of its own.
    symbols: &'a [usize],
}

/// The bytes of text that a token may still name.
#[derive(Debug)]
pub(super) struct Room(usize);

/// The first number that is not of the default table.
const FIRST: u64 = 1024;

type Fits = Option<()>;

impl Room {
    pub(super) fn new() -> Self {
        Self(limits::TOKEN_DECODED_BYTES_MAX)
    }

    fn take(&mut self, bytes: usize) -> Fits {
        self.0 = self.0.checked_sub(bytes)?;
        Some(())
    }

    /// Takes what a block is once it is decoded; `None` where that does not fit.
    pub(super) fn block(&mut self, block: &schema::Block, of: &Lengths<'_>) -> Fits {
        block.facts.iter().try_for_each(|fact| self.predicate(&fact.predicate, of))?;
        block.rules.iter().try_for_each(|rule| self.rule(rule, of))?;
        block
            .checks
            .iter()
            .flat_map(|check| &check.queries)
            .try_for_each(|rule| self.rule(rule, of))
    }

    fn rule(&mut self, rule: &schema::Rule, of: &Lengths<'_>) -> Fits {
        self.predicate(&rule.head, of)?;
        rule.body.iter().try_for_each(|predicate| self.predicate(predicate, of))?;
        rule.expressions.iter().try_for_each(|expression| self.ops(&expression.ops, of))
    }

    fn predicate(&mut self, predicate: &schema::Predicate, of: &Lengths<'_>) -> Fits {
        self.take(of.symbol(predicate.name))?;
        predicate.terms.iter().try_for_each(|term| self.term(term, of))
    }

    // Decoding bounds the nesting.
    fn ops(&mut self, ops: &[schema::Op], of: &Lengths<'_>) -> Fits {
        ops.iter().try_for_each(|op| match &op.content {
            Some(op::Content::Value(term)) => self.term(term, of),
            Some(op::Content::Closure(closure)) => {
                closure.params.iter().try_for_each(|name| self.take(of.symbol((*name).into())))?;
                self.ops(&closure.ops, of)
            }
            _ => Some(()),
        })
    }

    fn term(&mut self, term: &schema::Term, of: &Lengths<'_>) -> Fits {
        match &term.content {
            Some(term::Content::String(name)) => self.take(of.symbol(*name)),
            Some(term::Content::Variable(name)) => self.take(of.symbol((*name).into())),
            Some(term::Content::Set(set)) => set.set.iter().try_for_each(|t| self.term(t, of)),
            Some(term::Content::Array(array)) => {
                array.array.iter().try_for_each(|t| self.term(t, of))
            }
            Some(term::Content::Map(map)) => map.entries.iter().try_for_each(|entry| {
                if let Some(map_key::Content::String(name)) = &entry.key.content {
                    self.take(of.symbol(*name))?;
                }
                self.term(&entry.value, of)
            }),
            _ => Some(()),
        }
    }
}

impl<'a> Lengths<'a> {
    pub(super) fn new(symbols: &'a [usize]) -> Self {
        Self { symbols }
    }

    fn symbol(&self, number: u64) -> usize {
        // Numbers of the default table stand for a word; unknown ones are refused later.
        let own = number.checked_sub(FIRST).and_then(|place| usize::try_from(place).ok());
        own.and_then(|place| self.symbols.get(place)).copied().unwrap_or(0)
    }
}
