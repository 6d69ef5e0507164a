//! Datalog back to the language of grants: what [`compile`] would have written.
//!
//! A reading is never a guess. Whatever is read is compiled again, and stands only if that gives
//! the same query up to the order of its parts and the names of its variables. What people write
//! by hand in another way is not read.

mod assemble;
mod canonical;
mod parts;
mod test;

use std::collections::BTreeMap;

use biscuit_auth::builder::{Binary, Check, CheckKind, Op, Predicate, Rule, Term};

use self::assemble::Nesting;
use self::canonical::Canonical;
use super::compile;
use super::grant::Grant;
use crate::model::{TooMuchWork, Work, limits};

/// Reads the body of one query or rule as the grant that it was compiled from.
///
/// *Shape*: `None` where no grant compiles to this body. The head is not looked at.
pub fn query(rule: &Rule) -> Option<Grant> {
    if !rule.scopes.is_empty() {
        return None;
    }
    let wanted = Canonical::of(&rule.body, &rule.expressions)?;
    let parts = parts::read(&rule.body, &rule.expressions)?;
    Nesting::ALL
        .into_iter()
        .filter_map(|nesting| assemble::grant(&parts, nesting))
        .find(|grant| compiles_to(grant, &wanted))
}

/// Takes what [`query`] may cost.
///
/// *Errors*: [`TooMuchWork`] where so much is not left.
pub(crate) fn take_work(rule: &Rule, work: &mut Work) -> Result<(), TooMuchWork> {
    const PREDICATE: usize = 256;
    let terms = |predicate: &Predicate| predicate.terms.iter().map(term_work).sum::<usize>();
    let predicates = rule.body.iter().map(|predicate| PREDICATE + terms(predicate));
    let expressions = rule.expressions.iter().map(|expression| ops_work(&expression.ops));
    let bytes = predicates.chain(expressions).sum::<usize>();
    work.take(bytes.saturating_mul(limits::EXPLAINED_BYTE_WORK))
}

// Recursion is bounded by the limit on nesting of a token's closures.
fn ops_work(ops: &[Op]) -> usize {
    const OP: usize = 64;
    let of = |(index, op): (usize, &Op)| match (op, ops.get(index + 1)) {
        (Op::Value(Term::Str(regex)), Some(Op::Binary(Binary::Regex))) => {
            regex.len() * limits::REGEX_BYTE_WORK
        }
        (Op::Value(term), _) => term_work(term),
        (Op::Closure(_, body), _) => ops_work(body),
        _ => 0,
    };
    ops.iter().enumerate().map(|op| OP + of(op)).sum()
}

fn term_work(term: &Term) -> usize {
    const ELEMENT: usize = 32;
    let each = |term| ELEMENT + term_work(term);
    match term {
        // Read, compiled again and compared.
        Term::Str(text) => 4 * text.len(),
        Term::Set(items) => items.iter().map(each).sum(),
        Term::Array(items) => items.iter().map(each).sum(),
        Term::Map(items) => items.values().map(each).sum(),
        _ => 0,
    }
}

/// Reads a check as the grants that it was compiled from, one for each query.
///
/// *Shape*: `None` unless it is a plain `check if` of which every query can be read.
pub fn check(check: &Check) -> Option<Vec<Grant>> {
    if check.kind != CheckKind::One {
        return None;
    }
    check.queries.iter().map(query).collect()
}

/// Reads the rules `granted(index) <- …` of block 0 as grants, by their index.
///
/// *Shape*: other rules are passed over; `None` where one rule that grants cannot be read, so that
/// a reading never leaves out a right. Rules of one index that differ in their tools alone are one
/// grant.
pub fn authority(rules: &[Rule]) -> Option<BTreeMap<usize, Vec<Grant>>> {
    let mut read: BTreeMap<usize, Vec<Grant>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.head.name == "granted") {
        let [Term::Integer(index)] = rule.head.terms.as_slice() else { return None };
        merge(read.entry(usize::try_from(*index).ok()?).or_default(), query(rule)?);
    }
    Some(read)
}

