use std::collections::HashMap;
use std::hash::BuildHasher;

use biscuit_auth::builder::{MapKey, Term};
use hashbrown::HashTable;

use crate::model::limits::NESTING_MAX;

use super::error::CompileFault;
use super::hash::KeyedState;
use super::heap::Heap;
use super::value::{Class, Ref, Value};

/// Values bound to `{parameters}` of a statement that was built from text.
pub(super) type Parameters = Option<HashMap<String, Option<Term>>>;

/// The constants of a program, each content kept once.
///
/// *Shape*: the tables hold references into the heap alone, so that a copy of all of it is a copy
/// of a few lists.
#[derive(Debug)]
pub(super) struct Constants {
    /// The values themselves.
    pub(super) heap: Heap,
    state: KeyedState,
    texts: HashTable<Ref>,
    blobs: HashTable<Ref>,
    /// Sets, arrays and maps.
    lists: HashTable<Value>,
    /// Elements of the collections at hand.
    elements: Vec<Value>,
}

impl Constants {
    pub(super) fn new() -> Self {
        Self {
            heap: Heap::new(Class::Base),
            state: KeyedState::default(),
            texts: HashTable::new(),
            blobs: HashTable::new(),
            lists: HashTable::new(),
            elements: Vec::new(),
        }
    }

    /// A copy with room for what so many ordinary blocks add.
    pub(super) fn roomy(&self, blocks: usize) -> Self {
        Self {
            heap: self.heap.roomy(blocks),
            state: self.state.clone(),
            texts: self.texts.clone(),
            blobs: self.blobs.clone(),
            lists: self.lists.clone(),
            elements: Vec::new(),
        }
    }

    /// The reference of `text`, if the program contains it.
    #[inline]
    pub(super) fn find_text(&self, text: &str) -> Option<Ref> {
        let same = |other: &Ref| self.heap.text(*other) == text;
        self.texts.find(self.state.hash_one(text), same).copied()
    }

    /// The reference of `text`, which becomes a constant if it is not one.
    pub(super) fn text(&mut self, text: &str) -> Result<Ref, CompileFault> {
        let Self { heap, state, texts, .. } = self;
        let hash = state.hash_one(text);
        if let Some(reference) = texts.find(hash, |other| heap.text(*other) == text) {
            return Ok(*reference);
        }
        let reference = heap.push_text(text).ok_or(CompileFault::TooManySymbols)?;
        texts.insert_unique(hash, reference, |other| state.hash_one(heap.text(*other)));
        Ok(reference)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Ref, CompileFault> {
        let Self { heap, state, blobs, .. } = self;
        let hash = state.hash_one(bytes);
        if let Some(reference) = blobs.find(hash, |other| heap.bytes(*other) == bytes) {
            return Ok(*reference);
        }
        let reference = heap.push_bytes(bytes).ok_or(CompileFault::TooManySymbols)?;
        blobs.insert_unique(hash, reference, |other| state.hash_one(heap.bytes(*other)));
        Ok(reference)
    }

    /// The collection of the elements gathered behind `start`, which are taken away.
    fn collection(&mut self, kind: fn(Ref) -> Value, start: usize) -> Result<Value, CompileFault> {
        let Self { heap, state, lists, elements, .. } = self;
        let items = elements.get(start..).unwrap_or_default();
        let hash = state.hash_one(items);
        let same = |other: &Value| {
            list_of(*other).is_some_and(|list| kind(list) == *other && heap.items(list) == items)
        };
        if let Some(value) = lists.find(hash, same).copied() {
            elements.truncate(start);
            return Ok(value);
        }
        let value = kind(heap.push_items(items).ok_or(CompileFault::TooManySymbols)?);
        elements.truncate(start);
        let hash_of = |other: &Value| {
            state.hash_one(list_of(*other).map_or(&[][..], |list| heap.items(list)))
        };
        lists.insert_unique(hash, value, hash_of);
        Ok(value)
    }

    /// The value of a term that holds no variable.
    pub(super) fn value(
        &mut self,
        term: &Term,
        parameters: &Parameters,
    ) -> Result<Value, CompileFault> {
        self.nested(term, parameters, NESTING_MAX)
    }

    fn nested(
        &mut self,
        term: &Term,
        parameters: &Parameters,
        depth: usize,
    ) -> Result<Value, CompileFault> {
        let inner = || depth.checked_sub(1).ok_or(CompileFault::NestedTooDeeply);
        Ok(match term {
            Term::Variable(name) => return Err(CompileFault::VariableInConstant(name.clone())),
            Term::Parameter(name) => {
                let bound = bound_parameter(name, parameters)?;
                return self.nested(bound, &None, depth);
            }
            Term::Integer(int) => Value::Int(*int),
            Term::Str(text) => Value::Str(self.text(text)?),
            Term::Date(secs) => Value::Date(*secs),
            Term::Bytes(bytes) => Value::Bytes(self.bytes(bytes)?),
            Term::Bool(bool) => Value::Bool(*bool),
            Term::Null => Value::Null,
            Term::Set(set) => {
                if set.iter().any(|term| matches!(term, Term::Set(_))) {
                    return Err(CompileFault::NestedSet);
                }
                // A set of builder terms walks in content order, the order a heap asks for, unless
                // it holds parameters, whose values can stand anywhere.
                if set.iter().any(|term| matches!(term, Term::Parameter(_))) {
                    let resolved = set.iter().map(|term| match term {
                        Term::Parameter(name) => bound_parameter(name, parameters).cloned(),
                        term => Ok(term.clone()),
                    });
                    let resolved = Term::Set(resolved.collect::<Result<_, _>>()?);
                    return self.nested(&resolved, &None, depth);
                }
                self.all(set.iter(), parameters, inner()?, Value::Set)?
            }
            Term::Array(array) => self.all(array.iter(), parameters, inner()?, Value::Array)?,
            Term::Map(map) => {
                let (depth, start) = (inner()?, self.elements.len());
                for (key, term) in map {
                    let key = self.key(key)?;
                    self.elements.push(key);
                    let value = self.nested(term, parameters, depth)?;
                    self.elements.push(value);
                }
                self.collection(Value::Map, start)?
            }
        })
    }

    fn key(&mut self, key: &MapKey) -> Result<Value, CompileFault> {
        match key {
            MapKey::Integer(int) => Ok(Value::Int(*int)),
            MapKey::Str(text) => Ok(Value::Str(self.text(text)?)),
            MapKey::Parameter(name) => Err(CompileFault::UnboundParameter(name.clone())),
        }
    }

    fn all<'t>(
        &mut self,
        terms: impl Iterator<Item = &'t Term>,
        parameters: &Parameters,
        depth: usize,
        kind: fn(Ref) -> Value,
    ) -> Result<Value, CompileFault> {
        let start = self.elements.len();
        for term in terms {
            let value = self.nested(term, parameters, depth)?;
            self.elements.push(value);
        }
        self.collection(kind, start)
    }
}

