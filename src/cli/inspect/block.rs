//! What one block says, read back into the language of grants where it can be.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Check, Term};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::model::{Block, RevocationId, Timestamp};
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
    pub(super) fn new(index: usize, block: &Block, revocation_id: &RevocationId) -> Self {
        let heads = block.rules.iter().map(|rule| &rule.head);
        let mut stated = block.facts.iter().map(|fact| &fact.predicate).chain(heads);
        let mut view = Self {
            index,
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
        let is_head = |name: &str| index == 0 && HEAD.contains(&name);
        let facts = block.facts.iter().filter(|fact| !is_head(&fact.predicate.name));
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
            None if *check == frame::any_audience() => {}
            None => match read::check(check) {
                Some(grants) => self.leaves.push(grants),
                None => self.checks.push(print::check(check)),
            },
        }
    }

    /// The block as JSON.
    pub(super) fn to_json(&self) -> Value {
        let shown = |(place, shown): &(i64, Shown)| match shown {
            Shown::Grant(grant) => json!({ "place": place, "grant": raw(grant) }),
            Shown::Datalog(text) => json!({ "place": place, "datalog": text }),
        };
        let leaves = |grants: &Vec<Grant>| grants.iter().map(raw).collect::<Vec<_>>();
        let mut all = json!({ "block": self.index, "revocation_id": self.revocation_id });
        let mut put = |name: &str, value: Value| {
            let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if let (Some(members), false) = (all.as_object_mut(), is_empty) {
                members.insert(name.to_owned(), value);
            }
        };
        put("signed_by", json!(self.signer));
        put("grants", self.grants.iter().map(shown).collect());
        put("leaves_only", self.leaves.iter().map(leaves).collect());
        put("expires", json!(self.expires));
        put("audience", json!(self.audience));
        put("depth", json!(self.depth));
        put("checks", json!(self.checks));
        put("rules", json!(self.rules));
        put("facts", json!(self.facts));
        if self.is_suspect {
            put("states_request_facts", json!(true));
        }
        all
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
