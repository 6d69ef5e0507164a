use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::path::{ArgPath, Segment};
use crate::model::{Json, Number, ToolPattern};
use crate::vocabulary::oracle::Oracle;

/// What may be called, and with which arguments.
///
/// *Shape*: `{"tool": "stripe/refund", "args": {"amount": {"max": 50}}, "other_args": "deny"}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The tools; any one of them.
    pub tools: Vec<ToolPattern>,
    /// Labels that the tool must have, all of them.
    pub labels: BTreeSet<String>,
    /// Constraints by argument. `None` leaves arguments free.
    pub args: Option<BTreeMap<ArgPath, Constraint>>,
    /// Whether arguments that `args` does not name are allowed.
    pub other_args: bool,
}

/// What one argument must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// Whether the argument may be left out; an explicit `null` counts as left out.
    pub optional: bool,
    /// All of these must hold.
    pub tests: Vec<Test>,
}

/// A decimal number in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// A string, a number or a boolean in a constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A number as written.
    Number(Number),
    /// A boolean.
    Bool(bool),
}

/// One thing asked of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `eq`, `one_of`: equal to one of these.
    OneOf(Values),
    /// `not_one_of`: of the same kind as one of these, and equal to none.
    NotOneOf(Values),
    /// `min`: a number no smaller.
    Min(Micros),
    /// `max`: a number no larger.
    Max(Micros),
    /// `prefix`: a text that begins so.
    Prefix(String),
    /// `suffix`: a text that ends so.
    Suffix(String),
    /// `contains`: a text with this inside.
    Contains(String),
    /// `max_length`: a text of at most so many Unicode code points.
    MaxLength(u32),
    /// `matches`: a text that the regular expression matches as a whole.
    Matches(String),
    /// `under`, `glob`, `cidr`, `host`, `scheme`, `public_host`, `domain`, `command`: a text about
    /// which the oracle says yes for one of the constants. The flag is `bare`: a URL may come
    /// without its scheme (`www.x.com/a`).
    Oracle(Oracle, BTreeSet<String>, bool),
    /// `after`: an instant or date that begins no earlier than this second.
    After(u64),
    /// `before`: an instant or date that ends no later than this second.
    Before(u64),
    /// `subset_of`: an array of scalars, each one of these.
    SubsetOf(Vec<Scalar>),
    /// `contains_all`: an array of scalars with all of these.
    ContainsAll(Vec<Scalar>),
    /// `min_items`: an array of at least so many elements.
    MinItems(u32),
    /// `max_items`: an array of at most so many elements.
    MaxItems(u32),
    /// `each`: an array, and all of these hold for every element.
    Each(Vec<Test>),
    /// `present`: there, and not `null`.
    Present,
    /// `absent`: not there, or `null`.
    Absent,
    /// `any`: anything at all, presence not asked.
    Any,
}

/// The values of `eq`, `one_of` and `not_one_of`.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// The values, in the order written.
    pub list: Vec<Scalar>,
    /// Whether texts compare by their Unicode lower case.
    pub ignore_case: bool,
}

impl Scalar {
    /// The scalar as a value.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Text(text) => Json::String(text.clone()),
            Self::Number(number) => Json::Number(number.clone()),
            Self::Bool(boolean) => Json::Bool(*boolean),
        }
    }

    /// The number in millionths, where it is one and fits.
    pub(crate) fn micros(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.micros(),
            _ => None,
        }
    }

    /// The number as an integer, where it is one.
    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_integer(),
            _ => None,
        }
    }
}

/// Whether a list is compared as decimal numbers, in millionths: all of it are numbers that fit.
pub(crate) fn is_decimal(list: &[Scalar]) -> bool {
    !list.is_empty() && list.iter().all(|scalar| scalar.micros().is_some())
}

impl Constraint {
    /// Whether the constraint asks for the argument to be there.
    pub(crate) fn needs_presence(&self) -> bool {
        !self.optional && !self.tests.iter().any(|test| matches!(test, Test::Any | Test::Absent))
    }

    /// Whether everything below the argument is free.
    fn opens_below(&self) -> bool {
        self.tests.iter().any(|test| matches!(test, Test::Any | Test::Present))
    }
}

/// Which names an object inside the arguments may have.
///
/// A closed grant closes every object that its paths run through, not the top one alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamesRule {
    /// The object; `None` is the arguments themselves.
    pub(crate) at: Option<ArgPath>,
    /// Whether the object may be missing.
    pub(crate) optional: bool,
    /// The names it may have.
    pub(crate) allowed: BTreeSet<String>,
}

/// The name rules of a grant that closes its arguments; none where it leaves them open.
pub(crate) fn names_rules(grant: &Grant) -> Vec<NamesRule> {
    let Some(args) = grant.args.as_ref().filter(|_| !grant.other_args) else {
        return Vec::new();
    };
    let mut rules: BTreeMap<&[Segment], NamesRule> = BTreeMap::new();
    rules.insert(&[], NamesRule { at: None, optional: false, allowed: BTreeSet::new() });
    let mut open: BTreeSet<&[Segment]> = BTreeSet::new();
    for (path, constraint) in args {
        let segments = path.segments();
        if constraint.opens_below() {
            open.insert(segments);
        }
        for (depth, segment) in segments.iter().enumerate() {
            let (parent, _) = segments.split_at(depth);
            let rule = rules.entry(parent).or_insert_with(|| NamesRule {
                at: Some(ArgPath::from_segments(parent.to_vec())),
                optional: true,
                allowed: BTreeSet::new(),
            });
            rule.optional &= !constraint.needs_presence() && depth > 0;
            match segment {
                Segment::Name(name) => drop(rule.allowed.insert(name.clone())),
                Segment::Every => drop(open.insert(parent)),
            }
        }
    }
    rules.retain(|parent, _| !open.iter().any(|open| is_inside(parent, open, args)));
    rules.into_values().collect()
}

/// Whether a parent is the open place, or lies below a place whose inside is wholly free.
fn is_inside(parent: &[Segment], open: &[Segment], args: &BTreeMap<ArgPath, Constraint>) -> bool {
    let wholly =
        args.get(&ArgPath::from_segments(open.to_vec())).is_some_and(Constraint::opens_below);
    parent == open || (wholly && parent.starts_with(open))
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        if part == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{part:06}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_print_as_decimals() {
        for (micros, text) in
            [(50_000_000, "50"), (12_500_000, "12.5"), (-1, "-0.000001"), (0, "0")]
        {
            assert_eq!(Micros(micros).to_string(), text);
        }
    }
}
