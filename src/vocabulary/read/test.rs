//! One expression as a test.
//!
//! The readings here look at what tells tests apart and no further: compiling again is what proves
//! them right.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Binary, Op, Term, Unary};

use super::parts::Bound;
use crate::model::{Json, JsonProfile, Number, Timestamp, is_regex};
use crate::vocabulary::Pattern;
use crate::vocabulary::grant::{ArgPath, Micros, Scalar, Test, Values, lower, whole_text};
use crate::vocabulary::oracle::Oracle;

/// The operations of an expression, those inside closures in their places.
pub(super) fn flat(ops: &[Op]) -> Vec<&Op> {
    ops.iter()
        .flat_map(|op| match op {
            Op::Closure(_, body) => flat(body),
            op => vec![op],
        })
        .collect()
}

/// The texts of the one set in an expression.
pub(super) fn texts(flat: &[&Op]) -> Option<BTreeSet<String>> {
    flat.iter().find_map(|op| match op {
        Op::Value(Term::Set(set)) => set.iter().map(text).collect(),
        _ => None,
    })
}

fn text(term: &Term) -> Option<String> {
    match term {
        Term::Str(text) => Some(text.clone()),
        _ => None,
    }
}

/// An oracle's fact, its terms after the path.
pub(super) fn oracle(oracle: Oracle, terms: &[Term]) -> Option<Test> {
    let (constants, rest) = match (oracle, terms) {
        (Oracle::PublicHost, rest) => (BTreeSet::new(), rest),
        (_, [Term::Set(set), rest @ ..]) => (set.iter().map(text).collect::<Option<_>>()?, rest),
        (_, [one, rest @ ..]) => (BTreeSet::from([text(one)?]), rest),
        (_, []) => return None,
    };
    Some(Test::Oracle(oracle, constants, !rest.is_empty()))
}

/// What an expression about one argument asks, and where.
pub(super) fn read(subject: &Bound, at: &Pattern, ops: &[Op]) -> Option<(Pattern, Test)> {
    let body = Body::of(ops);
    let test = match (subject.relation, subject.nth) {
        ("arg" | "arg_at", _) => body.of_value()?,
        ("number", _) => body.of_number()?,
        // Decimals of an array are asked for one by one, unless all must be among them.
        ("number_at", _) if !body.is_every && at.path.is_pattern() => {
            let all = body.constants.iter().map(|term| scalar(term, true));
            let all = Test::ContainsAll(all.filter(Option::is_some).collect::<Option<_>>()?);
            return Some((parent(at)?, all));
        }
        ("number_at", _) => body.of_number()?,
        ("arg_lower", _) => body.of_list(true, false)?,
        ("arg_length", _) => Test::MaxLength(body.count()?),
        ("arg_count", _) if body.has(&Binary::GreaterOrEqual) => Test::MinItems(body.count()?),
        ("arg_count", _) => Test::MaxItems(body.count()?),
        ("arg_time", 0) => Test::After(body.date()?),
        ("arg_time", _) => Test::Before(body.date()?),
        _ => return None,
    };
    Some((at.clone(), test))
}

/// The array that a pattern of its elements is about, where it is one array.
fn parent(at: &Pattern) -> Option<Pattern> {
    let (_, segments) = at.path.segments().split_last()?;
    let path = ArgPath::from_segments(segments.to_vec());
    (!path.is_pattern()).then_some(Pattern { path, optional_to: at.optional_to })
}

/// What is asked of one value, without what makes it optional or asks it of every element.
struct Body<'a> {
    is_every: bool,
    flat: Vec<&'a Op>,
    /// The constants, in order.
    constants: Vec<&'a Term>,
}

