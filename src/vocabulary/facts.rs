//! A request as facts.

use std::cell::Cell;
use std::fmt::Write;

use biscuit_auth::builder::Fact;
use smallvec::SmallVec;

use super::grant::{Found, Place, push_escaped};
use super::names::WordId;
use super::needs::Needs;
use super::pattern::Pattern;
use super::sink::{FactSink, TermRef};
use super::values::{columns, measure, measuring, micros, size, text, with_names, with_term};
use crate::model::{Json, Request, TooMuchWork, Work, limits};

const ARG: WordId = WordId::of("arg", 2);
const NUMBER: WordId = WordId::of("number", 2);
const ARG_NAMES: WordId = WordId::of("arg_names", 1);
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

/// The facts of a request that somebody asks for, as Biscuit's builders write them.
///
/// *Errors*: [`TooMuchWork`] where that takes more than a decision may.
pub fn facts(
    request: &Request,
    bearing: &Bearing,
    needs: &Needs,
) -> Result<Vec<Fact>, TooMuchWork> {
    let mut facts = Vec::new();
    let mut work = Work::new(limits::DECISION_WORK_MAX);
    facts_into(request, bearing, needs, &mut work, &mut facts)?;
    Ok(facts)
}

/// Hands over the facts of a request that somebody asks for.
///
/// *Shape*: at most one fact for each argument and question, in a fixed order. Nothing is copied
/// that the sink does not copy, but where a pattern has a `*` or many names are asked for.
///
/// *Errors*: [`TooMuchWork`] where that takes more than `work` has.
pub(crate) fn facts_into(
    request: &Request,
    bearing: &Bearing,
    needs: &Needs,
    work: &mut Work,
    sink: &mut impl FactSink,
) -> Result<(), TooMuchWork> {
    ambient(request, bearing, needs, sink);
    let args = request.args.value();
    if needs.words().contains(ARGS_DIGEST) {
        sink.fact(ARGS_DIGEST, &[TermRef::Bytes(&request.args.digest())]);
    }
    if needs.words().contains(ARG_NAMES) {
        work.take(size(args))?;
        with_names(&[args], |names| sink.fact(ARG_NAMES, &[TermRef::TextSet(names)]));
    }
    plain(args, needs, work, sink)?;
    for ((word, text), pattern) in &needs.at {
        let Some(name) = word.word().map(|word| word.name) else { continue };
        if matches!(name, "arg_present" | "arg_absent") {
            let holds = presence(name, pattern, args, work)?;
            holds.then(|| sink.fact(*word, &[TermRef::Str(text)]));
            continue;
        }
        let Some(values) = pattern.values(args, work)? else { continue };
        values.iter().try_for_each(|value| work.take(measuring(name, value)))?;
        located((*word, name), text, pattern, &values, sink);
    }
    answers(args, needs, work, sink)
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
    let visited = walk(args, &mut room, work, true, &mut |path, value, work| {
        // Looking a path up compares no more of it than the longest one asked for has.
        work.take(path.len().min(needs.longest) / 16)?;
        if !needs.every_path && !needs.paths.contains(path) {
            return Ok(());
        }
        let fact = 2 * path.len() + size(value);
        if needs.words().contains(ARG) {
            work.take(fact)?;
            with_term(value, |term| sink.fact(ARG, &[TermRef::Str(path), term]));
        }
        if let Some(micros) = micros(value).filter(|_| needs.words().contains(NUMBER)) {
            work.take(fact)?;
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
    work: &mut Work,
    sink: &mut impl FactSink,
) -> Result<(), TooMuchWork> {
    for (need, pattern) in &needs.oracles {
        let Some(values) = pattern.values(args, work)? else { continue };
        let texts: Option<SmallVec<[&str; 4]>> = values.into_iter().map(text).collect();
        let Some(texts) = texts else { continue };
        let constants = need.constants();
        for text in &texts {
            work.take(limits::ORACLE_BYTE_WORK * need.oracle.work(text, &constants))?;
        }
        let bare = need.is_bare();
        if texts.iter().all(|text| need.oracle.holds(text, &constants, bare)) {
            sink.fact_of(need.word, &need.terms);
        }
    }
    Ok(())
}

type Visited = Result<(), TooMuchWork>;

/// Visits every argument that may have a plain fact, with its path: scalars, and arrays.
// The parser bounds the depth of the arguments, so the recursion is bounded too.
fn walk(
    value: &Json,
    path: &mut String,
    work: &mut Work,
    top: bool,
    visit: &mut impl FnMut(&str, &Json, &mut Work) -> Visited,
) -> Visited {
    let length = path.len();
    let mut inside = |name: &dyn Fn(&mut String), value: &Json, path: &mut String, work: &mut _| {
        // By depth, not by length: a member named "" must not let another take its parent's path.
        if !top {
            path.push('/');
        }
        name(path);
        walk(value, path, work, false, visit)?;
        path.truncate(length);
        Ok(())
    };
    match value {
        Json::Object(members) => members.iter().try_for_each(|(name, value)| {
            work.take(limits::FACT_STEP_WORK + name.len())?;
            inside(&|path: &mut String| push_escaped(path, name), value, path, work)
        }),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                work.take(limits::FACT_STEP_WORK)?;
                inside(&|path: &mut String| push_index(path, index), item, path, work)?;
            }
            visit(path, value, work)
        }
        _ => visit(path, value, work),
    }
}

fn push_index(path: &mut String, index: usize) {
    // Writing to text cannot fail.
    let _ = write!(path, "{index}");
}

/// The fact about a pattern: after its text the value, `null` where it may be and is missing, or
/// the set of values where the pattern has `*`.
fn located(
    (word, name): (WordId, &str),
    at: &str,
    pattern: &Pattern,
    values: &[&Json],
    sink: &mut impl FactSink,
) -> Option<()> {
    let mut say = |terms: &[TermRef<'_>; 2]| match (name, terms) {
        ("arg_time", [one, other]) => sink.fact(word, &[TermRef::Str(at), *one, *other]),
        (_, [one, _]) => sink.fact(word, &[TermRef::Str(at), *one]),
    };
    match values {
        values if pattern.path.is_pattern() => columns(name, values, say),
        [] => {
            say(&[TermRef::Null, TermRef::Null]);
            Some(())
        }
        [value, ..] => measure(name, value, say),
    }
}

/// Whether something, or nothing, is there at every place of a pattern.
fn presence(
    name: &str,
    pattern: &Pattern,
    args: &Json,
    work: &mut Work,
) -> Result<bool, TooMuchWork> {
    let there = |place: &Place| match place {
        Place::Value(_) => name == "arg_present",
        Place::Absent(depth) => name == "arg_absent" || *depth <= pattern.optional_to,
    };
    Ok(match pattern.path.find_within(args, work)? {
        Found::Places(places) => places.iter().all(there),
        Found::Blocked => false,
    })
}
