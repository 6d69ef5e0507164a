//! What an attacker does who holds a valid token, may append any block, and controls every
//! argument.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use biscuit_auth::format::schema;
use hardtack::attenuate::seal;
use hardtack::decide::Decision;
use hardtack::keys::RootKey;
use hardtack::mint::mint;
use hardtack::model::Code;
use hardtack::token::UnverifiedToken;
use hardtack::vocabulary::Datalog;
use prost::Message;

use crate::support::*;

const REFUND: &str = r#"[{"tool": "stripe/refund", "args": {"amount": {"max": 50}, "currency": {"one_of": ["usd", "eur"]}}}]"#;

fn of_depth(depth: usize) -> UnverifiedToken {
    (0..depth).fold(token(REFUND), |token, _| narrowed(&token, REFUND))
}

fn call() -> hardtack::model::Request {
    request("stripe/refund", r#"{"amount": 20, "currency": "usd"}"#)
}

/// The same call with a long text beside it.
fn long_call() -> hardtack::model::Request {
    let note = "aé".repeat(1300);
    let args = format!(r#"{{"amount": 20, "currency": "usd", "note": "{note}"}}"#);
    request("stripe/refund", &args)
}

#[test]
fn every_bit_flip_truncation_and_appended_byte_is_refused() {
    for depth in [0, 3, 10] {
        for token in [of_depth(depth), seal(&of_depth(depth)).unwrap()] {
            let bytes = token.as_bytes().to_vec();
            assert!(judge_bytes(bytes.clone(), &call()).is_allow(), "depth {depth}");
            for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let decision = judge_bytes(flipped, &call());
                assert!(!decision.is_allow(), "depth {depth}, byte {at}, bit {bit}");
            }
            for length in 0..bytes.len() {
                assert!(!judge_bytes(bytes[..length].to_vec(), &call()).is_allow());
            }
            for byte in 0..=255 {
                let appended = [bytes.as_slice(), &[byte]].concat();
                assert!(!judge_bytes(appended, &call()).is_allow(), "depth {depth}, byte {byte}");
            }
        }
    }
}

#[test]
fn every_change_of_the_text_form_is_refused() {
    let token = of_depth(3);
    let text = token.to_text();
    assert!(text.parse::<UnverifiedToken>().is_ok());
    let same = |other: &str| {
        other.parse::<UnverifiedToken>().is_ok_and(|other| judge(&other, &call()).is_allow())
    };
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n";
    let last = text.len() - 1;
    for at in [0, 1, 2, text.len() / 2, last - 3, last - 2, last - 1, last] {
        for byte in alphabet {
            let mut changed = text.clone().into_bytes();
            if changed[at] != *byte {
                changed[at] = *byte;
                assert!(!same(std::str::from_utf8(&changed).unwrap()), "{at} {byte}");
            }
        }
    }
    for length in 0..text.len() {
        assert!(!same(&text[..length]), "length {length}");
    }
    for byte in alphabet {
        assert!(!same(&format!("{text}{}", char::from(*byte))));
        assert!(!same(&format!("{}{text}", char::from(*byte))));
    }
}

fn rebuilt(token: &UnverifiedToken, change: impl Fn(&mut schema::Biscuit)) -> Vec<u8> {
    let mut wire = schema::Biscuit::decode(token.as_bytes()).unwrap();
    change(&mut wire);
    wire.encode_to_vec()
}

#[test]
fn spliced_shuffled_dropped_and_foreign_blocks_are_refused() {
    let token = of_depth(4);
    let other = narrowed(&self::token_of_another_task(), REFUND);
    let foreign = schema::Biscuit::decode(other.as_bytes()).unwrap();
    let cases: [(&str, Vec<u8>); 8] = [
        ("shuffle", rebuilt(&token, |wire| wire.blocks.swap(1, 2))),
        ("drop middle", rebuilt(&token, |wire| drop(wire.blocks.remove(1)))),
        ("drop last", rebuilt(&token, |wire| drop(wire.blocks.pop()))),
        ("duplicate", rebuilt(&token, |wire| wire.blocks.push(wire.blocks[3].clone()))),
        ("splice", rebuilt(&token, |wire| wire.blocks[0] = foreign.blocks[0].clone())),
        ("replay", rebuilt(&token, |wire| wire.blocks.push(foreign.blocks[0].clone()))),
        ("other authority", rebuilt(&token, |wire| wire.authority = foreign.authority.clone())),
        ("other proof", rebuilt(&token, |wire| wire.proof = foreign.proof.clone())),
    ];
    for (name, bytes) in cases {
        assert_eq!(code(&judge_bytes(bytes, &call())), "signature-invalid", "{name}");
    }
    assert_eq!(code(&judge(&token, &call())), "allow");
}

fn token_of_another_task() -> UnverifiedToken {
    mint(&task(REFUND), &root(), now(), &mut rng(77)).unwrap().token
}

#[test]
fn a_token_of_another_root_is_refused() {
    let other = RootKey::generate(&mut rng(99));
    let minted = mint(&task(REFUND), &other, now(), &mut rng(2)).unwrap();
    assert_eq!(code(&judge(&minted.token, &call())), "root-unknown");
    // Nor does it help to name the trusted root's id, or none.
    let trusted = root().id();
    for id in [Some(trusted), None] {
        let bytes = rebuilt(&minted.token, |wire| wire.root_key_id = id);
        assert_eq!(code(&judge_bytes(bytes, &call())), "signature-invalid");
    }
}

#[test]
fn another_encoding_of_the_same_token_is_refused() {
    let token = of_depth(1);
    let bytes = token.as_bytes();
    let unknown_field = [bytes, &[0x7a, 0x00]].concat();
    let mut long_varint = bytes.to_vec();
    // The first field is the root key id: make its varint one byte longer without changing it.
    let end = 1 + bytes[1..].iter().position(|byte| byte & 0x80 == 0).unwrap();
    long_varint[end] |= 0x80;
    long_varint.insert(end + 1, 0);
    for (name, other) in [("unknown field", unknown_field), ("long varint", long_varint)] {
        assert!(schema::Biscuit::decode(other.as_slice()).is_ok(), "{name} decodes");
        assert_eq!(code(&judge_bytes(other, &call())), "token-malformed", "{name}");
    }
    let unpadded = token.to_text().trim_end_matches('=').to_owned();
    if unpadded != token.to_text() {
        assert!(unpadded.parse::<UnverifiedToken>().is_err());
    }
}

/// Every way known to make a token dear: refused by its shape, or ended by the step budget.
fn hostile_blocks() -> Vec<(&'static str, String)> {
    let facts = |n: usize| (0..n).map(|i| format!("f({i}); ")).collect::<String>();
    let join = |n: usize| (0..n).map(|i| format!("f($a{i})")).collect::<Vec<_>>().join(", ");
    let never = |n: usize| {
        (1..n).map(|i| format!(", $a{} < $a{i}, $a{i} < $a{}", i - 1, i - 1)).collect::<String>()
    };
    let keyed =
        |n: usize| (0..n).map(|i| format!("g(\"k\", $a{i})")).collect::<Vec<_>>().join(", ");
    let set = (0..60).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    vec![
        ("join of 4", format!("{} check if {}{};", facts(60), join(4), never(4))),
        ("join of 5", format!("{} check if {}{};", facts(30), join(5), never(5))),
        ("join of 3", format!("{} check if {}{};", facts(64), join(3), never(3))),
        (
            "keyed join",
            format!(
                "{} check if {}, $a0 > 100;",
                (0..64).map(|i| format!("g(\"k\", {i}); ")).collect::<String>(),
                keyed(20)
            ),
        ),
        (
            "closures",
            format!(
                "check if {{{set}}}.all($a -> {{{set}}}.all($b -> {{{set}}}.all($c -> \
                 {{{set}}}.all($d -> $a + $b + $c + $d >= 0))));"
            ),
        ),
        ("regex", "check if arg(\"currency\", $c), $c.matches(\"(\\\\w{99}){99}\");".to_owned()),
        ("regex of unicode", "check if \"x\".matches(\"\\\\pL{900}\");".to_owned()),
        (
            "many regexes",
            (0..30).map(|i| format!("check if \"x\".matches(\"x|\\\\w{{{i}}}\");")).collect(),
        ),
        (
            "regexes at the limit",
            (0..16).map(|i| format!("check if \"x{i}\".matches(\"x|\\\\w{{{}}}\");", 20 + i)).collect(),
        ),
        (
            "regexes on long text",
            "check all arg(\"note\", $n), !$n.matches(\"(a|b|ab)*c\"), !$n.matches(\"(.*)(.*)(.*)x\");"
                .to_owned(),
        ),
        (
            "globs",
            (0..30)
                .map(|i| format!("check if arg_glob(\"note\", \"{}{i}\") or true;", "a*é*".repeat(30)))
                .collect(),
        ),
        (
            "oracles",
            (0..200)
                .map(|i| format!("f({i}) <- arg_under(\"note\", \"/d{i}\");"))
                .take(64)
                .collect(),
        ),
        ("reject or", "reject if time($t) or call(\"a\", \"b\");".to_owned()),
        (
            "recursion",
            format!(
                "{} p($x, $y) <- f($x), f($y); q($x, $y, $z) <- p($x, $y), p($y, $z); \
                 r($a, $b) <- q($a, $b, $c), q($c, $b, $a); check if r($x, $y), $x + $y > 1000;",
                facts(60)
            ),
        ),
        (
            "doubling",
            "d(\"xxxxxxxx\"); d($x) <- d($y), $y.length() > 0, e($x); check if d(\"\");".to_owned(),
        ),
        ("long expression", format!("check if {};", vec!["1 < 2"; 200].join(" && "))),
        ("nesting", format!("check if {}1{} != [];", "[".repeat(20), "]".repeat(20))),
        ("10,000 symbols", (0..10_000).map(|i| format!("s{i}({i}); ")).collect()),
    ]
}

#[test]
fn hostile_blocks_are_refused_quickly_with_a_code() {
    let parent = token(REFUND);
    for (name, datalog) in hostile_blocks() {
        let bytes = appended(&parent, &datalog);
        let (decision, took) = best_of_five(&bytes);
        let expected = [Code::TokenTooComplex, Code::TokenTooLarge, Code::TokenMalformed];
        let refused = decision.code().is_some_and(|code| expected.contains(&code))
            // Cheap enough to be evaluated, and then simply not true.
            || ["check-failed", "not-granted"].contains(&code(&decision));
        assert!(refused, "{name}: {decision:?}");
        assert!(took < bound(), "{name}: {took:?}");
    }
}

/// Prints what each hostile token costs, from bytes to a decision: `cargo test --release hostile
/// -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn hostile_blocks_measured() {
    let parent = token(REFUND);
    for (name, datalog) in hostile_blocks() {
        let (decision, took) = best_of_five(&appended(&parent, &datalog));
        println!("{name:20} {:>8.0} µs  {}", took.as_secs_f64() * 1e6, code(&decision));
    }
}