/// Adds a grant, to one that is otherwise equal if there is one.
fn merge(grants: &mut Vec<Grant>, grant: Grant) {
    let alike = |other: &&mut Grant| {
        (&other.labels, &other.args, other.other_args)
            == (&grant.labels, &grant.args, grant.other_args)
    };
    match grants.iter_mut().find(alike) {
        Some(other) => {
            other.tools.extend(grant.tools);
            other.tools.sort();
            other.tools.dedup();
        }
        None => grants.push(grant),
    }
}

fn compiles_to(grant: &Grant, wanted: &Canonical) -> bool {
    match compile::bodies(std::slice::from_ref(grant)).as_deref() {
        Ok([(_, (body, expressions))]) => Canonical::of(body, expressions).as_ref() == Some(wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::grant::grants_from_json;

    fn grants(json: &str) -> Vec<Grant> {
        grants_from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_compiled_is_read_back() {
        for json in [
            r#"{"tool": "s/t"}"#,
            r#"{"tool": "s/*", "args": {}}"#,
            r#"{"tools": ["s/a", "s/b"], "labels": ["read"], "args": {"x": {"any": true}}}"#,
            r#"{"tool": "s/t", "args": {"amount": {"min": 0.5, "max": 50}, "c": {"eq": 5}}}"#,
            r#"{"tool": "s/t", "args": {"a": {"optional": true, "each": {"prefix": "x"}}}}"#,
            r#"{"tool": "s/t", "args": {"a/b": {"any": true}, "a/c": {"eq": true}}}"#,
            r#"{"tool": "s/t", "args": {"a/*/b": {"max": 5}}, "other_args": "allow"}"#,
            r#"{"tool": "s/t", "args": {"a": {"contains_all": [1, 2.5], "max_items": 3}}}"#,
            r#"{"tool": "s/t", "args": {"a": {"matches": "a(b|c)"}, "b?": {"on": "2026-11-22"}}}"#,
        ] {
            let grants = grants(json);
            let shown = |read: Option<Vec<Grant>>| read.map(|read| read[0].to_string());
            let read = check(&compile::check(&grants).unwrap());
            assert_eq!(shown(read), Some(grants[0].to_string()));
            let read = authority(&compile::rules(&grants).unwrap()).unwrap().remove(&0);
            assert_eq!(shown(read), Some(grants[0].to_string()));
        }
    }

    #[test]
    fn rules_of_one_index_are_one_grant() {
        let grants = grants(r#"{"tools": ["a/x", "b/*"], "args": {"n": {"max": 1}}}"#);
        let rules = compile::rules(&grants).unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(authority(&rules), Some(BTreeMap::from([(0, grants)])));
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            r#"check if call("s", "t"), foo(1)"#,
            r#"check if call("s", "t") or true"#,
            r#"check all call("s", "t")"#,
            r#"check if call("s", "t") trusting previous"#,
            r#"check if call("s", $t), {"a"}.contains($t), $t == "a""#,
            r#"check if call("s", "t"), number("a", $a), number("b", $a), $a <= 5"#,
            r#"check if call("s", "t"), number("a", $a), $a < 5"#,
            r#"check if call("s", "t"), number("a", $a), $a <= 5 || true"#,
            r#"check if call("s", "t"), arg("a", $a), $a == 5"#,
            r#"check if call("s", "t"), arg("a", $a), !["x"].contains($a)"#,
            r#"check if call("s", "t"), arg("a", $a), $a.type() == "string" && $a.matches("\\A(?:a)|(?:b)\\z")"#,
            r#"check if call("s", "t"), arg_count("a", $a)"#,
        ] {
            assert_eq!(check(&Check::try_from(text).unwrap()), None, "{text}");
        }
    }
}
