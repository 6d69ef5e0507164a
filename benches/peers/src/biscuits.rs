//! biscuit-auth with its own authorizer, on the very tokens that Hardtack minted.
//!
//! *Warm* is what its documentation does for each request: a builder with the policy, parsed once,
//! is cloned, gets the request's facts as ready values, is built for the token, and authorizes.
//! *Cold* verifies the token's text before. Neither looks up revocations, which the library leaves
//! to its caller. The time limit is raised, so that a busy machine fails no run.

use std::time::Duration;

use biscuit_auth::builder::{Fact, Term, date, fact, int, string};
use biscuit_auth::datalog::RunLimits;
use biscuit_auth::{AuthorizerBuilder, Biscuit, PublicKey};

use crate::work;

/// An authorizer that is ready for requests on tokens of one depth.
pub struct Authorizing {
    key: PublicKey,
    builder: AuthorizerBuilder,
    facts: Vec<Fact>,
}

impl Authorizing {
    /// Parses the policy and makes the 16 facts of the request.
    pub fn new(key: PublicKey, depth: usize) -> Self {
        let limits = RunLimits { max_time: Duration::from_secs(1), ..RunLimits::default() };
        let builder = AuthorizerBuilder::new().code(work::POLICY).expect("policy");
        let facts = facts(depth);
        assert_eq!(facts.len(), 16);
        Self { key, builder: builder.set_limits(limits), facts }
    }

    /// From bytes to a token whose signatures hold.
    pub fn verify(&self, bytes: &[u8]) -> Option<Biscuit> {
        Biscuit::from(bytes, self.key).ok()
    }

    /// A request with a token that has been verified before.
    pub fn warm(&self, biscuit: &Biscuit) -> bool {
        let builder = self
            .facts
            .iter()
            .cloned()
            .try_fold(self.builder.clone(), |builder, fact| builder.fact(fact));
        let authorizer = builder.and_then(|builder| builder.build(biscuit));
        authorizer.is_ok_and(|mut authorizer| authorizer.authorize().is_ok())
    }

    /// A request with a token's text.
    pub fn cold(&self, text: &str) -> bool {
        Biscuit::from_base64(text, self.key).is_ok_and(|biscuit| self.warm(&biscuit))
    }
}

fn facts(depth: usize) -> Vec<Fact> {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(work::TIME_SECS);
    let names = work::ARG_NAMES.map(|name| Term::Str(name.to_owned()));
    let micros = work::AMOUNT * 1_000_000;
    let mut facts = vec![
        fact("call", &[string(work::TOOL.0), string(work::TOOL.1)]),
        fact("time", &[date(&time)]),
        fact("weekday", &[int(work::WEEKDAY)]),
        fact("minute_of_day", &[int(work::MINUTE)]),
        fact("audience", &[string(work::AUDIENCE)]),
        fact("depth", &[int(depth as i64)]),
        fact("method", &[string(work::HTTP.0)]),
        fact("path", &[string(work::HTTP.1)]),
        fact("arg_names", &[Term::Set(names.into())]),
        fact("arg", &[string("amount"), int(work::AMOUNT)]),
        fact("number", &[string("amount"), int(micros)]),
        fact("arg", &[string("currency"), string(work::CURRENCY)]),
        fact("arg", &[string("charge"), string(work::CHARGE)]),
        fact("arg", &[string("note"), string(work::NOTE)]),
    ];
    facts.extend(work::LABELS.map(|label| fact("label", &[string(label)])));
    facts
}
