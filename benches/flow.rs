//! What each step costs, by the depth of the chain: mint, attenuate, verify, decide.
//!
//! A grant with two constraints, narrowed at each hop. `verify` is from bytes to an authentic
//! token, signatures included; `decide` starts where the token is known: revocation, facts,
//! evaluation; `cold` is the whole way from text to a decision.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::decide::{Policy, Program, decide};
use hardtack::keys::{RootKey, TrustedRoots};
use hardtack::mint::{Task, mint};
use hardtack::model::{Args, JsonProfile, Request, Timestamp};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{DangerUnrevoked, authenticate};
use hardtack::vocabulary::Grant;
use hardtack::vocabulary::grant::grants_from_json;
use rand::SeedableRng;
use rand::rngs::StdRng;

const DEPTHS: [usize; 4] = [0, 1, 3, 10];

fn grants(max: usize) -> Vec<Grant> {
    let json = format!(
        r#"[{{"tool": "stripe/refund", "args": {{"amount": {{"max": {max}}},
            "currency": {{"one_of": ["usd", "eur"]}}}}}}]"#
    );
    grants_from_json(json.as_bytes()).expect("grants")
}

struct Fixture {
    rng: StdRng,
    root: RootKey,
    task: Task,
    now: Timestamp,
}

impl Fixture {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let root = RootKey::generate(&mut rng);
        let mut task = Task::new(grants(500), Some(["payments".to_owned()].into()));
        task.depth = 15;
        Self { rng, root, task, now: Timestamp::from_secs(1_795_342_500) }
    }

    fn token(&mut self, depth: usize) -> UnverifiedToken {
        let minted = mint(&self.task, &self.root, self.now, &mut self.rng).expect("mint");
        (0..depth).fold(minted.token, |token, hop| self.narrowed(&token, 400 - hop))
    }

    fn narrowed(&mut self, token: &UnverifiedToken, max: usize) -> UnverifiedToken {
        let narrowing = Narrowing { grants: grants(max), ..Narrowing::default() };
        attenuate(token, &narrowing, &mut self.rng).expect("attenuate")
    }

    fn request(&self) -> Request {
        let args = r#"{"amount": 20, "currency": "usd"}"#;
        Request {
            tool: "stripe/refund".parse().expect("tool"),
            args: Args::parse(args, JsonProfile::Interoperable).expect("args"),
            labels: ["write".to_owned(), "money".to_owned()].into(),
            audience: "payments".to_owned(),
            time: self.now.plus_secs(5),
            http: None,
        }
    }
}

fn benches(c: &mut Criterion) {
    let mut fixture = Fixture::new();
    let policy = Policy::standard().expect("policy");
    let roots = TrustedRoots::one(fixture.root.public());
    let request = fixture.request();

    c.bench_function("mint", |b| {
        b.iter(|| mint(&fixture.task, &fixture.root, fixture.now, &mut fixture.rng));
    });
    for depth in DEPTHS {
        let token = fixture.token(depth);
        let narrowing = Narrowing { grants: grants(10), ..Narrowing::default() };
        c.bench_function(&format!("attenuate/{depth}"), |b| {
            b.iter(|| attenuate(black_box(&token), &narrowing, &mut fixture.rng));
        });
        c.bench_function(&format!("verify/{depth}"), |b| {
            b.iter(|| {
                let token = UnverifiedToken::from_bytes(token.as_bytes().to_vec()).expect("token");
                authenticate(token, &roots)
            });
        });
        let authentic = Arc::new(authenticate(token.clone(), &roots).expect("authentic"));
        let program = Program::new(&authentic, &policy).expect("program");
        c.bench_function(&format!("decide/{depth}"), |b| {
            b.iter(|| {
                let verified = authentic.admit(&DangerUnrevoked, request.time).expect("verified");
                let decision = decide(&verified, &program, black_box(&request));
                assert!(decision.is_allow());
            });
        });
        c.bench_function(&format!("compile/{depth}"), |b| {
            b.iter(|| Program::new(black_box(&authentic), &policy).expect("program"));
        });
        let child = fixture.narrowed(&token, 10);
        let child = authenticate(child, &roots).expect("authentic");
        c.bench_function(&format!("extend/{depth}"), |b| {
            b.iter(|| Program::extend(&program, black_box(&child), depth + 1).expect("program"));
        });
        let text = token.to_text();
        c.bench_function(&format!("cold/{depth}"), |b| {
            b.iter(|| {
                let token: UnverifiedToken = text.parse().expect("token");
                let authentic = Arc::new(authenticate(token, &roots).expect("authentic"));
                let program = Program::new(&authentic, &policy).expect("program");
                let verified = authentic.admit(&DangerUnrevoked, request.time).expect("verified");
                assert!(decide(&verified, &program, &request).is_allow());
            });
        });
    }
}

criterion_group!(flow, benches);
criterion_main!(flow);
