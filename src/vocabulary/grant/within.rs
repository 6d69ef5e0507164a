//! When one grant lies within another: whatever it permits, the other permits.
//!
//! A yes is a proof by the structure of the two grants. A no may also be a lack of one: nothing
//! here searches for a request that tells them apart.

use std::fmt;

use super::implies::implies;
use super::known::Known;
use super::path::{ArgPath, Segment, escape};
use super::types::{Constraint, Grant, NamesRule, Test, names_rules};

/// Where a grant asks for more than a ceiling allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Beyond {
    /// The grant's place among those asked for.
    pub grant: usize,
    /// The argument, where it is one argument.
    pub argument: Option<String>,
    /// What the ceiling asks that the grant does not, a sentence fragment.
    pub why: String,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`grants[{}]` goes beyond the ceiling", self.grant)?;
        if let Some(argument) = &self.argument {
            write!(f, " in argument `{argument}`")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl Grant {
    /// Whether every request that this grant permits, the ceiling permits too.
    ///
    /// *Errors*: the first thing that cannot be shown.
    pub fn within(&self, ceiling: &Grant) -> Result<(), Beyond> {
        match excess(self, ceiling).into_iter().next() {
            None => Ok(()),
            Some(Excess { argument, why }) => Err(Beyond { grant: 0, argument, why }),
        }
    }
}

/// Whether each grant, for each of its tools, lies within one grant of the ceiling.
///
/// *Errors*: for the first grant that does not, what it asks beyond the nearest of the ceiling.
pub fn within_any(grants: &[Grant], ceiling: &[Grant]) -> Result<(), Beyond> {
    for (index, grant) in grants.iter().enumerate() {
        // Several tools stand for one grant each.
        for tool in &grant.tools {
            let one = Grant { tools: vec![tool.clone()], ..grant.clone() };
            within_one(index, &one, ceiling)?;
        }
    }
    Ok(())
}

fn within_one(index: usize, grant: &Grant, ceiling: &[Grant]) -> Result<(), Beyond> {
    let mut nearest: Option<((bool, usize), Excess)> = None;
    for one in ceiling {
        let found = excess(grant, one);
        let distance = (!covers_tools(one, grant), found.len());
        let Some(first) = found.into_iter().next() else { return Ok(()) };
        if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
            nearest = Some((distance, first));
        }
    }
    let first = nearest.map_or_else(|| Excess::of_all("the ceiling is empty"), |(_, first)| first);
    Err(Beyond { grant: index, argument: first.argument, why: first.why })
}

/// One thing that a ceiling asks and a grant cannot be shown to ask.
struct Excess {
    argument: Option<String>,
    why: String,
}

impl Excess {
    fn of_all(why: impl Into<String>) -> Self {
        Self { argument: None, why: why.into() }
    }

    fn of(path: &ArgPath, why: impl Into<String>) -> Self {
        Self { argument: Some(path.to_string()), why: why.into() }
    }
}

fn covers_tools(ceiling: &Grant, grant: &Grant) -> bool {
    let covered = |tool| ceiling.tools.iter().any(|other| other.covers(tool));
    grant.tools.iter().all(covered)
}

fn excess(grant: &Grant, ceiling: &Grant) -> Vec<Excess> {
    let mut found = Vec::new();
    for tool in &grant.tools {
        if !ceiling.tools.iter().any(|other| other.covers(tool)) {
            found.push(Excess::of_all(format!("the ceiling does not allow tool `{tool}`")));
        }
    }
    for label in ceiling.labels.difference(&grant.labels) {
        let why = format!("the ceiling allows tools labelled `{label}` only");
        found.push(Excess::of_all(why));
    }
    let rules = names_rules(grant);
    for (path, constraint) in ceiling.args.iter().flatten() {
        found.extend(unmet(grant, &rules, path, constraint).map(|why| Excess::of(path, why)));
    }
    for rule in names_rules(ceiling) {
        found.extend(unclosed(grant, &rules, &rule));
    }
    found
}

/// What a constraint of the ceiling asks that the grant does not.
fn unmet(
    grant: &Grant,
    rules: &[NamesRule],
    path: &ArgPath,
    constraint: &Constraint,
) -> Option<String> {
    let asked = || constraint.tests.iter().filter(|test| **test != Test::Any);
    let first = asked().next()?;
    let known = Known::of(grant, rules, path);
    if !known.is_reached {
        return Some(format!("it must {first}, and the grant leaves it free"));
    }
    for test in asked() {
        if *test == Test::Absent {
            if !known.is_absent {
                return Some("it must be left out".to_owned());
            }
            continue;
        }
        if !constraint.optional && !known.is_present {
            return Some(format!("it must be there, and {test}; the grant lets it be left out"));
        }
        if !known.is_absent && !known.implies(test) {
            return Some(format!("it must {test}, which the grant does not ask"));
        }
    }
    None
}

/// What a closed object of the ceiling leaves out that the grant lets in.
fn unclosed(grant: &Grant, rules: &[NamesRule], wanted: &NamesRule) -> Option<Excess> {
    let Some(path) = &wanted.at else {
        let Some(own) = rules.iter().find(|rule| rule.at.is_none()) else {
            return Some(Excess::of_all(
                "the grant allows any other argument, and the ceiling does not",
            ));
        };
        return other_name(own, wanted);
    };
    let known = Known::of(grant, rules, path);
    if known.is_absent && wanted.optional {
        return None;
    }
    let own = rules.iter().find(|rule| rule.at.as_ref().is_some_and(|at| covers(at, path)));
    match own {
        None => {
            Some(Excess::of(path, "the ceiling says what may be inside it, the grant does not"))
        }
        Some(own) => other_name(own, wanted).or_else(|| {
            let may_lack = (own.optional || own.at.as_ref() != Some(path)) && !known.is_present;
            (may_lack && !wanted.optional)
                .then(|| Excess::of(path, "it must be there; the grant lets it be left out"))
        }),
    }
}

fn other_name(own: &NamesRule, wanted: &NamesRule) -> Option<Excess> {
    let name = own.allowed.difference(&wanted.allowed).next()?;
    let parent = wanted.at.as_ref().map(|at| format!("{at}/")).unwrap_or_default();
    let argument = Some(format!("{parent}{}", escape(name)));
    Some(Excess { argument, why: "the ceiling does not allow it".to_owned() })
}

/// Whether every place of `path` is one of `pattern`.
pub(super) fn covers(pattern: &ArgPath, path: &ArgPath) -> bool {
    let (pattern, path) = (pattern.segments(), path.segments());
    let step = |(a, b): (&Segment, &Segment)| *a == Segment::Every || a == b;
    pattern.len() == path.len() && pattern.iter().zip(path).all(step)
}

impl Known<'_> {
    /// Whether a value that passes what is known of it passes the test.
    fn implies(&self, test: &Test) -> bool {
        implies(&self.tests, test) || self.each_implies(test)
    }
}
