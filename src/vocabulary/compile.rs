//! Grants to Datalog: the body of a rule of block 0, or one query of a check of a later block.
//!
//! Both come from the same function, so a grant means the same in either place.

use std::collections::{BTreeMap, BTreeSet};

use biscuit_auth::builder::{Binary, Check, CheckKind, Expression, Predicate, Rule, Term};

use super::expr::{Expr, text_set, value, var};
use super::grant::{
    ArgPath, Constraint, Grant, Micros, NamesRule, Scalar, Segment, Test, Values, is_decimal,
    names_rules, whole_text,
};
use super::oracle::Oracle;
use super::pattern::Pattern;
use crate::model::{ToolPattern, limits};

/// A grant that is too large for one query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Too many predicates.
    #[error("`grants[{grant}]` asks for {count} facts where {} fit", limits::QUERY_PREDICATES_MAX)]
    Predicates {
        /// The grant's place.
        grant: usize,
        /// How many facts it asks for.
        count: usize,
    },
    /// Too many operations.
    #[error(
        "`grants[{grant}]` takes {count} operations where {} fit",
        limits::QUERY_OPERATIONS_MAX
    )]
    Operations {
        /// The grant's place.
        grant: usize,
        /// How many operations it takes.
        count: usize,
    },
    /// Too many alternatives.
    #[error("the grants need {count} queries where {max} fit: name tools of fewer servers")]
    Queries {
        /// How many queries the grants need.
        count: usize,
        /// How many fit.
        max: usize,
    },
}

/// Grants as rules of block 0: `granted(0) <- …`, one or more a grant.
///
/// *Errors*: [`CompileError`] where the grants do not fit the limits.
pub fn rules(grants: &[Grant]) -> Result<Vec<Rule>, CompileError> {
    let bodies = bodies(grants)?;
    fits(bodies.len(), limits::BLOCK_RULES_MAX)?;
    let rule = |(index, (predicates, expressions))| {
        let head = predicate("granted", vec![Term::Integer(index as i64)]);
        Rule::new(head, predicates, expressions, vec![])
    };
    Ok(bodies.into_iter().map(rule).collect())
}

/// Grants as one check of a later block: `check if … or …`.
///
/// *Errors*: [`CompileError`] where the grants do not fit the limits.
pub fn check(grants: &[Grant]) -> Result<Check, CompileError> {
    let bodies = bodies(grants)?;
    fits(bodies.len(), limits::CHECK_QUERIES_MAX)?;
    let query = |(_, (predicates, expressions))| {
        Rule::new(predicate("query", vec![]), predicates, expressions, vec![])
    };
    Ok(Check { queries: bodies.into_iter().map(query).collect(), kind: CheckKind::One })
}

fn fits(count: usize, max: usize) -> Result<(), CompileError> {
    if count > max { Err(CompileError::Queries { count, max }) } else { Ok(()) }
}

/// The predicates and the expressions of one query.
pub(crate) type Body = (Vec<Predicate>, Vec<Expression>);

/// The bodies of the grants, each with its grant's place; a grant has one for each server it names.
pub(crate) fn bodies(grants: &[Grant]) -> Result<Vec<(usize, Body)>, CompileError> {
    let mut bodies = Vec::new();
    for (index, grant) in grants.iter().enumerate() {
        for tools in by_server(&grant.tools).values() {
            let body = body(grant, tools);
            let count = body.0.len();
            if count > limits::QUERY_PREDICATES_MAX {
                return Err(CompileError::Predicates { grant: index, count });
            }
            let count = body.1.iter().map(|expr| operations(&expr.ops)).sum();
            if count > limits::QUERY_OPERATIONS_MAX {
                return Err(CompileError::Operations { grant: index, count });
            }
            bodies.push((index, body));
        }
    }
    Ok(bodies)
}

/// Operations of an expression, those inside closures included.
pub(crate) fn operations(ops: &[biscuit_auth::builder::Op]) -> usize {
    let inner = |op: &biscuit_auth::builder::Op| match op {
        biscuit_auth::builder::Op::Closure(_, ops) => 1 + operations(ops),
        _ => 1,
    };
    ops.iter().map(inner).sum()
}

