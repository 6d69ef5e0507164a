//! The published conformance samples give their published results.

use std::fs;
use std::path::PathBuf;

use biscuit_auth::builder::Algorithm;
use biscuit_auth::{Biscuit, PublicKey};
use hardtack::decide::engine::{CompileFault, Origin, Program};
use serde_json::Value;

use crate::engine_support::{Answer, blocks_of, engine, policy_of};

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/biscuit-samples", name].iter().collect()
}

fn samples() -> Value {
    serde_json::from_str(&fs::read_to_string(fixture("samples.json")).unwrap()).unwrap()
}

fn token(samples: &Value, name: &str) -> Result<Biscuit, biscuit_auth::error::Token> {
    let root = hex::decode(samples["root_public_key"].as_str().unwrap()).unwrap();
    let root = PublicKey::from_bytes(&root, Algorithm::Ed25519).unwrap();
    Biscuit::from(fs::read(fixture(name)).unwrap(), root)
}

/// The answer that a published result stands for; none where the token does not even verify.
fn published(result: &Value) -> Option<Answer> {
    if let Some(policy) = result["Ok"].as_u64() {
        return Some(Answer::Judged { policy: Some((policy as usize, true)), failed: Vec::new() });
    }
    let error = &result["Err"];
    if error["Format"].is_object() {
        return None;
    }
    if !error["Execution"].is_null() {
        return Some(Answer::Error(String::new()));
    }
    let logic = &error["FailedLogic"];
    if logic["InvalidBlockRule"].is_array() {
        return Some(Answer::Refused(String::new()));
    }
    let denied = &logic["Unauthorized"];
    let mut failed: Vec<_> =
        denied["checks"].as_array().unwrap().iter().map(failed_check).collect();
    failed.sort();
    let policy = denied["policy"]["Allow"].as_u64().unwrap() as usize;
    Some(Answer::Judged { policy: Some((policy, true)), failed })
}

fn failed_check(check: &Value) -> (Origin, usize) {
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    match (&check["Block"], &check["Authorizer"]) {
        (Value::Null, policy) => (Origin::Policy, number(&policy["check_id"])),
        (block, _) => (Origin::Block(number(&block["block_id"])), number(&block["check_id"])),
    }
}

#[test]
fn samples_give_their_published_results() {
    let samples = samples();
    let (mut tokens, mut validations) = (0, 0);
    for case in samples["testcases"].as_array().unwrap() {
        tokens += 1;
        let name = case["filename"].as_str().unwrap();
        for (title, validation) in case["validations"].as_object().unwrap() {
            validations += 1;
            let token = token(&samples, name);
            let Some(expected) = published(&validation["result"]) else {
                assert!(token.is_err(), "{name}");
                continue;
            };
            if name == "test035_ffi.bc" {
                continue;
            }
            let policy = policy_of(validation["authorizer_code"].as_str().unwrap());
            let answer = engine(&blocks_of(&token.unwrap()), &policy, &[]);
            assert_eq!(answer.outcome(), expected, "{name} {title}: {answer:?}");
        }
    }
    assert_eq!((tokens, validations), (38, 50));
}

#[test]
fn extern_functions_are_refused() {
    let samples = samples();
    let blocks = blocks_of(&token(&samples, "test035_ffi.bc").unwrap());
    let error = Program::compile(&blocks, &policy_of("allow if true")).unwrap_err();
    assert_eq!(error.origin, Origin::Block(0));
    assert_eq!(error.fault, CompileFault::ExternFunction("test".to_owned()));
}
