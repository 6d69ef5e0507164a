//! What the other languages start from: keys that everybody knows, tokens to hand on, and what they
//! narrow them to. `made-by-*.json` is what they made of it.

use std::collections::BTreeMap;

use hardtack::keys::HolderKey;
use hardtack::mint::{Task, mint};
use hardtack::token::UnverifiedToken;
use serde::Deserialize;
use serde_json::json;

use super::{file, held, parsed};
use crate::support::{now, rng, root, task};

/// The holders, each with a key that is no secret.
pub(super) const HOLDERS: [(&str, u8); 4] =
    [("rust", 1), ("python", 2), ("typescript", 3), ("other", 4)];

/// What tokens to start from grant.
pub(super) const GRANTS: &str = r#"[
    {"tool": "stripe/refund", "args": {"amount": {"max": 50}, "currency": {"one_of": ["usd", "eur"]},
                                       "note": {"max_length": 20, "optional": true}}},
    {"tool": "crm/*"}]"#;

/// What is left of them.
pub(super) const NARROWED: &str = r#"[
    {"tool": "stripe/refund", "args": {"amount": {"max": 12.5}, "currency": {"eq": "usd"}}},
    {"tools": ["crm/get", "crm/list"], "args": {"filter/id": {"prefix": "c\"\\é", "optional": true}}}]"#;

pub(super) fn holder(name: &str) -> HolderKey {
    let (_, byte) = HOLDERS.into_iter().find(|(other, _)| *other == name).unwrap();
    format!("ed25519-holder-private/{}", hex::encode([byte; 32])).parse().unwrap()
}

pub(super) fn start(holder_name: Option<&str>) -> UnverifiedToken {
    let holder = holder_name.map(|name| holder(name).public());
    let task = Task { holder, ttl_secs: 3600, ..task(GRANTS) };
    mint(&task, &root(), now(), &mut rng(20)).unwrap().token
}

/// What another language made.
#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) tokens: BTreeMap<String, String>,
    pub(super) proofs: Vec<MadeProof>,
}

#[derive(Deserialize)]
pub(super) struct MadeProof {
    pub(super) name: String,
    pub(super) token: String,
    pub(super) proof: String,
    pub(super) args: String,
    pub(super) nonce: Option<String>,
}

pub(super) fn made() -> [(&'static str, Made); 2] {
    ["python", "typescript"].map(|by| (by, parsed(&format!("made-by-{by}.json"))))
}

#[test]
fn everybody_starts_from_the_same_tokens() {
    let grants = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let holders: serde_json::Map<_, _> = HOLDERS
        .into_iter()
        .map(|(name, _)| {
            let key = holder(name);
            let keys = json!({"private": *key.to_secret_text(), "public": key.public()});
            (name.to_owned(), keys)
        })
        .collect();
    let bound = ["rust", "python", "typescript"]
        .map(|name| (name.to_owned(), json!(start(Some(name)).to_text())));
    let fresh = file(&[
        ("about", json!("keys that everybody knows, for tests alone")),
        ("time", json!(now())),
        ("root", json!(root().public())),
        ("holders", holders.into()),
        ("bearer", json!(start(None).to_text())),
        ("bound", serde_json::Map::from_iter(bound).into()),
        ("narrowing", json!({"grants": grants(NARROWED), "expires": now().plus_secs(600)})),
    ]);
    held("shared.json", &fresh);
}