fn by_server(tools: &[ToolPattern]) -> BTreeMap<&str, Vec<&ToolPattern>> {
    let mut servers: BTreeMap<&str, Vec<&ToolPattern>> = BTreeMap::new();
    for tool in tools {
        servers.entry(tool.server()).or_default().push(tool);
    }
    servers
}

fn body(grant: &Grant, tools: &[&ToolPattern]) -> Body {
    let mut query = Query::default();
    query.call(tools);
    for label in &grant.labels {
        query.predicates.push(predicate("label", vec![Term::Str(label.clone())]));
    }
    for (path, constraint) in grant.args.iter().flatten() {
        query.constraint(path, constraint);
    }
    for rule in names_rules(grant) {
        query.names(&rule);
    }
    (query.predicates, query.expressions)
}

fn predicate(name: &str, terms: Vec<Term>) -> Predicate {
    Predicate::new(name.to_owned(), terms)
}

/// One query under construction.
#[derive(Default)]
struct Query {
    predicates: Vec<Predicate>,
    expressions: Vec<Expression>,
    /// The variables that a predicate's open terms are bound to, by its name and pattern.
    bound: BTreeMap<(&'static str, Pattern), Vec<String>>,
    variables: BTreeSet<String>,
}

/// The parameter of every closure; no variable has this name.
const ELEMENT: &str = "x";

impl Query {
    fn call(&mut self, tools: &[&ToolPattern]) {
        let server = tools.first().map(|tool| tool.server()).unwrap_or_default();
        let names: Option<Vec<String>> = tools
            .iter()
            .map(|tool| match tool {
                ToolPattern::One(tool) => Some(tool.name().to_owned()),
                ToolPattern::Server(_) => None,
            })
            .collect();
        let server = Term::Str(server.to_owned());
        let tool = match names.as_deref() {
            Some([name]) => Term::Str(name.clone()),
            _ => Term::Variable(self.variable("tool")),
        };
        if let (Some(names), Term::Variable(tool)) = (&names, &tool) {
            self.expressions.push(value(text_set(names)).op(Binary::Contains, var(tool)).into());
        }
        self.predicates.push(predicate("call", vec![server, tool]));
    }

    fn constraint(&mut self, path: &ArgPath, constraint: &Constraint) {
        let optional_to = if constraint.optional { path.segments().len() } else { 0 };
        let pattern = Pattern { path: path.clone(), optional_to };
        for test in &constraint.tests {
            self.test(&pattern, test);
        }
    }

    fn test(&mut self, at: &Pattern, test: &Test) {
        match test {
            Test::OneOf(values) => self.ask(at, relation(values), |x| one_of(values, x)),
            Test::NotOneOf(values) => self.ask(at, relation(values), |x| not_one_of(values, x)),
            Test::Min(Micros(min)) => {
                self.ask(at, "number", |x| x.op(Binary::GreaterOrEqual, integer(*min)));
            }
            Test::Max(Micros(max)) => {
                self.ask(at, "number", |x| x.op(Binary::LessOrEqual, integer(*max)));
            }
            Test::Prefix(prefix) => self.ask_text(at, Binary::Prefix, prefix),
            Test::Suffix(suffix) => self.ask_text(at, Binary::Suffix, suffix),
            Test::Contains(part) => self.ask_text(at, Binary::Contains, part),
            Test::Matches(regex) => self.ask_text(at, Binary::Regex, &whole_text(regex)),
            Test::MaxLength(max) => {
                self.ask(at, "arg_length", |x| x.op(Binary::LessOrEqual, integer(i64::from(*max))));
            }
            Test::Oracle(oracle, constants, bare) => self.oracle(at, *oracle, constants, *bare),
            Test::After(secs) => {
                self.ask(at, "arg_time", |x| {
                    x.op(Binary::GreaterOrEqual, value(Term::Date(*secs)))
                });
            }
            Test::Before(secs) => self.ask_nth(at, "arg_time", 1, |x| {
                x.op(Binary::LessOrEqual, value(Term::Date(*secs)))
            }),
            Test::SubsetOf(list) => self.subset_of(at, list),
            Test::ContainsAll(list) => self.contains_all(at, list),
            Test::MinItems(min) => self
                .ask(at, "arg_count", |x| x.op(Binary::GreaterOrEqual, integer(i64::from(*min)))),
            Test::MaxItems(max) => {
                self.ask(at, "arg_count", |x| x.op(Binary::LessOrEqual, integer(i64::from(*max))))
            }
            Test::Each(tests) => {
                self.bind("arg_count", at);
                let every = every(at);
                tests.iter().for_each(|test| self.test(&every, test));
            }
            Test::Present => self.state("arg_present", at, vec![]),
            Test::Absent => self.state("arg_absent", at, vec![]),
            Test::Any => {}
        }
    }

