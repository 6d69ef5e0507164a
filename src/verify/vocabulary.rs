//! Whether a token speaks the vocabulary of this crate, and says only what its place allows.

use std::collections::BTreeSet;
use std::sync::Arc;

use biscuit_auth::builder::{Check, Predicate, Rule, Term};

use super::authentic::states_once;
use crate::model::{Block, Code, Reason};
use crate::vocabulary::names::{self, Speaker, VERSION};

/// Checks the blocks after the first `known`, and that there is a first one.
///
/// *Errors*: a reason with `vocabulary-unknown`.
pub(super) fn spoken(blocks: &[Arc<Block>], known: usize) -> Result<(), Reason> {
    let Some(authority) = blocks.first() else {
        return unknown(0, "is missing");
    };
    if known == 0 {
        if !states_once(authority, "hardtack", &Term::Integer(VERSION)) {
            return unknown(0, format!("does not state `hardtack({VERSION})` exactly once"));
        }
        authority_says_its_own(authority)?;
    }
    for (index, block) in blocks.iter().enumerate().skip(known) {
        let queries = block.checks.iter().flat_map(|check: &Check| &check.queries);
        for rule in block.rules.iter().chain(queries) {
            asks_known_words(index, rule)?;
        }
    }
    Ok(())
}

fn unknown<T>(block: usize, what: impl std::fmt::Display) -> Result<T, Reason> {
    let reason = Reason::new(Code::VocabularyUnknown, format!("block {block} {what}"));
    Err(Reason { block: Some(block), ..reason })
}

/// Block 0 states no request fact (law 3), grants by rules alone, and names each party once, so
/// that records and policies cannot be told two stories.
fn authority_says_its_own(block: &Block) -> Result<(), Reason> {
    let heads = block.rules.iter().map(|rule| &rule.head);
    let stated: Vec<&Predicate> =
        block.facts.iter().map(|fact| &fact.predicate).chain(heads.clone()).collect();
    if let Some(predicate) = stated.iter().find(|p| names::is_request(&p.name)) {
        return unknown(0, format!("states `{}`, which only a gateway may", predicate.name));
    }
    let mut facts = BTreeSet::new();
    for fact in &block.facts {
        let name = fact.predicate.name.as_str();
        if names::is_reserved(name) && !facts.insert(name) {
            return unknown(0, format!("states `{name}` more than once"));
        }
        if name == "granted" {
            return unknown(0, "grants by a fact, without conditions");
        }
    }
    match heads.into_iter().find(|head| names::is_reserved(&head.name) && head.name != "granted") {
        Some(head) => unknown(0, format!("derives `{}`", head.name)),
        None => Ok(()),
    }
}

/// A query may only ask for words of the vocabulary, in their shape. A word that this crate does
/// not know would never be true, and `reject if` would never reject.
fn asks_known_words(block: usize, rule: &Rule) -> Result<(), Reason> {
    for predicate in &rule.body {
        let name = predicate.name.as_str();
        if !names::is_reserved(name) {
            continue;
        }
        let Some(word) = names::word(name, predicate.terms.len()) else {
            let what =
                format!("asks for `{name}` of {} terms, an unknown word", predicate.terms.len());
            return unknown(block, what);
        };
        let mut keys = predicate.terms.iter().take(word.keyed);
        if word.speaker == Speaker::Request && keys.any(|t| matches!(t, Term::Variable(_))) {
            return unknown(block, format!("asks for `{name}` without naming what about"));
        }
    }
    Ok(())
}
