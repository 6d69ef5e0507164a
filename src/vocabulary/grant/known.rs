//! What a grant makes sure of at one place of the arguments, in every request that it permits.

use super::implies::{implies, is_array};
use super::path::{ArgPath, Segment};
use super::types::{Constraint, Grant, NamesRule, Scalar, Test, Values};
use super::within::covers;

/// What is known about the places of a path.
#[derive(Default)]
pub(super) struct Known<'a> {
    /// The path never runs through something without an inside.
    pub(super) is_reached: bool,
    /// There is never a value at any of the places.
    pub(super) is_absent: bool,
    /// There is a value at each of the places.
    pub(super) is_present: bool,
    /// The tests that each value passes.
    pub(super) tests: Vec<&'a Test>,
    /// Lists that each value is on.
    lists: Vec<Test>,
    /// Tests that each element passes, where the value is an array of values.
    elements: Vec<&'a Test>,
}

impl<'a> Known<'a> {
    /// What the grant, whose rules about names are given too, makes sure of at a path.
    pub(super) fn of(grant: &'a Grant, rules: &[NamesRule], path: &ArgPath) -> Self {
        let mut known = Self::default();
        for (at, constraint) in grant.args.iter().flatten() {
            known.add(at, constraint, path);
        }
        if rules.iter().any(|rule| leaves_out(rule, path)) {
            known.is_reached = true;
            known.is_absent = true;
        }
        known
    }

    fn add(&mut self, at: &ArgPath, constraint: &'a Constraint, path: &ArgPath) {
        let asks = |test: &&Test| !matches!(test, Test::Any | Test::Absent);
        let tests: Vec<&'a Test> = constraint.tests.iter().filter(asks).collect();
        if constraint.tests.contains(&Test::Absent) && is_prefix(at, path) {
            self.is_reached = true;
            self.is_absent = true;
        }
        if tests.is_empty() {
            return;
        }
        if covers(at, path) {
            self.is_reached = true;
            self.is_present |= at == path && !constraint.optional;
            self.tests.extend(&tests);
        } else if at.segments().starts_with(path.segments()) && !constraint.optional {
            // What has something inside is there, and so is every step on the way.
            self.is_reached = true;
            self.is_present = true;
        }
        if !constraint.optional && *at == path.every() {
            self.elements.extend(&tests);
        }
        for (levels, test) in tests.iter().flat_map(|test| inner(test)) {
            self.add_elements(at, levels, test, constraint.optional, path);
        }
    }

    /// Adds what is asked of the elements, so many levels down, of the arrays at a path.
    fn add_elements(
        &mut self,
        at: &ArgPath,
        levels: usize,
        test: Inner<'a>,
        optional: bool,
        path: &ArgPath,
    ) {
        let elements = (0..levels).fold(at.clone(), |path, _| path.every());
        if !covers(&elements, path) {
            return;
        }
        self.is_reached = true;
        self.is_present |= elements == *path && !optional;
        match test {
            Inner::Test(test) => self.tests.push(test),
            Inner::List(list) => {
                let values = Values { list: list.to_vec(), ignore_case: false };
                self.lists.push(Test::OneOf(values));
            }
        }
    }

    /// Whether the lists imply the test, or it is `each` and what is known of the elements does.
    pub(super) fn each_implies(&self, test: &Test) -> bool {
        let tests: Vec<&Test> = self.tests.iter().copied().chain(&self.lists).collect();
        if implies(&tests, test) {
            return true;
        }
        match test {
            Test::Each(wanted) => {
                !self.elements.is_empty()
                    && tests.iter().any(|test| is_array(test))
                    && wanted.iter().all(|test| implies(&self.elements, test))
            }
            _ => false,
        }
    }
}

/// What is asked of one element.
enum Inner<'a> {
    Test(&'a Test),
    List(&'a [Scalar]),
}

/// What a test asks of elements, and how many levels down they are.
fn inner(test: &Test) -> Vec<(usize, Inner<'_>)> {
    match test {
        Test::SubsetOf(list) => vec![(1, Inner::List(list))],
        Test::Each(tests) => {
            let mut found: Vec<_> = tests.iter().map(|test| (1, Inner::Test(test))).collect();
            let below = tests.iter().flat_map(inner);
            found.extend(below.map(|(levels, test)| (levels + 1, test)));
            found
        }
        _ => Vec::new(),
    }
}

/// Whether the rule says that nothing is at the path: a name on the way is not allowed.
fn leaves_out(rule: &NamesRule, path: &ArgPath) -> bool {
    let parent = rule.at.as_ref().map(ArgPath::segments).unwrap_or_default();
    let Some((above, below)) = path.segments().split_at_checked(parent.len()) else {
        return false;
    };
    let same = |(a, b): (&Segment, &Segment)| *a == Segment::Every || a == b;
    match below.first() {
        Some(Segment::Name(name)) => {
            parent.iter().zip(above).all(same) && !rule.allowed.contains(name)
        }
        _ => false,
    }
}

/// Whether the path leads to a place of the pattern, or below one.
fn is_prefix(pattern: &ArgPath, path: &ArgPath) -> bool {
    path.segments()
        .split_at_checked(pattern.segments().len())
        .is_some_and(|(above, _)| covers(pattern, &ArgPath::from_segments(above.to_vec())))
}
