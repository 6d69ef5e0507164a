//! Hardtack: everything that this package asks of it.
//!
//! *Warm* is a whole request in process to a gateway that has met the token: SHA-256 of its text,
//! the cache, revocation of every identifier, the request's facts, evaluation, the decision's
//! value. *Cold* is the same call to a gateway that has met nothing: decoding, signatures,
//! vocabulary and compilation come first. *Child* is a token that the gateway has not met, while
//! it has met the token that it was narrowed from. Not included, for peers neither: parsing the
//! arguments' JSON, the record, and HTTP.

use std::sync::Arc;

use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::decide::Policy;
use hardtack::guard::{TokenCache, Trust};
use hardtack::keys::{HolderKey, RootKey, TrustedRoots};
use hardtack::mint::{Task, mint};
use hardtack::model::{Args, JsonProfile, Key16, Request, Timestamp};
use hardtack::token::{Envelope, UnverifiedToken};
use hardtack::verify::{Authentic, KnownRevocations, authenticate, authenticate_like};
use hardtack::vocabulary::Grant;
use hardtack::vocabulary::grant::grants_from_json;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::work;

/// Bytes of a gateway's cache.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The authority, and the agents that narrow its tokens.
pub struct Issuer {
    rng: StdRng,
    root: RootKey,
    task: Task,
}

/// One gateway with its cache.
pub struct Gateway {
    pub(crate) cache: TokenCache,
    pub(crate) view: Arc<KnownRevocations>,
    pub(crate) request: Arc<Request>,
}

pub(crate) fn grants(hop: usize) -> Vec<Grant> {
    let json = format!(
        r#"[{{"tool": "{}/{}", "args": {{"amount": {{"max": {}}},
            "currency": {{"one_of": ["{}", "{}"]}},
            "charge": {{"any": true}}, "note": {{"any": true}}}}}}]"#,
        work::TOOL.0,
        work::TOOL.1,
        work::amount_max(hop),
        work::CURRENCIES[0],
        work::CURRENCIES[1],
    );
    grants_from_json(json.as_bytes()).expect("grants")
}

fn now() -> Timestamp {
    Timestamp::from_secs(work::TIME_SECS)
}

impl Issuer {
    /// An issuer whose keys are the same in every run.
    pub fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let root = RootKey::generate(&mut rng);
        let mut task = Task::new(grants(0), Some([work::AUDIENCE.to_owned()].into()));
        task.depth = work::DEPTH_MAX as u32;
        Self { rng, root, task }
    }

    /// A token that was handed on so many times.
    pub fn token(&mut self, depth: usize) -> UnverifiedToken {
        let minted = mint(&self.task, &self.root, now(), &mut self.rng).expect("mint").token;
        (1..=depth).fold(minted, |token, hop| self.narrowed(&token, hop))
    }

    /// Where the issuer's randomness comes from.
    pub(crate) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// The call that is measured.
    pub(crate) fn request(&self) -> Request {
        request()
    }

    /// A token for this holder alone.
    pub(crate) fn bound(&mut self, holder: &HolderKey) -> UnverifiedToken {
        let task = Task { holder: Some(holder.public()), ..self.task.clone() };
        mint(&task, &self.root, now(), &mut self.rng).expect("mint").token
    }

    /// A child of a token, its hop counted from the authority.
    pub fn narrowed(&mut self, token: &UnverifiedToken, hop: usize) -> UnverifiedToken {
        let narrowing = Narrowing { grants: grants(hop), ..Narrowing::default() };
        attenuate(token, &narrowing, &mut self.rng).expect("attenuate")
    }

    /// A gateway that trusts this issuer, with an empty cache.
    pub fn gateway(&self) -> Gateway {
        let policy = Policy::parse([("work", work::POLICY)]).expect("policy");
        let trust = Trust { roots: self.roots(), policy };
        Gateway {
            cache: TokenCache::new(trust, CACHE_BYTES),
            view: Arc::new(revocations()),
            request: Arc::new(request()),
        }
    }

    /// The root key as biscuit-auth wants it.
    pub fn biscuit_key(&self) -> biscuit_auth::PublicKey {
        self.root.public().to_biscuit().expect("key")
    }

    /// From bytes to a token that is genuine.
    pub fn verify(&self, roots: &TrustedRoots, bytes: &[u8]) -> bool {
        let envelope = Envelope::from_bytes(bytes.to_vec());
        envelope.is_ok_and(|envelope| authenticate_like(envelope, roots, None).is_ok())
    }

    /// A parent that was verified, and a child's bytes.
    pub fn family(&self, parent: &str, child: &str) -> (Authentic, Vec<u8>) {
        let parent: UnverifiedToken = parent.parse().expect("parent");
        let child: UnverifiedToken = child.parse().expect("child");
        let parent = authenticate(parent, &self.roots()).expect("parent");
        (parent, child.as_bytes().to_vec())
    }

    /// From a child's bytes to a token that is genuine, its parent known.
    pub fn verify_child(&self, parent: &Authentic, child: &[u8]) -> bool {
        let envelope = Envelope::from_bytes(child.to_vec()).expect("envelope");
        authenticate_like(envelope, &self.roots(), Some(parent)).is_ok()
    }

    /// What a gateway of this issuer trusts.
    pub fn roots(&self) -> TrustedRoots {
        TrustedRoots::one(self.root.public())
    }
}

impl Default for Issuer {
    fn default() -> Self {
        Self::new()
    }
}

impl Gateway {
    /// The same gateway before it met any token.
    pub fn fresh(&self) -> Self {
        let Trust { roots, policy } = self.cache.trust();
        let trust = Trust { roots: roots.clone(), policy: policy.clone() };
        Self {
            cache: TokenCache::new(trust, CACHE_BYTES),
            view: Arc::clone(&self.view),
            request: Arc::clone(&self.request),
        }
    }

    /// Decides the work's request with a token's text: whether it is allowed.
    pub fn decide(&self, text: &str) -> bool {
        self.decide_request(text, &self.request)
    }

    /// Whether the gateway refuses what goes just beyond a token of this depth, as it must.
    pub fn refuses_more(&self, text: &str, depth: usize) -> bool {
        let args = args(work::amount_refused(depth));
        !self.decide_request(text, &Request { args, ..(*self.request).clone() })
    }

    fn decide_request(&self, text: &str, request: &Request) -> bool {
        let known = self.cache.find(text, request.time);
        known.is_ok_and(|known| known.decide(&*self.view, request).is_allow())
    }
}

fn args(amount: i64) -> Args {
    Args::parse(work::args_json(amount), JsonProfile::Interoperable).expect("args")
}

fn request() -> Request {
    Request {
        tool: format!("{}/{}", work::TOOL.0, work::TOOL.1).parse().expect("tool"),
        args: args(work::AMOUNT),
        labels: work::LABELS.map(str::to_owned).into(),
        audience: work::AUDIENCE.to_owned(),
        time: now(),
        http: Some((work::HTTP.0.to_owned(), work::HTTP.1.to_owned())),
    }
}

fn revocations() -> KnownRevocations {
    let keys = (1..=work::REVOKED).map(|seq: u64| Key16::of(&seq.to_be_bytes()));
    KnownRevocations::new(keys, now())
}
