use std::collections::{BTreeMap, BTreeSet};

use biscuit_auth::builder::{Expression, Op, Predicate, Term};

use super::test;
use crate::model::{Tool, ToolPattern};
use crate::vocabulary::Pattern;
use crate::vocabulary::grant::Test;
use crate::vocabulary::oracle::Oracle;

/// What a body asks, each part by itself.
#[derive(Default)]
pub(super) struct Parts {
    /// The tools.
    pub(super) tools: Vec<ToolPattern>,
    /// The labels.
    pub(super) labels: BTreeSet<String>,
    /// What is asked of which argument.
    pub(super) tests: Vec<(Pattern, Test)>,
    /// The arguments that must be arrays.
    pub(super) arrays: Vec<Pattern>,
    /// The names that the arguments, or an object in them, may have.
    pub(super) names: Vec<(Option<Pattern>, BTreeSet<String>)>,
}

/// What a variable stands for.
pub(super) struct Bound<'a> {
    /// The predicate that binds it.
    pub(super) relation: &'a str,
    /// The argument that the predicate is about.
    pub(super) at: Option<Pattern>,
    /// Which of the predicate's open terms it is.
    pub(super) nth: usize,
}

/// Takes a body apart.
pub(super) fn read(body: &[Predicate], expressions: &[Expression]) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut bound = BTreeMap::new();
    for predicate in body {
        parts.predicate(predicate, &mut bound)?;
    }
    let mut server = body.iter().find_map(server_of)?;
    for expression in expressions {
        parts.expression(&expression.ops, &bound, &mut server)?;
    }
    if let Some(server) = server {
        parts.tools.push(ToolPattern::Server(server));
    }
    Some(parts)
}

/// The server of a call whose tool is a variable; `Some(None)` for a call of one tool.
fn server_of(predicate: &Predicate) -> Option<Option<String>> {
    match (predicate.name.as_str(), predicate.terms.as_slice()) {
        ("call", [Term::Str(server), Term::Variable(_)]) => Some(Some(server.clone())),
        ("call", [Term::Str(_), Term::Str(_)]) => Some(None),
        _ => None,
    }
}

impl Parts {
    fn predicate<'a>(
        &mut self,
        predicate: &'a Predicate,
        bound: &mut BTreeMap<&'a str, Bound<'a>>,
    ) -> Option<()> {
        let relation = predicate.name.as_str();
        let mut bind = |at: Option<Pattern>, variables: &'a [Term]| {
            for (nth, term) in variables.iter().enumerate() {
                let Term::Variable(variable) = term else { return None };
                bound.insert(variable, Bound { relation, at: at.clone(), nth });
            }
            Some(())
        };
        match (relation, predicate.terms.as_slice()) {
            ("call", [Term::Str(server), Term::Str(tool)]) => {
                self.tools.push(ToolPattern::One(Tool::new(server, tool).ok()?));
            }
            ("call", [Term::Str(_), tool]) => bind(None, std::slice::from_ref(tool))?,
            ("label", [Term::Str(label)]) => drop(self.labels.insert(label.clone())),
            ("arg_names", [names]) => bind(None, std::slice::from_ref(names))?,
            ("arg" | "number", [Term::Str(path), open]) => {
                let at = Pattern { path: path.parse().ok()?, optional_to: 0 };
                bind(Some(at), std::slice::from_ref(open))?;
            }
            ("arg_present", [Term::Str(at)]) => self.tests.push((at.parse().ok()?, Test::Present)),
            ("arg_absent", [Term::Str(at)]) => self.tests.push((at.parse().ok()?, Test::Absent)),
            (name, [Term::Str(at), rest @ ..]) => match Oracle::from_predicate(name) {
                Some(oracle) => self.tests.push((at.parse().ok()?, test::oracle(oracle, rest)?)),
                None => {
                    let at: Pattern = at.parse().ok()?;
                    if name == "arg_count" {
                        self.arrays.push(at.clone());
                    }
                    bind(Some(at), rest)?;
                }
            },
            _ => return None,
        }
        Some(())
    }

    fn expression(
        &mut self,
        ops: &[Op],
        bound: &BTreeMap<&str, Bound>,
        server: &mut Option<String>,
    ) -> Option<()> {
        let flat = test::flat(ops);
        let subjects: Vec<&Bound> = flat
            .iter()
            .filter_map(|op| match op {
                Op::Value(Term::Variable(name)) => bound.get(name.as_str()),
                _ => None,
            })
            .collect();
        // An optional array is asked about by its count before its numbers.
        let subject = subjects.iter().find(|s| s.relation == "number_at").or(subjects.first())?;
        match (subject.relation, &subject.at) {
            ("call", _) => {
                let server = server.take()?;
                for name in test::texts(&flat)? {
                    self.tools.push(ToolPattern::One(Tool::new(&server, &name).ok()?));
                }
            }
            ("arg_names", at) => self.names.push((at.clone(), test::texts(&flat)?)),
            (_, Some(at)) => self.tests.push(test::read(subject, at, ops)?),
            _ => return None,
        }
        Some(())
    }
}
