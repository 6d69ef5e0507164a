//! Facts, rules and checks as Biscuit's own syntax tree, their symbols resolved.
//!
//! *Source*: Biscuit specification, "Blocks"; `schema.proto`.

use std::collections::{BTreeMap, BTreeSet};

use biscuit_auth::PublicKey;
use biscuit_auth::builder::{
    Check, CheckKind, Expression, Fact, MapKey, Predicate, Rule, Scope, Term,
};

use super::decode::Wrong;
use super::symbols::Symbols;
use super::wire::{Reader, number, sized};
use crate::model::{Block, limits};

pub(super) type Result<T> = std::result::Result<T, Wrong>;

/// Reads what a block states.
pub(super) struct Statements<'s, 'a> {
    symbols: &'s Symbols<'a>,
    /// The bytes of text that may still be named: every use of a symbol is a copy.
    pub(super) room: usize,
    /// Whether a check says of which kind it is.
    pub(super) states_kind: bool,
}

impl<'s, 'a> Statements<'s, 'a> {
    pub(super) fn new(symbols: &'s Symbols<'a>, room: usize) -> Self {
        Self { symbols, room, states_kind: false }
    }

    /// The rest of `message Block`, from its facts on.
    pub(super) fn block(
        &mut self,
        mut reader: Reader<'_>,
        external_key: Option<PublicKey>,
    ) -> Result<Block> {
        let mut block = Block { external_key, ..Block::default() };
        while reader.has(sized(4)) {
            room_for("facts", block.facts.len(), limits::BLOCK_FACTS_MAX)?;
            block.facts.push(self.fact(reader.message()?)?);
        }
        while reader.has(sized(5)) {
            room_for("rules", block.rules.len(), limits::BLOCK_RULES_MAX)?;
            block.rules.push(self.rule(reader.message()?)?);
        }
        while reader.has(sized(6)) {
            room_for("checks", block.checks.len(), limits::BLOCK_CHECKS_MAX)?;
            block.checks.push(self.check(reader.message()?)?);
        }
        block.scopes = self.scopes(&mut reader, 7)?;
        Ok(block)
    }

    /// The text of a symbol.
    pub(super) fn text(&mut self, number: u64) -> Result<String> {
        let (text, is_own) = self.symbols.text(number).ok_or(Wrong::Unknown)?;
        if is_own {
            self.room = self.room.checked_sub(text.len()).ok_or(Wrong::Text)?;
        }
        Ok(text.to_owned())
    }

    fn fact(&mut self, mut reader: Reader<'_>) -> Result<Fact> {
        reader.expect(sized(1))?;
        let predicate = self.predicate(reader.message()?)?;
        reader.finish()?;
        Ok(Fact { predicate, parameters: None })
    }

    fn check(&mut self, mut reader: Reader<'_>) -> Result<Check> {
        let mut queries = Vec::new();
        while reader.has(sized(1)) {
            queries.push(self.rule(reader.message()?)?);
        }
        let mut kind = CheckKind::One;
        if reader.has(number(2)) {
            self.states_kind = true;
            kind = match reader.varint_enum()? {
                0 => CheckKind::One,
                1 => CheckKind::All,
                2 => CheckKind::Reject,
                _ => return Err(Wrong::Form),
            };
        }
        reader.finish()?;
        Ok(Check { queries, kind })
    }

    fn rule(&mut self, mut reader: Reader<'_>) -> Result<Rule> {
        reader.expect(sized(1))?;
        let head = self.predicate(reader.message()?)?;
        let mut body = Vec::new();
        while reader.has(sized(2)) {
            body.push(self.predicate(reader.message()?)?);
        }
        let mut expressions = Vec::new();
        while reader.has(sized(3)) {
            expressions.push(Expression { ops: self.ops(reader.message()?, 1, 0)? });
        }
        let scopes = self.scopes(&mut reader, 4)?;
        reader.finish()?;
        Ok(Rule { head, body, expressions, parameters: None, scopes, scope_parameters: None })
    }

