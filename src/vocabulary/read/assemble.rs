use std::collections::BTreeMap;

use super::parts::Parts;
use crate::vocabulary::Pattern;
use crate::vocabulary::grant::{ArgPath, Constraint, Grant, Segment, Test, names_rules};
use crate::vocabulary::oracle::Oracle;

/// Which tests of `a/*` are read as `each` of `a`, where `a` must be an array: both say the same,
/// but `present` of `a/*` leaves open what is inside an element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nesting {
    /// All of them.
    Every,
    /// All but `present`.
    Tests,
    /// None.
    Nothing,
}

impl Nesting {
    /// The readings, the one to prefer first.
    pub(super) const ALL: [Self; 3] = [Self::Every, Self::Tests, Self::Nothing];

    fn takes(self, test: &Test) -> bool {
        match test {
            // `each` is about values.
            Test::Absent => false,
            Test::Present => self == Self::Every,
            _ => self != Self::Nothing,
        }
    }
}

type Args = BTreeMap<ArgPath, Constraint>;

/// Puts the parts of a body together as one grant.
pub(super) fn grant(parts: &Parts, nesting: Nesting) -> Option<Grant> {
    let mut args = Args::new();
    for (at, test) in &parts.tests {
        let base = match at.optional_to {
            0 if nesting.takes(test) => base(parts, at),
            0 => at.path.segments().len(),
            optional_to => optional_to,
        };
        let (base, below) = at.path.segments().split_at_checked(base)?;
        if below.iter().any(|segment| *segment != Segment::Every) {
            return None;
        }
        let constraint = args
            .entry(ArgPath::from_segments(base.to_vec()))
            .or_insert_with(|| Constraint { optional: at.optional_to > 0, tests: Vec::new() });
        nest(&mut constraint.tests, below.len(), test.clone());
    }
    let is_closed = parts.names.iter().any(|(at, _)| at.is_none());
    if is_closed {
        name(&mut args, parts)?;
    }
    let other_args = !is_closed && !args.is_empty();
    let args = (is_closed || other_args).then_some(args);
    let grant =
        Grant { tools: parts.tools.clone(), labels: parts.labels.clone(), args, other_args };
    Some(open(grant, parts)).filter(|grant| grant.args.iter().flatten().all(is_writable))
}

/// How many segments lead to the outermost array whose elements, or their elements, are meant.
fn base(parts: &Parts, at: &Pattern) -> usize {
    let mut segments = at.path.segments();
    while let Some((Segment::Every, array)) = segments.split_last() {
        let is_array = |other: &&Pattern| other.path.segments() == array && other.optional_to == 0;
        if !parts.arrays.iter().any(|other| is_array(&other)) {
            break;
        }
        segments = array;
    }
    segments.len()
}

/// Adds a test to the tests of so many levels of elements.
fn nest(tests: &mut Vec<Test>, levels: usize, test: Test) {
    if levels == 0 {
        return tests.push(test);
    }
    for each in tests.iter_mut() {
        if let Test::Each(inner) = each {
            return nest(inner, levels - 1, test);
        }
    }
    let mut inner = Vec::new();
    nest(&mut inner, levels - 1, test);
    tests.push(Test::Each(inner));
}

/// Adds the arguments of which only the name is asked.
fn name(args: &mut Args, parts: &Parts) -> Option<()> {
    let paths: Vec<ArgPath> = args.keys().cloned().collect();
    let objects = parts.names.iter().filter_map(|(at, _)| at.as_ref()).map(|at| &at.path);
    let known: Vec<&ArgPath> = paths.iter().chain(objects).collect();
    for (at, allowed) in &parts.names {
        let parent = at.as_ref().map(|at| at.path.segments()).unwrap_or_default();
        for name in allowed {
            let mut segments = parent.to_vec();
            segments.push(Segment::Name(name.clone()));
            if known.iter().any(|path| path.segments().starts_with(&segments)) {
                continue;
            }
            let path = ArgPath::from_segments(segments);
            // A name that no path can hold, such as an empty one at the top.
            path.to_string().parse::<ArgPath>().ok().filter(|read| *read == path)?;
            args.insert(path, any());
        }
    }
    Some(())
}

fn any() -> Constraint {
    Constraint { optional: false, tests: vec![Test::Any] }
}

/// Opens the objects that the grant would close and the body leaves open.
fn open(mut grant: Grant, parts: &Parts) -> Grant {
    let closes = |path: &ArgPath| {
        parts.names.iter().any(|(at, _)| at.as_ref().is_some_and(|at| at.path == *path))
    };
    let closes_below = |path: &ArgPath| {
        let below = |at: &Pattern| at.path.segments().starts_with(path.segments());
        parts.names.iter().any(|(at, _)| at.as_ref().is_some_and(below))
    };
    // Each turn opens one; there are no more than the paths have segments.
    loop {
        let closed = names_rules(&grant).into_iter().filter_map(|rule| rule.at);
        let (Some(path), Some(args)) = (closed.into_iter().find(|at| !closes(at)), &mut grant.args)
        else {
            return grant;
        };
        let wholly = !closes_below(&path) && !args.contains_key(&path);
        args.insert(if wholly { path } else { path.every() }, any());
    }
}

/// Whether a constraint has a text form: one field a test, and one flag for all that take it.
fn is_writable((_, constraint): (&ArgPath, &Constraint)) -> bool {
    are_writable(&constraint.tests)
}

fn are_writable(tests: &[Test]) -> bool {
    let alike = |a: &Test, b: &Test| match (a, b) {
        (Test::OneOf(a), Test::OneOf(b)) => {
            // `eq`, and `one_of` beside it.
            a.ignore_case != b.ignore_case || (a.list.len() != 1 && b.list.len() != 1)
        }
        (Test::OneOf(a) | Test::NotOneOf(a), Test::OneOf(b) | Test::NotOneOf(b)) => {
            a.ignore_case != b.ignore_case
        }
        (Test::Oracle(a, _, bare), Test::Oracle(b, _, other)) => {
            let takes_bare =
                |oracle| matches!(oracle, Oracle::Host | Oracle::Scheme | Oracle::PublicHost);
            a == b || (takes_bare(*a) && takes_bare(*b) && bare != other)
        }
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    let writable = |(i, test): (usize, &Test)| {
        let inner = match test {
            Test::Each(inner) => are_writable(inner),
            _ => true,
        };
        inner && !tests.iter().take(i).any(|other| alike(other, test))
    };
    let lists = tests.iter().filter(|test| matches!(test, Test::OneOf(_))).count();
    lists <= 2 && tests.iter().enumerate().all(writable)
}
