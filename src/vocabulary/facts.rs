//! A request as facts.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Fact, Term};

use super::grant::{escape, lower, names_of};
use super::needs::Needs;
use super::oracle::time_range;
use super::pattern::Pattern;
use crate::model::{Json, Number, Request, limits};

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

/// The work that making facts may still take.
struct Work(usize);

impl Work {
    fn take(&mut self, bytes: usize) -> Result<(), TooMuchWork> {
        self.0 = self.0.checked_sub(bytes).ok_or(TooMuchWork)?;
        Ok(())
    }

    /// Takes what these values cost to be looked at or copied.
    fn take_values(&mut self, values: &[&Json]) -> Result<(), TooMuchWork> {
        values.iter().try_for_each(|value| self.take(size(value)))
    }
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

fn text_len(value: &Json) -> usize {
    text(value).map_or(0, str::len)
}

/// The facts of a request that somebody asks for.
///
/// *Shape*: at most one fact for each argument and question, in a fixed order.
///
/// *Errors*: [`TooMuchWork`] where the oracles would parse more than
/// [`limits::ORACLE_WORK_MAX`](crate::model::limits::ORACLE_WORK_MAX), or the other facts take more
/// than [`limits::FACT_WORK_MAX`](crate::model::limits::FACT_WORK_MAX).
pub fn facts(
    request: &Request,
    bearing: &Bearing,
    needs: &Needs,
) -> Result<Vec<Fact>, TooMuchWork> {
    let mut facts = ambient(request, bearing);
    let args = request.args.value();
    if needs.digest {
        push(&mut facts, "args_digest", vec![Term::Bytes(request.args.digest().to_vec())]);
    }
    if let Some(names) = names_of(args) {
        push(&mut facts, "arg_names", vec![name_set(names)]);
    }
    let mut work = Work(limits::FACT_WORK_MAX);
    plain(args, needs, &mut work, &mut facts)?;
    for ((name, text), pattern) in &needs.at {
        work.take_values(&pattern.values(args).unwrap_or_default())?;
        if let Some(terms) = located(name, pattern, args) {
            let mut all = vec![Term::Str(text.clone())];
            all.extend(terms);
            push(&mut facts, name, all);
        }
    }
    answers(args, needs, &mut work, &mut facts)?;
    Ok(facts)
}

/// `arg` and `number` of the paths that somebody asks for.
fn plain(
    args: &Json,
    needs: &Needs,
    work: &mut Work,
    facts: &mut Vec<Fact>,
) -> Result<(), TooMuchWork> {
    if !needs.every_path && needs.paths.is_empty() {
        return Ok(());
    }
    // Looking a path up compares no more of it than the longest one asked for has.
    let longest = needs.paths.iter().map(String::len).max().unwrap_or(0);
    leaves(args, &mut |path, value| {
        work.take(path.len().min(longest) / 16)?;
        if !needs.every_path && !needs.paths.contains(path) {
            return Ok(());
        }
        work.take(2 * path.len() + size(value))?;
        let at = || Term::Str(path.to_owned());
        if let Some(term) = term(value) {
            push(facts, "arg", vec![at(), term]);
        }
        if let Some(micros) = micros(value) {
            push(facts, "number", vec![at(), micros]);
        }
        Ok(())
    })
}

/// The oracle facts that are true.
fn answers(
    args: &Json,
    needs: &Needs,
    looking: &mut Work,
    facts: &mut Vec<Fact>,
) -> Result<(), TooMuchWork> {
    let mut work = 0;
    for (need, pattern) in &needs.oracles {
        let Some(values) = pattern.values(args) else { continue };
        looking.take(values.len() * limits::FACT_PLACE_WORK)?;
        let texts: Option<Vec<&str>> = values.into_iter().map(text).collect();
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
            push(facts, need.oracle.predicate(), need.terms.clone());
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

/// The facts that need no looking into the arguments.
fn ambient(request: &Request, bearing: &Bearing) -> Vec<Fact> {
    let text = |text: &str| Term::Str(text.to_owned());
    let mut facts = Vec::new();
    let tool = &request.tool;
    push(&mut facts, "call", vec![text(tool.server()), text(tool.name())]);
    push(&mut facts, "time", vec![Term::Date(request.time.secs())]);
    push(&mut facts, "weekday", vec![Term::Integer(request.time.weekday())]);
    push(&mut facts, "minute_of_day", vec![Term::Integer(request.time.minute_of_day())]);
    push(&mut facts, "audience", vec![text(&request.audience)]);
    push(&mut facts, "depth", vec![Term::Integer(i64::from(bearing.depth))]);
    for label in &request.labels {
        push(&mut facts, "label", vec![text(label)]);
    }
    if let Some((method, path)) = &request.http {
        push(&mut facts, "method", vec![text(method)]);
        push(&mut facts, "path", vec![text(path)]);
    }
    if let Some(key) = bearing.presenter {
        push(&mut facts, "presenter", vec![Term::Bytes(key.to_vec())]);
    }
    facts
}

fn push(facts: &mut Vec<Fact>, name: &str, terms: Vec<Term>) {
    facts.push(Fact::new(name.to_owned(), terms));
}

/// Visits every argument that may have a plain fact, with its path: scalars, and arrays.
fn leaves(args: &Json, visit: &mut impl FnMut(&str, &Json) -> Visited) -> Visited {
    walk(args, &mut String::new(), true, visit)
}

type Visited = Result<(), TooMuchWork>;

// The parser bounds the depth of the arguments, so the recursion is bounded too.
fn walk(
    value: &Json,
    path: &mut String,
    top: bool,
    visit: &mut impl FnMut(&str, &Json) -> Visited,
) -> Visited {
    let length = path.len();
    let mut inside = |name: &str, value: &Json, path: &mut String| {
        // By depth, not by length: a member named "" must not let another take its parent's path.
        if !top {
            path.push('/');
        }
        path.push_str(name);
        walk(value, path, false, visit)?;
        path.truncate(length);
        Ok(())
    };
    match value {
        Json::Object(members) => {
            members.iter().try_for_each(|(name, value)| inside(&escape(name), value, path))
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                inside(&index.to_string(), item, path)?;
            }
            visit(path, value)
        }
        _ => visit(path, value),
    }
}

/// A value as the term of an `arg` fact: scalars but fractions, and arrays of such as sets.
fn term(value: &Json) -> Option<Term> {
    match value {
        Json::Null => Some(Term::Null),
        Json::Bool(boolean) => Some(Term::Bool(*boolean)),
        Json::String(text) => Some(Term::Str(text.clone())),
        Json::Number(number) => number.as_integer().map(Term::Integer),
        Json::Array(items) => {
            let scalar = |item: &Json| match item {
                Json::Array(_) => None,
                item => term(item),
            };
            items.iter().map(scalar).collect::<Option<BTreeSet<_>>>().map(Term::Set)
        }
        Json::Object(_) => None,
    }
}

fn micros(value: &Json) -> Option<Term> {
    match value {
        Json::Number(number) => Number::micros(number).map(Term::Integer),
        _ => None,
    }
}

/// The open terms of a fact about a pattern: the value, `null` where it may be and is missing, or
/// the set of values where the pattern has `*`.
fn located(name: &str, pattern: &Pattern, args: &Json) -> Option<Vec<Term>> {
    match name {
        "arg_present" | "arg_absent" => return presence(name, pattern, args),
        "arg_names" if pattern.path.is_pattern() => {
            let names: Option<Vec<Vec<String>>> =
                pattern.values(args)?.into_iter().map(names_of).collect();
            return Some(vec![name_set(names?.into_iter().flatten())]);
        }
        _ => {}
    }
    let values = pattern.values(args)?;
    let open = if name == "arg_time" { 2 } else { 1 };
    let rows = values.iter().map(|value| measure(name, value)).collect::<Option<Vec<_>>>()?;
    if !pattern.path.is_pattern() {
        return Some(rows.into_iter().next().unwrap_or_else(|| vec![Term::Null; open]));
    }
    let column = |i| rows.iter().filter_map(|row| row.get(i).cloned()).collect::<BTreeSet<_>>();
    Some((0..open).map(|i| Term::Set(column(i))).collect())
}

fn presence(name: &str, pattern: &Pattern, args: &Json) -> Option<Vec<Term>> {
    use super::grant::{Found, Place};
    let Found::Places(places) = pattern.path.find(args) else { return None };
    let there = |place: &Place| match place {
        Place::Value(_) => name == "arg_present",
        Place::Absent(depth) => name == "arg_absent" || *depth <= pattern.optional_to,
    };
    places.iter().all(there).then(Vec::new)
}

/// What a relation says of one value.
fn measure(name: &str, value: &Json) -> Option<Vec<Term>> {
    let one = |term| Some(vec![term]);
    match (name, value) {
        ("arg_at", value) => term(value).and_then(one),
        ("number_at", value) => micros(value).and_then(one),
        ("arg_count", Json::Array(items)) => one(Term::Integer(items.len() as i64)),
        ("arg_length", Json::String(text)) => one(Term::Integer(text.chars().count() as i64)),
        ("arg_lower", Json::String(text)) => one(Term::Str(lower(text)?)),
        ("arg_time", Json::String(text)) => {
            let (from, to) = time_range(text)?;
            Some(vec![Term::Date(from.secs()), Term::Date(to.secs())])
        }
        ("arg_names", value) => one(name_set(names_of(value)?)),
        _ => None,
    }
}

fn name_set(names: impl IntoIterator<Item = String>) -> Term {
    Term::Set(names.into_iter().map(Term::Str).collect())
}