    fn predicate(&mut self, mut reader: Reader<'_>) -> Result<Predicate> {
        reader.expect(number(1))?;
        let name = self.text(reader.varint()?)?;
        let mut terms = Vec::new();
        while reader.has(sized(2)) {
            terms.push(self.term(reader.message()?, 0)?);
        }
        reader.finish()?;
        Ok(Predicate { name, terms })
    }

    /// The scopes in a message's fields of this number.
    fn scopes(&mut self, reader: &mut Reader<'_>, field: u8) -> Result<Vec<Scope>> {
        let mut scopes = Vec::new();
        while reader.has(sized(field)) {
            room_for("scopes", scopes.len(), limits::BLOCKS_MAX)?;
            let mut inner = reader.message()?;
            scopes.push(if inner.has(number(1)) {
                match inner.varint_enum()? {
                    0 => Scope::Authority,
                    1 => Scope::Previous,
                    _ => return Err(Wrong::Form),
                }
            } else {
                inner.expect(number(2))?;
                Scope::PublicKey(self.symbols.key(inner.varint_i64()?).ok_or(Wrong::Unknown)?)
            });
            inner.finish()?;
        }
        Ok(scopes)
    }

    pub(super) fn term(&mut self, mut reader: Reader<'_>, depth: usize) -> Result<Term> {
        if depth > limits::NESTING_MAX {
            return Err(Wrong::Nested);
        }
        let term = if reader.has(number(1)) {
            Term::Variable(self.text(reader.varint_u32()?.into())?)
        } else if reader.has(number(2)) {
            Term::Integer(reader.varint_i64()?)
        } else if reader.has(number(3)) {
            Term::Str(self.text(reader.varint()?)?)
        } else if reader.has(number(4)) {
            Term::Date(reader.varint()?)
        } else if reader.has(sized(5)) {
            Term::Bytes(reader.bytes()?.to_vec())
        } else if reader.has(number(6)) {
            match reader.varint()? {
                0 => Term::Bool(false),
                1 => Term::Bool(true),
                _ => return Err(Wrong::Form),
            }
        } else if reader.has(sized(7)) {
            Term::Set(self.set(reader.message()?, depth)?)
        } else if reader.has(sized(8)) {
            reader.message()?.finish()?;
            Term::Null
        } else if reader.has(sized(9)) {
            Term::Array(self.terms(reader.message()?, depth)?)
        } else {
            reader.expect(sized(10))?;
            Term::Map(self.map(reader.message()?, depth)?)
        };
        reader.finish()?;
        Ok(term)
    }

    fn terms(&mut self, mut reader: Reader<'_>, depth: usize) -> Result<Vec<Term>> {
        let mut terms = Vec::new();
        while reader.has(sized(1)) {
            terms.push(self.term(reader.message()?, depth + 1)?);
        }
        reader.finish()?;
        Ok(terms)
    }

    /// A set: all of one type, neither variables nor sets.
    fn set(&mut self, reader: Reader<'_>, depth: usize) -> Result<BTreeSet<Term>> {
        let terms = self.terms(reader, depth)?;
        let kind = terms.first().map(std::mem::discriminant);
        let fits = |term: &Term| {
            !matches!(term, Term::Variable(_) | Term::Set(_))
                && kind == Some(std::mem::discriminant(term))
        };
        if terms.iter().all(fits) { Ok(terms.into_iter().collect()) } else { Err(Wrong::Form) }
    }

    fn map(&mut self, mut reader: Reader<'_>, depth: usize) -> Result<BTreeMap<MapKey, Term>> {
        let mut map = BTreeMap::new();
        while reader.has(sized(1)) {
            let mut entry = reader.message()?;
            entry.expect(sized(1))?;
            let mut inner = entry.message()?;
            let key = if inner.has(number(1)) {
                MapKey::Integer(inner.varint_i64()?)
            } else {
                inner.expect(number(2))?;
                MapKey::Str(self.text(inner.varint()?)?)
            };
            inner.finish()?;
            entry.expect(sized(2))?;
            map.insert(key, self.term(entry.message()?, depth + 1)?);
            entry.finish()?;
        }
        reader.finish()?;
        Ok(map)
    }
}

fn room_for(what: &'static str, count: usize, max: usize) -> Result<()> {
    if count < max { Ok(()) } else { Err(Wrong::Many { what, max }) }
}