/// A stop for what explodes (seconds), generous enough for any machine; benches measure the rest.
fn bound() -> Duration {
    Duration::from_millis(500)
}

fn best_of_five(bytes: &[u8]) -> (Decision, Duration) {
    let once = || {
        let start = Instant::now();
        let decision = judge_bytes(bytes.to_vec(), &long_call());
        (decision, start.elapsed())
    };
    (0..5).map(|_| once()).min_by_key(|(_, took)| *took).unwrap()
}

#[test]
fn datalog_text_with_600_parentheses_is_refused() {
    let text = format!("check if {}1 < 2{}", "(".repeat(600), ")".repeat(600));
    assert!(Datalog::parse(&text).unwrap_err().to_string().contains("nests brackets"));
}

#[test]
fn secp256r1_blocks_are_refused() {
    let pair = biscuit_auth::KeyPair::new_with_rng(
        biscuit_auth::builder::Algorithm::Secp256r1,
        &mut rng(5),
    );
    let parent = token(REFUND);
    let block = biscuit_auth::builder::BlockBuilder::new().code("check if true;").unwrap();
    let bytes = biscuit_auth::UnverifiedBiscuit::from(parent.as_bytes())
        .unwrap()
        .append_with_keypair(&pair, block)
        .unwrap()
        .to_vec()
        .unwrap();
    let decision = judge_bytes(bytes, &call());
    assert_eq!(code(&decision), "token-malformed");
    assert!(decision.reasons()[0].message.contains("ed25519"));
}

