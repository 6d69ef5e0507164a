//! A decision that allows an ordinary call takes no memory from the heap, once its thread is warm.

use std::hint::black_box;

use hardtack::decide::{Policy, Program, decide};
use hardtack::model::Request;
use hardtack::token::UnverifiedToken;
use hardtack::verify::{Authentic, DangerUnrevoked, authenticate};

use crate::support::{narrowed, request, roots, token};

const POLICY: &str = r#"
    needs_approval("large") <- call("stripe", "refund"), number("amount", $a), $a > 40000000000;
    deny if label("quarantined");
    deny if call("stripe", $t), label("internal"), seen("untrusted");
    deny if seen("secret"), label("external");
    deny if number("amount", $a), $a > 100000000000;
    deny if time($t), $t < 2024-01-01T00:00:00Z;
    deny if depth($d), $d > 12;
    deny if method("DELETE"), path($p);
    allow if granted($i);
"#;

fn grants(max: usize) -> String {
    format!(
        r#"[{{"tool": "stripe/refund", "args": {{"amount": {{"max": {max}}},
            "currency": {{"one_of": ["usd", "eur"]}}, "charge": {{"prefix": "ch_"}},
            "note": {{"optional": true, "max_length": 40}}}}}}]"#
    )
}

fn at_depth(depth: usize) -> UnverifiedToken {
    (0..depth).fold(token(&grants(500)), |token, hop| narrowed(&token, &grants(400 - hop)))
}

fn ready(token: UnverifiedToken, policy: &Policy) -> (Authentic, Program) {
    let authentic = authenticate(token, &roots()).unwrap();
    let program = Program::new(&authentic, policy).unwrap();
    (authentic, program)
}

fn call(amount: usize) -> Request {
    let args = format!(r#"{{"amount": {amount}, "currency": "usd", "charge": "ch_3PqX2y"}}"#);
    let mut request = request("stripe/refund", &args);
    request.labels = ["write".to_owned(), "payments".to_owned()].into();
    request.http = Some(("POST".to_owned(), "/v1/refunds".to_owned()));
    request
}

#[test]
fn a_warm_decision_that_allows_takes_no_memory() {
    let policy = Policy::parse([("policy", POLICY)]).unwrap();
    let request = call(20);
    let programs: Vec<_> = [0, 3, 10].map(|depth| (depth, ready(at_depth(depth), &policy))).into();
    let run = |authentic: &Authentic, program| {
        let verified = authentic.admit(&DangerUnrevoked, request.time).unwrap();
        assert!(decide(&verified, program, &request).is_allow());
    };
    programs.iter().for_each(|(_, (authentic, program))| run(authentic, program));
    for (depth, (authentic, program)) in &programs {
        let taken = allocation_counter::measure(|| run(authentic, program));
        assert_eq!(taken.count_total, 0, "depth {depth}: {taken:?}");
    }
    // The counter counts.
    let counted = allocation_counter::measure(|| drop(black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn a_child_is_decided_alike_whichever_way_its_program_was_made() {
    let policy = Policy::parse([("policy", POLICY)]).unwrap();
    let (parent, child) = (at_depth(2), narrowed(&at_depth(2), &grants(50)));
    let (_, known) = ready(parent, &policy);
    for amount in [20, 60, 600] {
        let request = call(amount);
        let (authentic, anew) = ready(child.clone(), &policy);
        let verified = authentic.admit(&DangerUnrevoked, request.time).unwrap();
        let expected = decide(&verified, &anew, &request);
        assert_eq!(expected.is_allow(), amount == 20);
        for from in [0, 2, 3, 4, 9] {
            let program = Program::extend(&known, &authentic, from).unwrap();
            assert_eq!(decide(&verified, &program, &request), expected, "{amount} from {from}");
        }
    }
}
