//! Who holds a token: only its holder hands it on, once and forward, and nobody widens it.

use biscuit_auth::format::schema;
use hardtack::attenuate::{AttenuateError, Narrowing, attenuate, delegate, seal, seal_for_call};
use hardtack::keys::{HolderKey, VerifyingKey};
use hardtack::model::{Code, Reason};
use hardtack::present::{PresentError, ProofCall, present};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{Authentic, authenticate};
use proptest::prelude::*;
use prost::Message;
use rand::Rng;

use crate::generators::{cases_up_to, seeded};
use crate::holders::{
    GRANT, bound, bound_with, delegation, get_account, handed, holder, judge_held, private,
    signed_block, signed_by, uri, with_signed,
};
use crate::support::{
    appended, checked, code, grants, judge, narrowed, now, request, rng, root, roots, token,
};

fn authentic(token: &UnverifiedToken) -> Authentic {
    authenticate(token.clone(), &roots()).unwrap()
}

fn refused(token: UnverifiedToken) -> Reason {
    authenticate(token, &roots()).unwrap_err()
}

/// Refused for what this block says.
fn breaks(token: UnverifiedToken, block: usize, what: &str) {
    let reason = refused(token);
    assert_eq!((reason.code, reason.block), (Code::TokenMalformed, Some(block)), "{reason}");
    assert_eq!(reason.message, format!("block {block} {what}"));
}

fn first_party(token: &UnverifiedToken, datalog: &str) -> UnverifiedToken {
    UnverifiedToken::from_bytes(appended(token, datalog)).unwrap()
}

/// A token whose block 0 says this besides the usual.
fn minted(datalog: &str) -> UnverifiedToken {
    let text = root().to_secret_text();
    let hex = text.rsplit('/').next().unwrap();
    let algorithm = biscuit_auth::builder::Algorithm::Ed25519;
    let key = biscuit_auth::PrivateKey::from_bytes_hex(hex, algorithm).unwrap();
    let bytes = biscuit_auth::Biscuit::builder()
        .root_key_id(root().id())
        .code(format!("hardtack(1); granted(0) <- call(\"crm\", $t); {datalog}"))
        .unwrap()
        .build(&biscuit_auth::KeyPair::from(&key))
        .unwrap()
        .to_vec()
        .unwrap();
    UnverifiedToken::from_bytes(bytes).unwrap()
}

fn hex_of(n: u64) -> String {
    hex::encode(holder(n).public().to_bytes())
}

#[test]
fn a_chain_names_its_holders_and_only_they_are_hops() {
    let narrowing = r#"[{"tool": "crm/get_account", "args": {"id": {"max": 50}}}]"#;
    let first = narrowed(&handed(&narrowed(&bound(), GRANT), 0, 1), narrowing);
    let token = signed_by(&handed(&first, 1, 2), &holder(9), "check if true;");
    let authentic = authentic(&token);
    assert_eq!(authentic.holder(), Some(&holder(2).public()));
    assert_eq!(authentic.bearing().depth, 2);
    assert_eq!(authentic.bearing().presenter, Some(holder(2).public().to_bytes()));
    let chain = authentic.chain();
    let steps: Vec<_> =
        chain.iter().map(|hop| (hop.block, hop.name.as_deref(), hop.key.clone())).collect();
    let key = |n| Some(holder(n).public().thumbprint());
    let expected = [
        (0, Some("agent:orchestrator"), key(0)),
        (2, Some("agent:1"), key(1)),
        (4, Some("agent:2"), key(2)),
    ];
    assert_eq!(steps, expected);
    // A reason says whose block it was that refused.
    let decision = judge_held(&token, &holder(2), &get_account(70));
    assert_eq!(code(&decision), "check-failed");
    assert_eq!(decision.reasons()[0].hop.as_deref(), Some("agent:1"));
    assert_eq!(code(&judge_held(&token, &holder(2), &get_account(7))), "allow");
}

