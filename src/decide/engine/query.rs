use biscuit_auth::builder::{self, Term};

use super::code::{Instr, Span};
use super::compile::Compiler;
use super::error::CompileFault;
use super::intern::{Parameters, bound_parameter};
use super::program::{Atom, HeadTerm, Pattern, Query};
use super::table::Origins;

/// When the conditions of a query are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Testing {
    /// As soon as their variables are bound, and not before those written earlier: rows that
    /// fail are left early.
    Early,
    /// By whoever runs the query: `check all` must see the bindings that fail.
    Late,
}

/// Variables of one body. They are looked up one by one, which is quick while they are few.
const VARIABLES_MAX: usize = 128;

/// A variable in scope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable<'s> {
    pub(super) name: &'s str,
    /// Which predicate of the body binds it first; nothing for the parameter of a closure.
    pub(super) depth: usize,
}

impl<'s> Compiler<'s> {
    /// The number of a predicate.
    pub(super) fn predicate(&mut self, name: &str, arity: usize) -> Result<usize, CompileFault> {
        let name = self.constants.text(name)?.index();
        self.predicates.insert(name, arity).ok_or(CompileFault::TooManySymbols)
    }

    /// Compiles the body of a rule and the terms of its head.
    pub(super) fn body(
        &mut self,
        rule: &'s builder::Rule,
        trust: Origins,
        testing: Testing,
    ) -> Result<(Query, Span), CompileFault> {
        self.variables.clear();
        let first = self.code.atoms.len();
        for (depth, predicate) in rule.body.iter().enumerate() {
            let atom = self.atom(predicate, depth, &rule.parameters)?;
            self.code.atoms.push(atom);
        }
        let atoms = Span::new(first, self.code.atoms.len())?;
        let head = self.head(&rule.head.terms, &rule.parameters)?;
        let first = self.code.filters.len();
        let mut slots = self.variables.len();
        for filter in &rule.expressions {
            let (code, most) = self.expression(&filter.ops, &rule.parameters)?;
            self.code.filters.push(code);
            slots = slots.max(most);
        }
        let filters = Span::new(first, self.code.filters.len())?;
        if testing == Testing::Early {
            self.place(atoms, filters)?;
        }
        let slots = slot(slots)?;
        Ok((Query { atoms, filters, slots, trust }, head))
    }

    fn atom(
        &mut self,
        predicate: &'s builder::Predicate,
        depth: usize,
        parameters: &'s Parameters,
    ) -> Result<Atom, CompileFault> {
        let first = self.code.patterns.len();
        for term in &predicate.terms {
            let pattern = match variable(term, parameters)? {
                None => Pattern::Is(self.constants.value(term, parameters)?),
                Some(name) => self.occurrence(name, depth)?,
            };
            self.code.patterns.push(pattern);
        }
        let terms = Span::new(first, self.code.patterns.len())?;
        let predicate = self.predicate(&predicate.name, predicate.terms.len())?;
        Ok(Atom { predicate, terms, filters: Span::default() })
    }

    /// What a variable asks of a term: anything where it occurs first.
    fn occurrence(&mut self, name: &'s str, depth: usize) -> Result<Pattern, CompileFault> {
        if let Some(place) = self.variables.iter().position(|variable| variable.name == name) {
            return Ok(Pattern::Same(slot(place)?));
        }
        if self.variables.len() >= VARIABLES_MAX {
            return Err(CompileFault::TooManyVariables);
        }
        self.variables.push(Variable { name, depth });
        Ok(Pattern::Bind(slot(self.variables.len() - 1)?))
    }

    fn head(
        &mut self,
        terms: &'s [Term],
        parameters: &'s Parameters,
    ) -> Result<Span, CompileFault> {
        let first = self.code.heads.len();
        for term in terms {
            let term = match variable(term, parameters)? {
                None => HeadTerm::Is(self.constants.value(term, parameters)?),
                Some(name) => {
                    let place = self.variables.iter().position(|variable| variable.name == name);
                    let unbound = || CompileFault::UnboundVariable(name.to_owned());
                    HeadTerm::Slot(slot(place.ok_or_else(unbound)?)?)
                }
            };
            self.code.heads.push(term);
        }
        Span::new(first, self.code.heads.len())
    }

    /// Gives each condition to the first predicate after which it, and all before it, can be tested.
    fn place(&mut self, atoms: Span, filters: Span) -> Result<(), CompileFault> {
        let Self { code, variables, .. } = self;
        let bound_at = |instr: &Instr| match instr {
            Instr::Load(slot) => variables.get(*slot as usize).map_or(0, |v| v.depth),
            _ => 0,
        };
        let mut depth = 0;
        for index in filters.places() {
            let Some(filter) = code.filters.get(index) else { continue };
            let instrs = filter.of(&code.instrs).iter();
            depth = instrs.map(bound_at).max().unwrap_or(0).max(depth);
            if let Some(atom) = atoms.of_mut(&mut code.atoms).get_mut(depth) {
                let first =
                    if atom.filters.len() == 0 { index } else { atom.filters.places().start };
                atom.filters = Span::new(first, index + 1)?;
            }
        }
        Ok(())
    }
}

/// The number of a slot.
pub(super) fn slot(place: usize) -> Result<u32, CompileFault> {
    u32::try_from(place).map_err(|_| CompileFault::TooManySymbols)
}

/// The name of a variable, if the term is one.
fn variable<'t>(
    term: &'t Term,
    parameters: &'t Parameters,
) -> Result<Option<&'t str>, CompileFault> {
    Ok(match term {
        Term::Variable(name) => Some(name),
        Term::Parameter(name) => match bound_parameter(name, parameters)? {
            Term::Variable(name) => Some(name),
            _ => None,
        },
        _ => None,
    })
}
