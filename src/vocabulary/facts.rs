//! A request as facts.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write;

use biscuit_auth::builder::{Fact, Term};
use smallvec::SmallVec;

use super::grant::{Found, Place, lower, push_escaped};
use super::names::WordId;
use super::needs::Needs;
use super::oracle::time_range;
use super::pattern::Pattern;
use super::sink::{FactSink, TermRef, owned};
use crate::model::{Json, Number, Request, Work, limits};

const ARG: WordId = WordId::of("arg", 2);
const NUMBER: WordId = WordId::of("number", 2);
const ARG_NAMES: WordId = WordId::of("arg_names", 1);
const ARG_LOWER: WordId = WordId::of("arg_lower", 2);
const ARGS_DIGEST: WordId = WordId::of("args_digest", 1);

/// Bytes of a path that a thread keeps room for.
const PATH_BYTES_KEPT: usize = 4096;

thread_local! {
    /// Room for the path of the argument at hand.
    static PATH: Cell<String> = const { Cell::new(String::new()) };
}

/// What a verified token adds to a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bearing {
    /// Delegation hops.
    pub depth: u32,
    /// The final holder's public key, for a bound token.
    pub presenter: Option<[u8; 32]>,
}

/// The token asks its gateway to parse more than a decision may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's questions about the arguments take more work than a decision may")]
pub struct TooMuchWork;

/// Takes from the work that making facts may still do.
fn take(work: &mut Work, bytes: usize) -> Result<(), TooMuchWork> {
    work.take(bytes).ok_or(TooMuchWork)
}

