use std::collections::HashMap;

use biscuit_auth::builder::{MapKey, Term};

use crate::model::limits::NESTING_MAX;

use super::error::CompileFault;
use super::hash::KeyedMap;
use super::heap::Heap;
use super::value::{Class, Ref, Value};

/// Values bound to `{parameters}` of a statement that was built from text.
pub(super) type Parameters = Option<HashMap<String, Option<Term>>>;

/// The constants of a program, each content kept once.
#[derive(Debug)]
pub(super) struct Constants {
    /// The values themselves.
    pub(super) heap: Heap,
    texts: KeyedMap<Box<str>, Ref>,
    blobs: HashMap<Box<[u8]>, Ref>,
    lists: HashMap<(u8, Box<[Value]>), Ref>,
}

impl Constants {
    pub(super) fn new() -> Self {
        Self {
            heap: Heap::new(Class::Base),
            texts: KeyedMap::default(),
            blobs: HashMap::new(),
            lists: HashMap::new(),
        }
    }

    /// Lets go of what only the compiler needs.
    pub(super) fn seal(&mut self) {
        self.blobs = HashMap::new();
        self.lists = HashMap::new();
    }

    /// The reference of `text`, if the program contains it.
    #[inline]
    pub(super) fn find_text(&self, text: &str) -> Option<Ref> {
        self.texts.get(text).copied()
    }

    /// The reference of `text`, which becomes a constant if it is not one.
    pub(super) fn text(&mut self, text: &str) -> Result<Ref, CompileFault> {
        if let Some(reference) = self.find_text(text) {
            return Ok(reference);
        }
        let reference = self.heap.push_text(text).ok_or(CompileFault::TooManySymbols)?;
        self.texts.insert(text.into(), reference);
        Ok(reference)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Ref, CompileFault> {
        if let Some(reference) = self.blobs.get(bytes) {
            return Ok(*reference);
        }
        let reference = self.heap.push_bytes(bytes).ok_or(CompileFault::TooManySymbols)?;
        self.blobs.insert(bytes.into(), reference);
        Ok(reference)
    }

    fn items(&mut self, kind: u8, items: Vec<Value>) -> Result<Ref, CompileFault> {
        let key = (kind, items.into_boxed_slice());
        if let Some(reference) = self.lists.get(&key) {
            return Ok(*reference);
        }
        let reference = self.heap.push_items(&key.1).ok_or(CompileFault::TooManySymbols)?;
        self.lists.insert(key, reference);
        Ok(reference)
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
                let items = self.all(set.iter(), parameters, inner()?)?;
                Value::Set(self.items(0, items)?)
            }
            Term::Array(array) => {
                let items = self.all(array.iter(), parameters, inner()?)?;
                Value::Array(self.items(1, items)?)
            }
            Term::Map(map) => {
                let depth = inner()?;
                let mut items = Vec::with_capacity(2 * map.len());
                for (key, term) in map {
                    items.push(self.key(key)?);
                    items.push(self.nested(term, parameters, depth)?);
                }
                Value::Map(self.items(2, items)?)
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
    ) -> Result<Vec<Value>, CompileFault> {
        terms.map(|term| self.nested(term, parameters, depth)).collect()
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
