//! What one block says, read back into the language of grants where it can be.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Check, Term};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::model::{Block, RevocationId, Timestamp};
use crate::token::Chain;
use crate::vocabulary::frame::{self, Frame};
use crate::vocabulary::{Grant, names, print, read};

/// A grant, or the Datalog of one that could not be read.
pub(super) enum Shown {
    /// In the language of grants.
    Grant(Grant),
    /// As it stands in the token.
    Datalog(String),
}

/// One block, sorted into what it grants, what it leaves and what else it asks.
pub(super) struct BlockView {
    pub(super) index: usize,
    /// What it is called: by the authority, or by which hop.
    pub(super) title: String,
    /// The name of the holder that it hands the token on to.
    pub(super) hands_on_to: Option<String>,
    pub(super) revocation_id: RevocationId,
    /// The key of a third party that signed it.
    pub(super) signer: Option<String>,
    /// Block 0: each rule that grants, with the grant's place.
    pub(super) grants: Vec<(i64, Shown)>,
    /// One list for each check that is one of grants; a call must be in all of them.
    pub(super) leaves: Vec<Vec<Grant>>,
    /// The earliest end.
    pub(super) expires: Option<Timestamp>,
    /// The gateways; `None` where the block says nothing of them.
    pub(super) audience: Option<BTreeSet<String>>,
    /// The lowest bound on hops.
    pub(super) depth: Option<u32>,
    /// Checks that are none of the above.
    pub(super) checks: Vec<String>,
    /// Rules that do not grant.
    pub(super) rules: Vec<String>,
    /// Facts other than those that name the task.
    pub(super) facts: Vec<String>,
    /// Whether it states what only a gateway may, so that its own checks may ask nothing.
    pub(super) is_suspect: bool,
}

/// Facts of block 0 that the head of the page shows.
const HEAD: [&str; 5] = ["hardtack", "task", "principal", "agent", "intent"];

impl BlockView {
    /// Reads a block.
    pub(super) fn new(
        index: usize,
        block: &Block,
        revocation_id: &RevocationId,
        chain: &Chain,
    ) -> Self {
        let held = chain.holders().iter().position(|holder| holder.block == index);
        let holder = held.and_then(|place| chain.holders().get(place));
        let heads = block.rules.iter().map(|rule| &rule.head);
        let mut stated = block.facts.iter().map(|fact| &fact.predicate).chain(heads);
        let mut view = Self {
            index,
            title: match (index, held) {
                (0, _) => "block 0, by the authority".to_owned(),
                (_, Some(hop)) => format!("block {index}, hop {hop}"),
                _ if chain.current().is_some() => format!("block {index}, no hop"),
                _ => format!("block {index}, by hop {index}"),
            },
            hands_on_to: holder.and_then(|holder| holder.name.clone()),
            revocation_id: revocation_id.clone(),
            signer: block.external_key.map(|key| key.print()),
            grants: Vec::new(),
            leaves: Vec::new(),
            expires: None,
            audience: None,
            depth: None,
            checks: Vec::new(),
            rules: Vec::new(),
            facts: Vec::new(),
            is_suspect: stated.any(|predicate| names::is_request(&predicate.name)),
        };
        for rule in &block.rules {
            match rule.head.terms.as_slice() {
                [Term::Integer(place)] if index == 0 && rule.head.name == "granted" => {
                    let shown = read::query(rule).map(Shown::Grant);
                    let shown = shown.unwrap_or_else(|| Shown::Datalog(print::query(rule)));
                    view.grants.push((*place, shown));
                }
                _ => view.rules.push(print::rule(rule)),
            }
        }
        let shown = |name: &str| match index {
            0 => HEAD.contains(&name) || (name == "holder" && held.is_some()),
            _ => name == "delegate" && held.is_some(),
        };
        let facts = block.facts.iter().filter(|fact| !shown(&fact.predicate.name));
        view.facts = facts.map(print::fact).collect();
        block.checks.iter().for_each(|check| view.check(check));
        view
    }

    fn check(&mut self, check: &Check) {
        match frame::read(check) {
            Some(Frame::Expiry(at)) => {
                self.expires = Some(self.expires.map_or(at, |other| other.min(at)));
            }
            Some(Frame::Depth(max)) => {
                self.depth = Some(self.depth.map_or(max, |other| other.min(max)));
            }
            Some(Frame::Audience(of)) => self.audience = narrower(self.audience.take(), Some(of)),
            // What it is made of may differ in form; what it says does not.
            None if print::check(check) == print::check(&frame::any_audience()) => {}
            None => match read::check(check) {
                Some(grants) => self.leaves.push(grants),
                None => self.checks.push(print::check(check)),
            },
        }
    }

    /// The block as JSON.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let shown = |(place, shown): &(i64, Shown)| match shown {
            Shown::Grant(grant) => json!({ "place": place, "grant": raw(grant) }),
            Shown::Datalog(text) => json!({ "place": place, "datalog": text }),
        };
        let mut all = Map::new();
        put(&mut all, "block", json!(self.index));
        put(&mut all, "revocation_id", json!(self.revocation_id));
        put(&mut all, "signed_by", json!(self.signer));
        put(&mut all, "hands_on_to", json!(self.hands_on_to));
        put(&mut all, "grants", self.grants.iter().map(shown).collect());
        all.extend(self.taken_json());
        put(&mut all, "rules", json!(self.rules));
        put(&mut all, "facts", json!(self.facts));
        if self.is_suspect {
            put(&mut all, "states_request_facts", json!(true));
        }
        all
    }

    /// What the block takes away, as JSON.
    pub(super) fn taken_json(&self) -> Map<String, Value> {
        let leaves = |grants: &Vec<Grant>| grants.iter().map(raw).collect::<Vec<_>>();
        let mut all = Map::new();
        put(&mut all, "leaves_only", self.leaves.iter().map(leaves).collect());
        put(&mut all, "expires", json!(self.expires));
        put(&mut all, "audience", json!(self.audience));
        put(&mut all, "depth", json!(self.depth));
        put(&mut all, "checks", json!(self.checks));
        all
    }
}

/// Puts in what says something.
fn put(all: &mut Map<String, Value>, name: &str, value: Value) {
    if !value.is_null() && !value.as_array().is_some_and(Vec::is_empty) {
        all.insert(name.to_owned(), value);
    }
}

/// What two blocks leave of the gateways.
pub(super) fn narrower(
    one: Option<BTreeSet<String>>,
    two: Option<BTreeSet<String>>,
) -> Option<BTreeSet<String>> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.intersection(&two).cloned().collect()),
        (one, two) => one.or(two),
    }
}

/// A grant prints as JSON, so it is read as such.
fn raw(grant: &Grant) -> Value {
    let text = grant.to_string();
    RawValue::from_string(text.clone())
        .ok()
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or(Value::String(text))
}