/// What a value costs to be copied, in bytes. Nested ones are visited one by one.
fn size(value: &Json) -> usize {
    let inside = match value {
        Json::String(text) => text.len(),
        Json::Array(items) => {
            items.iter().map(|item| limits::FACT_PLACE_WORK + text_len(item)).sum()
        }
        Json::Object(members) => {
            members.iter().map(|(name, _)| limits::FACT_PLACE_WORK + name.len()).sum()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
    };
    limits::FACT_PLACE_WORK + inside
}

/// What a relation of a value costs, in bytes. Lower case beyond ASCII is worked out letter by letter,
/// and in more than one form.
fn measuring(word: WordId, value: &Json) -> usize {
    let lowered = match value {
        Json::String(text) if word == ARG_LOWER && !text.is_ascii() => text.len(),
        _ => 0,
    };
    size(value) + limits::LOWER_WORK * lowered
}

fn text_len(value: &Json) -> usize {
    text(value).map_or(0, str::len)
}

/// The facts of a request that somebody asks for, as Biscuit's builders write them.
///
/// *Errors*: as [`facts_into`].
pub fn facts(
    request: &Request,
    bearing: &Bearing,
    needs: &Needs,
) -> Result<Vec<Fact>, TooMuchWork> {
    let mut facts = Vec::new();
    facts_into(request, bearing, needs, &mut facts)?;
    Ok(facts)
}

/// Hands over the facts of a request that somebody asks for.
///
/// *Shape*: at most one fact for each argument and question, in a fixed order. Nothing is copied
/// that the sink does not copy, but where a pattern has a `*` or many names are asked for.
///
/// *Errors*: [`TooMuchWork`] where the oracles would parse more than
/// [`limits::ORACLE_WORK_MAX`](crate::model::limits::ORACLE_WORK_MAX), or the other facts take more
/// than [`limits::FACT_WORK_MAX`](crate::model::limits::FACT_WORK_MAX).
pub fn facts_into(
    request: &Request,
    bearing: &Bearing,
    needs: &Needs,
    sink: &mut impl FactSink,
) -> Result<(), TooMuchWork> {
    ambient(request, bearing, needs, sink);
    let args = request.args.value();
    if needs.words().contains(ARGS_DIGEST) {
        sink.fact(ARGS_DIGEST, &[TermRef::Bytes(&request.args.digest())]);
    }
    if needs.words().contains(ARG_NAMES) {
        with_names(&[args], |names| sink.fact(ARG_NAMES, &[TermRef::TextSet(names)]));
    }
    let mut work = Work::new(limits::FACT_WORK_MAX);
    plain(args, needs, &mut work, sink)?;
    for ((word, text), pattern) in &needs.at {
        let values = values(pattern, args);
        for value in values.iter().flatten() {
            take(&mut work, measuring(*word, value))?;
        }
        located(*word, text, pattern, values.as_deref(), args, sink);
    }
    answers(args, needs, &mut work, sink)
}

/// The facts that need no looking into the arguments.
fn ambient(request: &Request, bearing: &Bearing, needs: &Needs, sink: &mut impl FactSink) {
    let mut state = |word: WordId, terms: &[TermRef<'_>]| {
        if needs.words().contains(word) {
            sink.fact(word, terms);
        }
    };
    let (tool, time) = (&request.tool, request.time);
    use TermRef::{Bytes, Date, Int, Str};
    state(const { WordId::of("call", 2) }, &[Str(tool.server()), Str(tool.name())]);
    state(const { WordId::of("time", 1) }, &[Date(time.secs())]);
    state(const { WordId::of("weekday", 1) }, &[Int(time.weekday())]);
    state(const { WordId::of("minute_of_day", 1) }, &[Int(time.minute_of_day())]);
    state(const { WordId::of("audience", 1) }, &[Str(&request.audience)]);
    state(const { WordId::of("depth", 1) }, &[Int(i64::from(bearing.depth))]);
    for label in &request.labels {
        state(const { WordId::of("label", 1) }, &[Str(label)]);
    }
    if let Some((method, path)) = &request.http {
        state(const { WordId::of("method", 1) }, &[Str(method)]);
        state(const { WordId::of("path", 1) }, &[Str(path)]);
    }
    if let Some(key) = &bearing.presenter {
        state(const { WordId::of("presenter", 1) }, &[Bytes(key)]);
    }
}

/// `arg` and `number` of the paths that somebody asks for.
fn plain(
    args: &Json,
    needs: &Needs,
    work: &mut Work,
    sink: &mut impl FactSink,
) -> Result<(), TooMuchWork> {
    if !needs.every_path && needs.paths.is_empty() {
        return Ok(());
    }
    let mut room = PATH.take();
    room.clear();
    let visited = walk(args, &mut room, true, &mut |path, value| {
        // Looking a path up compares no more of it than the longest one asked for has.
        take(work, path.len().min(needs.longest) / 16)?;
        if !needs.every_path && !needs.paths.contains(path) {
            return Ok(());
        }
        take(work, 2 * path.len() + size(value))?;
        if needs.words().contains(ARG) {
            with_term(value, |term| sink.fact(ARG, &[TermRef::Str(path), term]));
        }
        if let Some(micros) = micros(value).filter(|_| needs.words().contains(NUMBER)) {
            sink.fact(NUMBER, &[TermRef::Str(path), TermRef::Int(micros)]);
        }
        Ok(())
    });
    room.clear();
    room.shrink_to(PATH_BYTES_KEPT);
    PATH.set(room);
    visited
}

/// The oracle facts that are true.
fn answers(
    args: &Json,
    needs: &Needs,
    looking: &mut Work,
    sink: &mut impl FactSink,
) -> Result<(), TooMuchWork> {
    let mut work = 0;
    for (need, pattern) in &needs.oracles {
        let Some(values) = values(pattern, args) else { continue };
        take(looking, values.len() * limits::FACT_PLACE_WORK)?;
        let texts: Option<SmallVec<[&str; 4]>> = values.into_iter().map(text).collect();
        let Some(texts) = texts else { continue };
        let constants = need.constants();
        for text in &texts {
            work += need.oracle.work(text, &constants);
        }
        if work > limits::ORACLE_WORK_MAX {
            return Err(TooMuchWork);
        }
        let bare = need.is_bare();
        if texts.iter().all(|text| need.oracle.holds(text, &constants, bare)) {
            sink.fact_of(need.word, &need.terms);
        }
    }
    Ok(())
}

fn text(value: &Json) -> Option<&str> {
    match value {
        Json::String(text) => Some(text),
        _ => None,
    }
}

type Visited = Result<(), TooMuchWork>;

/// Visits every argument that may have a plain fact, with its path: scalars, and arrays.
// The parser bounds the depth of the arguments, so the recursion is bounded too.
fn walk(
    value: &Json,
    path: &mut String,
    top: bool,
    visit: &mut impl FnMut(&str, &Json) -> Visited,
) -> Visited {
    let length = path.len();
    let mut inside = |name: &dyn Fn(&mut String), value: &Json, path: &mut String| {
        // By depth, not by length: a member named "" must not let another take its parent's path.
        if !top {
            path.push('/');
        }
        name(path);
        walk(value, path, false, visit)?;
        path.truncate(length);
        Ok(())
    };
    match value {
        Json::Object(members) => members.iter().try_for_each(|(name, value)| {
            inside(&|path: &mut String| push_escaped(path, name), value, path)
        }),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                inside(&|path: &mut String| push_index(path, index), item, path)?;
            }
            visit(path, value)
        }
        _ => visit(path, value),
    }
}

fn push_index(path: &mut String, index: usize) {
    // Writing to text cannot fail.
    let _ = write!(path, "{index}");
}

/// Gives the term of an `arg` fact of a value: scalars but fractions, and arrays of such as sets.
fn with_term<R>(value: &Json, then: impl FnOnce(TermRef<'_>) -> R) -> Option<R> {
    match value {
        Json::Array(items) => {
            let items: Option<SmallVec<[TermRef<'_>; 16]>> = items.iter().map(scalar).collect();
            Some(then(TermRef::Set(&items?)))
        }
        value => scalar(value).map(then),
    }
}

fn scalar(value: &Json) -> Option<TermRef<'_>> {
    match value {
        Json::Null => Some(TermRef::Null),
        Json::Bool(boolean) => Some(TermRef::Bool(*boolean)),
        Json::String(text) => Some(TermRef::Str(text)),
        Json::Number(number) => number.as_integer().map(TermRef::Int),
        Json::Array(_) | Json::Object(_) => None,
    }
}

fn micros(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => Number::micros(number),
        _ => None,
    }
}