/// What a record tells of each hop: what was taken away since the one before, in so many words.
#[test]
fn a_chain_tells_what_each_hop_took_away() {
    let grant = r#"{"tool":"crm/get_account","args":{"id":{"max":9}}}"#;
    let to = |token: &UnverifiedToken, from, to: u64, narrowing: &Narrowing| {
        let (name, next) = (format!("agent:{to}"), holder(to).public());
        delegate(token, &holder(from), &next, &name, narrowing, &mut rng(to)).unwrap()
    };
    let ends = now().plus_secs(300);
    let narrowing = Narrowing {
        grants: grants(&format!("[{grant}]")),
        expires: Some(ends),
        ..Narrowing::default()
    };
    let first = to(&bound(), 0, 1, &narrowing);
    let audience = Some(["gw".to_owned()].into());
    let narrowed =
        attenuate(&first, &Narrowing { audience, ..Narrowing::default() }, &mut rng(9)).unwrap();
    let second = to(&narrowed, 1, 2, &Narrowing::default());
    let long = "x".repeat(400);
    let last = first_party(&second, &format!("check if 1 < 2; check if \"{long}\" == \"{long}\";"));
    let chain = authentic(&last).chain();
    let told = |hop: usize| chain[hop].took_away.join(" | ");
    assert_eq!(
        chain.iter().map(|hop| (hop.depth, hop.block)).collect::<Vec<_>>(),
        [(0, 0), (1, 1), (2, 3)]
    );
    assert_eq!(told(0), "");
    assert_eq!(told(1), format!("leaves only {} | ends {ends}", narrowing.grants[0]));
    let texts = &chain[2].took_away;
    assert_eq!(texts[..2], ["only at gw", "check if 1 < 2"]);
    assert_eq!((texts.len(), texts[2].chars().count()), (3, 301));
    // Of many checks, some are told; of one that is dear to read, only that it is there.
    let many = first_party(&first, &"check if 1 < 2; ".repeat(30));
    let texts = authentic(&many).chain()[1].took_away.clone();
    assert_eq!((texts.len(), texts[8].as_str()), (9, "and 24 checks more"));
    let dear =
        format!("check if {};", [r#"arg("id", $i), $i.matches("(?:[a-z]){9}")"#; 8].join(" or "));
    let texts = authentic(&first_party(&second, &dear)).chain()[2].took_away.clone();
    assert_eq!(texts[1], "a check of 8 queries");
}

#[test]
fn a_bearer_token_is_as_it_was() {
    let token = narrowed(&token(GRANT), GRANT);
    let authentic = authentic(&token);
    assert_eq!((authentic.holder(), authentic.bearing().depth), (None, 1));
    assert!(authentic.chain().iter().all(|hop| hop.key.is_none()) && authentic.chain().len() == 2);
    assert_eq!(code(&judge(&token, &get_account(7))), "allow");
}

#[test]
fn a_stolen_bound_token_without_the_key_is_useless() {
    for token in [bound(), seal(&bound()).unwrap(), handed(&bound(), 0, 1)] {
        assert_eq!(code(&judge(&token, &get_account(7))), "proof-missing");
    }
    let (request, token, uri) = (get_account(7), handed(&bound(), 0, 1), uri());
    let (tool, args) = (&request.tool, &request.args);
    let call = ProofCall { method: "POST", uri: &uri, tool, args, nonce: None };
    for former in [0, 7] {
        let error = present(&token, &holder(former), &call, now(), &mut rng(1)).unwrap_err();
        assert_eq!(error, PresentError::NotTheHolder);
    }
}

#[test]
fn block_0_names_one_holder_or_none() {
    let weak = format!("01{}", "00".repeat(31));
    let above = format!("ee{}7f", "ff".repeat(30));
    for (says, expected) in [
        (format!("holder(hex:{});", hex_of(0)), None),
        (String::new(), None),
        (format!("holder(hex:{weak});"), Some(Code::TokenMalformed)),
        (format!("holder(hex:{above});"), Some(Code::TokenMalformed)),
        (format!("holder(hex:{});", &hex_of(0)[2..]), Some(Code::TokenMalformed)),
        (format!("holder(\"{}\");", hex_of(0)), Some(Code::TokenMalformed)),
        (format!("holder(hex:{}, 1);", hex_of(0)), Some(Code::TokenMalformed)),
        (
            format!("holder(hex:{}); holder(hex:{});", hex_of(0), hex_of(1)),
            Some(Code::VocabularyUnknown),
        ),
        (format!("holder(hex:{}) <- call($s, $t);", hex_of(0)), Some(Code::VocabularyUnknown)),
        (delegation(1), Some(Code::TokenMalformed)),
        (format!("holder(hex:{}); {}", hex_of(0), delegation(1)), Some(Code::TokenMalformed)),
    ] {
        let found = authenticate(minted(&says), &roots()).err().map(|reason| reason.code);
        assert_eq!(found, expected, "{says}");
    }
}

#[test]
fn a_stranger_does_not_delegate() {
    let token = signed_by(&bound(), &holder(9), &delegation(9));
    breaks(token, 1, "hands the token on and is signed by somebody who does not hold it");
}

#[test]
fn a_first_party_block_does_not_delegate() {
    let token = first_party(&bound(), &delegation(1));
    breaks(token, 1, "hands the token on and is not signed by its holder");
}

#[test]
fn a_former_holder_does_not_delegate_again() {
    let token = signed_by(&handed(&bound(), 0, 1), &holder(0), &delegation(2));
    breaks(token, 2, "hands the token on and is signed by a holder that no longer has it");
}

#[test]
fn a_gap_in_the_chain_is_refused() {
    // Holder 2 hands on what holder 1 never gave it.
    let token = signed_by(&handed(&bound(), 0, 1), &holder(2), &delegation(3));
    breaks(token, 2, "hands the token on and is signed by somebody who does not hold it");
}

#[test]
fn a_loop_is_refused() {
    let two = handed(&handed(&bound(), 0, 1), 1, 2);
    for (before, at, signer, to) in [(&bound(), 1, 0, 0), (&two, 3, 2, 0), (&two, 3, 2, 1)] {
        let token = signed_by(before, &holder(signer), &delegation(to));
        breaks(token, at, "hands the token on to a key that has held it before");
    }
}

#[test]
fn one_block_delegates_once() {
    for other in [1, 2] {
        let says = format!("{}{}", delegation(1), delegation(other).replace("agent", "other"));
        let token = signed_by(&bound(), &holder(0), &says);
        breaks(token, 1, "states `delegate` more than once");
    }
}

#[test]
fn no_rule_delegates() {
    let rule = delegation(1).replace(';', " <- call($s, $t);");
    for says in [rule.clone(), format!("{}{rule}", delegation(1))] {
        breaks(signed_by(&bound(), &holder(0), &says), 1, "derives `delegate` by a rule");
        breaks(first_party(&bound(), &says), 1, "derives `delegate` by a rule");
    }
}

#[test]
fn a_delegation_has_a_key_and_a_name() {
    let terms = "states `delegate` with other terms than a key and a name";
    let key = hex_of(1);
    for (says, what) in [
        (format!("delegate(hex:{key});"), terms),
        (format!("delegate(hex:{key}, \"a\", \"b\");"), terms),
        (format!("delegate(\"{key}\", \"a\");"), terms),
        (format!("delegate(hex:{key}, 1);"), terms),
        (
            format!("delegate(hex:{key}, \"\");"),
            "states `delegate` with a name that is no plain text",
        ),
        (
            format!("delegate(hex:{}, \"a\");", &key[2..]),
            "hands the token on to a key that is not usable",
        ),
    ] {
        breaks(signed_by(&bound(), &holder(0), &says), 1, what);
    }
}

#[test]
fn nobody_delegates_to_a_key_of_small_order() {
    let torsion = curve25519_dalek::constants::EIGHT_TORSION;
    for point in torsion.map(|point| hex::encode(point.compress().to_bytes())) {
        let token =
            signed_by(&bound(), &holder(0), &format!("delegate(hex:{point}, \"agent:1\");"));
        breaks(token, 1, "hands the token on to a key that is not usable");
        assert!(VerifyingKey::from_bytes(&hex::decode(point).unwrap()).is_err());
    }
}

#[test]
fn a_bearer_token_is_not_delegated() {
    for token in [
        first_party(&token(GRANT), &delegation(1)),
        signed_by(&token(GRANT), &holder(0), &delegation(1)),
    ] {
        breaks(token, 1, "hands on a token that is bound to no holder");
    }
}

#[test]
fn two_hops_may_share_a_name() {
    let says = |to| delegation(to).replace(&format!("agent:{to}"), "agent");
    let token = signed_by(&bound(), &holder(0), &says(1));
    let token = signed_by(&token, &holder(1), &says(2));
    assert_eq!(authentic(&token).holder(), Some(&holder(2).public()));
}

#[test]
fn what_a_later_block_says_of_the_holder_moves_nothing() {
    let says = format!("holder(hex:{}); presenter(hex:{});", hex_of(9), hex_of(9));
    for token in [first_party(&bound(), &says), signed_by(&bound(), &holder(0), &says)] {
        assert_eq!(authentic(&token).holder(), Some(&holder(0).public()));
    }
}

/// A third party signs for one place in one token: what it signed fits nowhere else.
#[test]
fn a_delegation_cannot_be_spliced_into_another_token_or_place() {
    let (one, other) = (bound(), bound_with(2, |_| {}));
    let block = signed_block(&one, &holder(0), &delegation(1));
    assert_eq!(authentic(&with_signed(&one, &block)).bearing().depth, 1);
    for place in [&other, &narrowed(&one, GRANT), &handed(&one, 0, 2)] {
        let reason = refused(with_signed(place, &block));
        assert_eq!(reason.code, Code::SignatureInvalid);
    }
}

/// Tampered with anywhere, a bound token is not the one that its holders signed.
#[test]
fn every_bit_flip_of_a_bound_token_is_refused() {
    let chain = handed(&handed(&bound(), 0, 1), 1, 2);
    for bytes in [chain.as_bytes().to_vec(), seal(&chain).unwrap().as_bytes().to_vec()] {
        let is_genuine = |bytes: Vec<u8>| {
            let token = UnverifiedToken::from_bytes(bytes);
            token.is_ok_and(|token| authenticate(token, &roots()).is_ok())
        };
        assert!(is_genuine(bytes.clone()));
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(!is_genuine(flipped), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn blocks_cannot_be_shuffled_or_dropped() {
    let token = handed(&handed(&handed(&bound(), 0, 1), 1, 2), 2, 3);
    let changed = |change: &dyn Fn(&mut Vec<schema::SignedBlock>)| {
        let mut wire = schema::Biscuit::decode(token.as_bytes()).unwrap();
        change(&mut wire.blocks);
        refused(UnverifiedToken::from_bytes(wire.encode_to_vec()).unwrap()).code
    };
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        assert_eq!(changed(&|blocks| blocks.swap(a, b)), Code::SignatureInvalid);
    }
    for at in 0..3 {
        assert_eq!(changed(&|blocks| drop(blocks.remove(at))), Code::SignatureInvalid);
        assert_eq!(changed(&|b| b.insert(at, b[at].clone())), Code::SignatureInvalid);
    }
    assert_eq!(changed(&|blocks| blocks[1].external_signature = None), Code::SignatureInvalid);
}

#[test]
fn a_chain_is_no_longer_than_its_token_allows() {
    let mut token = bound_with(1, |task| task.depth = 2);
    for to in 1..=3 {
        // Blocks that hand nothing on are no hops.
        token = handed(&narrowed(&token, GRANT), to - 1, to);
        let expected = if to <= 2 { "allow" } else { "chain-too-long" };
        assert_eq!(code(&judge_held(&token, &holder(to), &get_account(7))), expected);
    }
}

#[test]
fn no_block_widens_again() {
    let narrow = r#"[{"tool": "crm/get_account", "args": {"id": {"max": 5}}}]"#;
    let narrowing = Narrowing { grants: grants(narrow), ..Narrowing::default() };
    let key = holder(1).public();
    let token = delegate(&bound(), &holder(0), &key, "agent:1", &narrowing, &mut rng(3)).unwrap();
    assert_eq!(code(&judge_held(&token, &holder(1), &get_account(5))), "allow");
    let wider = "granted(0) <- call($s, $t); granted(1); hardtack(1); check if true;";
    for token in [
        signed_by(&token, &holder(1), &format!("{wider}{}", delegation(2))),
        signed_by(&token, &holder(0), wider),
        first_party(&token, wider),
    ] {
        let by = if authentic(&token).bearing().depth == 2 { 2 } else { 1 };
        assert_eq!(code(&judge_held(&token, &holder(by), &get_account(6))), "check-failed");
        let other = request("crm/delete", "{}");
        assert_eq!(code(&judge_held(&token, &holder(by), &other)), "not-granted");
    }
}

#[test]
fn delegating_says_what_is_wrong() {
    let next = holder(1).public();
    let to = |token: &UnverifiedToken, by: &HolderKey, next: &VerifyingKey, name: &str| {
        delegate(token, by, next, name, &Narrowing::default(), &mut rng(1)).unwrap_err()
    };
    let by = holder(0);
    assert_eq!(to(&token(GRANT), &by, &next, "a"), AttenuateError::Bearer);
    assert_eq!(to(&seal(&bound()).unwrap(), &by, &next, "a"), AttenuateError::Sealed);
    assert_eq!(to(&bound(), &holder(1), &next, "a"), AttenuateError::NotTheHolder);
    assert_eq!(to(&handed(&bound(), 0, 1), &by, &next, "a"), AttenuateError::NotTheHolder);
    assert_eq!(to(&bound(), &by, &by.public(), "a"), AttenuateError::Loop);
    let two = handed(&handed(&bound(), 0, 1), 1, 2);
    assert_eq!(to(&two, &holder(2), &next, "a"), AttenuateError::Loop);
    for name in ["", "a\nb", &"x".repeat(513)] {
        assert_eq!(to(&bound(), &by, &next, name), AttenuateError::Name);
    }
    let full = (1..16).fold(bound(), |token, _| narrowed(&token, GRANT));
    assert_eq!(to(&full, &by, &next, "a"), AttenuateError::Full);
}

#[test]
fn who_holds_a_token_is_said_by_delegating_alone() {
    for says in [delegation(1), format!("holder(hex:{});", hex_of(1))] {
        let datalog = hardtack::vocabulary::Datalog::parse(&says).unwrap();
        let narrowing = Narrowing { datalog, ..Narrowing::default() };
        let error = attenuate(&bound(), &narrowing, &mut rng(1)).unwrap_err();
        assert!(matches!(error, AttenuateError::Datalog(_)), "{error}");
        let mut task = crate::support::task(GRANT);
        task.datalog = narrowing.datalog;
        assert!(hardtack::mint::mint(&task, &root(), now(), &mut rng(1)).is_err());
    }
}

#[test]
fn a_bound_token_is_narrowed_and_sealed_like_any() {
    let token =
        seal(&checked(&handed(&bound(), 0, 1), "check if number(\"id\", $n), $n < 9000000"));
    let token = token.unwrap();
    assert_eq!(code(&judge_held(&token, &holder(1), &get_account(8))), "allow");
    assert_eq!(code(&judge_held(&token, &holder(1), &get_account(9))), "check-failed");
}

#[test]
fn a_bearer_token_is_sealed_for_one_call() {
    let (call, end) = (get_account(7), now().plus_secs(90));
    let (tool, digest) = (&call.tool, call.args.digest());
    let sealed = seal_for_call(&token(GRANT), tool, digest, end, &mut rng(1)).unwrap();
    assert!(sealed.is_sealed());
    assert_eq!(code(&judge(&sealed, &call)), "allow");
    assert_eq!(code(&judge(&sealed, &get_account(8))), "check-failed");
    let late = hardtack::model::Request { time: end, ..get_account(7) };
    assert_eq!(code(&judge(&sealed, &late)), "expired");
    let error = seal_for_call(&bound(), tool, digest, end, &mut rng(1)).unwrap_err();
    assert_eq!(error, AttenuateError::Bound);
    let error = seal_for_call(&sealed, tool, digest, end, &mut rng(1)).unwrap_err();
    assert_eq!(error, AttenuateError::Sealed);
}

/// One block of a random chain: who signed it, what it hands on to, the highest `id` it allows.
struct Step {
    signer: Option<u64>,
    to: Option<u64>,
    max: u32,
}

/// The reference: who holds the token after these blocks, or that it is refused.
fn walked(steps: &[Step]) -> Option<u64> {
    let mut held = vec![0];
    for step in steps {
        let Some(to) = step.to else { continue };
        if step.signer != held.last().copied() || held.contains(&to) {
            return None;
        }
        held.push(to);
    }
    held.last().copied()
}

fn random_steps(r: &mut rand::rngs::StdRng) -> Vec<Step> {
    let mut current = 0;
    let count = r.gen_range(0..6);
    let step = |_| {
        // Mostly what an honest holder does, so that long chains come about.
        let honest = r.gen_bool(0.8);
        let to = r.gen_bool(0.5).then(|| if honest { current + 1 } else { r.gen_range(0..6) });
        let signer = match (honest, to) {
            (true, Some(_)) => Some(current),
            _ => r.gen_bool(0.7).then(|| r.gen_range(0..6)),
        };
        if honest && to.is_some() {
            current += 1;
        }
        Step { signer, to, max: r.gen_range(0..200) }
    };
    (0..count).map(step).collect()
}

fn built(steps: &[Step]) -> UnverifiedToken {
    steps.iter().fold(bound(), |token, step| {
        let mut says = format!(
            "granted(0) <- call($s, $t); check if number(\"id\", $n), $n <= {}000000;",
            step.max
        );
        says.extend(step.to.map(delegation));
        match step.signer {
            Some(signer) => signed_by(&token, &holder(signer), &says),
            None => first_party(&token, &says),
        }
    })
}

proptest! {
    #![proptest_config(cases_up_to(200, 2000))]

    #[test]
    fn a_chain_ends_where_the_reference_says_and_only_narrows(seed: u64) {
        let mut r = seeded(seed);
        let steps = random_steps(&mut r);
        let token = built(&steps);
        let found = authenticate(token.clone(), &roots());
        let Some(last) = walked(&steps) else {
            prop_assert_eq!(found.unwrap_err().code, Code::TokenMalformed);
            return Ok(());
        };
        let found = found.unwrap();
        prop_assert_eq!(found.holder(), Some(&holder(last).public()));
        let hops = steps.iter().filter(|step| step.to.is_some()).count();
        prop_assert_eq!(found.bearing().depth as usize, hops);
        let id = r.gen_range(0..220);
        let allowed = id <= 100 && steps.iter().all(|step| id <= step.max);
        let decision = judge_held(&token, &holder(last), &get_account(id));
        prop_assert_eq!(code(&decision) == "allow", allowed, "{:?}", decision);
        let other = judge_held(&token, &holder(last), &request("crm/delete", "{}"));
        prop_assert!(code(&other) != "allow");
    }
}

#[test]
fn the_reference_meets_both_long_chains_and_refused_ones() {
    let all: Vec<_> = (0..200).map(|seed| walked(&random_steps(&mut seeded(seed)))).collect();
    assert!(all.iter().filter(|end| end.is_none()).count() > 20);
    assert!(all.iter().filter(|end| end.is_some_and(|last| last >= 3)).count() > 10);
    // The private half of a holder's key signs for Biscuit too.
    assert_eq!(private(&holder(0)).public().to_bytes(), holder(0).public().to_bytes());
}