    /// A predicate without open terms.
    fn state(&mut self, name: &str, at: &Pattern, rest: Vec<Term>) {
        let mut terms = vec![Term::Str(at.to_string())];
        terms.extend(rest);
        self.predicates.push(predicate(name, terms));
    }

    fn oracle(&mut self, at: &Pattern, oracle: Oracle, of: &BTreeSet<String>, bare: bool) {
        let mut terms = match (of.len(), of.first()) {
            (0, _) | (_, None) => vec![],
            (1, Some(one)) => vec![Term::Str(one.clone())],
            _ => vec![text_set(of)],
        };
        if bare {
            terms.push(Term::Str("bare".to_owned()));
        }
        self.state(oracle.predicate(), at, terms);
    }

    fn subset_of(&mut self, at: &Pattern, list: &[Scalar]) {
        let values = Values { list: list.to_vec(), ignore_case: false };
        if is_decimal(list) || at.path.is_pattern() {
            self.bind("arg_count", at);
            return self.test(&every(at), &Test::OneOf(values));
        }
        self.ask(at, "arg", |x| {
            x.clone().has_type("set").and(x.all(ELEMENT, one_of(&values, var(ELEMENT))))
        });
    }

    fn contains_all(&mut self, at: &Pattern, list: &[Scalar]) {
        let has_all = |set: Expr| -> Expr {
            let has = |term| set.clone().op(Binary::Contains, value(term));
            let terms = unique(list.iter().map(|scalar| term(scalar, list)));
            let mut all = terms.into_iter().map(has);
            let first = all.next().unwrap_or_else(|| value(Term::Bool(true)));
            all.fold(first, Expr::and)
        };
        if !is_decimal(list) {
            return self.ask(at, "arg", |x| x.clone().has_type("set").and(has_all(x)));
        }
        let count = self.bind("arg_count", at).swap_remove(0);
        let set = self.bind("number", &every(at)).swap_remove(0);
        let all = has_all(var(&set));
        let all = if at.optional_to > 0 { var(&count).equals_null().or(all) } else { all };
        self.expressions.push(all.into());
    }

    fn names(&mut self, rule: &NamesRule) {
        let allowed = value(text_set(&rule.allowed));
        match &rule.at {
            None => {
                let names = self.variable("names");
                let predicate = predicate("arg_names", vec![Term::Variable(names.clone())]);
                self.predicates.push(predicate);
                self.expressions.push(allowed.op(Binary::Contains, var(&names)).into());
            }
            Some(path) => {
                let optional_to = if rule.optional { path.segments().len() } else { 0 };
                let at = Pattern { path: path.clone(), optional_to };
                let names = self.bind("arg_names", &at).swap_remove(0);
                let within = allowed.op(Binary::Contains, var(&names));
                let may_be_null = optional_to > 0 && !path.is_pattern();
                let within =
                    if may_be_null { var(&names).equals_null().or(within) } else { within };
                self.expressions.push(within.into());
            }
        }
    }

    fn ask_text(&mut self, at: &Pattern, op: Binary, operand: &str) {
        self.ask(at, "arg", |x| {
            x.clone().has_type("string").and(x.op(op.clone(), super::expr::text(operand)))
        });
    }

    fn ask(&mut self, at: &Pattern, relation: &'static str, body: impl Fn(Expr) -> Expr) {
        self.ask_nth(at, relation, 0, body);
    }

    /// Binds the relation's facts about the place, and asks the body of its nth value: of every
    /// element where the path has `*`, and only if there is one where it is optional.
    fn ask_nth(
        &mut self,
        at: &Pattern,
        relation: &'static str,
        nth: usize,
        body: impl Fn(Expr) -> Expr,
    ) {
        let Some(bound) = self.bind(relation, at).into_iter().nth(nth) else { return };
        let expr = if at.path.is_pattern() {
            var(&bound).all(ELEMENT, body(var(ELEMENT)))
        } else if at.optional_to > 0 {
            var(&bound).equals_null().or(body(var(&bound)))
        } else {
            body(var(&bound))
        };
        self.expressions.push(expr.into());
    }

