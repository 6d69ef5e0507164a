use biscuit_auth::builder::{self, MapKey};

use crate::model::limits::NESTING_MAX;

use super::budget::Budget;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::heap::{Heap, Heaps};
use super::program::Program;
use super::scratch::Scratch;
use super::table::AUTHORIZER;
use super::value::{Class, Value};

/// A term of a request fact, borrowed from wherever the request keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TermRef<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// Seconds since 1970.
    Date(u64),
    /// Text.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A set of text, in any order and with any repetition.
    TextSet(&'a [&'a str]),
    /// A set of terms that are not sets themselves, in any order and with any repetition.
    Set(&'a [TermRef<'a>]),
    /// An array.
    Array(&'a [TermRef<'a>]),
}

/// The number of a predicate in one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredicateId(pub(super) usize);

/// The facts of one request, on their way into an evaluation.
///
/// Facts of predicates that the program does not name are dropped as they come: nothing could
/// look at them.
#[derive(Debug)]
pub struct RequestFacts<'p> {
    program: &'p Program,
    scratch: Box<Scratch>,
    /// A fact could not be taken in; without it nothing may be decided.
    malformed: bool,
}

impl Program {
    /// Begins an evaluation.
    pub fn request(&self) -> RequestFacts<'_> {
        RequestFacts { program: self, scratch: Scratch::take(self), malformed: false }
    }

    /// The number of a predicate, if a fact, a rule, a check or a policy names it.
    ///
    /// The gateway need not compute facts of other predicates.
    pub fn predicate(&self, name: &str, arity: usize) -> Option<PredicateId> {
        let name = self.constants.find_text(name)?.index();
        self.predicates.find(name, arity).map(PredicateId)
    }

    /// Evaluates the program with the facts of one request.
    ///
    /// # Errors
    /// As [`RequestFacts::evaluate`]; also [`EvaluationError::MalformedFact`] for a fact that holds
    /// a variable, a parameter or too deep a nesting.
    pub fn evaluate(
        &self,
        facts: &[builder::Fact],
        steps_max: u64,
    ) -> Result<Evaluation<'_>, EvaluationError> {
        let mut request = self.request();
        for fact in facts {
            request.add_fact(fact)?;
        }
        request.evaluate(steps_max)
    }
}

impl<'p> RequestFacts<'p> {
    /// Adds a fact by name.
    pub fn add(&mut self, name: &str, terms: &[TermRef<'_>]) {
        if let Some(predicate) = self.program.predicate(name, terms.len()) {
            self.add_to(predicate, terms);
        }
    }

    /// Adds a fact of a predicate that the program named before.
    pub fn add_to(&mut self, predicate: PredicateId, terms: &[TermRef<'_>]) {
        let Scratch { tables, heap, terms: row, .. } = &mut *self.scratch;
        row.clear();
        let mut loader = Loader { program: self.program, heap };
        for term in terms {
            match loader.load(*term, NESTING_MAX) {
                Some(value) => row.push(value),
                None => {
                    self.malformed = true;
                    return;
                }
            }
        }
        if let Some(table) = tables.get_mut(predicate.0) {
            table.push(row, AUTHORIZER);
        }
    }

    fn add_fact(&mut self, fact: &builder::Fact) -> Result<(), EvaluationError> {
        let builder::Predicate { name, terms } = &fact.predicate;
        let Some(predicate) = self.program.predicate(name, terms.len()) else { return Ok(()) };
        let Scratch { tables, heap, terms: row, .. } = &mut *self.scratch;
        row.clear();
        let mut loader = Loader { program: self.program, heap };
        for term in terms {
            let value = loader.load_term(term, NESTING_MAX);
            row.push(value.ok_or(EvaluationError::MalformedFact)?);
        }
        if let Some(table) = tables.get_mut(predicate.0) {
            table.push(row, AUTHORIZER);
        }
        Ok(())
    }

    /// Runs the rules, then every check and the policies.
    ///
    /// The outcome depends on the facts alone, not on the order they were added in: they are
    /// sorted by content first.
    ///
    /// # Errors
    /// [`EvaluationError::TooComplex`] when `steps_max` is not enough,
    /// [`EvaluationError::Expression`] when an expression fails outside `try_or`,
    /// [`EvaluationError::MalformedFact`] when a fact nested too deeply or held a set in a set.
    /// All of them deny.
    pub fn evaluate(mut self, steps_max: u64) -> Result<Evaluation<'p>, EvaluationError> {
        if self.malformed {
            return Err(EvaluationError::MalformedFact);
        }
        let Scratch { tables, heap, machine, .. } = &mut *self.scratch;
        machine.reset(steps_max);
        let nothing = Heap::default();
        let heaps =
            Heaps { base: &self.program.constants.heap, request: heap, temporary: &nothing };
        for table in tables.iter_mut().filter(|table| table.len() > 1) {
            let mut budget = Budget::unlimited();
            table.sort_by(|a, b| {
                let pairs = a.iter().zip(b);
                let orders = pairs.map(|(a, b)| heaps.compare(*a, *b, &mut budget));
                let mut orders = orders.filter_map(Result::ok);
                orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
            });
        }
        Evaluation::run(self.program, self.scratch, steps_max)
    }
}

/// Copies terms of a request into the request's heap.
struct Loader<'a> {
    program: &'a Program,
    heap: &'a mut Heap,
}

