//! What a grant permits, read directly from the arguments.
//!
//! Decisions are made by evaluating the Datalog that a grant compiles to. This reading of the same
//! grant explains a refusal, and tests hold the two against one another.

use std::cell::RefCell;
use std::fmt;

use super::path::{ArgPath, Found, Place, escape, names_of};
use super::regex::whole_text;
use super::types::{
    Constraint, Grant, Micros, NamesRule, Scalar, Test, Values, is_decimal, names_rules,
};
use crate::model::{Json, Regex, RegexScratch, RegexWork, Request, limits};
use crate::vocabulary::oracle::time_range;

/// Why a call is not one that a grant permits.
#[derive(Clone, Debug, PartialEq)]
pub enum Mismatch {
    /// The grant is for other tools.
    Tool,
    /// The tool lacks a label.
    Label(String),
    /// An argument that the grant does not allow.
    OtherArgument(String),
    /// An argument that must be there is not.
    Missing(ArgPath),
    /// An argument is not what the constraint asks.
    Argument(ArgPath, Test),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool => f.write_str("the tool is not granted"),
            Self::Label(label) => write!(f, "the tool has no label `{label}`"),
            Self::OtherArgument(name) => write!(f, "argument `{name}` is not allowed"),
            Self::Missing(path) => write!(f, "argument `{path}` is missing"),
            Self::Argument(path, test) => write!(f, "argument `{path}` must {test}"),
        }
    }
}

impl Grant {
    /// Whether the grant permits the request, read directly; the first thing in the way if not.
    pub fn permits(&self, request: &Request) -> Result<(), Mismatch> {
        if !self.tools.iter().any(|pattern| pattern.matches(&request.tool)) {
            return Err(Mismatch::Tool);
        }
        if let Some(label) = self.labels.iter().find(|label| !request.labels.contains(*label)) {
            return Err(Mismatch::Label(label.clone()));
        }
        let args = request.args.value();
        for (path, constraint) in self.args.iter().flatten() {
            constraint.permits(path, args)?;
        }
        names_rules(self).iter().try_for_each(|rule| names_permitted(rule, args))
    }
}

impl Constraint {
    fn permits(&self, path: &ArgPath, args: &Json) -> Result<(), Mismatch> {
        for test in &self.tests {
            if matches!(test, Test::Any) {
                continue;
            }
            let Found::Places(places) = path.find(args) else {
                return Err(Mismatch::Argument(path.clone(), test.clone()));
            };
            let is_there = |place: &Place| matches!(place, Place::Value(_));
            if matches!(test, Test::Absent) {
                if places.iter().any(is_there) {
                    return Err(Mismatch::Argument(path.clone(), test.clone()));
                }
                continue;
            }
            if !self.optional && !places.iter().all(is_there) {
                return Err(Mismatch::Missing(path.clone()));
            }
            let holds = |place: &Place| match place {
                Place::Value(value) => test.holds(value),
                Place::Absent(_) => true,
            };
            if !places.iter().all(holds) {
                return Err(Mismatch::Argument(path.clone(), test.clone()));
            }
        }
        Ok(())
    }
}

fn names_permitted(rule: &NamesRule, args: &Json) -> Result<(), Mismatch> {
    let places = match &rule.at {
        None => vec![Place::Value(args)],
        Some(path) => match path.find(args) {
            Found::Places(places) => places,
            Found::Blocked => return Err(Mismatch::Missing(path.clone())),
        },
    };
    let prefix = rule.at.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
    for place in places {
        let names = match place {
            Place::Absent(_) if rule.optional => continue,
            Place::Value(value) => names_of(value),
            Place::Absent(_) => None,
        };
        let Some(names) = names else {
            return missing(rule);
        };
        if let Some(other) = names.iter().find(|name| !rule.allowed.contains(*name)) {
            // The caller chose the name: it must not fill a record, or break a line of it.
            let shown: String =
                escape(other).chars().take(64).flat_map(char::escape_debug).collect();
            return Err(Mismatch::OtherArgument(format!("{prefix}{shown}")));
        }
    }
    Ok(())
}

fn missing(rule: &NamesRule) -> Result<(), Mismatch> {
    match &rule.at {
        Some(path) => Err(Mismatch::Missing(path.clone())),
        None => Ok(()),
    }
}

impl Test {
    /// Whether a value that is there, and not `null`, passes.
    pub(crate) fn holds(&self, value: &Json) -> bool {
        let text = match value {
            Json::String(text) => Some(text.as_str()),
            _ => None,
        };
        let with_text = |test: &dyn Fn(&str) -> bool| text.is_some_and(test);
        match self {
            Self::OneOf(values) => values.hold(value),
            Self::NotOneOf(values) => values.is_comparable(value) && !values.hold(value),
            Self::Min(Micros(min)) => micros(value).is_some_and(|number| number >= *min),
            Self::Max(Micros(max)) => micros(value).is_some_and(|number| number <= *max),
            Self::Prefix(prefix) => with_text(&|text| text.starts_with(prefix.as_str())),
            Self::Suffix(suffix) => with_text(&|text| text.ends_with(suffix.as_str())),
            Self::Contains(part) => with_text(&|text| text.contains(part.as_str())),
            Self::MaxLength(max) => with_text(&|text| text.chars().count() <= *max as usize),
            Self::Matches(regex) => with_text(&|text| matches_whole(regex, text)),
            Self::Oracle(oracle, constants, bare) => {
                let constants: Vec<&str> = constants.iter().map(String::as_str).collect();
                with_text(&|text| oracle.holds(text, &constants, *bare))
            }
            Self::After(from) => {
                with_text(&|text| time_range(text).is_some_and(|(start, _)| start.secs() >= *from))
            }
            Self::Before(to) => {
                with_text(&|text| time_range(text).is_some_and(|(_, end)| end.secs() <= *to))
            }
            Self::SubsetOf(list) => set_of(value, list)
                .is_some_and(|set| set.iter().all(|item| list.iter().any(|of| equal(of, item)))),
            Self::ContainsAll(list) => set_of(value, list)
                .is_some_and(|set| list.iter().all(|of| set.iter().any(|item| equal(of, item)))),
            Self::MinItems(min) => items(value).is_some_and(|items| items.len() >= *min as usize),
            Self::MaxItems(max) => items(value).is_some_and(|items| items.len() <= *max as usize),
            Self::Each(tests) => items(value).is_some_and(|items| {
                items
                    .iter()
                    .all(|item| *item != Json::Null && tests.iter().all(|test| test.holds(item)))
            }),
            Self::Present | Self::Any => true,
            Self::Absent => false,
        }
    }
}