/// Where the elements of a collection are.
fn list_of(value: Value) -> Option<Ref> {
    match value {
        Value::Set(list) | Value::Array(list) | Value::Map(list) => Some(list),
        _ => None,
    }
}

/// The term bound to the parameter `name`; a parameter bound to another one is none.
pub(super) fn bound_parameter<'p>(
    name: &str,
    parameters: &'p Parameters,
) -> Result<&'p Term, CompileFault> {
    let bound = parameters.as_ref().and_then(|bound| bound.get(name)).and_then(Option::as_ref);
    bound
        .filter(|term| !matches!(term, Term::Parameter(_)))
        .ok_or_else(|| CompileFault::UnboundParameter(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use biscuit_auth::builder::{int, set, string, variable};

    #[test]
    fn equal_content_has_one_reference() {
        let mut constants = Constants::new();
        let terms = [
            string("a"),
            Term::Bytes(vec![1]),
            set([string("a"), string("b")].into()),
            Term::Array(vec![int(1), Term::Null]),
            Term::Map([(MapKey::Str("k".into()), int(1))].into()),
        ];
        for term in terms {
            let first = constants.value(&term, &None).unwrap();
            assert_eq!(constants.value(&term, &None).unwrap(), first);
        }
        let array = constants.value(&Term::Array(vec![]), &None).unwrap();
        assert_ne!(array, constants.value(&set([].into()), &None).unwrap());
    }

    #[test]
    fn what_is_no_constant_is_refused() {
        let deep = (0..=NESTING_MAX).fold(int(1), |inner, _| Term::Array(vec![inner]));
        let cases = [
            (Term::Array(vec![variable("x")]), CompileFault::VariableInConstant("x".into())),
            (set([set([].into())].into()), CompileFault::NestedSet),
            (Term::Parameter("p".into()), CompileFault::UnboundParameter("p".into())),
            (
                Term::Map([(MapKey::Parameter("k".into()), int(1))].into()),
                CompileFault::UnboundParameter("k".into()),
            ),
            (deep, CompileFault::NestedTooDeeply),
        ];
        for (term, fault) in cases {
            assert_eq!(Constants::new().value(&term, &None), Err(fault), "{term:?}");
        }
    }
}