impl Loader<'_> {
    /// `None` where the term nests too deeply or no room is left.
    fn load(&mut self, term: TermRef<'_>, depth: usize) -> Option<Value> {
        Some(match term {
            TermRef::Null => Value::Null,
            TermRef::Bool(bool) => Value::Bool(bool),
            TermRef::Int(int) => Value::Int(int),
            TermRef::Date(secs) => Value::Date(secs),
            TermRef::Str(text) => self.text(text)?,
            TermRef::Bytes(bytes) => Value::Bytes(self.heap.push_bytes(bytes)?),
            TermRef::TextSet(texts) => {
                let items = texts.iter().map(|text| self.text(text)).collect::<Option<_>>()?;
                self.set(items)?
            }
            TermRef::Set(items) => {
                if items.iter().any(|i| matches!(i, TermRef::Set(_) | TermRef::TextSet(_))) {
                    return None;
                }
                let depth = depth.checked_sub(1)?;
                let items = items.iter().map(|item| self.load(*item, depth));
                let items = items.collect::<Option<_>>()?;
                self.set(items)?
            }
            TermRef::Array(items) => {
                let depth = depth.checked_sub(1)?;
                let items = items.iter().map(|item| self.load(*item, depth));
                let items = items.collect::<Option<Vec<_>>>()?;
                Value::Array(self.heap.push_items(&items)?)
            }
        })
    }

    fn load_term(&mut self, term: &builder::Term, depth: usize) -> Option<Value> {
        Some(match term {
            builder::Term::Variable(_) | builder::Term::Parameter(_) => return None,
            builder::Term::Integer(int) => Value::Int(*int),
            builder::Term::Str(text) => self.text(text)?,
            builder::Term::Date(secs) => Value::Date(*secs),
            builder::Term::Bytes(bytes) => Value::Bytes(self.heap.push_bytes(bytes)?),
            builder::Term::Bool(bool) => Value::Bool(*bool),
            builder::Term::Null => Value::Null,
            builder::Term::Set(items) => {
                if items.iter().any(|item| matches!(item, builder::Term::Set(_))) {
                    return None;
                }
                let depth = depth.checked_sub(1)?;
                let items = items.iter().map(|item| self.load_term(item, depth));
                let items = items.collect::<Option<_>>()?;
                self.set(items)?
            }
            builder::Term::Array(items) => {
                let depth = depth.checked_sub(1)?;
                let items = items.iter().map(|item| self.load_term(item, depth));
                let items = items.collect::<Option<Vec<_>>>()?;
                Value::Array(self.heap.push_items(&items)?)
            }
            builder::Term::Map(map) => {
                let depth = depth.checked_sub(1)?;
                let mut items = Vec::with_capacity(2 * map.len());
                for (key, value) in map {
                    items.push(match key {
                        MapKey::Integer(int) => Value::Int(*int),
                        MapKey::Str(text) => self.text(text)?,
                        MapKey::Parameter(_) => return None,
                    });
                    items.push(self.load_term(value, depth)?);
                }
                Value::Map(self.heap.push_items(&items)?)
            }
        })
    }

    /// Text that the program contains has the program's reference, so that most comparisons need
    /// not look at it.
    fn text(&mut self, text: &str) -> Option<Value> {
        match self.program.constants.find_text(text) {
            Some(constant) => Some(Value::Str(constant)),
            None => self.heap.push_text(text).map(Value::Str),
        }
    }

    fn set(&mut self, mut items: Vec<Value>) -> Option<Value> {
        let nothing = Heap::new(Class::Temporary);
        let mut budget = Budget::unlimited();
        let base = &self.program.constants.heap;
        let heaps = Heaps { base, request: self.heap, temporary: &nothing };
        let mut compare = |a: &Value, b: &Value| {
            heaps.compare(*a, *b, &mut budget).unwrap_or(std::cmp::Ordering::Equal)
        };
        items.sort_by(&mut compare);
        items.dedup_by(|a, b| compare(a, b).is_eq());
        self.heap.push_items(&items).map(Value::Set)
    }
}
