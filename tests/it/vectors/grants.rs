//! Grants to Datalog. The file holds the grants; what Rust makes of them is written beside.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Check, Op, Unary};
use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::model::Timestamp;
use hardtack::vocabulary::grant::grants_from_json;
use hardtack::vocabulary::{Datalog, Grant, compile, print};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{held, parseable, read};
use crate::support::{rng, token};

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    compiled: Vec<Case<'a>>,
    #[serde(borrow)]
    refused: Vec<Case<'a>>,
    #[serde(borrow)]
    narrowings: Vec<Block<'a>>,
}

/// What a block takes away, as the helpers of other languages take it.
#[derive(Deserialize)]
struct Block<'a> {
    name: String,
    #[serde(borrow)]
    narrowing: &'a RawValue,
}

#[derive(Deserialize)]
struct Narrower<'a> {
    #[serde(borrow)]
    grants: Option<&'a RawValue>,
    expires: Option<Timestamp>,
    audience: Option<BTreeSet<String>>,
    depth: Option<u32>,
}

#[derive(Deserialize)]
struct Case<'a> {
    name: String,
    /// What is not for every implementation: `rust-only`.
    scope: Option<String>,
    /// As they were written: `1e3` is not `1000`.
    #[serde(borrow)]
    grants: &'a RawValue,
}

impl Case<'_> {
    /// The grants, if a token that they narrow is one.
    fn grants(&self) -> Result<Vec<Grant>, String> {
        let grants = grants_from_json(self.grants.get().as_bytes()).map_err(|e| e.to_string())?;
        let narrowing = Narrowing { grants: grants.clone(), ..Narrowing::default() };
        let token = token(r#"[{"tool": "a/b"}]"#);
        attenuate(&token, &narrowing, &mut rng(9)).map_err(|e| e.to_string())?;
        Ok(grants)
    }

    /// The case with members after its own, as one entry of a list.
    fn entry(&self, made: &[(&str, serde_json::Value)]) -> String {
        let mut entry = format!("    {{\"name\": {}", json!(self.name));
        if let Some(scope) = &self.scope {
            entry.push_str(&format!(", \"scope\": {}", json!(scope)));
        }
        entry.push_str(&format!(",\n     \"grants\": {}", self.grants.get()));
        for (name, value) in made {
            entry.push_str(&format!(",\n     {}: {value}", json!(name)));
        }
        entry + "}"
    }
}

impl Block<'_> {
    /// The checks of the block that Rust appends.
    fn entry(&self) -> String {
        let more: Narrower<'_> = serde_json::from_str(self.narrowing.get()).unwrap();
        let grants = more.grants.map(|raw| grants_from_json(raw.get().as_bytes()).unwrap());
        let narrowing = Narrowing {
            grants: grants.unwrap_or_default(),
            expires: more.expires,
            audience: more.audience,
            depth: more.depth,
            ..Narrowing::default()
        };
        let token = attenuate(&token(r#"[{"tool": "a/b"}]"#), &narrowing, &mut rng(9)).unwrap();
        let checks: Vec<String> =
            token.blocks()[1].checks.iter().map(|check| parseable(&print::check(check))).collect();
        let (name, narrowing) = (json!(self.name), self.narrowing.get());
        format!(
            "    {{\"name\": {name},\n     \"narrowing\": {narrowing},\n     \"checks\": {}}}",
            json!(checks)
        )
    }
}

/// A check whose brackets are those that its operations need.
fn plain(check: &Check) -> String {
    fn bare(ops: &[Op]) -> Vec<Op> {
        let kept = ops.iter().filter(|op| !matches!(op, Op::Unary(Unary::Parens)));
        kept.map(|op| match op {
            Op::Closure(params, body) => Op::Closure(params.clone(), bare(body)),
            op => op.clone(),
        })
        .collect()
    }
    let mut check = check.clone();
    for expression in check.queries.iter_mut().flat_map(|query| &mut query.expressions) {
        expression.ops = bare(&expression.ops);
    }
    print::check(&check)
}

#[test]
fn grants_compile_to_the_same_datalog() {
    let text = read("grants.json");
    let file: File<'_> = serde_json::from_str(&text).unwrap();
    let compiled = file.compiled.iter().map(|case| {
        let grants = case.grants().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let check = compile::check(&grants).unwrap();
        let written = parseable(&print::check(&check));
        // What is written means what was compiled.
        let again = Datalog::parse(&written).unwrap();
        assert_eq!(again.checks.iter().map(plain).collect::<Vec<_>>(), [plain(&check)]);
        let rules = compile::rules(&grants).unwrap();
        let rules: Vec<String> = rules.iter().map(|rule| parseable(&print::rule(rule))).collect();
        case.entry(&[("check", json!(written)), ("rules", json!(rules))])
    });
    let compiled: Vec<String> = compiled.collect();
    let refused = file.refused.iter().map(|case| {
        let error = case.grants().err().unwrap_or_else(|| panic!("{} is taken", case.name));
        case.entry(&[("why", json!(error))])
    });
    let refused: Vec<String> = refused.collect();
    let narrowings: Vec<String> = file.narrowings.iter().map(Block::entry).collect();
    let list = |name: &str, entries: &[String]| {
        format!("  {}: [\n{}\n  ]", json!(name), entries.join(",\n"))
    };
    let lists =
        [list("compiled", &compiled), list("narrowings", &narrowings), list("refused", &refused)];
    let fresh = format!("{{\n{}\n}}\n", lists.join(",\n"));
    held("grants.json", &fresh);
}
