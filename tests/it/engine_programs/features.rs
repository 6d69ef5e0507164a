//! What random programs are made of, by name, so that a test can tell what is never generated.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Check, CheckKind, Op, PolicyKind, Rule, Scope, Term};

use super::Generated;

/// Everything that random programs must have now and then.
pub(crate) const FEATURES: &[&str] = &[
    "first-party block",
    "third-party block",
    "authority with scope",
    "block scope Authority",
    "block scope Previous",
    "block scope PublicKey",
    "query scope Authority",
    "query scope Previous",
    "query scope PublicKey",
    "rule scope Authority",
    "rule scope Previous",
    "rule scope PublicKey",
    "policy scope Authority",
    "policy scope Previous",
    "policy scope PublicKey",
    "rule of block",
    "rule of policy",
    "recursive rule",
    "constant in head",
    "repeated variable",
    "three predicates",
    "no predicate",
    "One",
    "All",
    "Reject",
    "One with or",
    "All with or",
    "Allow",
    "Deny",
    "policy with or",
    "check of policy",
    "Integer",
    "Str",
    "Date",
    "Bytes",
    "Bool",
    "Set",
    "Null",
    "Array",
    "Map",
    "array in set",
    "Negate",
    "Parens",
    "Length",
    "TypeOf",
    "LessThan",
    "GreaterThan",
    "LessOrEqual",
    "GreaterOrEqual",
    "Equal",
    "NotEqual",
    "HeterogeneousEqual",
    "HeterogeneousNotEqual",
    "Contains",
    "Prefix",
    "Suffix",
    "Regex",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "And",
    "Or",
    "Intersection",
    "Union",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "LazyAnd",
    "LazyOr",
    "All closure",
    "Any closure",
    "Get",
    "TryOr",
    "shadowed variable",
    "closure in closure",
];

type Met = BTreeSet<String>;

impl Generated {
    /// The features that this program has.
    pub(crate) fn features(&self) -> BTreeSet<String> {
        let mut met = Met::new();
        let mut add = |name: &str| met.extend([name.to_owned()]);
        for (index, block) in self.blocks.iter().enumerate() {
            add(if block.external_key.is_some() {
                "third-party block"
            } else {
                "first-party block"
            });
            if index == 0 && !block.scopes.is_empty() {
                add("authority with scope");
            }
            block.scopes.iter().for_each(|scope| add(&format!("block scope {}", name(scope))));
        }
        let facts = self.blocks.iter().flat_map(|block| &block.facts);
        for fact in facts.chain(&self.policy.facts).chain(&self.facts) {
            fact.predicate.terms.iter().for_each(|value| term(value, &mut met));
        }
        for block in &self.blocks {
            block.rules.iter().for_each(|it| rule(it, "rule", &mut met));
            block.checks.iter().for_each(|it| check(it, "query", &mut met));
            met.extend(block.rules.first().map(|_| "rule of block".to_owned()));
        }
        self.policy.rules.iter().for_each(|it| rule(it, "rule", &mut met));
        met.extend(self.policy.rules.first().map(|_| "rule of policy".to_owned()));
        self.policy.checks.iter().for_each(|it| check(it, "policy", &mut met));
        met.extend(self.policy.checks.first().map(|_| "check of policy".to_owned()));
        for policy in &self.policy.policies {
            let kind = if policy.kind == PolicyKind::Allow { "Allow" } else { "Deny" };
            met.insert(kind.to_owned());
            met.extend((policy.queries.len() > 1).then(|| "policy with or".to_owned()));
            policy.queries.iter().for_each(|query| body(query, "policy", &mut met));
        }
        met
    }
}

/// The name of a variant, as `Debug` begins it.
fn name(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn check(check: &Check, place: &str, met: &mut Met) {
    let kind = match check.kind {
        CheckKind::One => "One",
        CheckKind::All => "All",
        CheckKind::Reject => "Reject",
    };
    met.insert(kind.to_owned());
    met.extend((check.queries.len() > 1).then(|| format!("{kind} with or")));
    check.queries.iter().for_each(|query| body(query, place, met));
}

fn rule(rule: &Rule, place: &str, met: &mut Met) {
    let same = |other: &&biscuit_auth::builder::Predicate| {
        (&other.name, other.terms.len()) == (&rule.head.name, rule.head.terms.len())
    };
    met.extend(rule.body.iter().find(same).map(|_| "recursive rule".to_owned()));
    let constant = |term: &&Term| !matches!(term, Term::Variable(_));
    met.extend(rule.head.terms.iter().find(constant).map(|_| "constant in head".to_owned()));
    body(rule, place, met);
}

fn body(query: &Rule, place: &str, met: &mut Met) {
    query
        .scopes
        .iter()
        .for_each(|scope: &Scope| met.extend([format!("{place} scope {}", name(scope))]));
    let terms: Vec<&Term> = query.body.iter().flat_map(|predicate| &predicate.terms).collect();
    let is_repeated = |(at, term): (usize, &&Term)| {
        matches!(term, Term::Variable(_)) && terms[..at].contains(term)
    };
    met.extend(terms.iter().enumerate().any(is_repeated).then(|| "repeated variable".to_owned()));
    match query.body.len() {
        0 => met.extend(["no predicate".to_owned()]),
        3 => met.extend(["three predicates".to_owned()]),
        _ => {}
    }
    terms.iter().for_each(|value| term(value, met));
    let bound: Vec<&String> = terms.iter().filter_map(|value| variable(value)).collect();
    query.expressions.iter().for_each(|expression| ops(&expression.ops, &bound, false, met));
}

fn variable(term: &Term) -> Option<&String> {
    match term {
        Term::Variable(name) => Some(name),
        _ => None,
    }
}

fn ops(list: &[Op], bound: &[&String], inside: bool, met: &mut Met) {
    let closures =
        list.iter().any(|op| matches!(op, Op::Closure(parameters, _) if !parameters.is_empty()));
    met.extend((closures && inside).then(|| "closure in closure".to_owned()));
    for op in list {
        match op {
            Op::Value(value) => term(value, met),
            Op::Unary(op) => met.extend([name(op)]),
            Op::Binary(op) => {
                let closure = matches!(name(op).as_str(), "All" | "Any");
                met.insert(name(op) + if closure { " closure" } else { "" });
            }
            Op::Closure(parameters, body) => {
                let shadows = parameters.iter().any(|parameter| bound.contains(&parameter));
                met.extend(shadows.then(|| "shadowed variable".to_owned()));
                ops(body, bound, inside || !parameters.is_empty(), met);
            }
        }
    }
}

fn term(value: &Term, met: &mut Met) {
    met.insert(name(value));
    match value {
        Term::Set(items) => {
            let arrays = items.iter().any(|item| matches!(item, Term::Array(_)));
            met.extend(arrays.then(|| "array in set".to_owned()));
            items.iter().for_each(|item| term(item, met));
        }
        Term::Array(items) => items.iter().for_each(|item| term(item, met)),
        Term::Map(items) => items.values().for_each(|item| term(item, met)),
        _ => {}
    }
}
