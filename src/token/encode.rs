//! Syntax trees as the messages of blocks: the way back from `decode` and `statements`.
//!
//! Symbols and keys get their numbers in the order in which facts, rules, checks and scopes name
//! them, and elements of a collection stand in the order of those numbers, as the reference library
//! has it: both write the same bytes.
//!
//! *Source*: Biscuit specification, "Blocks"; `schema.proto`.

use biscuit_auth::builder::{Check, CheckKind, MapKey, Predicate, Rule, Scope, Term};
use biscuit_auth::datalog;

use super::decode::Wrong;
use super::statements::Result;
use super::symbols::Symbols;
use super::version;
use super::wire::Writer;
use crate::model::{Block, limits};

/// The message of a block, and the version of Datalog that it says it needs.
///
/// *Shape*: adds to the tables what the block names and they do not have.
pub(super) fn block<'a>(
    block: &'a Block,
    is_third_party: bool,
    symbols: &mut Symbols<'a>,
) -> Result<(Vec<u8>, u32)> {
    let known = symbols.len();
    let version = version::least(block, is_third_party);
    let mut encoder = Encoder { symbols, out: Writer::default() };
    encoder.statements(block)?;
    let Encoder { symbols, out: statements } = encoder;
    let (texts, keys) = symbols.since(known);
    let mut out = Writer::default();
    texts.iter().for_each(|text| out.bytes(1, text.as_bytes()));
    out.number(3, version.into());
    out.fields(statements);
    for key in keys {
        let key = key.to_bytes().try_into().map_err(|_| Wrong::NotEd25519)?;
        ed25519_key(&mut out, 8, &key);
    }
    Ok((out.into_bytes(), version))
}

/// `message PublicKey`.
pub(super) fn ed25519_key(out: &mut Writer, field: u8, key: &[u8; 32]) {
    let message = out.begin(field);
    out.number(1, 0);
    out.bytes(2, key);
    out.end(message);
}

/// Writes what a block states.
pub(super) struct Encoder<'s, 'a> {
    pub(super) symbols: &'s mut Symbols<'a>,
    pub(super) out: Writer,
}

