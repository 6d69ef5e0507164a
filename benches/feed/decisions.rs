//! What a million revocations cost a decision: the same tokens, held to a view that knows nothing
//! revoked and to one that knows a million.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::config::SystemClock;
use hardtack::decide::{Policy, Program, decide};
use hardtack::feed::{Follower, Need, SnapshotReader};
use hardtack::gateway::View;
use hardtack::keys::{RootKey, TrustedRoots};
use hardtack::mint::{Task, mint};
use hardtack::model::{Args, Clock, JsonProfile, Request, Timestamp};
use hardtack::verify::{Authentic, authenticate};
use hardtack::vocabulary::grant::grants_from_json;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::origin::Origin;
use super::{Report, median};

const ENTRIES: usize = 1_000_000;
const DEPTH: usize = 3;
const ROUNDS: usize = 41;
const DECISIONS: usize = 20_000;

type Known = (Authentic, Program);

/// A view of a log with so many entries, as a gateway's follower makes it.
fn view(entries: usize) -> View {
    let origin = Origin::with(entries);
    let mut follower = Follower::new(origin.roots(), None);
    follower.learn_keys(&origin.certificates(), 0).expect("keys");
    let question = follower.question("00".repeat(16), SystemClock.micros());
    let mut message = origin.message();
    message.head = origin.answer_to(&question.nonce);
    let mut need = follower.hear(&message, Some(&question), SystemClock.micros()).expect("a head");
    if let Need::Snapshot(name) = need {
        let mut reader = SnapshotReader::new(name).expect("a name");
        reader.read(&origin.file).expect("a snapshot");
        need = follower.take_snapshot(reader).expect("a snapshot");
    }
    assert_eq!(need, Need::Nothing);
    let view = View::new(Arc::new(SystemClock));
    view.show(&follower);
    view
}

fn known(count: usize, policy: &Policy, now: Timestamp) -> Vec<Known> {
    let mut rng = StdRng::seed_from_u64(4);
    let root = RootKey::generate(&mut rng);
    let grants = |max: usize| {
        let json =
            format!(r#"[{{"tool": "stripe/refund", "args": {{"amount": {{"max": {max}}}}}}}]"#);
        grants_from_json(json.as_bytes()).expect("grants")
    };
    let mut one = || {
        let mut task = Task::new(grants(500), Some(["payments".to_owned()].into()));
        task.depth = 15;
        let minted = mint(&task, &root, now, &mut rng).expect("mint").token;
        let token = (0..DEPTH).fold(minted, |token, hop| {
            let narrowing = Narrowing { grants: grants(400 - hop), ..Narrowing::default() };
            attenuate(&token, &narrowing, &mut rng).expect("attenuate")
        });
        let authentic = authenticate(token, &TrustedRoots::one(root.public())).expect("authentic");
        let program = Program::new(&authentic, policy).expect("program");
        (authentic, program)
    };
    (0..count).map(|_| one()).collect()
}

/// Microseconds a decision.
fn decided(known: &[Known], view: &View, request: &Request) -> f64 {
    let started = Instant::now();
    for at in 0..DECISIONS {
        let Some((authentic, program)) = known.get(at % known.len()) else { continue };
        let verified = authentic.admit(view, request.time).expect("verified");
        assert!(decide(&verified, program, black_box(request)).is_allow());
    }
    started.elapsed().as_secs_f64() * 1e6 / DECISIONS as f64
}

pub(super) fn measure(report: &mut Report) {
    let policy = Policy::standard().expect("policy");
    let now = Timestamp::from_secs(1_795_342_500);
    let request = Request {
        tool: "stripe/refund".parse().expect("tool"),
        args: Args::parse(r#"{"amount": 20}"#, JsonProfile::Interoperable).expect("args"),
        labels: ["write".to_owned()].into(),
        audience: "payments".to_owned(),
        time: now.plus_secs(5),
        http: None,
    };
    for count in [1, 1000] {
        let known = known(count, &policy, now);
        let (none, many) = (view(0), view(ENTRIES));
        let mut pairs = Vec::new();
        for _ in 0..ROUNDS {
            let one = decided(&known, &none, &request);
            pairs.push((one, decided(&known, &many, &request)));
        }
        let ratio = median(pairs.iter().map(|(none, many)| many / none).collect());
        let micros = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
        report.row(
            format!("a decision with 1 M entries, by none; {count} token(s) of depth 3"),
            format!(
                "{ratio:.2} ({:.2} µs, {:.2} µs)",
                micros(|pair| pair.1),
                micros(|pair| pair.0)
            ),
            "≤ 1.1",
        );
    }
}