impl<'a> Body<'a> {
    fn of(ops: &'a [Op]) -> Self {
        use Binary::{All, HeterogeneousEqual, LazyOr};
        let (is_every, body) = match ops {
            [Op::Value(_), Op::Closure(_, body), Op::Binary(All)] => (true, body.as_slice()),
            [
                Op::Value(_),
                Op::Value(Term::Null),
                Op::Binary(HeterogeneousEqual),
                Op::Closure(_, body),
                Op::Binary(LazyOr),
            ] => (false, body.as_slice()),
            ops => (false, ops),
        };
        let flat = flat(body);
        let constant = |op: &&'a Op| match op {
            Op::Value(Term::Variable(_)) => None,
            Op::Value(term) => Some(term),
            _ => None,
        };
        let constants = flat.iter().filter_map(constant).collect();
        Self { is_every, flat, constants }
    }

    fn has(&self, binary: &Binary) -> bool {
        self.flat.iter().any(|op| matches!(op, Op::Binary(found) if found == binary))
    }

    fn has_unary(&self, unary: &Unary) -> bool {
        self.flat.iter().any(|op| matches!(op, Op::Unary(found) if found == unary))
    }

    fn of_value(&self) -> Option<Test> {
        let last = || self.constants.last().and_then(|term| text(term));
        if self.has(&Binary::Prefix) {
            return last().map(Test::Prefix);
        }
        if self.has(&Binary::Suffix) {
            return last().map(Test::Suffix);
        }
        if self.has(&Binary::Regex) {
            return regex(&last()?).map(Test::Matches);
        }
        if self.has_unary(&Unary::Negate) || !self.has_unary(&Unary::TypeOf) {
            return self.of_list(false, false);
        }
        let (kind, rest) = self.constants.split_first()?;
        match text(kind)?.as_str() {
            "set" if self.has(&Binary::All) => Some(Test::SubsetOf(list(rest.first()?, false)?)),
            "set" => rest
                .iter()
                .map(|term| scalar(term, false))
                .collect::<Option<_>>()
                .map(Test::ContainsAll),
            _ => last().map(Test::Contains),
        }
    }

    fn of_number(&self) -> Option<Test> {
        let bound = || match self.constants.as_slice() {
            // Its text must be one that a grant can hold.
            [Term::Integer(micros)] => {
                number(&Micros(*micros).to_string()).map(|_| Micros(*micros))
            }
            _ => None,
        };
        if self.has(&Binary::GreaterOrEqual) {
            return bound().map(Test::Min);
        }
        if self.has(&Binary::LessOrEqual) {
            return bound().map(Test::Max);
        }
        self.of_list(false, true)
    }

    fn of_list(&self, ignore_case: bool, decimal: bool) -> Option<Test> {
        let is_refusal = self.has_unary(&Unary::Negate);
        let constant = match is_refusal {
            true => self.constants.iter().rev().find(|term| matches!(term, Term::Array(_)))?,
            false => self.constants.first()?,
        };
        let values = Values { list: list(constant, decimal)?, ignore_case };
        let is_plain = |scalar: &Scalar| match scalar {
            Scalar::Text(text) => lower(text).as_ref() == Some(text),
            _ => false,
        };
        if ignore_case && !values.list.iter().all(is_plain) {
            return None;
        }
        Some(if is_refusal { Test::NotOneOf(values) } else { Test::OneOf(values) })
    }

    fn count(&self) -> Option<u32> {
        match self.constants.as_slice() {
            [Term::Integer(count)] => u32::try_from(*count).ok(),
            _ => None,
        }
    }

    fn date(&self) -> Option<u64> {
        match self.constants.as_slice() {
            [Term::Date(secs)] if Timestamp::from_secs(*secs).secs() == *secs => Some(*secs),
            _ => None,
        }
    }
}

fn list(term: &Term, decimal: bool) -> Option<Vec<Scalar>> {
    match term {
        Term::Array(items) => items.iter().map(|item| scalar(item, decimal)).collect(),
        one => Some(vec![scalar(one, decimal)?]),
    }
}

fn scalar(term: &Term, decimal: bool) -> Option<Scalar> {
    Some(match term {
        Term::Str(text) if !decimal => Scalar::Text(text.clone()),
        Term::Bool(boolean) if !decimal => Scalar::Bool(*boolean),
        Term::Integer(micros) if decimal => Scalar::Number(number(&Micros(*micros).to_string())?),
        Term::Integer(integer) => Scalar::Number(number(&integer.to_string())?),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Number> {
    match Json::parse(text.as_bytes(), JsonProfile::Interoperable) {
        Ok(Json::Number(number)) => Some(number),
        _ => None,
    }
}

/// The expression inside one that must match as a whole, where it stands by itself.
fn regex(whole: &str) -> Option<String> {
    let (before, after) = (r"\A(?:", r")\z");
    let inner = whole.strip_prefix(before)?.strip_suffix(after)?;
    // Without a `)` it cannot leave the group that holds it, and need not be read to know.
    let stands = !inner.contains(')') || is_regex(inner);
    (stands && whole_text(inner) == whole).then(|| inner.to_owned())
}