impl<'a> Encoder<'_, 'a> {
    /// A message in a field.
    pub(super) fn within(
        &mut self,
        field: u8,
        write: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let message = self.out.begin(field);
        write(self)?;
        self.out.end(message);
        Ok(())
    }

    fn statements(&mut self, block: &'a Block) -> Result<()> {
        for fact in &block.facts {
            self.within(4, |encoder| encoder.predicate(1, &fact.predicate))?;
        }
        block.rules.iter().try_for_each(|rule| self.rule(5, rule))?;
        block.checks.iter().try_for_each(|check| self.check(check))?;
        self.scopes(7, &block.scopes)
    }

    fn check(&mut self, check: &'a Check) -> Result<()> {
        self.within(6, |encoder| {
            check.queries.iter().try_for_each(|query| encoder.rule(1, query))?;
            match check.kind {
                CheckKind::One => {}
                CheckKind::All => encoder.out.number(2, 1),
                CheckKind::Reject => encoder.out.number(2, 2),
            }
            Ok(())
        })
    }

    fn rule(&mut self, field: u8, rule: &'a Rule) -> Result<()> {
        self.within(field, |encoder| {
            encoder.predicate(1, &rule.head)?;
            rule.body.iter().try_for_each(|body| encoder.predicate(2, body))?;
            for expression in &rule.expressions {
                encoder.within(3, |encoder| encoder.ops(&expression.ops, 1, 0))?;
            }
            encoder.scopes(4, &rule.scopes)
        })
    }

    fn predicate(&mut self, field: u8, predicate: &'a Predicate) -> Result<()> {
        self.within(field, |encoder| {
            let name = encoder.symbols.number(&predicate.name);
            encoder.out.number(1, name);
            predicate.terms.iter().try_for_each(|term| encoder.term(2, term))
        })
    }

    fn scopes(&mut self, field: u8, scopes: &'a [Scope]) -> Result<()> {
        for scope in scopes {
            let (kind, number) = match scope {
                Scope::Authority => (1, 0),
                Scope::Previous => (1, 1),
                Scope::PublicKey(key) => (2, self.symbols.key_number(key)),
                Scope::Parameter(_) => return Err(Wrong::Parameter),
            };
            let message = self.out.begin(field);
            self.out.number(kind, number);
            self.out.end(message);
        }
        Ok(())
    }

    pub(super) fn term(&mut self, field: u8, term: &'a Term) -> Result<()> {
        let term = self.numbered(term, 0)?;
        self.numbered_term(field, &term);
        Ok(())
    }

    /// The term with numbers for its texts.
    fn numbered(&mut self, term: &'a Term, depth: usize) -> Result<datalog::Term> {
        if depth > limits::NESTING_MAX {
            return Err(Wrong::Nested);
        }
        let inner = |term| self.numbered(term, depth + 1);
        Ok(match term {
            Term::Set(set) => datalog::Term::Set(set.iter().map(inner).collect::<Result<_>>()?),
            Term::Array(array) => {
                datalog::Term::Array(array.iter().map(inner).collect::<Result<_>>()?)
            }
            Term::Map(map) => {
                let mut entries = std::collections::BTreeMap::new();
                for (key, term) in map {
                    let key = match key {
                        MapKey::Integer(number) => datalog::MapKey::Integer(*number),
                        MapKey::Str(text) => datalog::MapKey::Str(self.symbols.number(text)),
                        MapKey::Parameter(_) => return Err(Wrong::Parameter),
                    };
                    entries.insert(key, self.numbered(term, depth + 1)?);
                }
                datalog::Term::Map(entries)
            }
            Term::Variable(name) => {
                let number = self.symbols.number(name);
                datalog::Term::Variable(u32::try_from(number).map_err(|_| Wrong::Form)?)
            }
            Term::Str(text) => datalog::Term::Str(self.symbols.number(text)),
            Term::Integer(number) => datalog::Term::Integer(*number),
            Term::Date(secs) => datalog::Term::Date(*secs),
            Term::Bytes(bytes) => datalog::Term::Bytes(bytes.clone()),
            Term::Bool(value) => datalog::Term::Bool(*value),
            Term::Null => datalog::Term::Null,
            Term::Parameter(_) => return Err(Wrong::Parameter),
        })
    }

    // Recursion is bounded by that of `numbered`.
    fn numbered_term(&mut self, field: u8, term: &datalog::Term) {
        let message = self.out.begin(field);
        match term {
            datalog::Term::Variable(number) => self.out.number(1, (*number).into()),
            datalog::Term::Integer(number) => self.out.number(2, number.cast_unsigned()),
            datalog::Term::Str(number) => self.out.number(3, *number),
            datalog::Term::Date(secs) => self.out.number(4, *secs),
            datalog::Term::Bytes(bytes) => self.out.bytes(5, bytes),
            datalog::Term::Bool(value) => self.out.number(6, (*value).into()),
            datalog::Term::Set(set) => self.elements(7, set),
            datalog::Term::Null => self.out.bytes(8, &[]),
            datalog::Term::Array(array) => self.elements(9, array),
            datalog::Term::Map(map) => self.entries(map),
        }
        self.out.end(message);
    }

    fn elements<'t>(&mut self, field: u8, terms: impl IntoIterator<Item = &'t datalog::Term>) {
        let message = self.out.begin(field);
        terms.into_iter().for_each(|term| self.numbered_term(1, term));
        self.out.end(message);
    }

    fn entries<'t>(
        &mut self,
        map: impl IntoIterator<Item = (&'t datalog::MapKey, &'t datalog::Term)>,
    ) {
        let message = self.out.begin(10);
        for (key, term) in map {
            let entry = self.out.begin(1);
            let inner = self.out.begin(1);
            match key {
                datalog::MapKey::Integer(number) => self.out.number(1, number.cast_unsigned()),
                datalog::MapKey::Str(number) => self.out.number(2, *number),
            }
            self.out.end(inner);
            self.numbered_term(2, term);
            self.out.end(entry);
        }
        self.out.end(message);
    }
}

#[cfg(test)]
mod tests;
