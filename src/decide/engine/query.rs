use biscuit_auth::builder::{self, Term};

use super::code::Instr;
use super::error::{CompileFault, Origin};
use super::expression::Context;
use super::intern::{Constants, Parameters, bound_parameter};
use super::program::{Atom, HeadTerm, Pattern, Predicates, Query};
use super::regexes::Regexes;
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

/// What a body is compiled against.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) constants: &'a mut Constants,
    pub(super) regexes: &'a mut Regexes,
    pub(super) predicates: &'a mut Predicates,
    pub(super) origin: Origin,
}

/// Variables of one body. They are looked up one by one, which is quick while they are few.
const VARIABLES_MAX: usize = 128;

/// Variables of a body, each with the predicate that binds it first; its slot is its place.
type Variables = Vec<(String, usize)>;

impl Parts<'_> {
    /// The number of a predicate.
    pub(super) fn predicate(&mut self, name: &str, arity: usize) -> Result<usize, CompileFault> {
        let name = self.constants.text(name)?.index();
        Ok(self.predicates.insert(name, arity))
    }

    /// Compiles the body of a rule and the terms of its head.
    pub(super) fn body(
        &mut self,
        rule: &builder::Rule,
        trust: Origins,
        testing: Testing,
    ) -> Result<(Query, Box<[HeadTerm]>), CompileFault> {
        let mut variables = Variables::new();
        let mut atoms = Vec::with_capacity(rule.body.len());
        for (depth, predicate) in rule.body.iter().enumerate() {
            atoms.push(self.atom(predicate, depth, &rule.parameters, &mut variables)?);
        }
        let head = self.head(&rule.head.terms, &rule.parameters, &variables)?;
        let mut context = Context {
            constants: self.constants,
            regexes: self.regexes,
            parameters: &rule.parameters,
            origin: self.origin,
            scope: Vec::with_capacity(variables.len()),
            slots: 0,
        };
        for (slot, (name, _)) in (0..).zip(&variables) {
            context.scope.push((name.clone(), slot));
            context.slots = slot + 1;
        }
        let filters = rule.expressions.iter();
        let filters = filters.map(|filter| context.expression(&filter.ops).map(Vec::into));
        let filters = filters.collect::<Result<Box<[Box<[Instr]>]>, _>>()?;
        let slots = context.slots as usize;
        if testing == Testing::Early {
            place(&mut atoms, &filters, &variables);
        }
        Ok((Query { atoms: atoms.into(), filters, slots, trust }, head))
    }

    fn atom(
        &mut self,
        predicate: &builder::Predicate,
        depth: usize,
        parameters: &Parameters,
        variables: &mut Variables,
    ) -> Result<Atom, CompileFault> {
        let mut terms = Vec::with_capacity(predicate.terms.len());
        for term in &predicate.terms {
            let Some(name) = variable(term, parameters)? else {
                terms.push(Pattern::Is(self.constants.value(term, parameters)?));
                continue;
            };
            let known = variables.iter().position(|(other, _)| other == name);
            let place = known.unwrap_or(variables.len());
            let slot = u32::try_from(place).map_err(|_| CompileFault::TooManySymbols)?;
            if known.is_none() {
                if variables.len() >= VARIABLES_MAX {
                    return Err(CompileFault::TooManyVariables);
                }
                variables.push((name.to_owned(), depth));
                terms.push(Pattern::Bind(slot));
            } else {
                terms.push(Pattern::Same(slot));
            }
        }
        let predicate = self.predicate(&predicate.name, terms.len())?;
        Ok(Atom { predicate, terms: terms.into(), filters: 0..0 })
    }

    fn head(
        &mut self,
        terms: &[Term],
        parameters: &Parameters,
        variables: &Variables,
    ) -> Result<Box<[HeadTerm]>, CompileFault> {
        let mut head = Vec::with_capacity(terms.len());
        for term in terms {
            let Some(name) = variable(term, parameters)? else {
                head.push(HeadTerm::Is(self.constants.value(term, parameters)?));
                continue;
            };
            let slot = variables.iter().position(|(other, _)| other == name);
            let slot = slot.ok_or_else(|| CompileFault::UnboundVariable(name.to_owned()))?;
            let slot = u32::try_from(slot).map_err(|_| CompileFault::TooManySymbols)?;
            head.push(HeadTerm::Slot(slot));
        }
        Ok(head.into())
    }
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

/// Gives each condition to the first predicate after which it, and all before it, can be tested.
fn place(atoms: &mut [Atom], filters: &[Box<[Instr]>], variables: &Variables) {
    let bound_at = |instr: &Instr| match instr {
        Instr::Load(slot) => variables.get(*slot as usize).map_or(0, |(_, depth)| *depth),
        _ => 0,
    };
    let mut depth = 0;
    for (index, filter) in filters.iter().enumerate() {
        depth = filter.iter().map(bound_at).max().unwrap_or(0).max(depth);
        if let Some(atom) = atoms.get_mut(depth) {
            if atom.filters.is_empty() {
                atom.filters = index..index;
            }
            atom.filters.end = index + 1;
        }
    }
}