#[test]
fn depth_overflow_is_refused() {
    let full = of_depth(15);
    assert!(judge(&full, &call()).is_allow());
    let one_more = appended(&full, "check if true;");
    assert_eq!(code(&judge_bytes(one_more, &call())), "chain-too-long");
    let mut shallow = task(REFUND);
    shallow.depth = 2;
    let token = mint(&shallow, &root(), now(), &mut rng(2)).unwrap().token;
    let two = narrowed(&narrowed(&token, REFUND), REFUND);
    assert!(judge(&two, &call()).is_allow());
    assert_eq!(code(&judge(&narrowed(&two, REFUND), &call())), "chain-too-long");
}

#[test]
fn rewidening_through_any_block_changes_nothing() {
    let parent = narrowed(
        &token(REFUND),
        r#"[{"tool": "stripe/refund", "args": {"amount": {"max": 10}}, "other_args": "allow"}]"#,
    );
    let blocks = [
        "granted(0); granted(1);",
        "granted(0) <- call($s, $t);",
        "number(\"amount\", 1); arg(\"amount\", 1);",
        "call(\"stripe\", \"refund\"); arg_names({\"amount\"});",
        "hardtack(1); task(\"other\"); principal(\"root\"); depth(0); audience(\"gw\");",
        "time(1970-01-01T00:00:00Z);",
        "needs_approval(\"no\");",
        "trusting previous; granted(0) <- true; check if granted(0) trusting previous;",
    ];
    let over = request("stripe/refund", r#"{"amount": 40, "currency": "usd"}"#);
    let other = request("crm/delete", "{}");
    for block in blocks {
        let child = appended(&parent, block);
        assert_eq!(code(&judge_bytes(child.clone(), &over)), "check-failed", "{block}");
        assert_eq!(code(&judge_bytes(child, &other)), "not-granted", "{block}");
    }
}

#[test]
fn words_of_a_later_vocabulary_deny() {
    let parent = token(REFUND);
    for block in [
        "check if arg_iban(\"currency\", \"DE\");",
        "reject if arg_iban(\"currency\", \"DE\");",
        "reject if call(\"stripe\");",
        "reject if arg_under(\"path\", $d);",
        "x($p) <- arg_at($p, 1);",
    ] {
        let decision = judge_bytes(appended(&parent, block), &call());
        assert_eq!(code(&decision), "vocabulary-unknown", "{block}");
    }
}

#[test]
fn text_form_has_no_second_spelling() {
    let token = of_depth(0);
    let text = token.to_text();
    let standard = base64::engine::general_purpose::STANDARD.encode(token.as_bytes());
    assert_eq!(URL_SAFE.encode(token.as_bytes()), text);
    if standard != text {
        assert!(standard.parse::<UnverifiedToken>().is_err());
    }
    assert!(format!("biscuit:{text}").parse::<UnverifiedToken>().is_err());
}
