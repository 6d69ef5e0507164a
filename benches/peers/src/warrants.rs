//! tenuo: chains of warrants, each hop to a holder with a key of its own.
//!
//! *Whole* is what its HTTP transport does for a call: base64 and the stack of warrants out of the
//! header, then `Authorizer::check_chain`, its primary entry point, with the proof of possession
//! that it demands. *Without proof* leaves that one signature away: `verify_chain`, then the leaf's
//! constraints. tenuo keeps nothing between calls, but its types let a caller do so, hence three
//! more: warrants kept decoded, a chain remembered as verified, and the leaf's constraints alone.
//! No revocation list is set, since with one each call would cost more. There is no policy besides
//! the warrants.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenuo::wire::{WarrantStack, decode_stack, encode_stack};
use tenuo::{
    Authorizer, Constraint, ConstraintSet, ConstraintValue, OneOf, Range, Signature, SigningKey,
    Warrant, Wildcard,
};

use crate::work;

const TOOL: &str = "stripe/refund";

/// A chain of warrants, and whoever verifies it.
pub struct Chain {
    authorizer: Authorizer,
    holder: SigningKey,
    warrants: Vec<Warrant>,
    header: String,
    args: HashMap<String, ConstraintValue>,
}

/// A proof of possession for one call, as a value and as it stands in a header.
pub struct Proof {
    signature: Signature,
    header: String,
}

fn constraints(hop: usize) -> ConstraintSet {
    let max = Range::max(work::amount_max(hop) as f64).expect("range");
    let mut set = ConstraintSet::new();
    set.insert("amount", Constraint::Range(max));
    set.insert("currency", Constraint::OneOf(OneOf::new(work::CURRENCIES)));
    set.insert("charge", Constraint::Wildcard(Wildcard::new()));
    set.insert("note", Constraint::Wildcard(Wildcard::new()));
    set
}

impl Chain {
    /// A chain that was handed on so many times.
    pub fn new(depth: usize) -> Self {
        let key = |at: usize| SigningKey::from_bytes(&[at as u8 + 1; 32]);
        let root = Warrant::builder()
            .capability(TOOL, constraints(0))
            .ttl(Duration::from_secs(3600))
            .holder(key(1).public_key())
            .build(&key(0))
            .expect("warrant");
        let mut warrants = vec![root];
        for hop in 1..=depth {
            let parent = &warrants[hop - 1];
            let narrowed = parent.attenuate().capability(TOOL, constraints(hop));
            let child = narrowed.holder(key(hop + 1).public_key()).build(&key(hop));
            warrants.push(child.expect("attenuated"));
        }
        let bytes = encode_stack(&WarrantStack::new(warrants.clone())).expect("stack");
        let text = |value: &str| ConstraintValue::String(value.to_owned());
        let args = [
            ("amount", ConstraintValue::Integer(work::AMOUNT)),
            ("currency", text(work::CURRENCY)),
            ("charge", text(work::CHARGE)),
            ("note", text(work::NOTE)),
        ];
        Self {
            authorizer: Authorizer::new().with_trusted_root(key(0).public_key()),
            holder: key(depth + 1),
            warrants,
            header: URL_SAFE_NO_PAD.encode(bytes),
            args: args.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    /// The warrants as they stand in a header.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The caller's proof for this moment. It holds for a minute, and is cheapest to check while
    /// it is new, so each batch gets its own.
    pub fn prove(&self) -> Proof {
        let signature = self.leaf().sign(&self.holder, TOOL, &self.args).expect("proof");
        let header = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        Proof { signature, header }
    }

    /// The whole request, from both headers.
    pub fn whole(&self, proof: &Proof) -> bool {
        let Some(warrants) = self.decode() else { return false };
        let bytes = URL_SAFE_NO_PAD.decode(&proof.header).unwrap_or_default();
        let signature =
            bytes.as_slice().try_into().ok().and_then(|b| Signature::from_bytes(b).ok());
        self.checks(&warrants, signature.as_ref())
    }

    /// From the header to whether the constraints allow the call, without any proof.
    pub fn without_proof(&self) -> bool {
        let Some(warrants) = self.decode() else { return false };
        let allows = |leaf: &Warrant| leaf.check_constraints(TOOL, &self.args).is_ok();
        self.authorizer.verify_chain(&warrants).is_ok() && warrants.last().is_some_and(allows)
    }

    /// The header's warrants.
    pub fn decode(&self) -> Option<Vec<Warrant>> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.header).ok()?;
        Some(decode_stack(&bytes).ok()?.0)
    }

    /// Chain and proof of warrants that the caller kept decoded.
    pub fn decoded(&self, proof: &Proof) -> bool {
        self.checks(&self.warrants, Some(&proof.signature))
    }

    /// Proof and constraints, of a chain that the caller remembers as verified.
    pub fn remembered(&self, proof: &Proof) -> bool {
        self.leaf().authorize(TOOL, &self.args, Some(&proof.signature)).is_ok()
    }

    /// The leaf's constraints, and nothing else.
    pub fn constraints_alone(&self) -> bool {
        self.leaf().check_constraints(TOOL, &self.args).is_ok()
    }

    /// Whether the chain refuses what goes just beyond it, as it must.
    pub fn refuses_more(&self) -> bool {
        let mut args = self.args.clone();
        let amount = work::amount_refused(self.warrants.len() - 1);
        args.insert("amount".to_owned(), ConstraintValue::Integer(amount));
        self.leaf().check_constraints(TOOL, &args).is_err()
    }

    fn checks(&self, warrants: &[Warrant], proof: Option<&Signature>) -> bool {
        self.authorizer.check_chain(warrants, TOOL, &self.args, proof, &[]).is_ok()
    }

    fn leaf(&self) -> &Warrant {
        self.warrants.last().expect("a chain has a leaf")
    }
}