/// Gives the names in some objects, or the indexes of arrays; `None` if one is neither.
fn with_names<R>(values: &[&Json], then: impl FnOnce(&[&str]) -> R) -> Option<R> {
    let length = |value: &&Json| match value {
        Json::Array(items) => items.len(),
        _ => 0,
    };
    let longest = values.iter().map(length).max().unwrap_or(0);
    let indexes: Vec<String> = (0..longest).map(|index| index.to_string()).collect();
    let mut names = SmallVec::<[&str; 32]>::new();
    for value in values {
        match value {
            Json::Object(members) => names.extend(members.iter().map(|(name, _)| name.as_str())),
            Json::Array(items) => {
                names.extend(indexes.iter().take(items.len()).map(String::as_str))
            }
            _ => return None,
        }
    }
    Some(then(&names))
}

/// The values at the places of a pattern; `None` where there is no fact to be made.
fn values<'a>(pattern: &Pattern, args: &'a Json) -> Option<SmallVec<[&'a Json; 4]>> {
    if pattern.path.is_pattern() {
        return pattern.values(args).map(SmallVec::from_vec);
    }
    match pattern.path.place(args)? {
        Place::Value(value) => Some(SmallVec::from_iter([value])),
        Place::Absent(depth) if depth <= pattern.optional_to => Some(SmallVec::new()),
        Place::Absent(_) => None,
    }
}

/// The fact about a pattern: after its text the value, `null` where it may be and is missing, or
/// the set of values where the pattern has `*`.
fn located(
    word: WordId,
    at: &str,
    pattern: &Pattern,
    values: Option<&[&Json]>,
    args: &Json,
    sink: &mut impl FactSink,
) -> Option<()> {
    let name = word.word()?.name;
    let at = TermRef::Str(at);
    match name {
        "arg_present" | "arg_absent" => {
            if presence(name, pattern, args) {
                sink.fact(word, &[at]);
            }
            return Some(());
        }
        "arg_names" if pattern.path.is_pattern() => {
            return with_names(values?, |names| sink.fact(word, &[at, TermRef::TextSet(names)]));
        }
        _ => {}
    }
    let open = if name == "arg_time" { 2 } else { 1 };
    match (values?, pattern.path.is_pattern()) {
        ([], false) if open == 2 => sink.fact(word, &[at, TermRef::Null, TermRef::Null]),
        ([], false) => sink.fact(word, &[at, TermRef::Null]),
        ([value, ..], false) => measure(name, value, |terms| match terms {
            [one] => sink.fact(word, &[at, *one]),
            [one, other] => sink.fact(word, &[at, *one, *other]),
            _ => {}
        })?,
        (values, true) => {
            let mut columns = vec![BTreeSet::new(); open];
            for value in values {
                measure(name, value, |terms| {
                    for (column, term) in columns.iter_mut().zip(terms) {
                        column.insert(owned(term));
                    }
                })?;
            }
            let columns = columns.into_iter().map(Term::Set);
            sink.fact_of(word, &[owned(&at)].into_iter().chain(columns).collect::<Vec<_>>());
        }
    }
    Some(())
}

fn presence(name: &str, pattern: &Pattern, args: &Json) -> bool {
    let there = |place: &Place| match place {
        Place::Value(_) => name == "arg_present",
        Place::Absent(depth) => name == "arg_absent" || *depth <= pattern.optional_to,
    };
    if !pattern.path.is_pattern() {
        return pattern.path.place(args).is_some_and(|place| there(&place));
    }
    match pattern.path.find(args) {
        Found::Places(places) => places.iter().all(there),
        Found::Blocked => false,
    }
}

/// Gives what a relation says of one value, if anything.
fn measure(name: &str, value: &Json, then: impl FnOnce(&[TermRef<'_>])) -> Option<()> {
    let count = |count: usize| TermRef::Int(count as i64);
    match (name, value) {
        ("arg_at", value) => with_term(value, |term| then(&[term]))?,
        ("number_at", value) => then(&[TermRef::Int(micros(value)?)]),
        ("arg_count", Json::Array(items)) => then(&[count(items.len())]),
        ("arg_length", Json::String(text)) => then(&[count(text.chars().count())]),
        ("arg_lower", Json::String(text)) => then(&[TermRef::Str(&lower(text)?)]),
        ("arg_time", Json::String(text)) => {
            let (from, to) = time_range(text)?;
            then(&[TermRef::Date(from.secs()), TermRef::Date(to.secs())]);
        }
        ("arg_names", value) => with_names(&[value], |names| then(&[TermRef::TextSet(names)]))?,
        _ => return None,
    }
    Some(())
}