impl Values {
    /// Whether the value is one of these.
    pub(super) fn hold(&self, value: &Json) -> bool {
        let alike = |scalar: &Scalar| match (scalar, value) {
            (Scalar::Text(text), Json::String(value)) => {
                lower(value).is_some_and(|value| text.to_lowercase() == value)
            }
            _ => false,
        };
        self.list
            .iter()
            .any(|scalar| if self.ignore_case { alike(scalar) } else { equal(scalar, value) })
    }

    /// Whether the value is of a kind that the list is about. Anything else may be read by the
    /// tool as one of the refused values, so it is refused too.
    fn is_comparable(&self, value: &Json) -> bool {
        match value {
            Json::Number(number) if is_decimal(&self.list) => number.micros().is_some(),
            Json::Number(number) => {
                number.as_integer().is_some() && self.list.iter().any(|s| s.integer().is_some())
            }
            Json::String(text) => {
                let is_plain = !self.ignore_case || lower(text).is_some();
                is_plain && self.list.iter().any(|s| matches!(s, Scalar::Text(_)))
            }
            Json::Bool(_) => self.list.iter().any(|s| matches!(s, Scalar::Bool(_))),
            _ => false,
        }
    }
}

/// The Unicode lower case of a text; `None` where a tool that compares by upper case would see
/// another text: `uſd` is `USD` to it, so it must pass neither as `usd` nor as something else.
pub(crate) fn lower(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    (text.is_ascii() || text.to_uppercase().to_lowercase() == lower).then_some(lower)
}

impl Scalar {
    /// Whether a value is this one, however it is written.
    pub(super) fn is_equal(&self, value: &Json) -> bool {
        equal(self, value)
    }
}

fn micros(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.micros(),
        _ => None,
    }
}

fn items(value: &Json) -> Option<&[Json]> {
    match value {
        Json::Array(items) => Some(items),
        _ => None,
    }
}

/// The elements of an array that can be compared with the list: scalars, whole numbers unless the
/// list is of decimals.
fn set_of<'a>(value: &'a Json, list: &[Scalar]) -> Option<&'a [Json]> {
    let comparable = |item: &Json| match item {
        Json::Number(number) if is_decimal(list) => number.micros().is_some(),
        Json::Number(number) => number.as_integer().is_some(),
        Json::Array(_) | Json::Object(_) => false,
        _ => !is_decimal(list),
    };
    items(value).filter(|items| items.iter().all(comparable))
}

fn equal(scalar: &Scalar, value: &Json) -> bool {
    match (scalar, value) {
        (Scalar::Text(text), Json::String(value)) => text == value,
        (Scalar::Bool(boolean), Json::Bool(value)) => boolean == value,
        (Scalar::Number(a), Json::Number(b)) => match (a.as_integer(), b.as_integer()) {
            (Some(a), Some(b)) => a == b,
            _ => a.micros().is_some() && a.micros() == b.micros(),
        },
        _ => false,
    }
}

/// What [`matches_whole`] costs; `None` where the expression is too large to be explained.
pub(super) fn matching_work(regex: &str, text: &str) -> Option<usize> {
    let weight = with_regex(regex, limits::EXPLAINED_REGEX_WORK, |regex, _| regex.weight())?;
    Some(limits::EXPLAINED_REGEX_WORK + weight * text.len())
}

/// Whether a user's regular expression matches a whole text.
fn matches_whole(regex: &str, text: &str) -> bool {
    let matches = |regex: &Regex, scratch: &mut _| regex.is_match(text, scratch);
    with_regex(regex, limits::TOKEN_REGEX_WORK_MAX, matches).unwrap_or(false)
}

/// Uses a user's regular expression, compiled within so much work; `None` where it does not
/// compile.
fn with_regex<T>(
    regex: &str,
    work: usize,
    with: impl FnOnce(&Regex, &mut RegexScratch) -> T,
) -> Option<T> {
    type Known = Vec<(String, Regex)>;
    thread_local! {
        /// Thousands of elements are held against the same few expressions.
        static KNOWN: RefCell<(Known, RegexScratch)> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|(known, scratch)| {
        if let Some((_, compiled)) = known.iter().find(|(of, _)| of == regex) {
            return Some(with(compiled, scratch));
        }
        let compiled = RegexWork::new(work).compile(&whole_text(regex)).ok()?;
        let used = with(&compiled, scratch);
        if known.len() >= limits::TOKEN_REGEXES_MAX {
            known.clear();
        }
        known.push((regex.to_owned(), compiled));
        Some(used)
    })
}