    /// The variables of a relation's open terms at a place, its predicate added once.
    fn bind(&mut self, relation: &'static str, at: &Pattern) -> Vec<String> {
        let key = (relation, at.clone());
        if let Some(bound) = self.bound.get(&key) {
            return bound.clone();
        }
        let (name, path) = match relation {
            "arg" | "number" if at.is_plain() => (relation, at.path.to_string()),
            "arg" => ("arg_at", at.to_string()),
            "number" => ("number_at", at.to_string()),
            _ => (relation, at.to_string()),
        };
        let open = if relation == "arg_time" { 2 } else { 1 };
        let hint = hint(&at.path);
        let bound: Vec<String> = (0..open).map(|_| self.variable(&hint)).collect();
        let mut terms = vec![Term::Str(path)];
        terms.extend(bound.iter().cloned().map(Term::Variable));
        self.predicates.push(predicate(name, terms));
        self.bound.insert(key, bound.clone());
        bound
    }

    /// A fresh variable, named after the hint. Sharing the argument's own name keeps tokens small.
    fn variable(&mut self, hint: &str) -> String {
        let mut name = hint.to_owned();
        let mut n = 2;
        while name == ELEMENT || !self.variables.insert(name.clone()) {
            name = format!("{hint}{n}");
            n += 1;
        }
        name
    }
}

/// A variable name after the last named segment.
fn hint(path: &ArgPath) -> String {
    let name = path.segments().iter().rev().find_map(|segment| match segment {
        Segment::Name(name) => Some(name.as_str()),
        Segment::Every => None,
    });
    let plain = |name: &&str| {
        name.len() <= 32
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    name.filter(plain).unwrap_or("arg").to_owned()
}

fn every(at: &Pattern) -> Pattern {
    Pattern { path: at.path.every(), optional_to: at.optional_to }
}

fn integer(number: i64) -> Expr {
    value(Term::Integer(number))
}

fn relation(values: &Values) -> &'static str {
    match values.ignore_case {
        true => "arg_lower",
        false if is_decimal(&values.list) => "number",
        false => "arg",
    }
}

/// A scalar as the term that the list's relation holds.
fn term(scalar: &Scalar, list: &[Scalar]) -> Term {
    match scalar {
        Scalar::Text(text) => Term::Str(text.clone()),
        Scalar::Bool(boolean) => Term::Bool(*boolean),
        Scalar::Number(_) if is_decimal(list) => Term::Integer(scalar.micros().unwrap_or_default()),
        Scalar::Number(_) => Term::Integer(scalar.integer().unwrap_or_default()),
    }
}

fn terms(values: &Values) -> Vec<Term> {
    let lower = |term| match term {
        Term::Str(text) if values.ignore_case => Term::Str(text.to_lowercase()),
        term => term,
    };
    unique(values.list.iter().map(|scalar| lower(term(scalar, &values.list))))
}

/// The terms without those that came before: 5 and 5.0 are one, `USD` and `usd` where case is
/// ignored.
fn unique(terms: impl Iterator<Item = Term>) -> Vec<Term> {
    let mut seen = BTreeSet::new();
    terms.filter(|term| seen.insert(term.clone())).collect()
}

fn one_of(values: &Values, x: Expr) -> Expr {
    let terms = terms(values);
    match terms.as_slice() {
        [one] => x.op(Binary::HeterogeneousEqual, value(one.clone())),
        _ => value(Term::Array(terms)).op(Binary::Contains, x),
    }
}

/// Never true for a kind that the list is not about: a tool might read it as a refused value.
fn not_one_of(values: &Values, x: Expr) -> Expr {
    let none = value(Term::Array(terms(values))).op(Binary::Contains, x.clone()).not();
    if relation(values) != "arg" {
        return none;
    }
    let kind = |scalar: &Scalar| match scalar {
        Scalar::Text(_) => "string",
        Scalar::Number(_) => "integer",
        Scalar::Bool(_) => "bool",
    };
    let kinds: BTreeSet<&str> = values.list.iter().map(kind).collect();
    let mut kinds = kinds.into_iter().map(|kind| x.clone().has_type(kind));
    match kinds.next() {
        Some(first) => kinds.fold(first, Expr::or).and(none),
        None => none,
    }
}
