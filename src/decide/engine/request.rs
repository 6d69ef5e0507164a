use biscuit_auth::builder::{self, MapKey};

use crate::model::limits::NESTING_MAX;
use crate::vocabulary::TermRef;

use super::budget::{Budget, Stop};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::heap::{Heap, Heaps};
use super::program::Program;
use super::scratch::Scratch;
use super::sort::{Rows, Sorter};
use super::table::AUTHORIZER;
use super::value::{Ref, Value};

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
    /// There until the evaluation takes it.
    scratch: Option<Box<Scratch>>,
    /// A fact could not be taken in; without it nothing may be decided.
    malformed: bool,
}

impl Program {
    /// Begins an evaluation.
    pub fn request(&self) -> RequestFacts<'_> {
        RequestFacts { program: self, scratch: Some(Scratch::take(self)), malformed: false }
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
        self.add_row(predicate, terms.iter(), |loader, term| loader.load(*term, NESTING_MAX));
    }

    /// Adds a fact of terms that somebody owns, as [`RequestFacts::add_to`] does.
    pub fn add_terms_to(&mut self, predicate: PredicateId, terms: &[builder::Term]) {
        self.add_row(predicate, terms.iter(), |loader, term| loader.load_term(term, NESTING_MAX));
    }

    fn add_fact(&mut self, fact: &builder::Fact) -> Result<(), EvaluationError> {
        let builder::Predicate { name, terms } = &fact.predicate;
        if let Some(predicate) = self.program.predicate(name, terms.len()) {
            self.add_terms_to(predicate, terms);
        }
        if self.malformed { Err(EvaluationError::MalformedFact) } else { Ok(()) }
    }

    fn add_row<T>(
        &mut self,
        predicate: PredicateId,
        terms: impl Iterator<Item = T>,
        load: impl Fn(&mut Loader<'_>, T) -> Option<Value>,
    ) {
        let Some(scratch) = self.scratch.as_deref_mut() else { return };
        let Scratch { tables, heap, terms: row, elements, sets, .. } = scratch;
        row.clear();
        let mut loader = Loader { program: self.program, heap, elements, sets };
        for term in terms {
            match load(&mut loader, term) {
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

    /// Runs the rules, then every check and the policies.
    ///
    /// The outcome depends on the facts alone, not on the order they were added in: they are
    /// sorted by content first, which costs steps as all else does.
    ///
    /// # Errors
    /// [`EvaluationError::TooComplex`] when `steps_max` is not enough,
    /// [`EvaluationError::Expression`] when an expression fails outside `try_or`,
    /// [`EvaluationError::MalformedFact`] when a fact nested too deeply or held a set in a set.
    /// All of them deny.
    pub fn evaluate(mut self, steps_max: u64) -> Result<Evaluation<'p>, EvaluationError> {
        let scratch = self.scratch.as_deref_mut().filter(|_| !self.malformed);
        let scratch = scratch.ok_or(EvaluationError::MalformedFact)?;
        scratch.machine.reset(steps_max);
        sort(self.program, scratch)?;
        let scratch = self.scratch.take().ok_or(EvaluationError::MalformedFact)?;
        Evaluation::run(self.program, scratch, steps_max)
    }
}

impl Drop for RequestFacts<'_> {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            scratch.give_back();
        }
    }
}

/// Puts the elements of sets and the rows of tables into content order.
fn sort(program: &Program, scratch: &mut Scratch) -> Result<(), Stop> {
    let Scratch { tables, heap, machine, elements, terms, sets, sorter, .. } = scratch;
    let nothing = Heap::default();
    let base = &program.constants.heap;
    // A set that is an element was added before the one that holds it.
    for set in sets.drain(..) {
        sort_set(set, base, heap, elements, terms, sorter, &mut machine.budget)?;
    }
    let heaps = Heaps { base, request: heap, temporary: &nothing };
    let tables = tables.iter_mut().take(program.predicates.len());
    for table in tables.filter(|table| table.len() > 1) {
        let rows = Rows { terms: table.terms(), arity: table.arity() };
        if let Some(order) = sorter.sort(rows, heaps, &mut machine.budget)? {
            table.arrange(order, terms);
        }
    }
    Ok(())
}

/// Puts the elements of a set into content order, each once.
fn sort_set(
    set: Ref,
    base: &Heap,
    heap: &mut Heap,
    elements: &mut Vec<Value>,
    sorted: &mut Vec<Value>,
    sorter: &mut Sorter,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let nothing = Heap::default();
    let heaps = Heaps { base, request: heap, temporary: &nothing };
    elements.clear();
    elements.extend_from_slice(heaps.items(set));
    sorted.clear();
    match sorter.sort(Rows { terms: elements, arity: 1 }, heaps, budget)? {
        Some(order) => sorted.extend(order.filter_map(|place| elements.get(place))),
        None => sorted.extend_from_slice(elements),
    }
    // Sorting has paid for looking at all that two neighbours have in common.
    let mut paid = Budget::unlimited();
    sorted.dedup_by(|a, b| heaps.equal(*a, *b, &mut paid) == Ok(true));
    heap.replace_items(set, sorted);
    Ok(())
}

/// Copies terms of a request into the request's heap.
struct Loader<'a> {
    program: &'a Program,
    heap: &'a mut Heap,
    /// Elements of the collections at hand.
    elements: &'a mut Vec<Value>,
    /// Sets that are yet to be put in order.
    sets: &'a mut Vec<Ref>,
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
                let list = self.list(texts.iter(), |loader, text| loader.text(text))?;
                self.set(list)
            }
            TermRef::Set(items) => {
                if items.iter().any(|i| matches!(i, TermRef::Set(_) | TermRef::TextSet(_))) {
                    return None;
                }
                let depth = depth.checked_sub(1)?;
                let list = self.list(items.iter(), |loader, item| loader.load(*item, depth))?;
                self.set(list)
            }
            TermRef::Array(items) => {
                let depth = depth.checked_sub(1)?;
                let load = |loader: &mut Self, item: &TermRef<'_>| loader.load(*item, depth);
                Value::Array(self.list(items.iter(), load)?)
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
                let list = self.list(items.iter(), |loader, item| loader.load_term(item, depth))?;
                self.set(list)
            }
            builder::Term::Array(items) => {
                let depth = depth.checked_sub(1)?;
                let load = |loader: &mut Self, item| loader.load_term(item, depth);
                Value::Array(self.list(items.iter(), load)?)
            }
            builder::Term::Map(map) => {
                let (depth, start) = (depth.checked_sub(1)?, self.elements.len());
                for (key, value) in map {
                    let key = match key {
                        MapKey::Integer(int) => Value::Int(*int),
                        MapKey::Str(text) => self.text(text)?,
                        MapKey::Parameter(_) => return None,
                    };
                    self.elements.push(key);
                    let value = self.load_term(value, depth)?;
                    self.elements.push(value);
                }
                Value::Map(self.gathered(start)?)
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

    fn list<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        load: impl Fn(&mut Self, T) -> Option<Value>,
    ) -> Option<Ref> {
        let start = self.elements.len();
        for item in items {
            let value = load(self, item)?;
            self.elements.push(value);
        }
        self.gathered(start)
    }

    /// Moves the elements behind `start` into a list.
    fn gathered(&mut self, start: usize) -> Option<Ref> {
        let list = self.heap.push_items(self.elements.get(start..)?);
        self.elements.truncate(start);
        list
    }

    fn set(&mut self, list: Ref) -> Value {
        self.sets.push(list);
        Value::Set(list)
    }
}
